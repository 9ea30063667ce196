"""Letters, digits, scale bars, arrows and circles in black or white on a picture, outside its data bar.

The detector that reads data bars finds text, where small pieces suggest it that are as bright or dark as the picture
gets, end sharply, and have strokes of one thickness; looking for text takes a second or two. A text counts only where
its strokes are flat and end sharply, so that the texture of a specimen is not taken for letters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .barline import Mask
from .burntin import INK, LARGEST, scale_bars, texts_over
from .contrast import as_bytes
from .letters import (
    BAR_FULL,
    MOST_INK,
    MOST_PIECES,
    PAD,
    TALLEST,
    TOLERANCES,
    Bytes,
    Piece,
    bars,
    piece_of,
    places_of_writing,
)
from .ocr import SECONDS, CutOff, Text
from .readings import LEAST_SIDE
from .types import GreyImage

WORD, LENGTH = re.compile(r"[\w()\[\].,'+±°@/=:×& -]{2,}", re.ASCII), re.compile(r"\d.*m\W*$", re.IGNORECASE)
LETTERS, ROUND_LETTERS = re.compile("[A-Za-z0-9←→↔]"), re.compile("[0689OoQIl1]")  # particles alone look like these
LENGTH_SCORE, WORD_SCORE, LETTER_SCORE = 0.7, 0.85, 0.9  # least scores of a length, a word and a single letter
MARGIN = 0.35  # of a text's height around its box
LEAST_SHARE, MOST_SHARE = 0.04, 0.7  # of the box of a text that strokes cover
WORD_STEP, LETTER_STEP, LETTER_SPREAD = 30.0, 50.0, 6.0  # grey levels
PAPER_SPREAD, PAPER_SHARE = 3, 0.35  # a label: grey levels, share of the box
RIM, BAR_RIM = 0.4, 3  # of half the thickness of strokes, and px, by which they are widened, for their blurred edges
LINE_LEAST = 0.06  # of the picture's shorter side
LINE_STEP, LINE_HALF = 100.0, 3.5  # step around a drawn line; px, half of its usual width
LINE_SPREAD = 4.0  # grey levels within it
LONG, LONGEST = 4.0, 0.75  # length to width of a line or an arrow; of the picture: longer is an edge
MOST_LINES, LINE_SHARE = 10, 0.3  # more are the specimen; least share of all that has their grey
ROUND = 0.06  # of the radius: spread of the radii of a drawn circle
MOST_MARKED = 0.25  # of the picture: more is no writing on a micrograph


def writing_on(pixels: GreyImage, seconds: float = SECONDS) -> Mask | None:
    """(H, W) what is written or drawn in black and white on a picture (H, W); None where nothing is.

    seconds: of processor time, for the detector in a child process; where it is cut off, no text is found.
    """
    if pixels.size > LARGEST or min(pixels.shape) < LEAST_SIDE:
        return None
    picture = as_bytes(pixels)
    mask = np.zeros(picture.shape, np.bool_)
    if places := places_of_writing(picture):
        with suppress(CutOff):
            draw_texts(picture, texts_over(picture, seconds, places), mask)
    draw_lines(picture, mask)
    return mask if 0 < mask.mean() <= MOST_MARKED else None


def draw_texts(picture: Bytes, texts: Sequence[Text], mask: Mask) -> None:
    """Set the strokes of texts on a picture (H, W), and their scale bars, in a mask (H, W)."""
    written = [strokes for text in texts if (strokes := strokes_of(picture, text)) is not None]
    for strokes in written:
        strokes.draw(mask)
    if written:
        _draw_bars(picture, texts, written, mask)


@dataclass(frozen=True, eq=False)
class Strokes:
    """What a text was drawn with. top, left: of its pixels `shape` (h, w) in the picture. level: their grey, of the
    inverted picture where they are dark."""

    top: int
    left: int
    shape: Mask
    is_dark: bool
    level: float

    def draw(self, mask: Mask) -> None:
        """Set the pixels, with their blurred rims, in a mask (H, W) of the picture."""
        rows, columns = self.shape.shape
        mask[self.top : self.top + rows, self.left : self.left + columns] |= _widened(self.shape)


def _widened(shape: Mask) -> Mask:
    """The strokes with their blurred rims; what they hold, such as the inside of an e, is closed where it is small."""
    import cv2

    rim = 1 + round(RIM * _half(shape))
    wide = cv2.dilate(shape.astype(np.uint8), np.ones((4 * rim + 1, 4 * rim + 1), np.uint8))
    closed: Mask = cv2.erode(wide, np.ones((2 * rim + 1, 2 * rim + 1), np.uint8)) > 0
    return closed


def _half(shape: Mask) -> float:
    """px: half of the usual thickness of strokes, by their area and rim; the head of an arrow hardly changes it."""
    padded = np.pad(shape, 1)
    whole = padded[1:-1, 1:-1] & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return float(shape.sum() / max(1, int(shape.sum() - whole.sum())))


def strokes_of(picture: Bytes, text: Text) -> Strokes | None:
    """The strokes of a text on a picture; None where it has none that are flat and end sharply."""
    words = text.text.strip().replace("µ", "u").replace("μ", "u")
    is_length, is_word = LENGTH.search(words), WORD.fullmatch(words) is not None
    least = LENGTH_SCORE if is_length and is_word else WORD_SCORE if is_word else LETTER_SCORE
    height = max(6.0, text.bottom - text.top)
    telling = words if is_word else ROUND_LETTERS.sub("", words)
    if text.score < least or height > TALLEST * len(picture) or not LETTERS.search(telling):
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
    """The bright strokes in a box, their level, the step at their edges, and the spread of their greys within."""
    import cv2

    level = float(np.percentile(grey[inner], 98))
    ink = np.abs(grey - level) <= INK
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(ink.astype(np.uint8), connectivity=8)
    total, inside = (np.bincount(part.ravel(), minlength=count) for part in (labels, labels[inner]))
    is_stroke = (inside >= 0.7 * total) & (total >= 6) & (boxes[:, 3] <= 1.25 * height)
    is_stroke[0] = False
    shape: Mask = is_stroke[labels]
    if not shape.any():
        return shape, level, 0.0, np.inf
    solid = shape.astype(np.uint8)
    near, far = (cv2.dilate(solid, np.ones((side, side), np.uint8)) > 0 for side in (5, 9))
    core = cv2.erode(solid, np.ones((3, 3), np.uint8)) > 0
    within = grey[core if core.sum() >= 6 else shape]
    around = grey[far & ~near]
    step = float(np.percentile(level - around, 10)) if around.size else 0.0
    return shape, level, step, float(within.std())


def _label_of(grey: NDArray[np.int16], inner: Mask) -> Mask | None:
    """The paper of a label of one grey that the text stands on; None where it stands on the picture itself."""
    import cv2

    counts = np.bincount(grey[inner].clip(0, 255), minlength=256)
    paper = int(counts.argmax())
    flat = np.abs(grey - paper) <= PAPER_SPREAD
    if flat[inner].mean() < PAPER_SHARE:
        return None
    count, labels = cv2.connectedComponents(flat.astype(np.uint8), connectivity=4)
    sizes = np.bincount(labels.ravel(), inner.ravel(), count)
    sizes[0] = 0
    label: Mask = labels == int(sizes.argmax())
    frame = np.concatenate([label[0], label[-1], label[:, 0], label[:, -1]])
    return None if frame.mean() > 0.2 else label  # a ground that goes on is the picture's own


def _draw_bars(picture: Bytes, texts: Sequence[Text], written: Sequence[Strokes], mask: Mask) -> None:
    """Set the scale bars: the lines that belong to lengths, and blocks of the grey of any text."""
    for _, line in scale_bars(picture, texts):
        rows = slice(max(0, line.top - BAR_RIM), line.bottom + BAR_RIM + 1)
        mask[rows, max(0, int(line.left) - BAR_RIM) : int(line.right) + BAR_RIM + 1] = True
    for is_dark in {strokes.is_dark for strokes in written}:
        greys = [strokes.level for strokes in written if strokes.is_dark == is_dark]
        for left, top, wide, tall, level in bars(255 - picture if is_dark else picture):
            if min(abs(level - grey) for grey in greys) <= TOLERANCES[-1][0]:
                rows = slice(max(0, top - BAR_RIM), top + tall + BAR_RIM)
                mask[rows, max(0, left - BAR_RIM) : left + wide + BAR_RIM] = True


def draw_lines(picture: Bytes, mask: Mask) -> None:
    """Set arrows, lines, circles and bars in a mask (H, W) that has the texts: long pieces of the extreme grey that end
    sharply all around, where hardly anything but drawing and writing has that grey."""
    for grey in (picture, 255 - picture):
        pieces = list(_lines(grey))
        drawn = sum(int(piece.shape.sum()) for piece in pieces)
        if len(pieces) > MOST_LINES or drawn < LINE_SHARE * np.count_nonzero(_extreme(grey) & ~mask):
            continue
        for piece in pieces:
            rows, columns = piece.shape.shape
            view = slice(max(0, piece.box[1] - PAD), None), slice(max(0, piece.box[0] - PAD), None)
            mask[view][:rows, :columns] |= _widened(piece.shape)


def _extreme(grey: Bytes) -> Mask:
    """(H, W) the pixels of nearly the brightest grey."""
    return np.asarray(grey >= max(1, int(grey.max()) - TOLERANCES[0][0]))


def _lines(grey: Bytes) -> Iterator[Piece]:
    """The bright pieces of a picture (H, W) that are drawn lines, arrows, circles or bars."""
    import cv2

    rows, columns = grey.shape
    ink = _extreme(grey).astype(np.uint8)
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    left, upper, wide, tall, area = boxes.T
    length = np.hypot(wide, tall)
    is_long = (length >= LINE_LEAST * min(rows, columns)) & (wide <= LONGEST * columns) & (tall <= LONGEST * rows)
    is_long &= (left > 0) & (upper > 0) & (left + wide < columns) & (upper + tall < rows)
    is_bar = (area >= BAR_FULL * wide * tall) & (wide >= LONG * tall)
    numbers = np.flatnonzero(is_long)
    if len(numbers) > MOST_PIECES or ink.mean() > MOST_INK:
        return
    depth = cv2.distanceTransform(ink, cv2.DIST_L2, 3)
    for number in numbers.tolist():
        piece = piece_of(grey, labels, depth, number, boxes[number].tolist())
        if piece.step < LINE_STEP or _spread(grey, piece) > LINE_SPREAD:
            continue
        if is_bar[number] or (_half(piece.shape) <= LINE_HALF and _is_drawn(piece)):
            yield piece


def _spread(grey: Bytes, piece: Piece) -> float:
    """The standard deviation of a piece's greys, without its rim where it is thick enough."""
    import cv2

    rows, columns = piece.shape.shape
    part = grey[max(0, piece.box[1] - PAD) :, max(0, piece.box[0] - PAD) :][:rows, :columns]
    core = cv2.erode(piece.shape.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return float(part[core if core.any() else piece.shape].std())


def _is_drawn(piece: Piece) -> bool:
    """Whether a piece is straight, as lines and arrows are, or a circle."""
    places = np.argwhere(piece.shape).astype(np.float64)
    centred = places - places.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2]
    along, across = (float(np.ptp(centred @ axis)) + 1 for axis in axes)
    if along >= LONG * across:
        return True
    middle = (places.min(axis=0) + places.max(axis=0)) / 2
    radii = np.hypot(*(places - middle).T)
    turns = np.unique((np.arctan2(*(places - middle).T) * 18 / np.pi).astype(int))
    return bool(len(turns) >= 30 and radii.std() <= ROUND * radii.mean() + 0.5)
