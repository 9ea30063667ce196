"""The edges between particles and what surrounds them, joined into closed rings."""

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
class Cracks:
    """Directed pixel edges in the order of going around, ring after ring.

    label (k,), direction (k,) 0..3 as in `STEPS`, start (k, 2) corner x and y; bounds (rings + 1,): ring i is
    `bounds[i]:bounds[i + 1]`; before (k,) and after (k,): index of the neighbours in the same ring. meeting: whether
    anywhere two pixels of one particle meet at a corner only.
    """

    label: Ints
    direction: Ints
    start: Ints
    bounds: Ints
    before: Ints
    after: Ints
    meeting: bool

    def rings(self) -> list[tuple[int, int]]:
        return list(pairwise(self.bounds.tolist()))

    def areas(self) -> Points:
        """The (rings,) signed areas in px, positive for an outer outline and negative for a hole."""
        x, y = self.start.T
        if not len(x):
            return np.zeros(0)
        doubled = x * y[self.after] - x[self.after] * y
        return np.add.reduceat(doubled, self.bounds[:-1]) / 2


def find_cracks(labels: NDArray[np.int32], *, joined: bool = True) -> Cracks:
    """All edges of the particles of `labels` (H, W); joined: whether pixels that meet at a corner are one particle."""
    label, direction, x, y = _edges(labels)
    successors, meeting = _successors(label, direction, x, y, labels.shape[1], joined)
    order, ring = _go_around(successors)
    bounds = np.r_[first_of_each(ring), len(ring)].astype(np.int64)
    after = np.arange(1, len(order) + 1)
    before = np.arange(-1, len(order) - 1)
    after[bounds[1:] - 1] = bounds[:-1]
    before[bounds[:-1]] = bounds[1:] - 1
    return Cracks(label[order], direction[order], np.c_[x[order], y[order]], bounds, before, after, meeting)


def _edges(labels: NDArray[np.int32]) -> tuple[Ints, Ints, Ints, Ints]:
    """Label, direction, and x and y of the start of every edge, sorted by label and start."""
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
    return label[order], direction[order], column[order], row[order]


def _successors(label: Ints, direction: Ints, x: Ints, y: Ints, width: int, joined: bool) -> tuple[Ints, bool]:
    """For every edge the one that goes on where it ends, at a corner with two the left-hand one if `joined` and the
    right-hand one if not; and whether there are such corners."""
    tall = int(y.max(initial=0)) + 1
    starts = (label * tall + y) * (width + 1) + x
    step = STEPS[direction]
    ends = (label * tall + y + step[:, 1]) * (width + 1) + x + step[:, 0]
    first = np.searchsorted(starts, ends)
    second = np.minimum(first + 1, len(starts) - 1)
    twice = starts[second] == ends
    wanted = direction[second] == (direction + (-1 if joined else 1)) % 4
    return np.where(twice & wanted, second, first).astype(np.int64), bool((twice & (second > first)).any())


def _go_around(successors: Ints) -> tuple[Ints, Ints]:
    """All edges in the order of going around, and for each the first edge of its ring."""
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
