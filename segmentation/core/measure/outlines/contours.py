"""The contour of each object: a closed line through the middles of its pixel edges, smoothed so that it has no steps,
and moved to where the edge of the object really is.

How far each point is moved stands in a map, EDGE_SHIFTS, which is made from the picture (`edge_shifts`) and stored with
a result. Where the map says nothing, as along a line that a person drew, the contour stays where it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .borders import STEPS, PixelBorders

EDGE_SHIFTS = "edge shifts"  # name of the stored map; results of versions before 2.0 have none
# The map (H, W) uint8 holds, at each pixel along the rim of an object, SHIFT_ZERO + SHIFT_STEPS times the shift
# outwards in px; 0 where it is not known.
SHIFT_ZERO, SHIFT_STEPS, MOST_SHIFTED_PX = 128, 40, 3.0
SMOOTHING_SD = 1.5  # points: the steps of pixels disappear, corners of squares lose 0.5 px (docs/method/accuracy.md)
POINTS_PER_SD = 12

Points = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Contours:
    """The r closed lines around n objects and their holes.

    points: (k, 2) x and y in px, one line after the other. normals: (k, 2) of length 1, outwards. bounds: (r + 1,)
    line i is bounds[i]:bounds[i + 1]. owners: (r,) the label of the object of each line. inner: (k, 2) x and y of the
    object's pixel at each point; the pixel on the other side of the edge is inner + outward (k, 2).
    """

    points: Points
    normals: Points
    bounds: Ints
    owners: Ints
    inner: Ints
    outward: Ints

    @property
    def labels(self) -> Ints:
        """(k,) the label of the object of each point."""
        return np.repeat(self.owners, np.diff(self.bounds))


def along_rings(bounds: Ints, offset: int) -> Ints:
    """(k,) for each point the index of the point that lies `offset` points further along its closed line."""
    lengths = np.diff(bounds)
    start, length = np.repeat(bounds[:-1], lengths), np.repeat(lengths, lengths)
    index: Ints = start + (np.arange(bounds[-1]) - start + offset) % length
    return index


def smoothed(values: NDArray[Any], bounds: Ints, sd: float) -> Points:
    """The values (k, ...) of the points, smoothed along each closed line by a Gaussian of `sd` points; along a line of
    less than POINTS_PER_SD times as many points by a narrower one, which leaves its shape."""
    reach, lengths = int(np.ceil(3 * sd)), np.diff(bounds)
    # Each line with so many points more at both ends, so that its neighbours lie at a fixed distance.
    longer = lengths + 2 * reach
    start = np.cumsum(longer) - longer
    ring, place = np.repeat(bounds[:-1], longer), np.arange(longer.sum()) - np.repeat(start + reach, longer)
    around = values[ring + place % np.repeat(lengths, longer)].astype(np.float64)
    sds = np.repeat(np.minimum(sd, lengths / POINTS_PER_SD), longer).reshape(-1, *[1] * (values.ndim - 1))[reach:-reach]
    total, weights = around[reach:-reach].copy(), np.ones_like(sds)
    for offset in range(1, reach + 1):
        weight = np.exp(-((offset / sds) ** 2) / 2)
        after, before = around[reach + offset :][: len(total)], around[reach - offset :][: len(total)]
        total += weight * (after + before)
        weights += 2 * weight
    is_own = (place >= 0) & (place < np.repeat(lengths, longer))
    return np.asarray((total / weights)[is_own[reach:-reach]], np.float64)


def contours(borders: PixelBorders) -> Contours:
    """The contours of the objects with these pixel borders, along the middles of the pixel edges."""
    bounds, edge = borders.bounds, STEPS[borders.direction]
    outward = np.stack([edge[:, 1], -edge[:, 0]], axis=1)
    middles = borders.start + edge / 2
    points = _without_steps(middles, bounds)
    along = points[along_rings(bounds, 1)] - points[along_rings(bounds, -1)]
    normals = np.stack([along[:, 1], -along[:, 0]], axis=1)
    normals /= np.maximum(np.hypot(*normals.T), 1e-9)[:, None]
    inner = np.floor(middles - outward / 2).astype(np.int64)
    owners = np.array(borders.owners, np.int64)
    return Contours(points, normals, bounds, owners, inner, outward)


def moved(lines: Contours, shifts: NDArray[np.uint8], places: Ints | int = 0, otherwise: float = 0.0) -> Contours:
    """The contours with each point where the map EDGE_SHIFTS (H, W) says that the edge is.

    places: (k, 2), or 0, by how much further right and down in the map each point lies. otherwise: px by which points
    move outwards where the map says nothing.
    """
    x, y = (lines.inner + places).T
    stored = shifts[y, x].astype(np.float64)
    by = np.where(stored > 0, (stored - SHIFT_ZERO) / SHIFT_STEPS, otherwise)
    return replace(lines, points=_without_steps(lines.points + lines.normals * by[:, None], lines.bounds))


def _without_steps(points: Points, bounds: Ints) -> Points:
    """The points (k, 2), smoothed along each closed line; round objects stay as large as they are."""
    once = smoothed(points, bounds, SMOOTHING_SD)
    return 2 * once - smoothed(once, bounds, SMOOTHING_SD)


def typical_shift(shifts: NDArray[np.uint8]) -> float:
    """The mean shift in a map EDGE_SHIFTS (H, W), px outwards; 0 if it says nothing."""
    stored = shifts[shifts > 0]
    return float(stored.mean() - SHIFT_ZERO) / SHIFT_STEPS if len(stored) else 0.0


def stored_shifts(lines: Contours, by: Points, known: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """The map EDGE_SHIFTS (H, W) for contours that move by (k,) px outwards where it is known; a pixel at several edges
    has the mean."""
    pixels = lines.inner[known, 1] * shape[1] + lines.inner[known, 0]
    place, index, count = np.unique(pixels, return_inverse=True, return_counts=True)
    mean = np.bincount(index, by[known], len(place)) / count
    shifts = np.zeros(shape, np.uint8)
    clipped = np.clip(mean, -MOST_SHIFTED_PX, MOST_SHIFTED_PX)
    shifts.ravel()[place] = np.round(SHIFT_ZERO + SHIFT_STEPS * clipped).astype(np.uint8)
    return shifts
