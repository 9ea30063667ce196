"""Finds lengths and magnifications in the texts of a data bar, and what each length means (`Meaning`)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ..vendors.units import may_be_thousands, nanometres, number, rounding
from .ocr import Text

Meaning = Literal["scale bar", "width", "pixel size", "other"]
# Letters that text recognition gives for µ.
_MICRO = {"µ", "μ", "u", "p", "j", "y", "ц", "и", "υ"}
_LONG_UNITS = r"microns?|[åa]ngstr[oö]ms?"
_LENGTH = re.compile(
    r"(?<![\w.,])(?:(?P<factor>[0-9]{1,2})\s?[x×]\s?)?(?P<digits>[0-9OoIl]{1,5}(?:[.,][0-9OoIl]{0,4})?|[.,][0-9]{1,4})"
    rf"\s*(?P<unit>{_LONG_UNITS}|[nmcµμupjyциυ]\s?m|m\s?m|[µμ]|(?-i:[ÅA]))"
    r"(?![\w²³/⁻^−–-]|\s[⁻−–-][1¹])",  # nm² is an area, nm⁻¹ and nm/px are no lengths, 5 nm–7 nm is a range
    re.IGNORECASE,
)
# The text before a length ends with digits that belong to its number, as in "1 500 nm", "2:30 PM" and "1/2 µm"; not
# in "x5,000 1 µm".
_NUMBER_START = re.compile(r"(?<![\w.,:/])(?<![x×]\s)(?:[0-9.,]+\s|[0-9.,:/]*[0-9][:/])$", re.IGNORECASE)
_LOST_DIGIT = re.compile(r"0[0-9]+|[.,][0-9]+|[0-9]+[.,]")  # "05" may be 0.5 without its point, ".5" may be 2.5
_WORKING_DISTANCE = re.compile(r"\s*(?:wd|working)\b", re.IGNORECASE)
# Meaning of a length after a key word. The first pattern that fits counts, so "slit width" comes before "width".
_KEYS: tuple[tuple[Meaning, re.Pattern[str]], ...] = (
    ("other", re.compile(r"\b(?:slit|line|beam|step|pulse|aperture|vertical|vert|height|vfw)\b", re.I)),
    ("pixel size", re.compile(r"\bpixel\s*(?:size|width)\b", re.I)),
    ("other", re.compile(r"\b(?:window|full|half|peak|stripe|feature)\s*width\b", re.I)),
    ("width", re.compile(r"\b(?:image\s*width|width|hfw|hfov|fov|field of view|view\s*field|scan\s*size|fw)\b", re.I)),
    ("pixel size", re.compile(r"\b(?:pixel|pix|pw|ps)\b", re.I)),
    ("other", re.compile(r"\b(?:wd|working distance|x|y|z|apt|ap|dia|depth|spot|stage|r|t)\b", re.I)),
)
_UNIT = re.compile(rf"\s*(?:{_LONG_UNITS}|[nmµμupjyциυ]\s?m|m\s?m|[µμÅ])\s*", re.IGNORECASE)
_NUMBER_ALONE = re.compile(r"\s*[0-9]{1,5}(?:[.,][0-9]{1,4})?\s*")
_ENDS_WITH_KEY = re.compile(r"([A-Za-z][A-Za-z .]*?)\s*[=:.]*\s*$")
_NO_LENGTH = re.compile(
    r"\W*[0-9]+(?:[.,][0-9]+)?\s*(?:1\s?/\s?[nµμ]m|[nµμ]m\s?\^?[−–⁻-][1¹]|mrad|px|pixels?|inch)\W*", re.I
)
_NUMBER = r"([0-9]{1,3}(?:[, ][0-9]{3})+|[0-9]+(?:\.[0-9]+)?)"
_MAGNIFICATION = re.compile(
    rf"(?<![\w.])(?<![0-9]\s)[x×]\s?{_NUMBER}\s?(k)?(?![\w.])|(?<![\w.,]){_NUMBER}\s?(k)?\s?[x×](?!\w|\s?[0-9])",
    re.IGNORECASE,
)
LEAST_MAGNIFICATION = 100.0  # a smaller number is a coordinate of the stage, or a factor
_DIGITS = str.maketrans("OoIl", "0011")  # letters that text recognition gives for digits


@dataclass(frozen=True)
class Length:
    """A length in a data bar.

    nm: nanometres. meaning: what has this length. text: the length as it was read, with its key word.
    part: the length alone, with its box. rounding: relative standard uncertainty from its last digit.
    is_doubtful: whether the text may be another number, or has the unit mm or cm, which scale bars do not have.
    has_p: whether its unit was read with a p: a misread µ, or pm, as in images of atoms.
    """

    nm: float
    meaning: Meaning
    text: str
    part: Text
    rounding: float
    is_doubtful: bool = False
    has_p: bool = False


def lengths(texts: Sequence[Text]) -> list[Length]:
    """All lengths in the texts. A length without a key word beside or above it has the meaning "scale bar"."""
    joined_texts = _with_units(texts)
    return [length for text in joined_texts for length in _lengths_in(text, joined_texts)]


def magnifications(texts: Sequence[Text]) -> list[float]:
    """The magnifications in the texts, such as "Mag = 50.00 K X", "X25,000", "x100k" or "15 000 x"."""
    values = []
    for text in texts:
        for match in _MAGNIFICATION.finditer(text.text):
            digits = (match[1] or match[3]).replace(",", "").replace(" ", "")
            value = number(digits)
            if value:
                values.append(value * (1000 if match[2] or match[4] else 1))
    return [value for value in values if value >= LEAST_MAGNIFICATION]


def text_without_length(texts: Sequence[Text]) -> str:
    """The first text that is a number with another unit, such as "5 1/nm" of a diffraction pattern; "" without one."""
    return next((text.text.strip() for text in texts if _NO_LENGTH.fullmatch(text.text)), "")


def _with_units(texts: Sequence[Text]) -> list[Text]:
    """The texts, after a number and the unit right of it were joined. The line of a scale bar may lie between them."""
    units = [text for text in texts if _UNIT.fullmatch(text.text)]
    complete = []
    for text in texts:
        is_number = _NUMBER_ALONE.fullmatch(text.text) is not None
        unit = next((unit for unit in units if is_number and _is_right_of(unit, text)), None)
        if unit is not None:
            words = f"{text.text.strip()} {unit.text.strip()}"
            top, bottom = min(text.top, unit.top), max(text.bottom, unit.bottom)
            complete.append(Text(words, text.left, top, unit.right, bottom, min(text.score, unit.score)))
        elif text not in units:
            complete.append(text)
    return complete


def _is_right_of(unit: Text, text: Text) -> bool:
    """Whether a unit is right of a text, in the same row."""
    height = max(text.bottom - text.top, unit.bottom - unit.top)
    same_row = min(text.bottom, unit.bottom) - max(text.top, unit.top) > 0.5 * height
    return same_row and -0.6 * height <= unit.left - text.right <= height


def _lengths_in(text: Text, texts: Sequence[Text]) -> Iterator[Length]:
    """The lengths in one of the texts, each with the meaning of the key word before it or above it."""
    end = 0
    for match in _LENGTH.finditer(text.text):
        before, end = text.text[end : match.start()], match.end()
        if _NUMBER_START.search(text.text[: match.start()]):
            continue
        factor, digits, unit = match["factor"], match["digits"].translate(_DIGITS), match["unit"]
        if unit == "A" and match[0] != text.text.strip():  # among other words it is a current, or names something
            continue
        is_coarse = unit.replace(" ", "").lower() in ("mm", "cm")
        key = _ENDS_WITH_KEY.search(before)
        part = text.part(match.start(), match.end())
        meaning = _meaning(key[1]) if key else "scale bar"
        if meaning == "scale bar":
            is_distance = is_coarse and _WORKING_DISTANCE.match(text.text[end:])
            meaning = "other" if is_distance else _meaning(_heading_above(part, texts))
        # A digit may be lost beside a point at either end, "A" may be ampere or name a panel, and "2 × 100 nm" is two
        # lengths or their sum.
        is_unsure = may_be_thousands(digits) or bool(_LOST_DIGIT.fullmatch(digits)) or unit == "A" or bool(factor)
        # In a length in nm a comma mostly separates thousands.
        value = digits.replace(",", "") if may_be_thousands(digits) and unit[0] in "nN" else digits
        nm = _nanometres_of(value, unit, meaning)
        if nm is not None:
            is_whole_text = match.start() == len(before) and end == len(text.text)
            label = f"{key[1].strip()} {match[0]}" if key and before.strip() == key[0].strip() else match[0]
            words = text.text.strip() if is_whole_text else label
            is_doubtful, has_p = is_unsure or is_coarse, unit[0] in "pP"
            yield Length(nm * int(factor or 1), meaning, words[:60], part, rounding(value) or 0.0, is_doubtful, has_p)


def _meaning(words: str) -> Meaning:
    """The meaning of a length after or below `words`; "scale bar" if they have no known key word."""
    for meaning, pattern in _KEYS:
        if pattern.search(words):
            return meaning
    return "scale bar"


def _heading_above(part: Text, texts: Sequence[Text]) -> str:
    """The heading right above a part, as in bars with a table; "" without one, or if that text is a length."""
    height = part.bottom - part.top
    for text in texts:
        overlap = min(text.right, part.right) - max(text.left, part.left)
        near = -0.6 * height <= part.top - text.bottom <= 1.0 * height and text.top < part.top - 0.4 * height
        if near and overlap > 0.3 * min(text.right - text.left, part.right - part.left) and len(text.text) <= 20:
            return "" if _LENGTH.search(text.text) else text.text
    return ""


def _nanometres_of(digits: str, unit: str, meaning: Meaning) -> float | None:
    """Nanometres of digits and a unit as they were read; None if they are no length."""
    word = unit.replace(" ", "").lower().replace("ö", "o")
    letter = word[0] if len(word) <= len("nm") else ""
    if letter in _MICRO and not (letter == "p" and meaning == "pixel size"):
        word = "um"
    value, factor = number(digits), nanometres("angstrom" if word == "a" or word.startswith("å") else word)
    return value * factor if value and factor else None
