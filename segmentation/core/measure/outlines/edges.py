"""Finds where the picture shows the edge of each object, to a tenth of a pixel: the map EDGE_SHIFTS (`contours`).

A network was taught on masks of people, who draw somewhat outside of an edge; so the contour of its map is 0.3 to 0.7
px too far out, and rounds what has corners. The grey says where the edge is. Along each contour the grey across the
edge is sampled (a profile). The profiles of one object are alike, so each point is moved to where its profile fits the
mean profile of its object. Then a model is fitted to the mean profile: a step, as flat objects and those that shine at
their rim have, and the thickness of a sphere, which begins gently; both blurred by the microscope. Errors on drawn
pictures: docs/method/accuracy.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, special

from ..pixels.hulls import feret_diameters, find_hulls
from ..pixels.runs import find_runs
from .borders import Ints, Points, find_pixel_borders
from .contours import Contours, along_rings, contours, smoothed, stored_shifts

Floats = NDArray[np.float64]
# px from the contour outwards at which profiles are sampled; a point needs background up to CLEAR_PX.
OFFSETS = np.arange(-5, 4.01, 0.5)
CLEAR_PX = 4
SAMPLED_AT_ONCE = 200_000  # points, to bound the memory
FEWEST_CLEAR = 8  # points of an object
STEPS_OF_ALIGNMENT, MOST_MOVED_PX = 2, 1.2
# Points over which a profile is averaged along the contour: NOISE_SDS times the noise relative to the step at the edge.
NOISE_SDS, LEAST_SD, MOST_SD = 35.0, 1.2, 4.0
BLURS = tuple(0.6 * 1.07**step for step in range(21))  # px: tried SDs of the microscope's blur
COARSE_STEP = 4  # each fourth of them is tried first, then those around the best
EDGES = np.arange(-2.25, 1.51, 0.25)  # px: tried places of the edge, outwards from the contour
MOST_MISFIT = 0.02  # share of a profile's variance that the model may leave
LEAST_CONTRAST = 3.0  # step at the edge, by the SD of the noise of a mean profile


class Profiles(NamedTuple):
    """means: (n, d) the mean profile of each object, d OFFSETS. counts: (n,) of clear points. shifts: (k,) px by which
    the points were moved. noise: (n,) SD of single profiles."""

    means: Floats
    counts: NDArray[Any]
    shifts: Floats
    noise: Floats


@dataclass(frozen=True, eq=False)
class Fits:
    """(n,) each: where the edge lies from the aligned contour, px outwards, and whether the model fits."""

    edge: Floats
    is_good: NDArray[np.bool_]
    blur: float


def edge_shifts(
    labels: NDArray[np.int32], foreground: NDArray[np.uint8], threshold: float, grey: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """The map EDGE_SHIFTS (H, W) of the objects 1..n of labels (H, W).

    foreground: (H, W) the network's map, 0..255. threshold: 0..1. grey: (H, W) the picture, in any polarity.
    """
    lines = contours(find_pixel_borders(labels))
    if not len(lines.points):
        return np.zeros(labels.shape, np.uint8)
    free, clear = surroundings(lines, labels)
    shifts = np.where(free, _crossing(lines, foreground, 255 * threshold), 0.0)
    profiles = _aligned(lines, shifts, clear, grey)
    fits = _fitted(profiles, feret_diameters(find_hulls(find_runs(labels)))[0] / 2)
    owner = lines.labels - 1
    is_good = fits.is_good[owner]
    refined = _along_the_contour(lines, profiles.shifts, clear & is_good)
    curved = fits.blur**2 / 2 * _curvature(lines)  # the half level of a blurred bow lies inside of the bow
    shifts = np.where(is_good, refined + fits.edge[owner] + curved, shifts)
    return stored_shifts(lines, shifts, free, (labels.shape[0], labels.shape[1]))


def surroundings(lines: Contours, labels: NDArray[np.int32]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(k,) each: whether the pixel beyond a point is background, and whether all up to CLEAR_PX are."""
    height, width = labels.shape
    free, clear = np.zeros(len(lines.points), np.bool_), np.ones(len(lines.points), np.bool_)
    for distance in (0, *range(1, CLEAR_PX + 1)):
        # The first is the pixel across the edge; the others lie along the normal.
        places = lines.inner + lines.outward if not distance else np.floor(lines.points + distance * lines.normals)
        x, y = places.T.astype(np.int64)
        is_inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
        bare = is_inside & (labels[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)] == 0)
        clear &= bare
        if not distance:
            free = bare
    return free, clear


def _crossing(lines: Contours, foreground: NDArray[np.uint8], level: float) -> Floats:
    """(k,) px outwards at which the map crosses the level, at most 1 px away."""
    inside, at, outside = sampled(foreground, lines.points, lines.normals, np.array([-1.0, 0.0, 1.0])).T
    slope = np.maximum((inside - outside) / 2, 1.0)
    return np.asarray(np.clip((at - level) / slope, -1, 1), np.float64)


def sampled(picture: NDArray[np.uint8], points: Points, normals: Points, offsets: Floats) -> NDArray[np.float32]:
    """(k, d) the picture (H, W) at d offsets in px along the normals of k points."""
    x, y = ((points[:, axis, None] + normals[:, axis, None] * offsets) - 0.5 for axis in (0, 1))
    grey = ndimage.map_coordinates(picture, [y, x], np.float32, order=1, mode="nearest")
    return np.asarray(grey, np.float32)


def _aligned(lines: Contours, shifts: Floats, clear: NDArray[np.bool_], grey: NDArray[np.uint8]) -> Profiles:
    """The profiles, with the points moved until each profile fits the mean of its object."""
    n = int(lines.owners.max())
    mean, noise, moved = np.zeros((n, len(OFFSETS))), np.zeros(n), shifts.copy()
    owner = lines.labels - 1
    for rings in _batches(lines):
        part = slice(lines.bounds[rings.start], lines.bounds[rings.stop])
        bounds, mine, is_clear = lines.bounds[rings.start : rings.stop + 1], owner[part], clear[part]
        points, normals, by = lines.points[part], lines.normals[part], moved[part]
        lowest, last = mine.min(), mine.max() + 1
        for step in range(STEPS_OF_ALIGNMENT + 1):
            profiles = sampled(grey, points + normals * by[:, None], normals, OFFSETS)
            middle = _means(profiles[is_clear], mine[is_clear] - lowest, last - lowest)
            squares = _means(
                (profiles[is_clear] - middle[mine[is_clear] - lowest]) ** 2, mine[is_clear] - lowest, last - lowest
            )
            if step == STEPS_OF_ALIGNMENT:
                break
            contrast = np.abs(middle[:, :4].mean(1) - middle[:, -4:].mean(1))
            ratio = np.sqrt(squares.mean(1)) / np.maximum(contrast, 1.0)
            reach = float(np.clip(NOISE_SDS * np.median(ratio), LEAST_SD, MOST_SD))
            by = by + _alignment(profiles, middle, mine - lowest, bounds - bounds[0], is_clear, reach)
        moved[part], mean[lowest:last], noise[lowest:last] = by, middle, np.sqrt(squares.mean(1))
    return Profiles(mean, np.bincount(owner, clear.astype(np.float64), n), moved, noise)


def _batches(lines: Contours) -> Iterator[slice]:
    """Slices of the closed lines with about SAMPLED_AT_ONCE points; all lines of an object are in one slice."""
    begin, changes = 0, np.flatnonzero(np.diff(lines.owners)) + 1
    ends = [*changes.tolist(), len(lines.owners)]
    for end in ends:
        if lines.bounds[end] - lines.bounds[begin] >= SAMPLED_AT_ONCE or end == len(lines.owners):
            yield slice(begin, end)
            begin = end


def _means(values: NDArray[np.float32], owner: Ints, n: int) -> Floats:
    """(n, d) the mean of the values (k, d) of each owner; 0 without any."""
    count = np.maximum(np.bincount(owner, minlength=n), 1)
    return np.stack([np.bincount(owner, column, n) for column in values.T], axis=1) / count[:, None]


def _alignment(
    profiles: NDArray[np.float32], middle: Floats, owner: Ints, bounds: Ints, clear: NDArray[np.bool_], reach: float
) -> Floats:
    """(k,) px by which each point moves: its profile is the mean one, with its own levels, moved by so much. reach: SD
    in points of the weights with which neighbours count."""
    near = (OFFSETS > -3.6) & (OFFSETS < 3.1)
    slope = np.gradient(middle, OFFSETS, axis=1)
    inputs = np.stack([np.ones_like(middle), middle, slope], axis=2)[:, near]
    solve = np.linalg.pinv(inputs)[owner]  # (k, 3, d)
    factors = np.einsum("kjd,kd->kj", solve[:, 1:], profiles[:, near]) * clear[:, None]
    height, step = (
        smoothed(factors, bounds, reach) / np.maximum(smoothed(clear * 1.0, bounds, reach), 1e-3)[:, None]
    ).T
    by = np.divide(-step, height, out=np.zeros(len(step)), where=np.abs(height) > 0.2)
    return np.asarray(np.clip(by, -MOST_MOVED_PX, MOST_MOVED_PX), np.float64)


def _along_the_contour(lines: Contours, shifts: Floats, known: NDArray[np.bool_]) -> Floats:
    """(k,) the shifts where they are known, elsewhere those of the nearest points, or the mean of the object."""
    owner, n = lines.labels - 1, int(lines.owners.max())
    mean = np.bincount(owner, shifts * known, n) / np.maximum(np.bincount(owner, known, n), 1)
    weight = smoothed(known * 1.0, lines.bounds, MOST_SD)
    near = smoothed(shifts * known, lines.bounds, MOST_SD) / np.maximum(weight, 1e-6)
    return np.where(known, shifts, np.where(weight > 0.05, near, mean[owner]))


def _curvature(lines: Contours) -> Floats:
    """(k,) of the contour, 1 / px, positive where it is convex."""
    before, after = along_rings(lines.bounds, -1), along_rings(lines.bounds, 1)
    one, other = lines.normals[before], lines.normals[after]
    turn = one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]  # numpy 2.5 has no cross product of the plane
    length = np.hypot(*(lines.points[after] - lines.points[before]).T)
    return smoothed(np.clip(turn / np.maximum(length, 0.2), -0.5, 0.5), lines.bounds, 1.0)


def _fitted(profiles: Profiles, half_width: Floats) -> Fits:
    """The place of the edge in the mean profiles, under the blur that fits most profiles of the picture best.
    half_width: (n,) of the objects, px."""
    n, contrast = len(profiles.means), np.abs(profiles.means[:, :4].mean(1) - profiles.means[:, -4:].mean(1))
    points = np.maximum(profiles.counts, 1)
    seen = (profiles.counts >= FEWEST_CLEAR) & (contrast * np.sqrt(points) > LEAST_CONTRAST * profiles.noise)
    widths = np.exp(np.round(np.log(np.clip(half_width, 2, 200)) * 3) / 3)
    variance = np.maximum(profiles.means.var(1) * len(OFFSETS), 1e-9)
    if not seen.any():
        return Fits(np.zeros(n), np.zeros(n, np.bool_), BLURS[0])

    def fit(number: int) -> tuple[float, Fits]:
        """The median misfit under a blur, and the fits."""
        edge, squares = np.zeros(n), np.full(n, np.inf)
        for width in np.unique(widths[seen]).tolist():
            chosen = np.flatnonzero(seen & (widths == width))
            edge[chosen], squares[chosen] = _edge_of(profiles.means[chosen], BLURS[number], width)
        misfit = squares / variance
        return float(np.median(misfit[seen])), Fits(edge, seen & (misfit < MOST_MISFIT), BLURS[number])

    tried = {number: fit(number) for number in range(0, len(BLURS), COARSE_STEP)}
    best = min(tried, key=lambda number: tried[number][0])
    finer = range(max(best - COARSE_STEP + 1, 0), min(best + COARSE_STEP, len(BLURS)))
    tried |= {number: fit(number) for number in finer if number != best}
    return tried[min(tried, key=lambda number: tried[number][0])][1]


def _edge_of(means: Floats, blur: float, width: float) -> tuple[Floats, Floats]:
    """(m,) each: the place of the edge, and the sum of squares that the model leaves, of mean profiles (m, d)."""
    left = []
    for solve, inputs, only_sphere, sphere in _models(blur, width):
        factors = means @ solve.T
        # A step and a sphere of opposite signs, of which the sphere is larger, are no particle.
        is_odd = factors[:, 1] * (factors[:, 1] + factors[:, 2]) < 0
        squares = ((factors @ inputs.T - means) ** 2).sum(1)
        squares[is_odd] = ((means[is_odd] @ only_sphere.T @ sphere.T - means[is_odd]) ** 2).sum(1)
        left.append(squares)
    rests = np.array(left)
    place = np.clip(rests.argmin(0), 1, len(EDGES) - 2)
    row = np.arange(len(means))
    before, at, after = (rests[place + step, row] for step in (-1, 0, 1))
    bend = np.maximum(before + after - 2 * at, 1e-12)
    between = np.clip((before - after) / 2 / bend, -1, 1)
    return EDGES[place] + between * (EDGES[1] - EDGES[0]), rests.min(0)


@lru_cache(maxsize=512)
def _models(blur: float, width: float) -> list[tuple[Floats, Floats, Floats, Floats]]:
    """For each place of EDGES the model: the matrix that solves it and its inputs (d, 3), level, step and sphere; and
    both without the step. width: half of the object's, px."""
    depth = np.arange(-8, 8.001, 0.05)
    share = np.clip(depth / width, 0, 1)
    thick = np.where(depth > 0, np.sqrt(1 - (1 - share) ** 2), 0.0)
    thick = ndimage.gaussian_filter1d(thick, blur / 0.05, mode="nearest")
    models = []
    for edge in EDGES:
        step, sphere = special.ndtr((edge - OFFSETS) / blur), np.interp(edge - OFFSETS, depth, thick)
        inputs = np.stack([np.ones_like(step), step, sphere], axis=1)
        models.append((np.linalg.pinv(inputs), inputs, np.linalg.pinv(inputs[:, [0, 2]]), inputs[:, [0, 2]]))
    return models
