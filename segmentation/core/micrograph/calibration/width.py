"""Reads lengths that a person typed (the width of an image, or the length at a scale bar) as nanometres."""

from __future__ import annotations

import math
import re

from ...names import clean_text
from ..vendors.units import may_be_thousands, nanometres

SMALLEST_NM = 1.0
LARGEST_NM = 1e8
VERY_WIDE_NM = 1e6  # from this width on the user is asked: hardly any electron micrograph is as wide
_LENGTH = re.compile(r"([+-]?[0-9]*[.,]?[0-9]+(?:e[+-]?[0-9]+)?|[+-]?[0-9]+[.,])\s*([^\W\d]\S*)?", re.IGNORECASE)
_THOUSANDS = re.compile(r"[1-9][0-9]{0,2}\.[0-9]{3}")  # "7.520" nm, which may mean 7520 nm
_EXAMPLES = "such as 7520 nm or 7.52 µm"


def parse_width(text: str) -> float | None:
    """Nanometres of a text such as "7520", "7520 nm", "7.52 um", "7,52 µm" or "0.5 mm"; None for an empty text.

    A number without a unit is in nm. A pasted text may have unusual spaces and invisible characters (`clean_text`).
    Any other text, and a width that is not between 1 nm and 100 mm, raises ValueError with a sentence for the user.
    """
    typed = clean_text(text)
    if not typed:
        return None
    width = parse_length(typed)
    if width <= 0:
        raise ValueError(f"The image width must be more than 0: type a width {_EXAMPLES}.")
    if not SMALLEST_NM <= width <= LARGEST_NM:
        raise ValueError(f"The image width must be between 1 nm and 100 mm: type a width {_EXAMPLES}.")
    return width


def parse_length(text: str) -> float:
    """Nanometres of a number of any size and sign, with or without a unit; raises ValueError as `parse_width` does."""
    typed = clean_text(text)
    quoted = typed if len(typed) <= 40 else typed[:40] + "…"
    match = _LENGTH.fullmatch(typed)
    if match is None:
        raise ValueError(f"“{quoted}” is not a width: type a number with or without a unit, {_EXAMPLES}.")
    # Nobody knows a width to a thousandth of a nanometre, so that a point before three digits may separate thousands.
    if may_be_thousands(match[1]) or (match[2] in (None, "nm") and _THOUSANDS.fullmatch(match[1])):
        mark = "comma" if "," in match[1] else "point"
        raise ValueError(
            f"“{quoted}” can mean two widths, one a thousand times the other: type it without the {mark}, {_EXAMPLES}."
        )
    factor = nanometres(match[2]) if match[2] else 1.0
    if factor is None:
        raise ValueError(f"“{quoted}” has a unit that is not known: use nm, µm (or um) or mm, {_EXAMPLES}.")
    number = float(match[1].replace(",", "."))
    if not math.isfinite(number):
        raise ValueError(f"The image width must be between 1 nm and 100 mm: type a width {_EXAMPLES}.")
    return number * factor


def width_text(width_nm: float) -> str:
    """The text that the page's field shows for a width: digits with at most two decimals."""
    return f"{width_nm:.2f}".rstrip("0").rstrip(".")
