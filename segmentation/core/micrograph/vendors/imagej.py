"""ImageJ: `unit=` in the description (tag 270) with the resolution tags in pixels per unit."""

from __future__ import annotations

from .facts import Facts, Tags, rational, rational_rounding, text_of
from .units import nanometres

DESCRIPTION, X_RESOLUTION, Y_RESOLUTION = 270, 282, 283
_PRINT_DPI = (72, 96, 100, 120, 144, 150, 180, 200, 240, 254, 300, 350, 360, 400, 600, 720, 1200, 2400)
_INCH_NM = 2.54e7


def read(tags: Tags) -> Facts | None:
    """What ImageJ's description says, None where there is none.

    ImageJ turns a print resolution into a "calibration" in inches or centimetres; that is recognised and left.
    """
    text = text_of(tags.raw(DESCRIPTION) or b"")
    if not text.startswith("ImageJ="):
        return None
    entries = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    unit = entries.get("unit", "")
    factor = nanometres(unit)
    across = rational(tags.raw(X_RESOLUTION), tags.little_endian)
    down = rational(tags.raw(Y_RESOLUTION), tags.little_endian)
    if not factor or not across:
        return Facts(detail="ImageJ")
    if factor >= 1e7 and _is_print(across, factor):
        return Facts(notes=("The file gives only a resolution for printing, which says nothing about the sample.",))
    return Facts(
        nm_per_pixel=factor / across,
        detail=f"ImageJ, pixels per {unit.strip()[:20]}",
        relative_uncertainty=rational_rounding(tags.raw(X_RESOLUTION), tags.little_endian),
        height_nm=factor / down if down else None,
    )


def _is_print(per_unit: float, factor: float) -> bool:
    dpi = per_unit * _INCH_NM / factor
    return any(abs(dpi / usual - 1) < 0.005 for usual in _PRINT_DPI)
