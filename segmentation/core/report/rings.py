"""Every particle as polygons along the edges of its pixels, holes and pieces included, for exchange formats.

Their corners are pixel corners, so that a polygon's area is the number of its pixels and its Feret diameters are
those of the table: a program that measures them finds our numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .cracks import Cracks, Ints, find_cracks


@dataclass(frozen=True, eq=False)
class Polygon:
    """outer and each of holes: (k, 2) int64 corners x and y in px, (0, 0) at the upload's top left corner, without
    the first corner repeated; no ring meets itself. On the screen outer runs clockwise, holes the other way."""

    outer: Ints
    holes: list[Ints]


def polygons(labels: NDArray[np.int32], n: int, cracks: Cracks | None = None) -> list[list[Polygon]]:
    """The polygons of particles 1..n of `labels` (H, W), the largest first; several where a particle is in pieces or
    its pixels meet at a corner only. cracks: those of `find_cracks`, where they are known."""
    if cracks is None or cracks.meeting:
        cracks = find_cracks(labels, joined=False)
    corner = cracks.direction != cracks.direction[cracks.before]
    owner = cracks.label[cracks.bounds[:-1]].tolist()
    rings: list[list[tuple[float, Ints]]] = [[] for _ in range(n)]
    for (begin, end), one, size in zip(cracks.rings(), owner, cracks.areas().tolist(), strict=True):
        bare = cracks.start[begin:end][corner[begin:end]]
        rings[one - 1] += [(area(ring), ring) for ring in _simple(bare)] if cracks.meeting else [(size, bare)]
    return [_grouped(each) for each in rings]


def area(ring: Ints) -> float:
    """The signed area of a ring (k, 2), positive where it runs clockwise on the screen."""
    x, y = ring.T
    return float(np.dot(x, np.roll(y, -1)) - np.dot(np.roll(x, -1), y)) / 2


def _simple(bare: Ints) -> list[Ints]:
    """A closed way through corners (k, 2) as rings that pass no corner twice."""
    met = bare[:, 0] * (2**32) + bare[:, 1]
    if len(np.unique(met)) == len(met):
        return [bare]
    way: list[int] = []
    place: dict[int, int] = {}
    rings: list[Ints] = []
    for i, key in enumerate(met.tolist()):
        if key in place:
            begin = place[key]
            rings.append(bare[way[begin:]])
            for gone in way[begin:]:
                place.pop(int(met[gone]), None)
            del way[begin:]
        place[key] = len(way)
        way.append(i)
    return [*rings, bare[way]]


def _grouped(rings: list[tuple[float, Ints]]) -> list[Polygon]:
    """The rings of one particle, each with its signed area, as polygons."""
    if len(rings) == 1:
        return [Polygon(rings[0][1], [])]
    outer = sorted(((size, i) for i, (size, _) in enumerate(rings) if size > 0), reverse=True)
    holes = [ring for size, ring in rings if size < 0]
    found = [Polygon(rings[i][1], []) for _, i in outer]
    for hole in holes:
        # The smallest that holds it: an island may lie in another's hole.
        around = [one for one in found if _holds(one.outer, hole)]
        (around or found)[-1].holes.append(hole)
    return found


def _holds(outer: Ints, hole: Ints) -> bool:
    """Whether a point just inside the hole's first edge lies within the outer ring."""
    (x0, y0), (x1, y1) = hole[0].tolist(), hole[1].tolist()
    # Holes run with the particle on the right hand, so that the hole itself is half a pixel to the left.
    dx, dy = int(np.sign(x1 - x0)), int(np.sign(y1 - y0))
    x, y = x0 + dx / 2 + dy / 2, y0 + dy / 2 - dx / 2
    (ax, ay), (bx, by) = outer.T, np.roll(outer, -1, axis=0).T
    crosses = ((ay > y) != (by > y)) & (ax > x)
    # Edges run along x or y. Only upright edges can be crossed, and both their ends have the same x.
    return bool(np.count_nonzero(crosses & (ax == bx)) % 2)
