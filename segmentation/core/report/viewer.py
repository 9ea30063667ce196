"""What the browser's viewer shows: the picture, the outlines of the particles, a thumbnail."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..analysis import Analysis
from ..micrograph import preview
from .outlines import thinned, trace
from .picture import analysed, painted, sampled

TOLERANCE = 0.6
LONGEST = 4096
THUMBNAIL = 320


def outlines(analysis: Analysis) -> dict[str, Any]:
    """The particles for the viewer, as plain JSON types.

    {"width", "height", "rows", "unit", "particles": [{"id", "kept", "reason", "min_feret", "ecd", "outline"}]};
    sizes in `unit`, outline [x0, y0, x1, y1, ...] in pixel-corner coordinates of the upload, closed by a line
    to its first point and true to about a pixel.
    """
    rows, columns = analysis.micrograph.shape
    table, used = analysis.table, analysis.segmentation
    lines = trace(used.labels[: used.rows], len(table))
    sizes = zip(table.length("min_feret").tolist(), table.length("ecd").tolist(), strict=True)
    particles = [
        {
            "id": int(table["label"][i]),
            "kept": bool(table.kept[i]),
            "reason": str(table.reasons[i]),
            "min_feret": _short(min_feret),
            "ecd": _short(ecd),
            "outline": _whole(thinned(line, TOLERANCE)),
        }
        for i, ((min_feret, ecd), line) in enumerate(zip(sizes, lines, strict=True))
    ]
    return {"width": columns, "height": rows, "rows": used.rows, "unit": table.unit, "particles": particles}


def _short(size: float) -> float:
    return float(f"{size:.5g}")


def _whole(line: NDArray[np.float64]) -> list[float]:
    """Coordinates in turn; half pixels as they are, whole ones as integers, which take less room in JSON."""
    return [int(value) if value == int(value) else value for value in line.ravel().tolist()]


def image_png(analysis: Analysis) -> bytes:
    """The whole upload as an 8-bit PNG for display, hot and cold pixels clipped, no side over 4096 px."""
    return _png(preview(analysis.micrograph, LONGEST))


def thumbnail_png(analysis: Analysis) -> bytes:
    """The analysed area with its particles in colour, no side over 320 px, as a PNG."""
    picture = analysed(analysis, THUMBNAIL)
    labels = sampled(analysis.segmentation.labels[: analysis.segmentation.rows], picture.shape)
    return _png(painted(picture, labels, 0.6))


def _png(picture: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", compress_level=4)
    return file.getvalue()
