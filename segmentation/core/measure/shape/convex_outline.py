"""The convex outline that most likely gave a particle's pixels.

An edge of the hull of the pixel CENTRES runs along lattice points with the primitive step (p, q),
and the lattice lines parallel to it are 1 / |(p, q)| apart. The true straight edge that gave these
pixels lies between this line and the next lattice line, so on average half that distance outside.
Every edge is moved outwards by this half distance; the convex outline is the area inside all moved
edges. It is exact for upright rectangles of whole pixels and has no bias for long straight edges in
any direction. Its area is nearly the number of pixels of the hull (Pick's theorem).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..pixels.hulls import Hulls, cross, hull_areas
from ..pixels.runs import around

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
TOLERANCE = 1e-9  # of comparisons, px


def convex_outlines(hulls: Hulls) -> Hulls:
    """The convex outlines of n particles, from the hulls of their pixel corners (`find_hulls`).

    A particle whose pixel centres all lie on one line keeps its corner hull.
    """
    if not len(hulls.count):
        return hulls
    owner = np.repeat(np.arange(len(hulls.count)), hulls.count)
    edge = hulls.vertices[around(owner)[1]] - hulls.vertices
    middles = np.add.reduceat(hulls.vertices, hulls.starts, axis=0) / hulls.count[:, None]
    # A corner hull is the hull of the pixel centres, widened by a square of 1 px:
    # area(corner hull) = area(hull of the centres) + width + height + 1.
    highest = np.maximum.reduceat(hulls.vertices, hulls.starts)
    sides = highest - np.minimum.reduceat(hulls.vertices, hulls.starts)  # width + 1, height + 1
    has_area = (np.round(2 * (hull_areas(hulls) - (sides.sum(1) - 1))) > 0)[owner]
    # Along each axis a corner hull has edges of 1 px that the hull of the centres does not have.
    is_step = (np.abs(edge).sum(1) == 1) & (np.abs(edge).max(1) == 1)
    is_moved = has_area & ~is_step
    if not is_moved.any():
        return hulls
    moved_owner = owner[is_moved]
    normal, distance = _lines(edge[is_moved], hulls.vertices[is_moved], moved_owner, middles)
    normal, distance, moved_owner = _bounding(normal, distance, moved_owner)
    _, after = around(moved_owner)
    corner = _crossing(normal, distance, normal[after], distance[after]) + middles[moved_owner]
    all_owners = np.r_[moved_owner, owner[~has_area]]
    order = np.argsort(all_owners, kind="stable")
    count = np.bincount(all_owners, minlength=len(hulls.count))
    return Hulls(np.r_[corner, hulls.vertices[~has_area]][order], np.cumsum(count) - count, count)


def _lines(edge: Floats, vertex: Floats, owner: Ints, middles: Floats) -> tuple[Floats, Floats]:
    """The lines through the edges, moved outwards: their outward unit normals (v, 2), and their
    distances (v,) in px from the middle of their particle."""
    length = np.hypot(edge[:, 0], edge[:, 1])
    normal = np.stack([edge[:, 1], -edge[:, 0]], axis=1) / length[:, None]
    distance = (normal * (vertex - middles[owner])).sum(1)
    normal *= np.where(distance < 0, -1, 1)[:, None]
    # An edge of the corner hull with the normal n lies (|nx| + |ny|) / 2 outside the line through
    # the centres. Along an axis this is half the spacing of the lattice lines: the edge stays.
    outside = np.abs(normal).sum(1) / 2
    spacing = np.gcd(np.abs(edge[:, 0]).astype(np.int64), np.abs(edge[:, 1]).astype(np.int64)) / length
    return normal, np.abs(distance) - outside + spacing / 2


def _bounding(normal: Floats, distance: Floats, owner: Ints) -> tuple[Floats, Floats, Ints]:
    """Normals, distances and particles of the lines that bound their polygons. A line that lies outside
    the crossing of its two neighbours does not bound its polygon and is left out."""
    while True:
        before, after = around(owner)
        # Hulls run clockwise where y points up, so their normals turn clockwise, too.
        turn = cross(normal[after], normal[before])
        crossing = _crossing(normal[before], distance[before], normal[after], distance[after])
        with np.errstate(invalid="ignore"):  # parallel neighbours cross nowhere
            is_needless = (turn > TOLERANCE) & ((normal * crossing).sum(1) <= distance + TOLERANCE)
        if not is_needless.any():
            return normal, distance, owner
        normal, distance, owner = normal[~is_needless], distance[~is_needless], owner[~is_needless]


def _crossing(n: Floats, d: Floats, m: Floats, e: Floats) -> Floats:
    """(v, 2) the points where the lines n · x = d and m · x = e cross; n, m (v, 2), d, e (v,)."""
    determinant = cross(n, m)
    with np.errstate(divide="ignore", invalid="ignore"):
        x = (d * m[:, 1] - e * n[:, 1]) / determinant
        y = (n[:, 0] * e - m[:, 0] * d) / determinant
    return np.stack([x, y], axis=1)
