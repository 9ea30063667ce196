"""Geometry of corrections: connected pieces, cut objects, and the pixels of lines; numpy alone.

Positions are (x, y) in pixels of the image, as in `edits`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import pairwise
from math import ceil, inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEVELS = 32  # steps between the highest and the lowest value of a map
AT_ONCE = 128  # edges or runs between two looks at the clock
REACH = 3  # px from the end of a line to the edge
SMALLEST = 9  # px; the network's outlines are no smaller either
BOUNDARY = 5  # px between grains, as the finder of grains draws it
Floats = NDArray[np.float64]
Labels = NDArray[np.int32]
Mask = NDArray[np.bool_]
Box = tuple[int, int, int, int]  # top, left, bottom, right; the last two exclusive
_end = ContextVar("the time.monotonic() at which work on corrections ends", default=inf)


class TooLong(Exception):
    """Work on corrections was given up, because its time was over."""


@contextmanager
def ending(end: float) -> Iterator[None]:
    """Whatever works on corrections in this block raises TooLong soon after time.monotonic() has reached `end`."""
    token = _end.set(end)
    try:
        yield
    finally:
        _end.reset(token)


def check_time() -> None:
    """Called in every loop whose length a caller chooses; raises TooLong."""
    if time.monotonic() > _end.get():
        raise TooLong


def components(mask: Mask | Labels, *, corners: bool = False) -> tuple[Labels, int]:
    """Connected pieces (H, W) int32 1..n of a mask, or of each of some labels, in reading order, and how many; corners:
    whether pixels that share only a corner are connected."""
    wide = mask.shape[1] + 2
    values = np.pad(mask, ((0, 0), (1, 1)))
    edges = values[:, 1:] != values[:, :-1]
    rows, starts = np.nonzero(edges & (values[:, 1:] != 0))
    ends = np.nonzero(edges & (values[:, :-1] != 0))[1]
    numbers = grouped(rows, starts, ends, mask[rows, starts].tolist(), wide, int(corners))
    flat = np.zeros(mask.size, np.int32)
    flat[np.flatnonzero(mask)] = np.repeat(numbers, ends - starts)
    return flat.reshape(mask.shape), int(numbers.max(initial=0))


def grouped(
    rows: NDArray[Any], starts: NDArray[Any], ends: NDArray[Any], labels: list[Any], wide: int, reach: int = 0
) -> NDArray[np.intp]:
    """The numbers 1..n of the connected pieces of runs of pixels; different labels are apart. The runs are in reading
    order, each within its row, its end exclusive. wide: more than a row has. reach: 1 where a corner connects."""
    below = (rows + 1) * wide
    first = np.searchsorted(rows * wide + ends, below + starts - reach, "right")
    last = np.searchsorted(rows * wide + starts, below + ends + reach, "left")
    parents = list(range(len(rows)))

    def root(run: int) -> int:
        while parents[run] != run:
            parents[run] = parents[parents[run]]
            run = parents[run]
        return run

    for run, (begin, end) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
        if run % AT_ONCE == 0:
            check_time()
        for other in range(begin, end):
            if labels[run] != labels[other]:
                continue
            one, two = sorted((root(run), root(other)))
            parents[two] = one
    return np.unique([root(run) for run in parents], return_inverse=True)[1] + 1


def cut(inside: Mask, barrier: Mask) -> Labels:
    """Parts (h, w) int32 1..n of an object; part 1 holds the largest of each of its pieces, all of one left whole."""
    pieces, _ = components(inside)
    parts, count = components(inside & ~barrier)
    areas = np.bincount(parts.ravel(), minlength=count + 1)
    parts[areas[parts] < SMALLEST] = 0
    _grow(parts, inside)
    numbers = np.zeros(count + 1, np.int32)
    for piece in range(1, int(pieces.max(initial=0)) + 1):
        check_time()
        numbers_here = np.unique(parts[(pieces == piece) & (parts > 0)])
        numbers[numbers_here[areas[numbers_here].argsort()[::-1][1:]]] = -1
    numbers[numbers < 0] = np.arange(2, 2 + int((numbers < 0).sum()))
    numbers[numbers == 0] = 1
    labels: Labels = np.where(inside, numbers[parts], 0).astype(np.int32)
    return labels


def without_boundary(parts: Labels) -> Labels:
    """Parts (h, w) of an object, 0 in a boundary, BOUNDARY px wide, where they meet."""
    met = np.zeros(parts.shape, bool)
    for here, there in (((slice(None), slice(-1)), (slice(None), slice(1, None))), ((slice(-1),), (slice(1, None),))):
        met[here] |= (parts[here] != parts[there]) & (parts[here] > 0) & (parts[there] > 0)
    apart: Labels = np.where(steps_from(spread(met), BOUNDARY // 2 - 1) < BOUNDARY // 2, 0, parts).astype(np.int32)
    return apart


def spread(mask: Mask) -> Mask:
    """The mask (h, w) with the four neighbours of each of its pixels."""
    wide = np.pad(mask, 1)
    wider: Mask = mask | wide[:-2, 1:-1] | wide[2:, 1:-1] | wide[1:-1, :-2] | wide[1:-1, 2:]
    return wider


def steps_from(mask: Mask, most: int) -> NDArray[np.int8]:
    """How many steps (h, w) each pixel is from a mask, through sides and corners; most + 1 from there on."""
    steps = np.where(mask, 0, most + 1).astype(np.int8)
    for step in range(1, most + 1):
        wide = np.pad(steps < step, 1)
        tall = wide[:-2] | wide[1:-1] | wide[2:]
        steps[(tall[:, :-2] | tall[:, 1:-1] | tall[:, 2:]) & (steps > step)] = step
    return steps


def flooded(seeds: Labels, height: NDArray[np.uint8], inside: Mask) -> Labels:
    """Parts (h, w) int32 that grow from their seeds (h, w), 0 where there is none: from the highest values of the map
    to the lowest, in LEVELS steps (a seeded watershed)."""
    parts: Labels = np.where(inside, seeds, 0).astype(np.int32)
    for level in np.linspace(255, 0, LEVELS):
        _grow(parts, inside & (height >= level))
    return parts


def _grow(parts: Labels, inside: Mask) -> None:
    """Give the object's pixels without a part to the part beside them, in place: step by step, of several parts that
    reach a pixel at once the one with the highest number."""
    room = np.pad(inside & (parts == 0), 1).ravel()
    numbers = np.pad(parts, 1).ravel()
    wide = parts.shape[1] + 2
    front = np.flatnonzero(numbers)
    while front.size:
        check_time()
        beside = (front[:, None] + (-wide, -1, 1, wide)).ravel()
        values = np.repeat(numbers[front], 4)
        free = room[beside]
        beside, values = beside[free], values[free]
        np.maximum.at(numbers, beside, values)
        front = np.unique(beside)
        room[front] = False
    parts[:] = numbers.reshape(-1, wide)[1:-1, 1:-1]


def line_pixels(points: Floats, box: Box) -> Mask:
    """The pixels (h, w) of a box that a line through points (n, 2) passes; neighbours among them share at least a
    corner."""
    top, left, bottom, right = box
    barrier = np.zeros((bottom - top, right - left), bool)
    low, high = np.array([left, top]) - 1.0, np.array([right, bottom]) + 1.0
    for one, two in pairwise(points):
        begin, end = _part_in_box(one, two, low, high)
        if begin > end:
            continue
        steps = ceil(4 * float(np.abs(two - one).max()) * (end - begin)) + 2
        x, y = np.floor(one + np.linspace(begin, end, steps)[:, None] * (two - one)).astype(int).T
        inside = (x >= left) & (x < right) & (y >= top) & (y < bottom)
        barrier[y[inside] - top, x[inside] - left] = True
    return barrier


def to_edge(points: Floats, inside: Mask, box: Box) -> Floats:
    """A line (n, 2) whose ends, where they lie in an object (h, w) of a box and at most REACH from its edge, go on to
    the nearest pixel outside."""
    top, left, *_ = box
    around = np.pad(inside, REACH)
    rows, columns = np.mgrid[-REACH : REACH + 1, -REACH : REACH + 1]
    ends = []
    for end in (points[0], points[-1]):
        column, row = (np.floor(end).astype(int) - (left, top)).tolist()
        part = around[max(0, row) : row + 2 * REACH + 1, max(0, column) : column + 2 * REACH + 1]
        if part.shape == rows.shape and part[REACH, REACH] and not part.all():
            distance = np.where(part, np.inf, np.hypot(rows, columns))
            if distance.min() <= REACH:
                down, right = np.unravel_index(distance.argmin(), distance.shape)
                end = np.array([left + column + right - REACH, top + row + down - REACH]) + 0.5
        ends.append(end)
    return np.array([ends[0], *points, ends[1]])


def _part_in_box(one: Floats, two: Floats, low: Floats, high: Floats) -> tuple[float, float]:
    """The part of a segment between two corners of a box, as shares of its length; the first larger where there is
    none."""
    begin, end = 0.0, 1.0
    for start, step, least, most in zip(one.tolist(), (two - one).tolist(), low.tolist(), high.tolist(), strict=True):
        if step:
            ends = sorted(((least - start) / step, (most - start) / step))
            begin, end = max(begin, ends[0]), min(end, ends[1])
        elif not least <= start <= most:
            return 1.0, 0.0
    return begin, end


def crosses_itself(points: Floats) -> bool:
    """Whether two edges of a closed polygon (n, 2) cross in their insides; a polygon may touch itself."""
    begin, end = points, np.roll(points, -1, axis=0)
    apart = np.zeros((len(points), len(points)), bool)  # both ends of one edge on different sides of another
    for first in range(0, len(points), AT_ONCE):
        check_time()
        some = slice(first, first + AT_ONCE)
        apart[some] = _side(begin[some], end[some], begin) * _side(begin[some], end[some], end) < 0
    return bool((apart & apart.T).any())


def _side(a: Floats, b: Floats, c: Floats) -> Floats:
    """On which side of lines a to b (n, 2) points c (m, 2) lie: (n, m), -1, 0 or 1."""
    one, two = b - a, c[None] - a[:, None]
    turn: Floats = np.sign(one[:, None, 0] * two[..., 1] - one[:, None, 1] * two[..., 0])
    return turn
