"""The same data bar in another picture: known by its pixels, so that no text is read again.

A microscope draws the bar anew below each picture, and time, file number and the like differ. Where the texts of the
scale have the same pixels and its line has the same ink, the bar says the same scale. JPEG keeps this: it stores equal
blocks of 8 x 8 px alike, and only those differ into which the picture reaches.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .barline import Line, ink_of
from .barwords import lengths, magnifications
from .ocr import Text

Box = tuple[int, int, int, int]
EDGE = 8  # px along the edges of a strip: blocks of JPEG, and rows in which some makers leave the picture
MARGIN = 2  # px around a text of the scale
BESIDE = 1.0  # of its height, within which nothing beside a text of the scale is free to change
ABOVE = 1.2  # of a length's height: there its heading may stand
FREE_ACROSS, FREE_DOWN = 1.0, 0.3  # of a text's height, by which another text in its place may be larger
LEAST_REACH = 3  # px from a line to the ends of its ticks, at least
MOST_BOXES = 60  # of a layout


@dataclass(frozen=True)
class Layout:
    """What another data bar must share with this one to say the same scale.

    rows, columns: of the image. first: row of the image in which the bar begins.
    firm: left, top, right and bottom, in px of the bar, of the texts that tell the scale: their pixels are the same.
    line: around the line of the scale bar and its ticks; its ink is the same.
    free: of other texts, such as the time: anything may stand there. Elsewhere the ink is the same, but for the edges.
    sha256: of all that is the same.
    """

    rows: int
    columns: int
    first: int
    firm: tuple[Box, ...]
    free: tuple[Box, ...]
    line: Box | None
    sha256: str

    def fits(self, strip: NDArray[np.uint8], first_row: int) -> bool:
        """Whether a strip (h, w), which begins at row `first_row` of its image, says the same scale."""
        if (self.rows, self.columns, self.first) != (first_row + len(strip), strip.shape[1], first_row):
            return False
        return self.sha256 == _hash(strip, self.firm, self.free, self.line)


def layout_of(strip: NDArray[np.uint8], texts: Sequence[Text], line: Line | None, first_row: int) -> Layout | None:
    """The layout of a strip (h, w) that begins at row `first_row` of its image; None with more texts than a bar has.

    texts: all that were read on it. line: of its scale bar, None without one.
    """
    if len(texts) > MOST_BOXES:
        return None
    telling = _texts_of_scale(texts)
    others = [text for text in texts if text not in telling]
    firm = tuple(_box_of_ink(strip, _box(text, 0, 0, strip)) for text in telling)
    free = tuple(_box(text, FREE_ACROSS * _height(text), FREE_DOWN * _height(text), strip) for text in others)
    around = None
    if line is not None:
        reach = max(LEAST_REACH, line.bottom - line.top + 1)
        bounds = Text("", line.left, line.top, line.right, line.bottom + 1, 1.0)
        around = _box(bounds, EDGE + reach, reach, strip)
    digest = _hash(strip, firm, free, around)
    return Layout(first_row + len(strip), strip.shape[1], first_row, firm, free, around, digest)


def _texts_of_scale(texts: Sequence[Text]) -> list[Text]:
    """The texts with a length that may tell the scale or with a magnification, and those above such a length."""
    parts = [length.part for length in lengths(texts) if length.meaning != "other"]
    return [
        text
        for text in texts
        if magnifications([text])
        or any(
            text.left < part.right
            and part.left < text.right
            and text.top < part.bottom
            and part.top - ABOVE * _height(part) < text.bottom
            for part in parts
        )
    ]


def _height(text: Text) -> float:
    return text.bottom - text.top


def _box(text: Text, across: float, down: float, strip: NDArray[np.uint8]) -> Box:
    """The box of a text on a strip, so many px wider at each side and so many higher."""
    rows, columns = strip.shape
    left, top = max(0, math.floor(text.left - across)), max(0, math.floor(text.top - down))
    return left, top, min(columns, math.ceil(text.right + across)), min(rows, math.ceil(text.bottom + down))


def _box_of_ink(strip: NDArray[np.uint8], box: Box) -> Box:
    """The letters in a box, with a margin: boxes of texts reach beyond them, to where JPEG mixes in the picture."""
    left, top, right, bottom = box
    down, across = np.nonzero(ink_of(strip)[top:bottom, left:right])
    if not down.size:
        return box
    x, y, rows, columns = left + int(across.min()), top + int(down.min()), *strip.shape
    right, bottom = left + int(across.max()) + 1, top + int(down.max()) + 1
    return max(0, x - MARGIN), max(0, y - MARGIN), min(columns, right + MARGIN), min(rows, bottom + MARGIN)


def _hash(strip: NDArray[np.uint8], firm: Sequence[Box], free: Sequence[Box], line: Box | None) -> str:
    """Of the pixels in firm boxes, and of the ink around them, around the line and in all the rest but free boxes and
    edges."""
    ink = ink_of(strip)
    same = np.zeros(strip.shape, bool)
    same[EDGE:-EDGE, EDGE:-EDGE] = True
    for left, top, right, bottom in free:
        same[top:bottom, left:right] = False
    for left, top, right, bottom in firm:
        beside = round(BESIDE * (bottom - top))
        same[top:bottom, max(0, left - beside) : right + beside] = True
    if line is not None:
        left, top, right, bottom = line
        same[top:bottom, left:right] = True
    digest = hashlib.sha256(np.packbits(ink & same).tobytes())
    for left, top, right, bottom in firm:
        digest.update(strip[top:bottom, left:right].tobytes())
    return digest.hexdigest()
