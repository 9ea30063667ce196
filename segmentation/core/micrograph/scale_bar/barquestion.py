"""Finds a length without a line, or a scale bar without a length, in an image, about which a person is asked
(`reading_to_ask_about`).

The rules for a line are looser than those of `barline` and `burntin`: a faint, slanted or frayed line may be proposed,
because a person looks at it before it counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..vendors.units import is_round
from .barline import distance_to_text
from .barresult import BarReading
from .barwords import Length, lengths
from .letters import bar_boxes
from .ocr import Text

SURE_SCORE = 0.8  # least score of a text that is certain
REACH_DOWN, REACH_ACROSS = 3.0, 12.0  # heights of a text, in which its line is searched
LEAST_CONTRAST, NOISES = 12.0, 4.0  # of a proposed line: grey levels, and multiples of the noise around it
SHORTEST, THICKEST, STEEPEST = 0.8, 0.9, 0.15  # of a proposed line: in heights of the text; height as a share of width
BOX_RIM, UNEVEN = (
    0.2,
    0.3,
)  # rim of a text's box, in its heights; of a line's thickness: deviation as a share of its mean
PURE_GREY = 20  # grey levels by which a bar without a length differs from black or white at most
BOX_MARGIN_PX = 4  # px around the texts of a reading, in the box that is shown to the user
Ends = tuple[float, float, float, float]


def reading_to_ask_about(strip: NDArray[np.uint8], texts: Sequence[Text], first_row: int) -> BarReading | None:
    """The reading, without a pixel size, of the only certain length on a strip (h, w), or of its only bar; None without
    one. The strip begins at row `first_row` of its image.

    A length gets the ends of the line that is probably its own, if there is any."""
    written = [length for length in lengths(texts) if _is_certain(length, texts)]
    if written:
        length = written[0]
        if any(other.nm != length.nm for other in written[1:]):
            return None
        ends = _ends_near(strip, length.part, texts)
        boxes = [length.part] if ends is None else [length.part, _box_of(ends)]
        words, nm = length.text, length.nm
    else:
        bars = [bar for grey in (strip, 255 - strip) for bar in bar_boxes(grey) if bar[4] >= 255 - PURE_GREY]
        if len(bars) != 1 or any(length.meaning != "other" for length in lengths(texts)):
            return None
        left, top, wide, tall, _ = bars[0]
        ends, words, nm = (left, top + tall / 2, left + wide, top + tall / 2), "", None
        boxes = [Text("", left, top, left + wide, top + tall, 1.0)]
    moved = ends and (ends[0], ends[1] + first_row, ends[2], ends[3] + first_row)
    box = box_around(boxes, strip.shape, first_row)
    return BarReading(0.0, 0.0, words, nm, None, box, texts=tuple(text.text for text in texts), ends=moved)


def _is_certain(length: Length, texts: Sequence[Text]) -> bool:
    """Whether a length is a whole text, a usual one of a scale bar, and was surely read."""
    is_whole_text = any(text.text.strip() == length.text for text in texts)
    is_sure = not length.is_doubtful and length.part.score >= SURE_SCORE
    return length.meaning == "scale bar" and is_whole_text and is_sure and is_round(length.nm)


def _ends_near(strip: NDArray[np.uint8], text: Text, texts: Sequence[Text]) -> Ends | None:
    """The ends of the thin straight line that is nearest to a text, the longest of equally near ones; None without
    one."""
    import cv2

    height = max(6.0, text.bottom - text.top)
    top, left = max(0, int(text.top - REACH_DOWN * height)), max(0, int(text.left - REACH_ACROSS * height))
    rows = slice(top, int(text.bottom + REACH_DOWN * height) + 1)
    part = strip[rows, left : int(text.right + REACH_ACROSS * height) + 1].astype(np.float32)
    contrast = np.abs(part - cv2.GaussianBlur(part, (0, 0), height))
    noise = float(np.percentile(contrast, 25)) / 0.32  # of a normal distribution; particles are above it
    marks = (contrast > max(LEAST_CONTRAST, NOISES * noise)).astype(np.uint8)
    for words in texts:
        inner = BOX_RIM * (words.bottom - words.top)  # a line may lie in the rim of a text's box
        rows = slice(max(0, int(words.top + inner) - top), max(0, int(words.bottom - inner) + 1 - top))
        marks[rows, max(0, int(words.left) - left) : max(0, int(words.right) + 1 - left)] = 0
    marks = cv2.morphologyEx(marks, cv2.MORPH_CLOSE, np.ones((1, 3), np.uint8))
    marks = cv2.morphologyEx(marks, cv2.MORPH_OPEN, np.ones((1, 2 * int(0.1 * height) + 3), np.uint8))
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(marks, connectivity=8)
    candidates: list[tuple[float, Ends]] = []
    for number, (x, y, wide, tall, _) in enumerate(boxes.tolist()):
        if not number or wide < max(8.0, SHORTEST * height) or tall > THICKEST * height + STEEPEST * wide:
            continue
        if left + x <= 0 or top + y <= 0 or left + x + wide >= strip.shape[1] or top + y + tall >= len(strip):
            continue  # it may be cut off
        ends = _straight_ends(labels[y : y + tall, x : x + wide] == number)
        if ends is not None:
            upper, last = ends
            distance = distance_to_text(left + x, left + x + wide, top + y, top + y + tall - 1, text)
            is_beside = top + y < text.bottom and top + y + tall > text.top
            if distance > (REACH_ACROSS if is_beside else REACH_DOWN):
                continue
            candidates.append(
                (round(distance) - wide / part.shape[1], (left + x, top + y + upper, left + x + wide, top + y + last))
            )
    return min(candidates)[1] if candidates else None


def _straight_ends(piece: NDArray[np.bool_]) -> tuple[float, float] | None:
    """The rows of both ends of a piece (h, w) if it is straight and everywhere about as thick; else None."""
    thick = piece.sum(axis=0)
    middle = (piece * (np.arange(len(piece))[:, np.newaxis] + 0.5)).sum(axis=0) / np.maximum(thick, 1)
    slope, start = np.polyfit(np.arange(len(thick)), middle, 1)
    straight = start + slope * np.arange(len(thick))
    if thick.std() > UNEVEN * thick.mean() or np.abs(middle - straight).max() > max(1.5, 0.5 * float(thick.mean())):
        return None
    return float(straight[0]), float(straight[-1])


def _box_of(ends: Ends) -> Text:
    """The box of a line, as of a text."""
    return Text("", ends[0], min(ends[1], ends[3]), ends[2], max(ends[1], ends[3]), 1.0)


def box_around(boxes: Sequence[Text], shape: tuple[int, ...], first_row: int) -> tuple[int, int, int, int]:
    """x, y, width and height in the image of the box around some boxes on a strip of this shape, with a margin.

    first_row: row of the image in which the strip begins."""
    rows, columns = shape
    left = max(0, int(min(box.left for box in boxes)) - BOX_MARGIN_PX)
    top = max(0, int(min(box.top for box in boxes)) - BOX_MARGIN_PX)
    right = min(columns, math.ceil(max(box.right for box in boxes)) + BOX_MARGIN_PX)
    bottom = min(rows, math.ceil(max(box.bottom for box in boxes)) + BOX_MARGIN_PX)
    return left, first_row + top, max(1, right - left), max(1, bottom - top)
