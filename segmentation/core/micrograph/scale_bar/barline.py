"""Finds the line of a scale bar in a data bar, and measures its length in pixels.

Microscopes draw it in three ways: as one line or block with or without ticks at its ends (Zeiss, JEOL), as a line with
the text in a gap (FEI, TESCAN), or as a row of ticks or dots at equal distances (Hitachi). A line with ticks is
measured from the centre of one tick to that of the other; a line without ticks, and the frame of a hollow block, from
edge to edge.

"Ink" are the pixels that differ from the background, called paper.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .barblocks import SAME_PX, Mask, blocks, runs_of
from .ocr import Text

INK_SHARE = 0.35  # least contrast of ink, as a share of the largest in the strip
MOST_INK = 0.4  # share of ink in the strip: a strip with more is no drawing on paper
SHORTEST_HEIGHTS = 0.6  # heights of the text: no scale bar is shorter
SHORTEST_PX = 8
WIDEST_SHARE = 0.75  # of the strip's width: longer lines are frames
FARTHEST = 2.5  # between the text and its line, in heights of the text
FEWEST_TICKS = 6
USUAL_STEPS = 10  # steps of a row of ticks by Hitachi
SHORTEST_STEP = 5.0  # px between two ticks
MOST_MISSING = 0.2  # share of the ticks of a row that may be hidden by the picture
MOST_RUNS, MOST_IN_A_ROW = 50_000, 400  # runs of ink, and marks in a row: more are a texture
LEAST_FULL = 0.6  # share of ink in the box of a mark
LEAST_BLOCK = 2  # a scale bar that begins in row 0 reaches this row at least


@dataclass(frozen=True)
class Line:
    """The line of a scale bar.

    left, right: the columns between which it is measured. top, bottom: its first and last row. length: in px.
    distance: from its text, in heights of the text.
    steps: number of steps if it is a row of ticks, else 0. is_alone: whether no line of another length is as near to
    the text.
    """

    left: float
    right: float
    top: int
    bottom: int
    length: float
    distance: float
    steps: int = 0
    is_alone: bool = True


def find_line(
    strip: NDArray[np.uint8], text: Text, others: Sequence[Text] = (), *, is_only_length: bool = False
) -> Line | None:
    """The line nearest to the text of a scale bar on a strip (h, w); None if no line belongs to the text.

    others: the other texts on the strip, whose letters are no lines. A text of one repeated letter may be a misread
    line. is_only_length: no other text is a length; then a line that is the only one on the strip belongs to the text
    at any distance.
    """
    ink = ink_of(strip)
    if len(strip) < 3 or ink.mean() > MOST_INK:
        return None
    letters = [text, *(other for other in others if _is_writing(other.text))]
    whole_lines = list(_whole_lines(strip, ink, text, letters))
    lines = [*_broken_lines(ink, text), *whole_lines, *tick_rows(ink, text)]
    nearest = min((line for line in lines if line.distance <= FARTHEST), key=lambda line: line.distance, default=None)
    return whole_lines[0] if nearest is None and is_only_length and len(whole_lines) == 1 else nearest


def ink_of(strip: NDArray[np.uint8]) -> Mask:
    """(h, w) bool: where the grey of a strip differs from that of its paper, the most frequent one."""
    paper = int(np.bincount(strip.ravel(), minlength=256).argmax())
    contrast = np.abs(strip.astype(np.int16) - paper)
    ink: Mask = contrast > max(20.0, INK_SHARE * float(contrast.max()))
    return ink


def _is_writing(text: str) -> bool:
    """Whether a text consists of letters, and is no line or row of ticks that was read as "H" or "IIIIIIIIIII"."""
    letters = {letter for letter in text if letter.isalnum()}
    return len(letters) > 1 and not letters <= set("IlLi1tTHh")


def _text_height(text: Text) -> float:
    return max(6.0, text.bottom - text.top)


def _tick(ink: Mask, column: int, top: int, bottom: int, inward: int) -> int:
    """The width in px of the tick at the end `column` of a line, which is ink above or below it; 0 without a tick.

    inward: 1 or -1, the direction from this end to the other one."""
    reach = max(3, bottom - top + 1)
    thick = 0
    for step in range(4):
        x = column + inward * step
        if not 0 <= x < ink.shape[1]:
            break
        above = ink[max(0, top - reach) : top, x]
        below = ink[bottom + 1 : bottom + 1 + reach, x]
        if not ((above.size >= 3 and above[-3:].all()) or (below.size >= 3 and below[:3].all())):
            break
        thick += 1
    return thick if thick < 4 else 0


def measured_ends(ink: Mask, left: int, right: int, top: int, bottom: int) -> tuple[float, float]:
    """The ends in px of a line of columns left..right-1: the centres of its two ticks, else its edges."""
    left_tick = _tick(ink, left, top, bottom, 1)
    right_tick = _tick(ink, right - 1, top, bottom, -1)
    if not (left_tick and right_tick):
        return float(left), float(right)
    return left + left_tick / 2, right - right_tick / 2


def _whole_lines(strip: NDArray[np.uint8], ink: Mask, text: Text, letters: Sequence[Text]) -> Iterator[Line]:
    """Lines and blocks without a gap. letters: texts whose strokes are no lines."""
    rows, columns = ink.shape
    height = _text_height(text)
    for left, right, top, bottom in blocks(strip, ink, max(SHORTEST_PX, SHORTEST_HEIGHTS * height), letters):
        thick = bottom - top + 1
        if not _is_line(ink, left, right, top, bottom) or thick > 0.5 * rows or right - left < 2 * thick:
            continue
        if right - left > WIDEST_SHARE * columns:
            continue
        may_be_stroke = any(
            left >= other.left - 2 and right <= other.right + 2 and top >= other.top - 1 and bottom <= other.bottom + 1
            for other in letters
        )
        if may_be_stroke:  # a stroke of a letter has ink around it, a line in the box of a text has none
            around = ink[top - 1 : bottom + 2, left - 2 : right + 2].copy()
            around[1:-1, SAME_PX:-SAME_PX] = False
            if around.any():
                continue
        start, last = measured_ends(ink, left, right, top, bottom)
        yield Line(start, last, top, bottom, last - start, distance_to_text(left, right, top, bottom, text))


def _is_line(ink: Mask, left: int, right: int, top: int, bottom: int) -> bool:
    """Whether these columns and rows are no part of a frame, which reaches the edge of the strip or ends at a line from
    top to bottom.

    A thick line from the first row on is no frame: some of JEOL's scale bars begin with the strip.
    """
    rows, columns = ink.shape
    if left <= 1 or right >= columns - 1 or bottom == rows - 1 or (top == 0 and bottom < LEAST_BLOCK):
        return False
    return not any(ink[:, max(0, x - 1) : x + 2].any(axis=1).mean() > 0.9 for x in (left, right - 1))


def distance_to_text(left: float, right: float, top: int, bottom: int, text: Text) -> float:
    """The distance between a line and a text, in heights of the text."""
    across = max(0.0, left - text.right, text.left - right)
    down = max(0.0, top - text.bottom, text.top - bottom)
    return (across + down) / _text_height(text)


def _broken_lines(ink: Mask, text: Text) -> Iterator[Line]:
    """Lines with the text in a gap: one part ends left of the text, and another of equal length begins right of it."""
    height = _text_height(text)
    middle = (text.left + text.right) / 2
    for y in range(max(0, int(text.top)), min(ink.shape[0], int(text.bottom) + 1)):
        runs = runs_of(ink[y])
        before = [run for run in runs if run[1] <= middle and run[1] >= text.left - 1.5 * height and run[0] < text.left]
        after = [
            run for run in runs if run[0] >= middle and run[0] <= text.right + 1.5 * height and run[1] > text.right
        ]
        before = [run for run in before if run[1] - run[0] >= max(SHORTEST_PX, 0.5 * height)][-1:]
        after = [run for run in after if run[1] - run[0] >= max(SHORTEST_PX, 0.5 * height)][:1]
        if not before or not after:
            continue
        left, right = int(before[0][0]), int(after[0][1])
        parts = sorted((middle - left, right - middle))
        if (left <= 1 and right >= ink.shape[1] - 1) or parts[1] - parts[0] > 0.12 * (right - left) + height:
            continue
        start, last = measured_ends(ink, left, right, y, y)
        yield Line(start, last, y, y, last - start, 0.0)


def tick_rows(ink: Mask, text: Text) -> Iterator[Line]:
    """The longest row of marks (ticks or dots) at equal distances near a text; nothing without one."""
    marks = _marks(ink, text)
    if len(marks) < FEWEST_TICKS:
        return
    top, bottom = marks[:, 2], marks[:, 3]
    rows = []
    for edge in (top, bottom, (top + bottom) / 2):  # the ticks at the ends and in the middle may be taller
        for y in np.unique(edge):
            row = marks[np.abs(edge - y) <= SAME_PX]
            rows += [(steps, -abs(y - text.top), ends, row) for *ends, steps in _equal_steps(row[:, :2].mean(axis=1))]
    if rows:
        steps, _, (start, last), row = max(rows, key=lambda candidate: candidate[:2])
        upper, lower = int(row[:, 2].min()), int(row[:, 3].max()) - 1
        # A line at the same distance is preferred to a row of ticks.
        distance = distance_to_text(start, last, upper, lower, text) + 0.5
        yield Line(start, last, upper, lower, last - start, distance, steps)


def _marks(ink: Mask, text: Text) -> NDArray[np.float64]:
    """(n, 4): left, right + 1, top and bottom + 1 of the small upright marks and dots near a text."""
    import cv2  # scipy is not installed where files are inspected

    height = _text_height(text)
    row = max(0, int(text.top - FARTHEST * height))
    near_ink = ink[row : int(text.bottom + FARTHEST * height) + 1]
    if np.count_nonzero(near_ink[:, 1:] & ~near_ink[:, :-1]) > MOST_RUNS:
        return np.zeros((0, 4))
    components = cv2.connectedComponentsWithStats(near_ink.astype(np.uint8), connectivity=4)[2][1:].astype(np.float64)
    left, top, wide, tall, area = components.T
    boxes = np.stack([left, left + wide, top + row, top + tall + row], axis=1)
    is_small = (wide <= max(5.0, 0.45 * height)) & (tall >= 2) & (tall <= 1.5 * height)
    marks: NDArray[np.float64] = boxes[is_small & (area >= LEAST_FULL * wide * tall)]
    return marks


def _equal_steps(centres: NDArray[np.float64]) -> Iterator[tuple[float, float, int]]:
    """First place, last place and number of steps of each row of places at equal distances.

    A row has at least FEWEST_TICKS places, SHORTEST_STEP or more apart. Single places between its ends may be missing,
    because the picture below may hide them, but no two neighbours.
    """
    places = np.unique(centres).tolist()
    if len(places) > MOST_IN_A_ROW:
        return
    for number, start in enumerate(places):
        for second in places[number + 1 : number + 4]:
            step = second - start
            if step < SHORTEST_STEP or _nearest_place(places, start - step, step) is not None:
                continue
            last, steps, missing = second, 1, 0
            while True:
                step = (last - start) / steps
                following = _nearest_place(places, last + step, step)
                skipped = 0 if following is not None else 1
                if following is None:
                    following = _nearest_place(places, last + 2 * step, step)
                if following is None:
                    break
                last, steps, missing = following, steps + 1 + skipped, missing + skipped
            if steps + 1 - missing >= FEWEST_TICKS and missing <= MOST_MISSING * steps:
                yield start, last, steps


def _nearest_place(places: list[float], expected: float, step: float) -> float | None:
    """The place nearest to the expected one; None if it is more than a pixel and 5 % of the step away. places:
    ascending."""
    after = bisect(places, expected)
    nearest = min(places[max(0, after - 1) : after + 1], key=lambda position: abs(position - expected))
    return nearest if abs(nearest - expected) <= max(1.0, 0.05 * step) else None
