"""The scale bar's line in a data bar: where it is and how many pixels long.

Three ways of drawing it are known: one line or block with or without end ticks (Zeiss, JEOL), a line that its text
breaks (FEI, TESCAN), and a row of ticks or dots at equal distances (Hitachi). Ends with ticks are measured between
the ticks' centres, others from edge to edge.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .ocr import Text

Mask = NDArray[np.bool_]
INK = 0.35  # of the strip's contrast
MOST_INK = 0.4  # of the strip: more is no drawing on a flat ground
LEAST_SHARE = 0.6  # of the text's height: no scale bar is shorter
SHORTEST_PX = 8
WIDEST_SHARE = 0.75  # of the strip: longer ones are frames
FARTHEST = 2.5  # heights of the text between it and its line
FEWEST_TICKS = 6
TEN = 10  # steps of a row of ticks, as Hitachi draws it
SHORTEST_STEP = 5.0  # px between two ticks
MOST_MISSING = 0.2  # of the steps of a row: what the picture hides
MOST_RUNS, MOST_IN_A_ROW = 50_000, 400  # more are a texture
LEAST_FULL = 0.6  # of the box of a mark
SAME_PX = 1
LEAST_BLOCK = 2  # last row, at least, of a bar that begins in the first


@dataclass(frozen=True)
class Line:
    """A scale bar's line: first and last column between which it is measured, its rows, its pixels' length.

    far: its distance from its text, in heights of the text. steps: between its ticks where it is a row of them, else 0.
    """

    left: float
    right: float
    top: int
    bottom: int
    length: float
    far: float
    steps: int = 0


def find_line(strip: NDArray[np.uint8], text: Text, others: Sequence[Text] = (), *, alone: bool = False) -> Line | None:
    """The line that belongs to a scale bar's text on a strip (h, w), the nearest; None where there is none.

    others: other texts there; their letters are no lines. A text of a single sign may be a line that was misread.
    Where no line is near, one that is the only line or block of the strip belongs to the text at any distance if
    `alone`: no other text there is a length.
    """
    ink = ink_of(strip)
    if len(strip) < 3 or ink.mean() > MOST_INK:
        return None
    written = [text, *(other for other in others if _is_writing(other.text))]
    whole = list(_whole_lines(ink, text, written))
    lines = [*_broken_lines(ink, text), *whole, *ticked(ink, text)]
    near = min((line for line in lines if line.far <= FARTHEST), key=lambda line: line.far, default=None)
    return whole[0] if near is None and alone and len(whole) == 1 else near


def ink_of(strip: NDArray[np.uint8]) -> Mask:
    """(h, w) where a strip has another grey than its paper, the commonest: letters and lines."""
    paper = int(np.bincount(strip.ravel(), minlength=256).argmax())
    away = np.abs(strip.astype(np.int16) - paper)
    ink: Mask = away > max(20.0, INK * float(away.max()))
    return ink


def _is_writing(text: str) -> bool:
    """Whether this is no line or row of ticks that was read as letters: "H", "IIIIIIIIIII"."""
    letters = {letter for letter in text if letter.isalnum()}
    return len(letters) > 1 and not letters <= set("IlLi1tTHh")


def _runs(row: Mask) -> NDArray[np.int64]:
    """First and last-plus-one columns (n, 2) of the ink in a row."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(np.int8), [0]])))
    return edges.reshape(-1, 2)


def _height(text: Text) -> float:
    return max(6.0, text.bottom - text.top)


def stacks(ink: Mask, shortest: float) -> Iterator[tuple[int, int, int, int]]:
    """(left, right, top, bottom) of runs at least `shortest` long that lie below one another with the same ends."""
    open_runs: dict[tuple[int, int], tuple[int, int]] = {}
    for y, row in enumerate(ink):
        for left, right in _runs(row):
            if right - left < shortest:
                continue
            key = next((k for k in open_runs if abs(k[0] - left) <= SAME_PX and abs(k[1] - right) <= SAME_PX), None)
            if key is None or open_runs[key][1] != y - 1:
                if key is not None:
                    yield (*key, *open_runs.pop(key))
                open_runs[int(left), int(right)] = (y, y)
            else:
                open_runs[key] = (open_runs[key][0], y)
    for ends, rows in open_runs.items():
        yield (*ends, *rows)


def _tick(ink: Mask, column: int, top: int, bottom: int, inward: int) -> int:
    """Columns of the tick that stands at the end of a line, 0 where none does: ink above or below the line there."""
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


def measured(ink: Mask, left: int, right: int, top: int, bottom: int) -> tuple[float, float]:
    """First and last place of a line of columns left..right-1, ends with ticks taken at the ticks' centres."""
    tick = _tick(ink, left, top, bottom, 1)
    last = _tick(ink, right - 1, top, bottom, -1)
    if not (tick and last):
        return float(left), float(right)
    return left + tick / 2, right - last / 2


def _whole_lines(ink: Mask, text: Text, written: Sequence[Text]) -> Iterator[Line]:
    """Lines and blocks above, below or beside their text."""
    rows, columns = ink.shape
    height = _height(text)
    for left, right, top, bottom in stacks(ink, max(SHORTEST_PX, LEAST_SHARE * height)):
        thick = bottom - top + 1
        if not _is_line(ink, left, right, top, bottom) or thick > 0.5 * rows or right - left < 2 * thick:
            continue
        if right - left > WIDEST_SHARE * columns:
            continue
        stroke = any(
            left >= other.left - 2 and right <= other.right + 2 and top >= other.top - 1 and bottom <= other.bottom + 1
            for other in written
        )
        if stroke:  # around one of a letter there is ink, unlike a line over which the box of a text beside it reaches
            around = ink[top - 1 : bottom + 2, left - 2 : right + 2].copy()
            around[1:-1, SAME_PX:-SAME_PX] = False
            if around.any():
                continue
        start, last = measured(ink, left, right, top, bottom)
        yield Line(start, last, top, bottom, last - start, far_from(left, right, top, bottom, text))


def _is_line(ink: Mask, left: int, right: int, top: int, bottom: int) -> bool:
    """Whether it is no part of a frame: those reach the strip's edge or meet a line from top to bottom at an end.

    A thick one in the first row is a bar that begins with the strip, as some of JEOL's do.
    """
    rows, columns = ink.shape
    if left <= 1 or right >= columns - 1 or bottom == rows - 1 or (top == 0 and bottom < LEAST_BLOCK):
        return False
    return not any(ink[:, max(0, x - 1) : x + 2].any(axis=1).mean() > 0.9 for x in (left, right - 1))


def far_from(left: float, right: float, top: int, bottom: int, text: Text) -> float:
    """Distance between line and text, in heights of the text."""
    across = max(0.0, left - text.right, text.left - right)
    down = max(0.0, top - text.bottom, text.top - bottom)
    return (across + down) / _height(text)


def _broken_lines(ink: Mask, text: Text) -> Iterator[Line]:
    """Lines that the text interrupts: one part ends left of it, and another of equal length begins right of it."""
    height = _height(text)
    middle = (text.left + text.right) / 2
    for y in range(max(0, int(text.top)), min(ink.shape[0], int(text.bottom) + 1)):
        runs = _runs(ink[y])
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
        start, last = measured(ink, left, right, y, y)
        yield Line(start, last, y, y, last - start, 0.0)


def ticked(ink: Mask, text: Text) -> Iterator[Line]:
    """The row of marks at equal distances near a text that has the most of them: ticks without a line, or dots."""
    marks = _marks(ink, text)
    if len(marks) < FEWEST_TICKS:
        return
    top, bottom = marks[:, 2], marks[:, 3]
    rows = []
    for edge in (top, bottom, (top + bottom) / 2):  # the ticks at the ends and in the middle may be taller
        for y in np.unique(edge):
            row = marks[np.abs(edge - y) <= SAME_PX]
            rows += [(steps, -abs(y - text.top), ends, row) for *ends, steps in _equal(row[:, :2].mean(axis=1))]
    if rows:
        steps, _, (start, last), row = max(rows, key=lambda candidate: candidate[:2])
        upper, lower = int(row[:, 2].min()), int(row[:, 3].max()) - 1
        far = far_from(start, last, upper, lower, text) + 0.5  # a line as near goes before it
        yield Line(start, last, upper, lower, last - start, far, steps)


def _marks(ink: Mask, text: Text) -> NDArray[np.float64]:
    """Left, right, top and bottom (n, 4) of the small upright marks and dots near a text; the ends just outside."""
    import cv2  # the inspector's image has no scipy

    height = _height(text)
    row = max(0, int(text.top - FARTHEST * height))
    near = ink[row : int(text.bottom + FARTHEST * height) + 1]
    if np.count_nonzero(near[:, 1:] & ~near[:, :-1]) > MOST_RUNS:
        return np.zeros((0, 4))
    pieces = cv2.connectedComponentsWithStats(near.astype(np.uint8), connectivity=4)[2][1:].astype(np.float64)
    left, top, wide, tall, area = pieces.T
    boxes = np.stack([left, left + wide, top + row, top + tall + row], axis=1)
    is_small = (wide <= max(5.0, 0.45 * height)) & (tall >= 2) & (tall <= 1.5 * height)
    marks: NDArray[np.float64] = boxes[is_small & (area >= LEAST_FULL * wide * tall)]
    return marks


def _equal(centres: NDArray[np.float64]) -> Iterator[tuple[float, float, int]]:
    """First, last and number of steps of rows of at least FEWEST_TICKS places at equal distances of 5 px or more.

    Between its ends a row may miss a few, but no two that follow each other, as what lies below may hide them.
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
    """Of ascending places the one that lies where one is wanted, within a pixel or a part of the step."""
    after = bisect(places, expected)
    nearest = min(places[max(0, after - 1) : after + 1], key=lambda position: abs(position - expected))
    return nearest if abs(nearest - expected) <= max(1.0, 0.05 * step) else None
