"""The pixel edges around the objects of a label image, joined into closed rings. Coordinates are x and y in px from the
top left corner of the image."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...labels.bands import rows_and_columns
from ..pixels.hulls import cross
from ..pixels.runs import around, first_of_each

# The four directions of an edge: along +x, +y, -x, -y (y points down). The object is always on the right-hand side.
STEPS = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])

Ints = NDArray[np.int64]
Points = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PixelBorders:
    """The pixel edges around the objects of a label image, joined into closed rings.

    The k edges are sorted ring after ring; ring i is `bounds[i]:bounds[i + 1]`.
    label: (k,) the object of an edge.
    direction: (k,) 0..3, index into STEPS.
    start: (k, 2) x and y of its first corner.
    before, after: (k,) indices of the edges before and after it in the same ring.
    bounds: (rings + 1,).
    has_corner_contacts: whether anywhere two pixels of one object touch at a corner only.
    """

    label: Ints
    direction: Ints
    start: Ints
    before: Ints
    after: Ints
    bounds: Ints
    has_corner_contacts: bool

    @property
    def owners(self) -> list[int]:
        """The label of each ring."""
        numbers: list[int] = self.label[self.bounds[:-1]].tolist()
        return numbers

    def areas(self) -> Points:
        """The signed area of each ring in px²: positive for an outer outline, negative for a
        hole."""
        if not len(self.start):
            return np.zeros(0)
        return np.add.reduceat(cross(self.start, self.start[self.after]), self.bounds[:-1]) / 2

    def rings(self, points: NDArray[Any], is_corner: NDArray[np.bool_]) -> list[NDArray[Any]]:
        """The points of each ring, as a list of arrays. points: (k, 2), one for each edge.
        is_corner: (k,) which of them to return."""
        return [points[begin:end][is_corner[begin:end]] for begin, end in pairwise(self.bounds.tolist())]


def find_pixel_borders(labels: NDArray[np.int32], *, joined: bool = True) -> PixelBorders:
    """The pixel borders of all objects of `labels` (H, W).

    joined: whether pixels of an object that touch at a corner only have one ring together.
    """
    edges, starts = _edges(labels)
    successors, has_corner_contacts = _successors(edges[1], starts, labels.shape[1], joined)
    order, ring = _go_around(successors)
    label, direction, x, y = edges[:, order].astype(np.int64)
    bounds = np.r_[first_of_each(ring), len(ring)].astype(np.int64)
    return PixelBorders(label, direction, np.c_[x, y], *around(ring), bounds, has_corner_contacts)


def _edges(labels: NDArray[np.int32]) -> tuple[NDArray[np.int32], Ints]:
    """All edges, (4, k): label, direction, x and y of the start; and the key of each by which they are sorted, (k,): of
    its label and its start."""
    padded = np.pad(labels, 1)
    y, x = rows_and_columns(padded[1:, 1:-1] != padded[:-1, 1:-1])
    vertical_y, vertical_x = rows_and_columns(padded[1:-1, 1:] != padded[1:-1, :-1])
    below, above, right, left = (
        padded[y + 1, x + 1],
        padded[y, x + 1],
        padded[vertical_y + 1, vertical_x + 1],
        padded[vertical_y + 1, vertical_x],
    )
    parts = [
        (below, 0, x, y),
        (above, 2, x + 1, y),
        (right, 3, vertical_x, vertical_y + 1),
        (left, 1, vertical_x, vertical_y),
    ]
    edges = np.concatenate([np.stack(np.broadcast_arrays(*part)) for part in parts], axis=1, dtype=np.int32)
    edges = edges[:, edges[0] > 0]
    starts = (edges[0].astype(np.int64) * (labels.shape[0] + 1) + edges[3]) * (labels.shape[1] + 1) + edges[2]
    order = np.argsort(starts, kind="stable")
    return edges[:, order], starts[order]


def _successors(direction: NDArray[np.int32], starts: Ints, width: int, joined: bool) -> tuple[Ints, bool]:
    """(k,) the index of the edge that follows each edge in its ring, and whether two
    edges follow at some corner.

    At such a corner the left-hand edge follows if `joined`, else the right-hand one.
    """
    ends = starts + STEPS[direction] @ (1, width + 1)
    index = np.searchsorted(starts, ends)
    following = np.minimum(index + 1, len(starts) - 1)
    has_two = starts[following] == ends  # two edges begin there: those at `index` and at `following`
    is_second = direction[following] == (direction + (-1 if joined else 1)) % 4
    return np.where(has_two & is_second, following, index).astype(np.int64), bool((has_two & (following > index)).any())


def _go_around(successors: Ints) -> tuple[Ints, Ints]:
    """The edges (k,) in the order of the rings, and for each of them the first edge of its ring,
    (k,)."""
    edges = np.arange(len(successors))
    ring, following = edges, successors
    while (lower := ring[following] < ring).any():  # twice as far each time
        ring, following = np.where(lower, ring[following], ring), following[following]
    following = np.where(ring[successors] == successors, edges, successors)
    left = (following != edges).astype(np.int64)  # how many edges of the ring follow
    while (further := left[following]).any():
        left, following = left + further, following[following]
    lengths = np.bincount(ring, minlength=len(edges))
    order = np.empty_like(edges)
    order[(np.cumsum(lengths) - lengths + left)[ring] - left] = edges
    return order, ring[order]
