"""The nearest neighbour of each object, and how densely objects lie around it.

The neighbours of an object are all that count and all that touch the frame. Distances are in px here; the column of the
table has the table's unit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ..labels.bands import Ids
from ..labels.separate import interior
from ..remembered import remembered
from .by_object import each_object, shifts_of
from .distribution import Floats
from .filters import Reason
from .runs import Runs, find_runs, first_of_each
from .table import Table

AROUND = 6  # neighbours that the local density looks at
MOST = 10_000  # objects whose distances from edge to edge are measured, each in a quarter of a millisecond
ANGLES = np.linspace(0, 2 * np.pi, 90, endpoint=False)  # along which the distance to the frame is taken


def present(table: Table) -> NDArray[np.bool_]:
    """(n,) whether an object is there for its neighbours: it counts, or only the frame speaks against it."""
    return np.asarray(table.kept | (table.reasons == str(Reason.FRAME)))


def centres(table: Table) -> Floats:
    """(n, 2) x and y in px from the corner of the frame."""
    return np.stack([table["centroid_x_px"], table["centroid_y_px"]], axis=1) + 0.5


def with_neighbours(
    table: Table,
    labels: NDArray[np.int32],
    frame: tuple[int, int],
    *,
    bounded: bool = False,
    ids: Ids | None = None,
) -> Table:
    """The table with the columns of this module; NaN for what is not there, or has no neighbour.

    labels: (H, W) with these ids, or 1..n, in the order of the table. frame: width and height of the analysed area in
    px. bounded: see `Task`; from edge to edge such objects are as far apart as their boundary was drawn wide, which is
    not measured.
    """
    indices, n = np.flatnonzero(present(table)), len(table)
    measured = {name: np.full(n, np.nan) for name in ("neighbour_distance", "neighbour_gap", "local_density")}
    if len(indices) > 1:
        points = centres(table)[indices]
        measured["neighbour_distance"][indices] = cKDTree(points).query(points, k=2)[0][:, 1]
        if len(indices) <= MOST and not bounded:
            measured["neighbour_gap"][indices] = gaps(labels, ids, indices, points)
        measured["local_density"][indices] = local_densities(points, frame)
    return table.with_measures(**measured)


def gaps(labels: NDArray[np.int32], ids: Ids | None, indices: NDArray[np.intp], points: Floats) -> Floats:
    """(m,) px from the edge of each object to the nearest edge of another one.

    labels: (H, W) with these ids, or 1..n. indices: (m,) places of the objects among them, ascending. points: (m, 2)
    their centres. Pixels on the edge are looked up in k-d trees; two neighbouring pixels are one apart, so that one is
    taken off. What an object and those around it gave stands while all of these keep their pixels.

    The circle around a centre that holds the whole object gives a lower bound of each distance, so that the nearest
    candidates are looked up first and most of them never.
    """
    every, checksums = each_object("edges", labels, ids, _edges), find_runs(labels, ids).checksums
    edges, sums = [every[at] for at in indices.tolist()], [checksums[at] for at in indices.tolist()]
    counts = np.array([len(edge) for edge in edges])
    away = np.hypot(*(np.concatenate(edges) - np.repeat(points, counts, axis=0)).T)
    reach = np.maximum.reduceat(away, np.cumsum(counts) - counts)
    tree, nearest = cKDTree(points), np.full(len(points), np.inf)
    # No object whose centre is farther than this has an edge as near as the edge of the object of the nearest centre.
    far = tree.query(points, k=2)[0][:, 1] + reach + reach.max()
    around = [sorted(others) for others in tree.query_ball_point(points, far)]

    def search(i: int) -> float:
        edge_tree, others = cKDTree(edges[i]), np.array([j for j in around[i] if j != i])
        lower_bound = np.hypot(*(points[others] - points[i]).T) - reach[others] - reach[i]
        order = np.argsort(lower_bound)
        for j, bound in zip(others[order], lower_bound[order], strict=True):
            if bound >= nearest[i] or nearest[i] <= 1:
                break
            apart = edge_tree.query(edges[j], distance_upper_bound=nearest[i])[0].min()
            nearest[i] = min(nearest[i], apart)
            if i in around[j]:
                nearest[j] = min(nearest[j], apart)
        return float(nearest[i])

    for i in range(len(points)):
        near = [sums[j] for j in around[i]]
        nearest[i] = remembered(lambda i=i, near=near: ("gap", sums[i], *near), lambda i=i: search(i))  # type: ignore[misc]
    return np.asarray(np.maximum(nearest - 1, 0.0), np.float64)


def _edges(labels: NDArray[np.int32], runs: Runs) -> list[Floats]:
    """The pixels (k, 2), x and y of their centres, of each object that have a side in common with anything else."""
    rims, shifts = find_runs(np.where(interior(labels), 0, labels)), shifts_of(labels, runs)
    owner = np.repeat(rims.particle, rims.length)
    begin = np.repeat(np.cumsum(rims.length) - rims.length, rims.length)
    x = np.repeat(rims.start, rims.length) + np.arange(len(owner)) - begin
    pixels = np.stack([x, np.repeat(rims.row, rims.length)], axis=1) + shifts[owner] + 0.5
    return np.split(pixels, first_of_each(owner)[1:])


def local_densities(points: Floats, frame: tuple[int, int]) -> Floats:
    """(n,) objects per px² around each point (n, 2); NaN with too few neighbours. The part of the circle outside the
    frame is left out of its area, which makes the estimate unbiased at the frame, too."""
    if len(points) <= AROUND:
        return np.full(len(points), np.nan)
    radius = cKDTree(points).query(points, k=AROUND + 1)[0][:, -1:]
    reaches = []
    for axis, step in enumerate((np.cos(ANGLES), np.sin(ANGLES))):
        ahead = np.where(step > 0, frame[axis] - points[:, axis, None], points[:, axis, None])
        reaches.append(ahead / np.maximum(np.abs(step), 1e-9))
    area = np.pi * (np.minimum(radius, np.asarray(np.minimum(*reaches), np.float64)) ** 2).mean(1)
    return np.asarray((AROUND - 1) / area, np.float64)
