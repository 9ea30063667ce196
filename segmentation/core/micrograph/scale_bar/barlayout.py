"""Recognises a data bar with the same scale in another image (`Layout`), so that its text is not read again.

A microscope draws a data bar below each image. Time, file number and the like differ; but if the texts of the scale
have the same pixels and the scale bar has the same ink, both data bars state the same scale. This also holds for JPEG:
it stores equal blocks of 8 x 8 px equally, so that only blocks at the border to the picture differ.

"Ink" are the pixels that differ from the background of the bar (`barline.ink_of`).
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

Box = tuple[int, int, int, int]  # left, top, right and bottom, in px of the strip of the data bar
UNCOMPARED_EDGE_PX = 8  # px along the edges of a strip that are not compared: blocks of JPEG, and rows of the picture
TEXT_MARGIN_PX = 2  # px around a text of the scale
BESIDE_HEIGHTS = 1.0  # width of the areas beside a text of the scale in which ink is compared, in heights of the text
ABOVE_HEIGHTS = 1.2  # heights of a length's text, in which its heading may be above it
FREE_ACROSS, FREE_DOWN = 1.0, 0.3  # margins of a free box, in heights of its text: another text there may be larger
LEAST_REACH = 3  # px from the line of a scale bar to the ends of its ticks, at least
MOST_BOXES = 60  # texts of a data bar


@dataclass(frozen=True)
class Layout:
    """The parts of a data bar that are equal in another data bar with the same scale. It is stored as JSON.

    rows, columns: of the image. first: row of the image in which the bar begins.
    firm: boxes of the texts that state the scale. Their pixels must be the same.
    line: box around the scale bar and its ticks, None without one. Its ink must be the same.
    free: boxes of other texts, such as the time. They may have any pixels. In all other parts of the bar the ink must
        be the same, except at its edges.
    sha256: SHA-256 of everything that must be the same.
    """

    rows: int
    columns: int
    first: int
    firm: tuple[Box, ...]
    free: tuple[Box, ...]
    line: Box | None
    sha256: str

    def fits(self, strip: NDArray[np.uint8], first_row: int) -> bool:
        """Whether a data bar (h, w), which begins at row `first_row` of its image, states the same scale."""
        if (self.rows, self.columns, self.first) != (first_row + len(strip), strip.shape[1], first_row):
            return False
        return self.sha256 == _hash(strip, self.firm, self.free, self.line)


def layout_of(strip: NDArray[np.uint8], texts: Sequence[Text], line: Line | None, first_row: int) -> Layout | None:
    """The layout of a data bar (h, w) that begins at row `first_row` of its image; None for more than MOST_BOXES texts.

    texts: all texts that were read on it. line: the line of its scale bar; None without one.
    """
    if len(texts) > MOST_BOXES:
        return None
    scale_texts = _texts_of_scale(texts)
    others = [text for text in texts if text not in scale_texts]
    firm = tuple(_box_of_ink(strip, _box(text, 0, 0, strip)) for text in scale_texts)
    free = tuple(_box(text, FREE_ACROSS * _height(text), FREE_DOWN * _height(text), strip) for text in others)
    line_box = None
    if line is not None:
        reach = max(LEAST_REACH, line.bottom - line.top + 1)
        bounds = Text("", line.left, line.top, line.right, line.bottom + 1, 1.0)
        line_box = _box(bounds, UNCOMPARED_EDGE_PX + reach, reach, strip)
    digest = _hash(strip, firm, free, line_box)
    return Layout(first_row + len(strip), strip.shape[1], first_row, firm, free, line_box, digest)


def _texts_of_scale(texts: Sequence[Text]) -> list[Text]:
    """The texts with a magnification or with a length that may state the scale, and the texts above such a length."""
    parts = [length.part for length in lengths(texts) if length.meaning != "other"]
    return [
        text
        for text in texts
        if magnifications([text])
        or any(
            text.left < part.right
            and part.left < text.right
            and text.top < part.bottom
            and part.top - ABOVE_HEIGHTS * _height(part) < text.bottom
            for part in parts
        )
    ]


def _height(text: Text) -> float:
    return text.bottom - text.top


def _box(text: Text, across: float, down: float, strip: NDArray[np.uint8]) -> Box:
    """The box of a text on a strip, larger by `across` px at the left and right and by `down` px above and below."""
    rows, columns = strip.shape
    left, top = max(0, math.floor(text.left - across)), max(0, math.floor(text.top - down))
    return left, top, min(columns, math.ceil(text.right + across)), min(rows, math.ceil(text.bottom + down))


def _box_of_ink(strip: NDArray[np.uint8], box: Box) -> Box:
    """The box of the ink in a box, with a margin. The boxes of texts are larger than their letters; near the picture,
    JPEG would change pixels in them."""
    left, top, right, bottom = box
    down, across = np.nonzero(ink_of(strip)[top:bottom, left:right])
    if not down.size:
        return box
    x, y, rows, columns = left + int(across.min()), top + int(down.min()), *strip.shape
    right, bottom = left + int(across.max()) + 1, top + int(down.max()) + 1
    return (
        max(0, x - TEXT_MARGIN_PX),
        max(0, y - TEXT_MARGIN_PX),
        min(columns, right + TEXT_MARGIN_PX),
        min(rows, bottom + TEXT_MARGIN_PX),
    )


def _hash(strip: NDArray[np.uint8], firm: Sequence[Box], free: Sequence[Box], line: Box | None) -> str:
    """SHA-256 of the pixels in firm boxes, and of the ink everywhere but in free boxes and at the edges. Beside firm
    boxes and around the line, ink counts also in free boxes."""
    ink = ink_of(strip)
    is_compared = np.zeros(strip.shape, bool)
    is_compared[UNCOMPARED_EDGE_PX:-UNCOMPARED_EDGE_PX, UNCOMPARED_EDGE_PX:-UNCOMPARED_EDGE_PX] = True
    for left, top, right, bottom in free:
        is_compared[top:bottom, left:right] = False
    for left, top, right, bottom in firm:
        margin = round(BESIDE_HEIGHTS * (bottom - top))
        is_compared[top:bottom, max(0, left - margin) : right + margin] = True
    if line is not None:
        left, top, right, bottom = line
        is_compared[top:bottom, left:right] = True
    digest = hashlib.sha256(np.packbits(ink & is_compared).tobytes())
    for left, top, right, bottom in firm:
        digest.update(strip[top:bottom, left:right].tobytes())
    return digest.hexdigest()
