"""Velox of Thermo Fisher: the JSON that an EMD file keeps for each frame. Numbers are written as texts, in SI units.

Names of the entries after RosettaSciIO's description and one real file of a Titan.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from .facts import Facts, metadata_of, scaled, whole
from .units import FLOAT64, nanometres, number

LAST_DATE = 4e9  # seconds since 1970
MOST_VOLTS = 1e7


def read(raw: bytes) -> Facts:
    """What the JSON says about an image; raises ValueError or RecursionError where it is none."""
    tree = json.loads(raw.split(b"\0", 1)[0])
    unit = _text(tree, "BinaryResult", "PixelUnitX")
    across, down = (_length(tree, *axis) for axis in (("width", "PixelUnitX"), ("height", "PixelUnitY")))
    volts, seconds = _number(tree, "Optics", "AccelerationVoltage"), _seconds(tree)
    columns, rows = (whole(_number(tree, "BinaryResult", "ImageSize", side)) for side in ("width", "height"))
    notes = [f"The file's pixels are in {unit[:10]}: it is a diffraction pattern or a transform."]
    return Facts(
        nm_per_pixel=across,
        detail="Velox EMD, BinaryResult/PixelSize",
        relative_uncertainty=FLOAT64,
        height_nm=down,
        columns=columns,
        stored_rows=rows,
        metadata=metadata_of(
            instrument=_text(tree, "Instrument", "InstrumentModel") or _text(tree, "Instrument", "InstrumentClass"),
            detector=_detector(tree),
            voltage_kv=scaled(volts, 1e-3) if volts and 0 < volts < MOST_VOLTS else None,
            magnification=_magnification(tree),
            date=datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if seconds else None,
        ),
        notes=tuple(notes) if unit.startswith("1/") or unit.endswith("^-1") else (),
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


def _seconds(tree: Any) -> float | None:
    """Since 1970, when the image was begun."""
    for name in ("AcquisitionStartDatetime", "AcquisitionDatetime"):
        seconds = _number(tree, "Acquisition", name, "DateTime")
        if seconds and 0 < seconds < LAST_DATE:
            return seconds
    return None


def _detector(tree: Any) -> str:
    index = _text(tree, "BinaryResult", "DetectorIndex")
    return _text(tree, "BinaryResult", "Detector") or _text(tree, "Detectors", f"Detector-{index}", "DetectorName")


def _magnification(tree: Any) -> float | None:
    """The nominal one is that of the projector, so only camera images have it."""
    if _text(tree, "BinaryResult", "AcquisitionUnit") != "CameraImage":
        return None
    value = _number(tree, "Optics", "NominalMagnification")
    return value if value and 0 < value < 1e8 else None
