"""Finds text, scale bars, lines, arrows and circles on a picture, and gives masks of them (`writing_on`).

Text is recognised as in data bars, but only where small components look like letters (`letters`), because recognition
takes a second or two. A text is taken only if its strokes have one grey and sharp edges, so that the texture of
a specimen is not taken for letters.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..contrast import as_bytes
from ..scale_bar.barblocks import Mask
from ..scale_bar.barline import Line
from ..scale_bar.burntin import INK_LEVELS, LARGEST_PICTURE_PX, scale_bars, texts_on_picture
from ..scale_bar.letters import (
    TALLEST,
    TOLERANCES,
    Bytes,
    bar_boxes,
    places_of_writing,
)
from ..scale_bar.ocr import OCR_SECONDS, RecognitionTimeout, Text
from ..scale_bar.readings import LEAST_SIDE
from ..types import GreyImage
from .drawing import draw_lines, widened
from .panel_signs import signs_of_panels

WORD, LENGTH = re.compile(r"[\w()\[\].,'+±°@/=:×& -]{2,}", re.ASCII), re.compile(r"\d.*m\W*$", re.IGNORECASE)
LETTERS, ROUND_LETTERS = re.compile("[A-Za-z0-9←→↔]"), re.compile("[0689OoQIl1]")  # round ones may be particles
LENGTH_SCORE, WORD_SCORE, LETTER_SCORE = 0.7, 0.85, 0.9  # least scores of a length, a word and a single letter
MARGIN = 0.35  # heights of a text around its box
LEAST_SHARE, MOST_SHARE = 0.04, 0.7  # share of the box of a text that its strokes cover
WORD_STEP, LETTER_STEP = 30.0, 50.0  # grey levels: least step at the edges of the strokes of a word, of a single letter
LETTER_SPREAD = 6.0  # grey levels: largest standard deviation within the strokes of a single letter
PAPER_SPREAD, PAPER_SHARE = 3, 0.35  # the paper of a label: grey levels, least share of the box of the text
BAR_RIM = 3  # px: blurred edge of scale bars
MOST_MARKED = 0.25  # of the picture: more is no writing on a micrograph


class Writing(NamedTuple):
    """What is written or drawn on a picture.

    all: (H, W) bool, its pixels. lines: (H, W) bool, those of lines, arrows, circles and bars, which may cross an
    object. panels: what shows that the picture holds several panels (`signs_of_panels`), else "".
    """

    all: Mask
    lines: Mask
    panels: str = ""


def writing_on(pixels: GreyImage, seconds: float = OCR_SECONDS, *, lined: bool = True) -> Writing | None:
    """What is written or drawn in black, white or one grey on a picture (H, W); None without any.

    seconds: of processor time for text recognition in a child process; if it needs more, no text is found.
    lined: whether lines, arrows, circles and bars are looked for.
    """
    if pixels.size > LARGEST_PICTURE_PX or min(pixels.shape) < LEAST_SIDE:
        return None
    picture = as_bytes(pixels)
    mask, lines = (np.zeros(picture.shape, np.bool_) for _ in range(2))
    texts: list[Text] = []
    if places := places_of_writing(picture):
        with suppress(RecognitionTimeout):
            texts = texts_on_picture(picture, seconds, places)
    bars = scale_bars(picture, texts)
    if all_strokes := [strokes for text in texts if (strokes := strokes_of(picture, text)) is not None]:
        for strokes in all_strokes:
            strokes.draw(mask)
        _draw_bars(picture, [line for _, line in bars], all_strokes, mask)
    if lined:
        draw_lines(picture, mask, lines)
    mask |= lines
    panels = signs_of_panels(picture.shape, texts, bars)
    return Writing(mask, lines, panels) if 0 < mask.mean() <= MOST_MARKED else None


@dataclass(frozen=True, eq=False)
class Strokes:
    """The pixels of a text.

    top, left: place of `shape` in the picture. shape: mask (h, w) of the pixels. is_dark: whether they are darker
    than the picture. level: their grey, in the inverted picture if they are dark.
    """

    top: int
    left: int
    shape: Mask
    is_dark: bool
    level: float

    def draw(self, mask: Mask) -> None:
        """Set the pixels, with their blurred rims, in a mask (H, W) of the picture."""
        rows, columns = self.shape.shape
        mask[self.top : self.top + rows, self.left : self.left + columns] |= widened(self.shape)


def strokes_of(picture: Bytes, text: Text) -> Strokes | None:
    """The strokes of a text on a picture; None if it has no strokes of one grey with sharp edges."""
    words = text.text.strip().replace("µ", "u").replace("μ", "u")
    is_length, is_word = LENGTH.search(words), WORD.fullmatch(words) is not None
    least = LENGTH_SCORE if is_length and is_word else WORD_SCORE if is_word else LETTER_SCORE
    height = max(6.0, text.bottom - text.top)
    certain_letters = words if is_word else ROUND_LETTERS.sub("", words)
    if text.score < least or height > TALLEST * len(picture) or not LETTERS.search(certain_letters):
        return None
    top, left = max(0, int(text.top - MARGIN * height)), max(0, int(text.left - MARGIN * height))
    part = picture[top : int(text.bottom + MARGIN * height) + 1, left : int(text.right + MARGIN * height) + 1]
    inner = np.zeros(part.shape, np.bool_)
    inner[max(0, int(text.top) - top) : int(text.bottom) + 1 - top, max(0, int(text.left) - left) :][
        :, : int(text.right - text.left) + 1
    ] = True
    best: tuple[float, Strokes] | None = None
    for is_dark in (False, True):
        grey = (255 - part if is_dark else part).astype(np.int16)
        shape, level, step, spread = _ink_of(grey, inner, height)
        share = shape.sum() / max(1, inner.sum())
        is_drawn = step >= (WORD_STEP if is_word else LETTER_STEP) and (is_word or spread <= LETTER_SPREAD)
        if is_drawn and LEAST_SHARE <= share <= MOST_SHARE and (best is None or step > best[0]):
            label = _label_of(grey, inner)
            whole = shape if label is None else shape | label
            best = step, Strokes(top, left, whole, is_dark, level)
    return best[1] if best else None


def _ink_of(grey: NDArray[np.int16], inner: Mask, height: float) -> tuple[Mask, float, float, float]:
    """The bright strokes in the box of a text, their grey, the step at their edges, and the standard deviation within.

    grey: (h, w) the box with a margin. inner: (h, w) the box alone. height: of the text in px."""
    import cv2

    level = float(np.percentile(grey[inner], 98))
    ink = np.abs(grey - level) <= INK_LEVELS
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(ink.astype(np.uint8), connectivity=8)
    total, inside = (np.bincount(part.ravel(), minlength=count) for part in (labels, labels[inner]))
    is_stroke = (inside >= 0.7 * total) & (total >= 6) & (boxes[:, 3] <= 1.25 * height)
    is_stroke[0] = False
    shape: Mask = is_stroke[labels]
    if not shape.any():
        return shape, level, 0.0, np.inf
    strokes = shape.astype(np.uint8)
    near_ring, far_ring = (cv2.dilate(strokes, np.ones((side, side), np.uint8)) > 0 for side in (5, 9))
    core = cv2.erode(strokes, np.ones((3, 3), np.uint8)) > 0
    within = grey[core if core.sum() >= 6 else shape]
    around = grey[far_ring & ~near_ring]
    step = float(np.percentile(level - around, 10)) if around.size else 0.0
    return shape, level, step, float(within.std())


def _label_of(grey: NDArray[np.int16], inner: Mask) -> Mask | None:
    """The paper of one grey on which a text is written, as on a label; None if it is written on the picture itself."""
    import cv2

    counts = np.bincount(grey[inner].clip(0, 255), minlength=256)
    paper = int(counts.argmax())
    is_paper = np.abs(grey - paper) <= PAPER_SPREAD
    if is_paper[inner].mean() < PAPER_SHARE:
        return None
    count, labels = cv2.connectedComponents(is_paper.astype(np.uint8), connectivity=4)
    sizes = np.bincount(labels.ravel(), inner.ravel(), count)
    sizes[0] = 0
    label: Mask = labels == int(sizes.argmax())
    frame = np.concatenate([label[0], label[-1], label[:, 0], label[:, -1]])
    return None if frame.mean() > 0.2 else label  # paper that reaches the edges of the box is the picture itself


def _draw_bars(picture: Bytes, lines: Sequence[Line], all_strokes: Sequence[Strokes], mask: Mask) -> None:
    """Set scale bars in the mask: lines that belong to a length, and blocks with the grey of any text."""
    for line in lines:
        rows = slice(max(0, line.top - BAR_RIM), line.bottom + BAR_RIM + 1)
        mask[rows, max(0, int(line.left) - BAR_RIM) : int(line.right) + BAR_RIM + 1] = True
    for is_dark in {strokes.is_dark for strokes in all_strokes}:
        greys = [strokes.level for strokes in all_strokes if strokes.is_dark == is_dark]
        for left, top, wide, tall, level in bar_boxes(255 - picture if is_dark else picture):
            if min(abs(level - grey) for grey in greys) <= TOLERANCES[-1][0]:
                rows = slice(max(0, top - BAR_RIM), top + tall + BAR_RIM)
                mask[rows, max(0, left - BAR_RIM) : left + wide + BAR_RIM] = True
