"""Finds runs and blocks of ink with straight ends: the lines, full and hollow blocks of which scale bars are drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from .ocr import Text

Mask = NDArray[np.bool_]
SAME_PX = 1  # px by which ends that belong together may differ
HOLLOW_SHARE = 0.25  # largest height of the inside of a hollow block, as a share of its width
MOST_INSIDE, SAME_GREY = 0.1, 30.0  # share of ink inside a hollow block; grey levels from its inside to its outside


def runs_of(row: Mask) -> NDArray[np.int64]:
    """(n, 2): first column and last + 1 of each run of ink in a row."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(np.int8), [0]])))
    return edges.reshape(-1, 2)


def stacked_runs(ink: Mask, shortest: float) -> Iterator[tuple[int, int, int, int]]:
    """(left, right, top, bottom) of each stack of runs of ink with the same ends in successive rows. shortest: least
    length of a run in px."""
    open_runs: dict[tuple[int, int], tuple[int, int]] = {}
    for y, row in enumerate(ink):
        for left, right in runs_of(row):
            if right - left < shortest:
                continue
            key = next(
                (ends for ends in open_runs if abs(ends[0] - left) <= SAME_PX and abs(ends[1] - right) <= SAME_PX), None
            )
            if key is None or open_runs[key][1] != y - 1:
                if key is not None:
                    yield (*key, *open_runs.pop(key))
                open_runs[int(left), int(right)] = (y, y)
            else:
                open_runs[key] = (open_runs[key][0], y)
    for ends, rows in open_runs.items():
        yield (*ends, *rows)


def blocks(
    strip: NDArray[np.uint8], ink: Mask, shortest: float, texts: Sequence[Text]
) -> Iterator[tuple[int, int, int, int]]:
    """The stacks of `stacked_runs`, after the upper and lower edge of each hollow block were joined. A frame around one
    of the texts is no hollow block."""
    runs = sorted(stacked_runs(ink, shortest), key=lambda run: run[2], reverse=True)
    while runs:
        left, right, top, bottom = runs.pop()
        farthest = bottom + HOLLOW_SHARE * (right - left)
        below = takewhile(lambda run: run[2] <= farthest, reversed(runs))  # noqa: B023 (used at once)
        lower = next((run for run in below if _is_hollow(strip, ink, (left, right, top, bottom), run)), None)
        if lower is not None and not any(
            left < (text.left + text.right) / 2 < right and top < (text.top + text.bottom) / 2 < lower[3]
            for text in texts
        ):
            runs.remove(lower)
            bottom = lower[3]
        yield left, right, top, bottom


def _is_hollow(
    strip: NDArray[np.uint8], ink: Mask, upper: tuple[int, int, int, int], lower: tuple[int, int, int, int]
) -> bool:
    """Whether two stacks of runs are the upper and lower edge of a hollow block: its sides are ink, its inside has the
    grey of its outside. (A bar with a rim has a grey of its own.)"""
    left, right, top, bottom = upper
    if max(abs(lower[0] - left), abs(lower[1] - right)) > SAME_PX or lower[2] <= bottom + 1:
        return False
    side = max(bottom - top, lower[3] - lower[2]) + 1 + SAME_PX  # px: the sides are as thick as the edges
    between = ink[bottom + 1 : lower[2], left:right]
    sides = between[:, :side].any(axis=1) & between[:, -side:].any(axis=1)
    if not sides.all() or between.shape[1] <= 2 * side or between[:, side:-side].mean() > MOST_INSIDE:
        return False
    inside = strip[bottom + 1 : lower[2], left + side : right - side]
    outside = strip[[max(0, top - 3), min(len(strip) - 1, lower[3] + 3)], left:right]
    return bool(abs(float(np.median(inside)) - float(np.median(outside))) <= SAME_GREY)
