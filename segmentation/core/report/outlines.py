"""The outline of every particle, traced along the edges of its pixels, for the figure and the viewer."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..measure.runs import first_of_each

# Along +x, +y, -x, -y (y points down); the particle is always on the right hand.
STEPS = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])

Ints = NDArray[np.int64]
Points = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Cracks:
    """Directed pixel edges, sorted by label and start: label, direction 0..3 and start corner (x, y)."""

    label: Ints
    direction: Ints
    x: Ints
    y: Ints


def trace(labels: NDArray[np.int32], n: int) -> list[Points]:
    """The outer outlines of particles 1..n of `labels` (H, W): (k, 2) float64 x and y in pixel-corner
    coordinates, the upload's top left corner being (0, 0); a straight line to the first point closes each.

    The line runs through the middles of the pixel edges, so that a slanted outline is no staircase, and has
    no point that lies on the line between its neighbours. Pixels that meet at a corner are one particle; of a
    particle in pieces the largest piece is traced.
    """
    cracks = _find_cracks(labels)
    order, ring = _go_around(_successors(cracks, labels.shape[1]))
    label = cracks.label[order]
    step = STEPS[cracks.direction[order]]
    middles = np.c_[cracks.x[order], cracks.y[order]] + step / 2
    outlines: list[Points] = [np.zeros((0, 2))] * n
    largest = np.zeros(n + 1)
    bounds = np.r_[first_of_each(ring), len(ring)].tolist()
    for begin, end in pairwise(bounds):
        points, one = middles[begin:end], int(label[begin])
        area = _area(points)
        if area > largest[one]:
            largest[one] = area
            outlines[one - 1] = _bare(points)
    return outlines


def thinned(outline: Points, tolerance: float) -> Points:
    """The outline (k, 2) with fewer points: in each of three passes a point goes that lies within
    `tolerance` px of the line between its neighbours, but never two neighbours at once, down to 8 points."""
    for _ in range(3):
        if len(outline) < 16:
            break
        off = np.abs(_cross(outline - np.roll(outline, 1, 0), np.roll(outline, -1, 0) - np.roll(outline, 1, 0)))
        off /= np.maximum(np.linalg.norm(np.roll(outline, -1, 0) - np.roll(outline, 1, 0), axis=1), 1e-9)
        goes = off < tolerance
        goes[:-1:2] = False
        goes[-1] = False
        outline = outline[~goes]
    return outline


def _find_cracks(labels: NDArray[np.int32]) -> _Cracks:
    padded = np.pad(labels, 1)
    y, x = np.nonzero(padded[1:, 1:-1] != padded[:-1, 1:-1])
    below, above = padded[y + 1, x + 1], padded[y, x + 1]
    v, u = np.nonzero(padded[1:-1, 1:] != padded[1:-1, :-1])
    right, left = padded[v + 1, u + 1], padded[v + 1, u]
    parts = [(below, 0, x, y), (above, 2, x + 1, y), (right, 3, u, v + 1), (left, 1, u, v)]
    kept = [(one > 0, one, direction, at, line) for one, direction, at, line in parts]
    label = np.concatenate([one[some] for some, one, *_ in kept]).astype(np.int64)
    direction = np.concatenate([np.full(some.sum(), d) for some, _, d, _, _ in kept])
    column = np.concatenate([at[some] for some, _, _, at, _ in kept])
    row = np.concatenate([line[some] for some, *_, line in kept])
    order = np.lexsort((column, row, label))
    return _Cracks(label[order], direction[order], column[order], row[order])


def _successors(cracks: _Cracks, width: int) -> Ints:
    """For every crack the one that goes on where it ends; at a corner with two, the left-hand one."""
    tall = int(cracks.y.max(initial=0)) + 1
    starts = (cracks.label * tall + cracks.y) * (width + 1) + cracks.x
    step = STEPS[cracks.direction]
    ends = (cracks.label * tall + cracks.y + step[:, 1]) * (width + 1) + cracks.x + step[:, 0]
    first = np.searchsorted(starts, ends)
    second = np.minimum(first + 1, len(starts) - 1)
    twice = starts[second] == ends
    left_hand = cracks.direction[second] == (cracks.direction - 1) % 4
    return np.asarray(np.where(twice & left_hand, second, first), np.int64)


def _go_around(successors: Ints) -> tuple[Ints, Ints]:
    """All cracks in the order of going around, and for each the first crack of its ring."""
    following = successors.tolist()
    ring_of = [-1] * len(following)
    order: list[int] = []
    for begin in range(len(following)):
        at = begin
        while ring_of[at] < 0:
            ring_of[at] = begin
            order.append(at)
            at = following[at]
    visited = np.array(order, np.int64)
    return visited, np.array(ring_of, np.int64)[visited]


def _cross(a: Points, b: Points) -> Points:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def _area(points: Points) -> float:
    return float(_cross(points, np.roll(points, -1, 0)).sum()) / 2


def _bare(points: Points) -> Points:
    into = points - np.roll(points, 1, 0)
    out = np.roll(points, -1, 0) - points
    return points[np.abs(_cross(into, out)) > 1e-9]
