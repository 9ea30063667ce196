"""Reads numbers, units and roundings in the texts of files and forms; lengths become nanometres."""

from __future__ import annotations

import math
import re

# Names of units -> nm
_NM = {"fm": 1e-6, "pm": 1e-3, "å": 0.1, "ang": 0.1, "angstrom": 0.1, "micron": 1e3, "inch": 2.54e7, "in": 2.54e7}
for short, long, size in (
    *(("n", "nano", 1.0), ("u", "micro", 1e3), ("m", "milli", 1e6)),
    *(("c", "centi", 1e7), ("d", "deci", 1e8), ("", "", 1e9)),
):
    _NM |= dict.fromkeys((f"{short}m", f"{long}meter", f"{long}metre"), size)
# The micro sign as it looks if it was written in one code page and read in another (the last two: Japanese).
_MICRO = re.compile(r"^(?:\\u00b5|\\u03bc|â?[µμ]|î¼|æ|\ufffd+|\?|ƒê|ｵ)(?=m$)")
_NUMBER = r"[+-]?[0-9]+(?:[.,][0-9]*)?(?:e[+-]?[0-9]+)?"
_QUANTITY = re.compile(rf"^\s*({_NUMBER})\s*([^\s0-9.,]\S*)", re.IGNORECASE)
_LEADING = re.compile(rf"\s*({_NUMBER})(?![0-9.,])", re.IGNORECASE)
_DIGITS = re.compile(r"\s*[+-]?([0-9]{0,40})(?:[.,]([0-9]{0,40}))?")
_AMBIGUOUS = re.compile(  # "7,520"
    r"[+-]?[1-9][0-9]{0,2},[0-9]{3}(?:e[+-]?[0-9]+)?", re.IGNORECASE
)
SQRT3 = math.sqrt(3.0)
FLOAT32 = 2.0**-24 / SQRT3  # relative standard uncertainty of a value rounded to a binary number of 32 bits
FLOAT64 = 2.0**-53 / SQRT3
SMALLEST_PIXEL_NM = 1e-4  # of an electron micrograph
LARGEST_PIXEL_NM = 1e6


def nanometres(unit: str) -> float | None:
    """The length of one `unit` in nm; None if it is not the name of a length."""
    word = unit.strip().strip("\0").lower().replace("µ", "u").replace("μ", "u")
    word = _MICRO.sub("u", word.replace("âu", "u"))
    return _NM.get(word) or (_NM.get(word.removesuffix("s")) if len(word) > len("nms") else None)  # "ms" is not metres


def quantity_nm(text: str) -> float | None:
    """Nanometres of a number with its unit, such as "7.344 nm"; None for any other text."""
    match = _QUANTITY.match(text)
    factor = nanometres(match[2]) if match else None
    value = number(match[1]) if match else None
    return value * factor if value is not None and factor else None


def rounding(text: str | None) -> float | None:
    """The relative standard uncertainty of the number that `text` begins with, from its last printed digit.

    The true value is taken as uniform within half a unit of that digit, so the standard uncertainty is
    0.5 units / sqrt(3) (GUM, JCGM 100:2008, 4.3.7). None if there is no number, or if it is zero.
    """
    match = _DIGITS.match(text or "")
    if match is None or not match[1].strip("0") + (match[2] or "").strip("0"):
        return None
    return 0.5 / (int(match[1] + (match[2] or "")) * SQRT3)


def height_unless_rounded(width: float, height: float, *written: str) -> float:
    """The height of a pixel, or its width if both differ by no more than the rounding of the texts `written` allows."""
    allowed = SQRT3 * sum(rounding(text) or 0.0 for text in written)
    return height if abs(height / width - 1) > allowed else width


def written_rounding(text: str | None, least: int = 6) -> float | None:
    """`rounding` of a number that a program wrote without zeros at its end, as C's %g does: "5e-009" is as exact as
    "5.00000e-009". least: the significant digits that the program writes at least."""
    value = number(text)
    if value is None or not value:
        return None
    power = math.floor(math.log10(abs(value)))
    return min(rounding(text) or math.inf, 0.5 * 10.0 ** (power - least + 1) / (abs(value) * SQRT3))


def may_be_thousands(digits: str) -> bool:
    """Whether a number can be read in two ways, such as "7,520": 7.52 with a decimal comma, or 7520."""
    return bool(_AMBIGUOUS.fullmatch(digits))


def number(text: str | None) -> float | None:
    """`text` as a finite number, with a decimal point or comma; None if it is no number."""
    try:
        value = float(text.replace(",", ".")) if text is not None else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def leading_number(text: str | None) -> float | None:
    """The finite number at the beginning of `text`, such as 20 in "20.00 kV"; None without one."""
    match = _LEADING.match(text or "")
    return number(match[1]) if match else None


def plausible_pixel(nm: float | None) -> float | None:
    """`nm` if an electron micrograph can have pixels of this size, else None."""
    if nm is None or not math.isfinite(nm):
        return None
    return nm if SMALLEST_PIXEL_NM <= nm <= LARGEST_PIXEL_NM else None


def is_round(nm: float) -> bool:
    """Whether a length is a usual one of a scale bar: 1 to 10, but not 7, or 1.5, 2.5 or 7.5 times a power of ten."""
    mantissa = nm / 10 ** math.floor(math.log10(nm) + 1e-9)
    return any(abs(mantissa / usual - 1) < 1e-6 for usual in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 7.5, 8, 9, 10))
