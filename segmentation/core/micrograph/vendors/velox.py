"""Reads the JSON that Velox (Thermo Fisher) stores in an EMD file for each frame. Numbers are texts, in SI units.

The names of the entries are those in a real file of a Titan.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from .facts import Facts, metadata_of, pixel_count, reciprocal_notes, scaled
from .units import FLOAT64, nanometres, number

MOST_SECONDS = 4e9  # since 1970


def read(raw: bytes) -> Facts:
    """The facts in the JSON; raises ValueError or RecursionError if it is no JSON."""
    tree = json.loads(raw.split(b"\0", 1)[0])
    columns, rows = (pixel_count(_number(tree, "BinaryResult", "ImageSize", side)) for side in ("width", "height"))
    volts = _number(tree, "Optics", "AccelerationVoltage")
    seconds = _number(tree, "Acquisition", "AcquisitionStartDatetime", "DateTime") or 0.0
    # The nominal magnification is that of the projector lens, so it holds for camera images only.
    camera = _text(tree, "BinaryResult", "AcquisitionUnit") == "CameraImage"
    magnification = _number(tree, "Optics", "NominalMagnification") if camera else None
    index = _text(tree, "BinaryResult", "DetectorIndex")
    return Facts(
        nm_per_pixel=_length(tree, "width", "PixelUnitX"),
        detail="Velox EMD, BinaryResult/PixelSize",
        relative_uncertainty=FLOAT64,
        height_nm=_length(tree, "height", "PixelUnitY"),
        columns=columns,
        stored_rows=rows,
        metadata=metadata_of(
            instrument=_text(tree, "Instrument", "InstrumentModel") or _text(tree, "Instrument", "InstrumentClass"),
            detector=_text(tree, "BinaryResult", "Detector")
            or _text(tree, "Detectors", f"Detector-{index}", "DetectorName"),
            voltage_kv=scaled(volts or None, 1e-3),
            magnification=magnification or None,
            date=str(datetime.fromtimestamp(seconds, UTC))[:19] + " UTC" if 0 < seconds < MOST_SECONDS else None,
        ),
        notes=reciprocal_notes(_text(tree, "BinaryResult", "PixelUnitX")),
    )


def _text(tree: Any, *path: str) -> str:
    """The entry at `path` as text; "" if there is none."""
    for name in path:
        tree = tree.get(name) if isinstance(tree, dict) else None
    return str(tree).strip() if isinstance(tree, str | int | float) else ""


def _number(tree: Any, *path: str) -> float | None:
    return number(_text(tree, *path))


def _length(tree: Any, side: str, unit: str) -> float | None:
    """The side ("width" or "height") of a pixel in nm. unit: name of the entry with its unit."""
    size, factor = _number(tree, "BinaryResult", "PixelSize", side), nanometres(_text(tree, "BinaryResult", unit))
    return size * factor if size and factor else None
