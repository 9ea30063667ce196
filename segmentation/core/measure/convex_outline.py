"""The convex outline that most likely gave a particle's pixels.

An edge of the hull of the pixel CENTRES runs along lattice points with the primitive step (p, q), and the lattice
lines parallel to it are 1 / |(p, q)| apart. The true straight edge that gave these pixels lies somewhere between this
line and the next one, and so on average half that distance outside. Moving every edge outwards by that much, and
keeping what lies inside all of them, gives a polygon that is exact for upright rectangles of whole pixels and has no
bias for long straight edges in any direction. Its area is nearly the number of pixels of the hull (Pick's theorem).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .hulls import Hulls, areas, cross
from .runs import around

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
TINY = 1e-9


def convex_outlines(hulls: Hulls) -> Hulls:
    """Each particle's convex outline; the corner hull itself where a particle is a line."""
    if not len(hulls.count):
        return hulls
    owner = np.repeat(np.arange(len(hulls.count)), hulls.count)
    edge = hulls.vertices[around(owner)[1]] - hulls.vertices
    middles = np.add.reduceat(hulls.vertices, hulls.starts, axis=0) / hulls.count[:, None]
    # A corner hull is the hull of the pixel centres, widened by the unit square: of a line nothing is left without it.
    reach = np.maximum.reduceat(hulls.vertices, hulls.starts) - np.minimum.reduceat(hulls.vertices, hulls.starts)
    # area(corner hull) = area(hull of the centres) + width + height + 1, and reach is (width + 1, height + 1).
    solid = (np.round(2 * (areas(hulls) - (reach.sum(1) - 1))) > 0)[owner]
    # Corner hulls have a step of one pixel along each axis that the hull of the centres does not have.
    step = (np.abs(edge).sum(1) == 1) & (np.abs(edge).max(1) == 1)
    solid_edges = solid & ~step
    if not solid_edges.any():
        return hulls
    normal, distance = _lines(edge[solid_edges], hulls.vertices[solid_edges], owner[solid_edges], middles)
    normal, distance, bound = _bounding(normal, distance, owner[solid_edges])
    _, after = around(bound)
    corner = _crossing(normal, distance, normal[after], distance[after]) + middles[bound]
    whose = np.r_[bound, owner[~solid]]
    order = np.argsort(whose, kind="stable")
    count = np.bincount(whose, minlength=len(hulls.count))
    return Hulls(np.r_[corner, hulls.vertices[~solid]][order], np.cumsum(count) - count, count)


def _lines(edge: Floats, vertex: Floats, owner: Ints, middles: Floats) -> tuple[Floats, Floats]:
    """Outward unit normals (v, 2) of the moved lines, and their distances (v,) from the middle of their particle."""
    length = np.hypot(edge[:, 0], edge[:, 1])
    normal = np.stack([edge[:, 1], -edge[:, 0]], axis=1) / length[:, None]
    distance = (normal * (vertex - middles[owner])).sum(1)
    normal *= np.where(distance < 0, -1, 1)[:, None]
    # The corner hull is that of the centres widened by the unit square: with normal n each edge lies (|nx| + |ny|) / 2
    # outside the line through the centres. Along an axis that is half the gap, and nothing moves.
    out = np.abs(normal).sum(1) / 2
    apart = np.gcd(np.abs(edge[:, 0]).astype(np.int64), np.abs(edge[:, 1]).astype(np.int64)) / length
    return normal, np.abs(distance) - out + apart / 2


def _bounding(normal: Floats, distance: Floats, owner: Ints) -> tuple[Floats, Floats, Ints]:
    """Only the lines that bound the polygon. A line behind the crossing of its neighbours never does."""
    while True:
        before, after = around(owner)
        # Hulls run clockwise where y points up, and so the normals turn.
        turns = cross(normal[after], normal[before])
        at = _crossing(normal[before], distance[before], normal[after], distance[after])
        with np.errstate(invalid="ignore"):  # parallel neighbours cross nowhere
            needless = (turns > TINY) & ((normal * at).sum(1) <= distance + TINY)
        if not needless.any():
            return normal, distance, owner
        normal, distance, owner = normal[~needless], distance[~needless], owner[~needless]


def _crossing(n: Floats, d: Floats, m: Floats, e: Floats) -> Floats:
    """Where the lines n x = d and m x = e cross, (v, 2)."""
    determinant = cross(n, m)
    with np.errstate(divide="ignore", invalid="ignore"):
        x = (d * m[:, 1] - e * n[:, 1]) / determinant
        y = (n[:, 0] * e - m[:, 0] * d) / determinant
    return np.stack([x, y], axis=1)
