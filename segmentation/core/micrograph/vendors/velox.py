"""Velox of Thermo Fisher: the JSON that an EMD file keeps for each frame. Numbers are written as texts, in SI units.

Names of the entries are those of one real file, of a Titan.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from .facts import Facts, metadata_of, reciprocal_notes, scaled, whole
from .units import FLOAT64, nanometres, number

MOST_SECONDS = 4e9  # since 1970


def read(raw: bytes) -> Facts:
    """What the JSON says about an image; raises ValueError or RecursionError where it is none."""
    tree = json.loads(raw.split(b"\0", 1)[0])
    columns, rows = (whole(_number(tree, "BinaryResult", "ImageSize", side)) for side in ("width", "height"))
    volts = _number(tree, "Optics", "AccelerationVoltage")
    seconds = _number(tree, "Acquisition", "AcquisitionStartDatetime", "DateTime") or 0.0
    # the nominal magnification is the projector's, so only camera images have it
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
    """The entry at `path` as text; "" where there is none."""
    for name in path:
        tree = tree.get(name) if isinstance(tree, dict) else None
    return str(tree).strip() if isinstance(tree, str | int | float) else ""


def _number(tree: Any, *path: str) -> float | None:
    return number(_text(tree, *path))


def _length(tree: Any, side: str, unit: str) -> float | None:
    """Nanometres per pixel."""
    size, factor = _number(tree, "BinaryResult", "PixelSize", side), nanometres(_text(tree, "BinaryResult", unit))
    return size * factor if size and factor else None
