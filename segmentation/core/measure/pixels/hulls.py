"""Convex hulls of all objects at once, of their pixel corners or of the points of their outlines, with Feret diameters,
areas and perimeters.

A pixel is a square of 1 px, so only the two outermost corners of each row can lie on the hull of pixel corners, which
reaches up to 0.71 px beyond an oblique edge. It gives the classifier of shapes its inputs, and half-widths; sizes come
from outlines between the pixels (`outlines`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .runs import Runs, around, first_of_each

Number = TypeVar("Number", np.int64, np.float64)
PAIRS_AT_ONCE = 1_000_000  # pairs of vertices in one calculation, to bound the memory


@dataclass(frozen=True, eq=False)
class Hulls:
    """The convex polygons of n objects as one list of vertices.

    vertices: (v, 2) float64, x and y in px from the corner of the first pixel; the polygons follow
    each other, the vertices of each in the order around it. starts: (n,) index of each polygon's
    first vertex. count: (n,) how many vertices each has, at least 3.
    """

    vertices: NDArray[np.float64]
    starts: NDArray[np.int64]
    count: NDArray[np.int64]

    @cached_property
    def around(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(v,) each: the index of the vertex before, and of that after each vertex of its polygon."""
        return around(np.repeat(np.arange(len(self.count)), self.count))

    def of_equal_count(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """Batches of objects whose polygons have equally many vertices: their indices (m,) and
        vertices (m, k, 2). A batch has at most PAIRS_AT_ONCE pairs of vertices, but at least one
        object."""
        for k in np.unique(self.count).tolist():
            members = np.flatnonzero(self.count == k)
            for batch in np.array_split(members, -(-len(members) * k * k // PAIRS_AT_ONCE)):
                if len(batch):
                    index = self.starts[batch][:, None] + np.arange(k)
                    yield batch, self.vertices[index]


def find_hulls(runs: Runs) -> Hulls:
    """The convex hulls of the pixel corners of all objects."""
    particle, y, left, right = _outer_corners(runs)
    n = len(y)
    side = np.repeat([0, 1], n)
    down = np.tile(np.arange(n), 2)
    # Corners on the left are taken downwards and those on the right upwards: once around the
    # object.
    order = np.lexsort((np.where(side == 0, down, -down), side, np.tile(particle, 2)))
    points = np.c_[np.r_[left, right], np.r_[y, y]][order]
    chain = (2 * np.tile(particle, 2) + side)[order]
    vertices, chain = _convex(points, chain)
    starts = first_of_each(chain // 2)
    return Hulls(vertices.astype(np.float64), starts, np.diff(np.r_[starts, len(chain)]))


def _outer_corners(runs: Runs) -> tuple[NDArray[np.int64], ...]:
    """For every row of corners of every object: object, y, leftmost x and rightmost x, sorted by
    object and y."""
    stride = int(runs.row.max(initial=0)) + 2  # numbers object and row together
    keys = runs.particle * stride + runs.row
    rows = first_of_each(keys)
    if not len(rows):
        return keys, keys, keys, keys
    left = np.tile(np.minimum.reduceat(runs.start, rows), 2)
    right = np.tile(np.maximum.reduceat(runs.stop, rows), 2)
    corners = np.r_[keys[rows], keys[rows] + 1]
    order = np.argsort(corners, kind="stable")
    corners, left, right = corners[order], left[order], right[order]
    groups = first_of_each(corners)
    particle, y = np.divmod(corners[groups], stride)
    return particle, y, np.minimum.reduceat(left, groups), np.maximum.reduceat(right, groups)


def _convex(points: NDArray[Number], chain: NDArray[np.int64]) -> tuple[NDArray[Number], NDArray[np.int64]]:
    """The vertices of the hulls among points (p, 2), and their chains. chain: (p,) number of the
    sequence that each point belongs to: the left or right side of an object. Both ends of a
    sequence are always vertices.

    A point where the sequence does not turn outwards is no vertex of the hull, whether its
    neighbours are or not. So all such points are removed at once; sequences that lost points are
    checked again.
    """
    settled: list[tuple[NDArray[Number], NDArray[np.int64]]] = []
    while len(points):
        step = np.diff(points, axis=0)
        inner = (chain[1:-1] == chain[:-2]) & (chain[1:-1] == chain[2:])
        is_removed = np.zeros(len(points), bool)
        is_removed[1:-1] = inner & (cross(step[:-1], step[1:]) >= 0)
        is_changed = np.zeros(chain.max() + 1, bool)
        is_changed[chain[is_removed]] = True
        is_open = is_changed[chain]
        settled.append((points[~is_open], chain[~is_open]))
        remains = is_open & ~is_removed
        points, chain = points[remains], chain[remains]
    if not settled:
        return points, chain
    points, chain = (np.concatenate(parts) for parts in zip(*settled, strict=True))
    order = np.argsort(chain, kind="stable")
    return points[order], chain[order]


def convex_hulls(points: NDArray[np.float64], owner: NDArray[np.int64]) -> Hulls:
    """The convex hulls of the points (p, 2) of each owner (p,), 0 to n - 1, each with at least three points."""
    there = np.lexsort((points[:, 1], points[:, 0], owner))
    order = np.r_[there, there[::-1]]
    vertices, chain = _convex(points[order], 2 * owner[order] + np.repeat([0, 1], len(there)))
    is_last = np.append(chain[1:] != chain[:-1], True)[: len(chain)]  # it is the first of the other chain
    vertices, chain = vertices[~is_last], chain[~is_last]
    starts = first_of_each(chain // 2)
    return Hulls(vertices, starts, np.diff(np.r_[starts, len(chain)]))


def cross(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """(...,) the cross products of vectors a and b (..., 2)."""
    product: NDArray[Any] = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return product


def feret_diameters(hulls: Hulls) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Minimum and maximum Feret diameters (n,) in px. The least width of a hull is at a right angle to one of its
    edges; the greatest is the distance of two of its vertices. Rotating calipers (Shamos 1978): the vertex farthest
    from an edge is where the edges have turned half round. Its neighbours are looked at, too: edges may be parallel."""
    at, starts, (before, after) = hulls.vertices, hulls.starts, hulls.around
    edges = at[after] - at
    turns = np.abs(np.arctan2(cross(edges, edges[after]), (edges * edges[after]).sum(1)))
    turned = np.cumsum(turns) - turns
    turned -= np.repeat(turned[starts], hulls.count)
    object_ = np.repeat(np.arange(len(starts)) * 8.0, hulls.count)  # more than once round
    opposite = (turned + np.pi) % np.repeat(np.add.reduceat(turns, starts), hulls.count)
    far = after[np.searchsorted(object_ + turned, object_ + opposite, "right") - 1]
    vertices = np.stack([at[far], at[after[far]], at[before[far]]])
    widths = np.abs(cross(edges, vertices - at)).max(0) / np.hypot(*edges.T)
    lengths = np.hypot(*np.moveaxis(np.stack([vertices - at, vertices - at[after]]), -1, 0)).max((0, 1))
    return np.minimum.reduceat(widths, starts), np.maximum.reduceat(lengths, starts)


def hull_areas(hulls: Hulls) -> NDArray[np.float64]:
    """(n,) areas of the hulls in px²."""
    products = cross(hulls.vertices, hulls.vertices[hulls.around[1]])
    return np.asarray(np.abs(np.add.reduceat(products, hulls.starts)) / 2)


def hull_perimeters(hulls: Hulls) -> NDArray[np.float64]:
    """(n,) perimeters of the hulls in px."""
    edges = hulls.vertices[hulls.around[1]] - hulls.vertices
    return np.asarray(np.add.reduceat(np.hypot(*edges.T), hulls.starts))
