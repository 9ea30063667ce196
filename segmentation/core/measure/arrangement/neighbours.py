"""Computes three columns of the table of objects: the distances of each object to its nearest
neighbour, from centre to centre and from edge to edge, and the local density of objects.

All counted objects are neighbours, and all objects that touch the frame. Distances are
computed in px; `Table.with_measures` converts them to the unit of the table.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ...labels.bands import Ids
from ...labels.separate import interior
from ...remembered import calculated_once
from ..objects.by_object import each_object, shifts_of
from ..objects.filters import Reason
from ..pixels.runs import Runs, find_runs, first_of_each
from ..sizes.distribution import Floats
from ..table import Table

DENSITY_NEIGHBOURS = 6  # nearest neighbours that give the local density
# With more objects in an image distances from edge to edge are not measured: each takes 0.25 ms.
MOST_OBJECTS = 10_000
ANGLES = np.linspace(0, 2 * np.pi, 90, endpoint=False)  # directions of distances to the frame


def is_neighbour(table: Table) -> NDArray[np.bool_]:
    """(n,) whether each object is a neighbour of others: it is counted, or left out only because it
    touches the frame."""
    return np.asarray(table.kept | (table.reasons == str(Reason.FRAME)))


def centres(table: Table) -> Floats:
    """(n, 2) x and y of the objects' centres in px from the top left corner of the frame."""
    return np.stack([table["centroid_x_px"], table["centroid_y_px"]], axis=1) + 0.5


def with_neighbours(
    table: Table,
    labels: NDArray[np.int32],
    frame: tuple[int, int],
    *,
    bounded: bool = False,
    ids: Ids | None = None,
) -> Table:
    """The table with the columns neighbour_distance, neighbour_gap and local_density; NaN for
    objects that are no neighbours themselves (`is_neighbour`), and where there is no other object.

    labels: (H, W) label image; row k of the table is the object with the label ids[k], or k + 1
    without ids. frame: width and height of
    the analysed area in px. bounded: whether drawn boundaries separate the objects, as with
    grains; neighbour_gap is then NaN, because it would only be the width of the drawn boundary.
    """
    indices, n = np.flatnonzero(is_neighbour(table)), len(table)
    measured = {name: np.full(n, np.nan) for name in ("neighbour_distance", "neighbour_gap", "local_density")}
    if len(indices) > 1:
        points = centres(table)[indices]
        measured["neighbour_distance"][indices] = cKDTree(points).query(points, k=2)[0][:, 1]
        if len(indices) <= MOST_OBJECTS and not bounded:
            measured["neighbour_gap"][indices] = gaps(labels, ids, indices, points)
        measured["local_density"][indices] = local_densities(points, frame)
    return table.with_measures(**measured)


def gaps(labels: NDArray[np.int32], ids: Ids | None, indices: NDArray[np.intp], points: Floats) -> Floats:
    """(m,) px from the edge of each object to the nearest edge of another one.

    labels: (H, W) with the ids (n,), or 1..n. indices: (m,) which of them are measured, ascending.
    points: (m, 2) their centres. The distance is the distance of the nearest edge pixels minus 1 px, because
    touching pixels have centres 1 px apart. A distance is remembered until the pixels of the
    object, or of an object around it, change (`calculated_once`).

    The smallest circle around the centre that contains the whole object gives a lower bound of each
    distance. So the nearest candidates are searched first, and most others never.
    """
    all_edges, checksums = each_object("edges", labels, ids, _edges), find_runs(labels, ids).checksums
    edges = [all_edges[index] for index in indices.tolist()]
    sums = [checksums[index] for index in indices.tolist()]
    counts = np.array([len(edge) for edge in edges])
    from_centre = np.hypot(*(np.concatenate(edges) - np.repeat(points, counts, axis=0)).T)
    reach = np.maximum.reduceat(from_centre, np.cumsum(counts) - counts)
    tree, nearest = cKDTree(points), np.full(len(points), np.inf)
    # Objects whose centres are farther away than this cannot have the nearest edge.
    farthest = tree.query(points, k=2)[0][:, 1] + reach + reach.max()
    around = [sorted(others) for others in tree.query_ball_point(points, farthest)]

    def search(i: int) -> float:
        edge_tree, others = cKDTree(edges[i]), np.array([j for j in around[i] if j != i])
        lower_bound = np.hypot(*(points[others] - points[i]).T) - reach[others] - reach[i]
        order = np.argsort(lower_bound)
        for j, bound in zip(others[order], lower_bound[order], strict=True):
            if bound >= nearest[i] or nearest[i] <= 1:
                break
            gap = edge_tree.query(edges[j], distance_upper_bound=nearest[i])[0].min()
            nearest[i] = min(nearest[i], gap)
            if i in around[j]:
                nearest[j] = min(nearest[j], gap)
        return float(nearest[i])

    for i in range(len(points)):
        near = [sums[j] for j in around[i]]
        nearest[i] = calculated_once(lambda i=i, near=near: ("gap", sums[i], *near), lambda i=i: search(i))  # type: ignore[misc]
    return np.asarray(np.maximum(nearest - 1, 0.0), np.float64)


def _edges(labels: NDArray[np.int32], runs: Runs) -> list[Floats]:
    """For each object the centres (k, 2), x and y, of its pixels that share a side with a pixel of
    the background or of another object."""
    rims, shifts = find_runs(np.where(interior(labels), 0, labels)), shifts_of(labels, runs)
    owner = np.repeat(rims.particle, rims.length)
    run_begin = np.repeat(np.cumsum(rims.length) - rims.length, rims.length)
    x = np.repeat(rims.start, rims.length) + np.arange(len(owner)) - run_begin
    pixels = np.stack([x, np.repeat(rims.row, rims.length)], axis=1) + shifts[owner] + 0.5
    return np.split(pixels, first_of_each(owner)[1:])


def local_densities(points: Floats, frame: tuple[int, int]) -> Floats:
    """(n,) objects per px² in a circle around each point (n, 2); NaN with too few neighbours. The
    area of the circle outside the frame is left out, so that the estimate is unbiased at the frame,
    too."""
    if len(points) <= DENSITY_NEIGHBOURS:
        return np.full(len(points), np.nan)
    radius = cKDTree(points).query(points, k=DENSITY_NEIGHBOURS + 1)[0][:, -1:]
    to_frame = []  # px to the frame along x and along y, in each direction
    for axis, step in enumerate((np.cos(ANGLES), np.sin(ANGLES))):
        along_axis = np.where(step > 0, frame[axis] - points[:, axis, None], points[:, axis, None])
        to_frame.append(along_axis / np.maximum(np.abs(step), 1e-9))
    area = np.pi * (np.minimum(radius, np.asarray(np.minimum(*to_frame), np.float64)) ** 2).mean(1)
    return np.asarray((DENSITY_NEIGHBOURS - 1) / area, np.float64)
