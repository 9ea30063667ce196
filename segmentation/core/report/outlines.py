"""Outlines of the objects of a label image, traced along the edges of their pixels.

Figure and pages draw smooth rings: lines through the middles of the edges, so that a slanted outline is no staircase.
Files hold polygons: their corners are pixel corners, so that a polygon's area is the number of its pixels and its Feret
diameters are those of the table. All coordinates are x and y in px, and (0, 0) is the upload's top left corner.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..labels.bands import Ids, rows_and_columns
from ..measure.by_object import each_object, shifts_of
from ..measure.hulls import cross
from ..measure.runs import Runs, around, first_of_each
from ..remembered import present_memory

# Along +x, +y, -x, -y (y points down); the object is always on the right hand.
STEPS = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])

GROUPS, MOST_GROWING = 6, 2000  # groups that appear one after the other, and outlines in all
COARSE = 1.0  # px by which an outline of an unfinished analysis may be off

Ints = NDArray[np.int64]
Points = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Cracks:
    """The edges between objects and what surrounds them, joined into closed rings, ring after ring.

    label (k,), direction (k,) 0..3 as in `STEPS`, start (k, 2). before (k,), after (k,): index of the neighbours in the
    same ring. bounds (rings + 1,): ring i is `bounds[i]:bounds[i + 1]`. meeting: whether anywhere two pixels of one
    object meet at a corner only.
    """

    label: Ints
    direction: Ints
    start: Ints
    before: Ints
    after: Ints
    bounds: Ints
    meeting: bool

    @property
    def owners(self) -> list[int]:
        """The label of each ring."""
        numbers: list[int] = self.label[self.bounds[:-1]].tolist()
        return numbers

    def areas(self) -> Points:
        """The signed area of each ring, positive of an outer outline and negative of a hole."""
        if not len(self.start):
            return np.zeros(0)
        return np.add.reduceat(cross(self.start, self.start[self.after]), self.bounds[:-1]) / 2

    def rings(self, points: NDArray[Any], is_corner: NDArray[np.bool_]) -> list[NDArray[Any]]:
        """Of each ring those of the points (k, 2), one for each edge, where `is_corner` (k,)."""
        return [points[begin:end][is_corner[begin:end]] for begin, end in pairwise(self.bounds.tolist())]


@dataclass(frozen=True, eq=False)
class Polygon:
    """outer and each of holes: (k, 2) int64 corners, the first not repeated; no ring meets itself. On the screen outer
    runs clockwise, holes the other way."""

    outer: Ints
    holes: list[Ints]


def find_cracks(labels: NDArray[np.int32], *, joined: bool = True) -> Cracks:
    """All edges of the objects of `labels` (H, W); joined: whether pixels of one object that meet at a corner
    only are in one ring."""
    edges = _edges(labels)
    successors, meeting = _successors(edges, labels.shape[1], joined)
    order, ring = _go_around(successors)
    label, direction, x, y = edges[:, order]
    bounds = np.r_[first_of_each(ring), len(ring)].astype(np.int64)
    return Cracks(label, direction, np.c_[x, y], *around(ring), bounds, meeting)


def _edges(labels: NDArray[np.int32]) -> Ints:
    """(4, k): label, direction, and x and y of the start of every edge, sorted by label and start."""
    padded = np.pad(labels, 1)
    y, x = rows_and_columns(padded[1:, 1:-1] != padded[:-1, 1:-1])
    v, u = rows_and_columns(padded[1:-1, 1:] != padded[1:-1, :-1])
    below, above, right, left = padded[y + 1, x + 1], padded[y, x + 1], padded[v + 1, u + 1], padded[v + 1, u]
    parts = [(below, 0, x, y), (above, 2, x + 1, y), (right, 3, u, v + 1), (left, 1, u, v)]
    edges = np.concatenate([np.stack(np.broadcast_arrays(*part)) for part in parts], axis=1)
    edges = edges[:, edges[0] > 0]
    return edges[:, np.lexsort(edges[[2, 3, 0]])]


def _successors(edges: Ints, width: int, joined: bool) -> tuple[Ints, bool]:
    """For every edge the one that goes on where it ends, at a corner with two the left-hand one if `joined` and the
    right-hand one if not; and whether there are such corners."""
    label, direction, x, y = edges
    tall = int(y.max(initial=0)) + 1
    starts = (label * tall + y) * (width + 1) + x
    ends = starts + STEPS[direction] @ (1, width + 1)
    index = np.searchsorted(starts, ends)
    following = np.minimum(index + 1, len(starts) - 1)
    twice = starts[following] == ends
    is_turn = direction[following] == (direction + (-1 if joined else 1)) % 4  # the one of the two to take
    return np.where(twice & is_turn, following, index).astype(np.int64), bool((twice & (following > index)).any())


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


def smooth_outlines(cracks: Cracks, n: int) -> list[Points]:
    """The line around the largest piece of each of the objects 1..n: (k, 2) points, of which none lies on the line
    between its neighbours. A straight line to the first point closes it. An object without pixels has no points."""
    return [rings[0] if rings else np.zeros((0, 2)) for rings in smooth_rings(cracks, n)]


def outlines_of(labels: NDArray[np.int32], ids: Ids, cracks: Callable[[], Cracks]) -> list[Points]:
    """The smooth outline of each of the objects of labels (H, W) with these ids (n,). cracks: gives those of the labels
    numbered 1..n; they are not asked for where the outlines of most objects are remembered."""
    if present_memory() is None:
        return smooth_outlines(cracks(), len(ids))

    def outlines_of(labels: NDArray[np.int32], runs: Runs) -> list[Points]:
        shifts = shifts_of(labels, runs)
        lines = smooth_outlines(find_cracks(labels), len(shifts))
        return [line + shift for line, shift in zip(lines, shifts, strict=True)]

    return each_object("outline", labels, ids, outlines_of)


def smooth_rings(cracks: Cracks, n: int) -> list[list[Points]]:
    """Of each of the objects 1..n the lines around its pieces and its holes, the largest first."""
    middles = cracks.start + STEPS[cracks.direction] / 2
    bends = np.abs(cross(middles - middles[cracks.before], middles[cracks.after] - middles)) > 1e-9
    owners, lines = cracks.owners, cracks.rings(middles, bends)
    rings: list[list[Points]] = [[] for _ in range(n)]
    for ring in np.argsort(-np.abs(cracks.areas()), kind="stable").tolist():
        rings[owners[ring] - 1].append(lines[ring])
    return rings


def thinned(outline: Points, tolerance: float) -> Points:
    """The outline (k, 2) with fewer points: in each of three passes a point goes that lies within
    `tolerance` px of the line between its neighbours, but never two neighbours at once, down to 8 points."""
    for _ in range(3):
        if len(outline) < 16:
            break
        before, after = np.concatenate([outline[-1:], outline[:-1]]), np.concatenate([outline[1:], outline[:1]])
        along = after - before
        off = np.abs(cross(outline - before, along)) / np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)
        goes = off < tolerance
        goes[:-1:2] = False
        goes[-1] = False
        outline = outline[~goes]
    return outline


def growing(labels: NDArray[np.int32], confidence: NDArray[np.float32], shape: tuple[int, int]) -> dict[str, Any]:
    """The outlines of an unfinished analysis for its page: {"width", "height", "count", "paths"}, path data of SVG in
    px of the upload, the surest outlines first, in GROUPS.

    labels: (h, w) 1..n, of an upload of this shape or a smaller copy of it, at the bottom of which rows may be missing.
    confidence: (n,).
    """
    zoom = shape[1] / labels.shape[1]
    lines = smooth_outlines(find_cracks(labels), len(confidence))
    surest = np.argsort(-confidence, kind="stable")[:MOST_GROWING]
    drawn = [thinned(lines[index] * zoom, COARSE).round().astype(int) for index in surest]
    texts = ["M" + " ".join(map(str, line.ravel().tolist())) + "Z" for line in drawn if len(line)]
    groups = [texts[len(texts) * i // GROUPS : len(texts) * (i + 1) // GROUPS] for i in range(GROUPS)]
    paths = ["".join(group) for group in groups if group]
    return {"width": shape[1], "height": shape[0], "count": len(confidence), "paths": paths}


def polygons(labels: NDArray[np.int32], n: int, cracks: Cracks | None = None) -> list[list[Polygon]]:
    """The polygons of the objects 1..n of `labels` (H, W), the largest first; several where an object is in pieces or
    its pixels meet at a corner only. cracks: those of `find_cracks`, where they are known."""
    if cracks is None or cracks.meeting:
        cracks = find_cracks(labels, joined=False)
    bare = cracks.rings(cracks.start, cracks.direction != cracks.direction[cracks.before])
    rings: list[list[tuple[float, Ints]]] = [[] for _ in range(n)]
    for ring, owner, size in zip(bare, cracks.owners, cracks.areas().tolist(), strict=True):
        rings[owner - 1] += [(area(part), part) for part in _simple(ring)] if cracks.meeting else [(size, ring)]
    return [_polygons_of(owner_rings) for owner_rings in rings]


def area(ring: Ints) -> float:
    """The signed area of a ring (k, 2), positive where it runs clockwise on the screen."""
    return float(cross(ring, np.roll(ring, -1, axis=0)).sum()) / 2


def _simple(ring: Ints) -> list[Ints]:
    """A closed way through corners (k, 2) as rings that pass no corner twice."""
    corners = list(map(tuple, ring.tolist()))
    if len(set(corners)) == len(corners):
        return [ring]
    way: dict[tuple[int, ...], None] = {}
    rings = []
    for corner in corners:
        passed = []
        while corner in way:
            passed.append(way.popitem()[0])
        if passed:
            rings.append(np.array(passed[::-1]))
        way[corner] = None
    return [*rings, np.array([*way])]


def _polygons_of(rings: list[tuple[float, Ints]]) -> list[Polygon]:
    """The rings of one object, each with its signed area, as polygons."""
    outer = sorted(((size, i) for i, (size, _) in enumerate(rings) if size > 0), reverse=True)
    polygons = [Polygon(rings[i][1], []) for _, i in outer]
    for hole in (ring for size, ring in rings if size < 0):
        # The smallest that holds it: an island may lie in another's hole.
        around_it = [one for one in polygons if _holds(one.outer, hole)]
        (around_it or polygons)[-1].holes.append(hole)
    return polygons


def _holds(outer: Ints, hole: Ints) -> bool:
    """Whether a point just inside the hole's first edge lies within the outer ring."""
    # Holes run with the object on the right hand, so that the hole itself is half a pixel to the left.
    dx, dy = np.sign(hole[1] - hole[0])
    x, y = hole[0] + np.array([dx + dy, dy - dx]) / 2
    (ax, ay), by = outer.T, np.roll(outer[:, 1], -1)
    # Edges run along x or y, and only upright ones have their ends on two sides of y.
    return bool(np.count_nonzero(((ay > y) != (by > y)) & (ax > x)) % 2)
