"""Numbers and times in words for the pages: few digits, always with a unit."""

from __future__ import annotations

import math

from ..core.micrograph.types import SOURCES, Calibration
from ..core.report.wording import LEAST_DOUBT, MEASURED, NOT_GIVEN, hundredths

NARROW_SPACE = "\u202f"


def significant(value: float | None, digits: int = 3) -> str:
    """A number rounded to so many digits, never in powers of ten; a dash for None."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    rounded = round(value, _decimals(value, digits))
    text = f"{rounded:,.{max(0, _decimals(rounded, digits))}f}"
    return text.replace(",", NARROW_SPACE if abs(rounded) >= 10_000 else "")


def _decimals(value: float, digits: int) -> int:
    return digits - 1 - math.floor(math.log10(abs(value)))


def per_cent(fraction: float | None) -> str:
    """A fraction in per cent, without the sign."""
    return "–" if fraction is None else hundredths(fraction)


def scale_words(calibration: Calibration) -> str:
    """The size of a pixel and how it is known, in a line."""
    if calibration.nm_per_pixel is None:
        return "scale not known, sizes in pixels"
    doubt = rounding_words(calibration) if calibration.source in MEASURED else ""
    said = f"{pixel_size(calibration.nm_per_pixel)}, {SOURCES[calibration.source]}"
    return f"{said} ({doubt})" if doubt else said


def doubt_line(calibration: Calibration) -> str:
    """The two parts of a scale's uncertainty, separately."""
    read = rounding_words(calibration) or "not known"
    own = instrument_words(calibration)
    return f"Uncertainty by reading and rounding: {read}; of the microscope's own calibration: {own}."


def instrument_words(calibration: Calibration) -> str:
    """The uncertainty of the microscope's own calibration and where it comes from."""
    doubt, note = calibration.instrument_uncertainty, calibration.instrument_note
    if not doubt:
        return NOT_GIVEN
    return f"± {significant(100 * doubt, 2)} %" + (f" ({note})" if note else "")


def pixel_size(nm_per_pixel: float) -> str:
    """The size of a pixel."""
    return f"{trimmed(nm_per_pixel)} nm/px"


def trimmed(value: float) -> str:
    """Four digits, without zeros at the end."""
    shown = significant(value, 4)
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def rounding_words(calibration: Calibration) -> str:
    """The relative standard uncertainty of the pixel size from reading or typing alone, "" if unknown."""
    doubt = calibration.relative_uncertainty
    if not doubt:
        return ""
    return f"± {significant(100 * doubt, 2)} %" if doubt >= LEAST_DOUBT else "± < 0.1 %"


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]
