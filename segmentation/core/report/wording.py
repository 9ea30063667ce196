"""How an analysis is said in words: the same in every file."""

from __future__ import annotations

from math import floor, log10
from typing import Any

from segmentation import __version__

from ..analysis import Analysis
from ..labels.segmentation import MASKS
from ..micrograph.types import Calibration

SOURCES = {
    "metadata": "from the file",
    "side file": "from the file beside it",
    "data bar": "read from the data bar",
    "drawn": "drawn on the scale bar",
    "typed": "typed by the user",
    "default": "default, not checked",
    "none": "not calibrated",
}


def version() -> str:
    return f"DeepSegm {__version__}"


def one_line(text: str, longest: int = 90) -> str:
    """The text without line ends or other control characters, its middle cut out where it is too long."""
    clean = "".join(c if c.isprintable() else " " for c in text)
    if len(clean) <= longest:
        return clean
    tail = longest // 3
    return f"{clean[: longest - tail - 1]}…{clean[-tail:]}"


def significant(value: float | None, digits: int = 4) -> str:
    """The value to so many significant digits, without an exponent; a dash where there is none."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - floor(log10(abs(value))))
    return f"{value:.{decimals}f}"


def per_cent(fraction: float | None) -> str:
    return "–" if fraction is None else f"{100 * fraction:.1f} %"


def calibration_words(calibration: Calibration) -> str:
    """Such as "7.344 nm/px (from the file: Zeiss tag 34118, Image Pixel Size)"."""
    if calibration.nm_per_pixel is None:
        return "not calibrated: lengths are in pixels"
    how = SOURCES[calibration.source]
    detail = f": {one_line(calibration.detail, 60)}" if calibration.detail else ""
    return f"{significant(calibration.nm_per_pixel)} nm/px ({how}{detail})"


def model_words(analysis: Analysis) -> str:
    """Such as "particles 1.0 (sha256 0123abcd)"."""
    origin = analysis.segmentation.provenance
    name, sha256 = origin.model, origin.weights
    if name == MASKS:
        return f"none: {MASKS}"
    number = origin.card.get("version")
    return f"{name}{f' {number}' if number else ''} (sha256 {sha256[:8]})"


def settings(analysis: Analysis) -> dict[str, Any]:
    """The settings that gave the outlines, "auto" replaced by what was used."""
    used = analysis.segmentation
    rows = analysis.micrograph.shape[0]
    filter = {"filter": "on" if analysis.settings.measurement.filter else "off"}
    if used.provenance.model == MASKS:
        return filter
    return {
        **filter,
        "threshold": f"{used.used['threshold']:.3g}",
        "polarity": f"{used.used['polarity']} particles",
        "scale": f"{used.used['scale']:.3g}",
        "data bar": "none" if used.rows >= rows else f"from row {used.rows}",
    }


def settings_words(analysis: Analysis) -> str:
    return "; ".join(f"{name} {value}" for name, value in settings(analysis).items())


def interval(value: float | None, ends: tuple[float | None, float | None], unit: str) -> str:
    """Such as "155.2 nm (148.1 to 163.0)"; without brackets where there is no interval."""
    shown = significant(value) if value is None or not unit else f"{significant(value)} {unit}"
    low, high = ends
    return shown if low is None or high is None else f"{shown} ({significant(low)} to {significant(high)})"
