"""Lengths in files and forms, in nanometres."""

from __future__ import annotations

import math
import re

_NM = {"fm": 1e-6, "pm": 1e-3, "å": 0.1, "ang": 0.1, "angstrom": 0.1, "micron": 1e3, "inch": 2.54e7, "in": 2.54e7}
for short, long, size in (
    *(("n", "nano", 1.0), ("u", "micro", 1e3), ("m", "milli", 1e6)),
    *(("c", "centi", 1e7), ("d", "deci", 1e8), ("", "", 1e9)),
):
    _NM |= dict.fromkeys((f"{short}m", f"{long}meter", f"{long}metre"), size)
# the micro sign as written by several code pages (the last two: Japanese) and read by another
_MICRO = re.compile(r"^(?:\\u00b5|\\u03bc|â?[µμ]|î¼|æ|\ufffd+|\?|ƒê|ｵ)(?=m$)")
_NUMBER = r"[+-]?[0-9]+(?:[.,][0-9]*)?(?:e[+-]?[0-9]+)?"
_QUANTITY = re.compile(rf"^\s*({_NUMBER})\s*([^\s0-9.,]\S*)", re.IGNORECASE)
_LEADING = re.compile(rf"\s*({_NUMBER})(?![0-9.,])", re.IGNORECASE)
_PRINTED = re.compile(r"\s*[+-]?([0-9]{0,40})(?:[.,]([0-9]{0,40}))?")
_AMBIGUOUS = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}(?:e[+-]?[0-9]+)?", re.IGNORECASE)
SQRT3 = math.sqrt(3.0)
FLOAT32 = 2.0**-24 / SQRT3  # relative standard uncertainty of a value rounded to a binary number of 32 bits
FLOAT64 = 2.0**-53 / SQRT3
SMALLEST_PIXEL_NM = 1e-4
LARGEST_PIXEL_NM = 1e6


def nanometres(unit: str) -> float | None:
    """How many nanometres one `unit` is; None for a unit that is not a known length."""
    word = unit.strip().strip("\0").lower().replace("µ", "u").replace("μ", "u")
    word = _MICRO.sub("u", word.replace("âu", "u"))
    return _NM.get(word) or (_NM.get(word.removesuffix("s")) if len(word) > len("nms") else None)  # no milliseconds


def quantity_nm(text: str) -> float | None:
    """Nanometres of a number and its unit, such as "7.344 nm"; None where it is neither."""
    form = _QUANTITY.match(text)
    factor = nanometres(form[2]) if form else None
    value = number(form[1]) if form else None
    return value * factor if value is not None and factor else None


def rounding(text: str | None) -> float | None:
    """The relative standard uncertainty of the number that `text` begins with, from its last printed digit.

    The true value is taken as uniform within half a unit of that digit, so the standard uncertainty is
    0.5 units / sqrt(3) (GUM, JCGM 100:2008, 4.3.7). None where there is no number, or where it is zero.
    """
    form = _PRINTED.match(text or "")
    if form is None or not form[1].strip("0") + (form[2] or "").strip("0"):
        return None
    return 0.5 / (int(form[1] + (form[2] or "")) * SQRT3)


def height_unless_rounded(width: float, height: float, *written: str) -> float:
    """The height of a pixel, or its width where both are one number but for the last digits of the texts `written`."""
    allowed = SQRT3 * sum(rounding(text) or 0.0 for text in written)
    return height if abs(height / width - 1) > allowed else width


def written_rounding(text: str | None, least: int = 6) -> float | None:
    """`rounding` of a number that a program wrote: as with C's %g, zeros at its end are left out, so that "5e-009" is
    as exact as "5.00000e-009". least: significant digits that the program writes, at least."""
    value = number(text)
    if value is None or not value:
        return None
    power = math.floor(math.log10(abs(value)))
    return min(rounding(text) or math.inf, 0.5 * 10.0 ** (power - least + 1) / (abs(value) * SQRT3))


def may_be_thousands(digits: str) -> bool:
    """Whether a typed or printed number is 7.52 to some and 7520 to others: "7,520"."""
    return bool(_AMBIGUOUS.fullmatch(digits))


def number(text: str | None) -> float | None:
    """The finite number that `text` is, with a decimal point or a decimal comma, else None."""
    try:
        value = float(text.replace(",", ".")) if text is not None else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def leading_number(text: str | None) -> float | None:
    """The finite number that `text` begins with, such as 20 in "20.00 kV", else None."""
    form = _LEADING.match(text or "")
    return number(form[1]) if form else None


def plausible_pixel(nm: float | None) -> float | None:
    """`nm` where an electron micrograph can have such a pixel, else None."""
    if nm is None or not math.isfinite(nm):
        return None
    return nm if SMALLEST_PIXEL_NM <= nm <= LARGEST_PIXEL_NM else None
