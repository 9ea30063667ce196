"""A calibration and its uncertainty in words."""

from __future__ import annotations

from ..core.measure.quantities import significant
from ..core.micrograph.types import SOURCES, Calibration
from ..core.report.wording import LEAST_DOUBT, MEASURED, NOT_GIVEN, pixel_size


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


def rounding_words(calibration: Calibration) -> str:
    """The relative standard uncertainty of the pixel size from reading or typing alone, "" if unknown."""
    doubt = calibration.relative_uncertainty
    if not doubt:
        return ""
    return f"± {significant(100 * doubt, 2)} %" if doubt >= LEAST_DOUBT else "± < 0.1 %"
