"""Finds signs that a picture holds several panels which touch: a letter in the same corner of each panel, or several
scale bars."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations

from ..pages import LEAST_PANEL
from ..scale_bar.barline import Line
from ..scale_bar.barwords import Length
from ..scale_bar.ocr import Text

PANEL_LETTER = re.compile(r"\W?([a-h]|[A-H])\W?")
LETTER_SCORE = 0.8  # least score of a letter
# Of letters: largest ratio of their heights; in heights, how far two may be out of line, and how near to a corner of
# the picture one of them is.
SAME_HEIGHT, OUT_OF_LINE, CORNER_HEIGHTS = 1.5, 0.6, 3.0


def signs_of_panels(shape: tuple[int, ...], texts: Sequence[Text], bars: Sequence[tuple[Length, Line]]) -> str:
    """What shows that a picture of this shape with these texts and scale bars holds several panels, in words; "" for a
    single picture."""
    matches = ((PANEL_LETTER.fullmatch(text.text), text) for text in texts if text.score >= LETTER_SCORE)
    letters = {match[1].lower(): text for match, text in matches if match}  # c and C look alike
    if any(_are_of_panels(letters[name], letters.get(chr(ord(name) + 1)), shape) for name in letters):
        *others, last = sorted(letters)
        return f"the letters {', '.join(others)} and {last}, as panels have them,"
    words = ", ".join(f"“{length.text}”" for length, _ in bars)
    return f"{len(bars)} scale bars ({words})" if are_apart([line for _, line in bars]) else ""


def are_apart(lines: Sequence[Line]) -> bool:
    """Whether lines of scale bars lie as far apart as those of panels."""
    return any(
        max(abs(one.left - other.left), abs(one.top - other.top)) >= LEAST_PANEL
        for one, other in combinations(lines, 2)
    )


def _are_of_panels(one: Text, other: Text | None, shape: tuple[int, ...]) -> bool:
    """Whether two letters are of one size, in one row or column, and one of them is in a corner of a picture of this
    shape."""
    if other is None:
        return False
    height, taller = sorted((one.bottom - one.top, other.bottom - other.top))
    offset = abs(one.left - other.left), abs(one.top - other.top)
    corners = (  # distance to the nearest corner
        max(min(text.left, shape[1] - text.right), min(text.top, shape[0] - text.bottom)) for text in (one, other)
    )
    is_in_line = min(offset) <= OUT_OF_LINE * taller and max(offset) >= LEAST_PANEL
    return is_in_line and taller <= SAME_HEIGHT * height and min(corners) <= CORNER_HEIGHTS * taller
