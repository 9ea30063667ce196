"""What the browser's viewer shows: the picture, the outlines of the particles, a thumbnail."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..analysis import Analysis
from ..micrograph import preview
from .cracks import Points
from .outlines import thinned, trace
from .picture import analysed, painted, sampled
from .png import deflated

TOLERANCE = 0.6
LONGEST = 4096
THUMBNAIL = 320
SIZES = ("min_feret", "max_feret", "ecd", "area")
SHAPES = ("circularity", "aspect_ratio", "confidence")


def outlines(analysis: Analysis, traced: list[Points] | None = None) -> dict[str, Any]:
    """The particles for the viewer and the histogram of the result page, as plain JSON types.

    {"width", "height", "rows", "unit", "grain", "particles": [{"id", "kept", "reason", *SIZES, *SHAPES, "weight",
    "outline"}]}; sizes in `unit` with all their digits, so that the page puts them into the same bins as the
    figure; grain: the size of a pixel in `unit`; weight: of the recipe's edge handling, only where it has weights;
    outline [x0, y0, x1, y1, ...] in pixel-corner coordinates of the upload, closed by a line to its first point
    and true to about a pixel.
    """
    rows, columns = analysis.micrograph.shape
    table, used = analysis.table, analysis.segmentation
    lines = trace(used.dense[: used.rows], len(table)) if traced is None else traced
    known = _columns(analysis)
    particles = [
        {
            "id": int(table["label"][i]),
            "kept": bool(table.kept[i]),
            "reason": str(table.reasons[i]),
            **{name: values[i] for name, values in known.items()},
            "outline": _whole(thinned(line, TOLERANCE)),
        }
        for i, line in enumerate(lines)
    ]
    frame = {"width": columns, "height": rows, "rows": used.rows}
    return {**frame, "unit": table.unit, "grain": table.nm_per_pixel or 1.0, "particles": particles}


def _columns(analysis: Analysis) -> dict[str, list[float | None]]:
    table = analysis.table
    found: dict[str, list[float | None]] = {name: table.length(name).tolist() for name in SIZES}
    found |= {name: _short(table[name]) for name in SHAPES}
    weighted = analysis.settings.measurement.border_correction == "weight"
    return found | ({"weight": _short(table["edge_weight"])} if weighted else {})


def _short(values: NDArray[np.float64]) -> list[float | None]:
    return [float(f"{value:.5g}") if np.isfinite(value) else None for value in values.tolist()]


def _whole(line: NDArray[np.float64]) -> list[float]:
    """Coordinates in turn; half pixels as they are, whole ones as integers, which take less room in JSON."""
    return [int(value) if value == int(value) else value for value in line.ravel().tolist()]


def image_png(analysis: Analysis) -> bytes:
    """The whole upload as an 8-bit PNG for display, hot and cold pixels clipped, no side over 4096 px."""
    return _png(preview(analysis.micrograph, LONGEST))


def thumbnail_png(analysis: Analysis) -> bytes:
    """The analysed area with its particles in colour, no side over 320 px, as a PNG."""
    picture = analysed(analysis, THUMBNAIL)
    labels = sampled(analysis.segmentation.dense[: analysis.segmentation.rows], picture.shape)
    return _png(painted(picture, labels, 0.6))


def _png(picture: NDArray[np.uint8]) -> bytes:
    return deflated(picture).png()
