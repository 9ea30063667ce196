"""The oversegmentation with which region merging begins: each connected component of the foreground is divided into
regions, one around every maximum of the inner distance. Regions and borders, with their properties, form a graph.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import local_maxima

from ..separate import Labels, grow

Floats = NDArray[np.float64]
Grey = NDArray[np.uint8]
Pixels = tuple[NDArray[np.intp], NDArray[np.intp]]  # rows and columns
SMOOTHING_SD_PX = 0.5  # px at the working scale: SD of the smoothing, so that ripples of the map make no maxima
STEP = 10  # of 255: steps of the distance map; a maximum must be at least one step above its surroundings
LOWEST_MAXIMUM = 64  # of 255: a lower maximum is noise of the map
INSIDE_PX = 3.0  # px at the working scale: distance from a border at which the grey of either side is read
LEAST_NOISE = 0.5  # of 255: the noise from rounding to whole numbers
SAMPLED_PX = 2**20  # px, enough to estimate the noise
BAND = 2**20  # px that are processed together
AREA, X, Y, XX, YY, XY, GREY = range(7)  # columns of `RegionGraph.sums`
LENGTH, DARK, TOUCHING = range(3)  # columns of `RegionGraph.lines`


@dataclass(frozen=True, eq=False)
class RegionGraph:
    """Regions 1..n, one around each maximum, and the borders between them; entry 0 of an array is for no region.

    A region that is alone in its component has a peak, but no pixels and no sums here: in the label image its pixels
    have the component's label.

    sums: (n + 1, 7), sums over the pixels of each region: 1, x, y, x², y², xy and grey. peaks: (n + 1,) highest inner
    distance, 0 to 1. pairs: (m, 2) int64, the two regions at each border. saddles: (m,) highest inner distance, 0 to 1,
    on each border. lines: (m, 3), sums over the pixels of each border: 1, the grey just inside both regions minus the
    grey on the border, and the probability that particles touch there (0 without such a map). noise: SD of the
    picture's noise in grey levels.
    """

    sums: Floats
    peaks: Floats
    pairs: NDArray[np.int64]
    saddles: Floats
    lines: Floats
    noise: float


def oversegment(
    maps: NDArray[np.uint8], grey: Grey, *, threshold: float, scale: float
) -> tuple[Labels, int, RegionGraph]:
    """Labels (H, W) int32 with a region around every maximum of the inner distance, the label of the first region, and
    the graph of the regions. Smaller labels are components with at most one maximum, which are not divided.

    maps: (2 or 3, H, W) uint8. grey: (H, W) uint8 in the polarity that the network saw. threshold: least foreground
    probability. scale: the working scale.
    """
    mask = maps[0] >= max(1, round(threshold * 255))
    components, count = ndimage.label(mask)
    components = components.astype(np.int32, copy=False)
    distance = ndimage.gaussian_filter(maps[1], SMOOTHING_SD_PX / min(scale, 1.0))
    markers, owners = _maxima(distance, components)
    marked = markers > 0
    peaks = np.zeros(len(owners))
    np.maximum.at(peaks, markers[marked], distance[marked] / 255)
    del marked
    labels = grow(components, count, markers, owners, distance)
    del components, markers  # of a large image half a gigabyte
    inside = max(1, round(INSIDE_PX / min(scale, 1.0)))
    borders = combined_borders(*_borders(labels, count, len(owners), (distance, grey, *maps[2:]), inside), len(owners))
    return labels, count + 1, RegionGraph(_sums(labels, count, len(owners), grey), peaks, *borders, noise_of(grey))


def _maxima(distance: NDArray[np.uint8], components: Labels) -> tuple[Labels, NDArray[np.int64]]:
    """The maxima (plateaus) of the inner distance, numbered 1..m (H, W), and the component of each (m + 1,); entry 0
    is 0."""
    inside = components > 0
    steps = np.where(inside, distance // STEP + 1, 0).astype(np.uint8)
    tops = local_maxima(steps, connectivity=1).astype(bool) & inside & (distance >= LOWEST_MAXIMUM)
    markers, count = ndimage.label(tops, structure=np.ones((3, 3)))
    owners = np.zeros(count + 1, np.int64)
    owners[markers[tops]] = components[tops]
    return markers.astype(np.int32, copy=False), owners


def _sums(labels: Labels, components: int, count: int, grey: Grey) -> Floats:
    """(count, 7) `RegionGraph.sums`, calculated some rows at a time: the places of all pixels of a large image would
    take gigabytes. components: the label of a region is its number plus this. count: the number of regions plus 1."""
    total, step = np.zeros((count, GREY + 1)), max(1, BAND // labels.shape[1])
    for top in range(0, len(labels), step):
        part = labels[top : top + step].ravel()
        pixels = np.flatnonzero(part > components)
        y_, x_ = (axis.astype(float) for axis in np.divmod(pixels + top * labels.shape[1], labels.shape[1]))
        region, greys = part[pixels] - components, grey[top : top + step].ravel()[pixels]
        weights = (None, x_, y_, x_ * x_, y_ * y_, x_ * y_, greys)
        total += np.stack([np.bincount(region, weight, minlength=count) for weight in weights], axis=1)
    return total


def _borders(
    labels: Labels, components: int, base: int, pictures: tuple[NDArray[np.uint8], ...], inside: int
) -> tuple[NDArray[np.int64], Floats, Floats]:
    """(k,), (k,) and (k, 3): for every two adjacent pixels of different regions the key of their border (see
    `combined_borders`), and what they add to its saddle and line.

    components: as in `_sums`. base: a number above all numbers of regions. pictures: smoothed inner distance, grey and,
    optionally, the map of contacts. inside: px from the border to where the grey of either side is read.
    """
    distance, grey = pictures[:2]
    parts: list[tuple[NDArray[np.int64], Floats, Floats]] = []
    for (rows, columns), one, other, regions in adjacent_pixels(labels, components):
        sides = _grey_inside(labels, grey, one, (-inside * rows, -inside * columns))
        sides += _grey_inside(labels, grey, other, (inside * rows, inside * columns))
        darkness = (sides - grey[one] - grey[other]) / 2
        touching = (pictures[2][one] / 255 if len(pictures) > 2 else 0.0) + 0 * darkness
        saddle = np.minimum(distance[one], distance[other]) / 255
        line = np.stack([np.ones_like(saddle), darkness, touching], axis=1)
        parts.append((regions[0] * base + regions[1], saddle, line))
    keys, saddles, lines = zip(*parts, strict=True)
    return np.concatenate(keys), np.concatenate(saddles), np.concatenate(lines)


def adjacent_pixels(
    labels: Labels, components: int
) -> Iterator[tuple[tuple[int, int], Pixels, Pixels, NDArray[np.int64]]]:
    """All pairs of adjacent pixels that belong to different regions: first pairs in a column, then pairs in a row.

    Yields the step (rows, columns) from one pixel to the other, the places of k first and of k second pixels, and the
    numbers (2, k) of their regions, the lower one first. components: as in `_sums`.
    """
    for rows, columns in ((1, 0), (0, 1)):
        pixels, neighbours = labels[: len(labels) - rows, : labels.shape[1] - columns], labels[rows:, columns:]
        y, x = np.nonzero((pixels != neighbours) & (pixels > components) & (neighbours > components))
        regions = np.sort(np.stack([pixels[y, x], neighbours[y, x]]).astype(np.int64) - components, axis=0)
        yield (rows, columns), (y, x), (y + rows, x + columns), regions


def _grey_inside(labels: Labels, grey: Grey, pixels: Pixels, step: tuple[int, int]) -> Floats:
    """The grey (k,) one step (rows, columns) away from pixels, or at the pixels themselves if their region ends
    before."""
    y, x = (np.clip(axis + far, 0, side - 1) for axis, far, side in zip(pixels, step, labels.shape, strict=True))
    return np.where(labels[y, x] == labels[pixels], grey[y, x], grey[pixels]).astype(float)


def combined_borders(
    keys: NDArray[np.int64], saddles: Floats, lines: Floats, base: int
) -> tuple[NDArray[np.int64], Floats, Floats]:
    """`pairs`, `saddles` and `lines` of RegionGraph: entries with the same key are combined.

    keys: (k,) lower * base + higher of the numbers of the two regions. saddles: (k,). lines: (k, 3).
    """
    unique, index = np.unique(keys, return_inverse=True)
    highest, sums = np.zeros(len(unique)), np.zeros((len(unique), lines.shape[1]))
    np.maximum.at(highest, index, saddles)
    np.add.at(sums, index, lines)
    return np.stack([unique // base, unique % base], axis=1), highest, sums


def merged_graph(regions: RegionGraph, ends: NDArray[np.int64]) -> RegionGraph:
    """The graph after each region was merged into the one that `ends` (n + 1,) names; a region that is merged into
    another has no area and no neighbours."""
    count = len(ends)
    sums, peaks = np.zeros_like(regions.sums), np.zeros(count)
    np.add.at(sums, ends, regions.sums)
    np.maximum.at(peaks, ends, regions.peaks)
    pairs = np.sort(ends[regions.pairs], axis=1)
    remains = pairs[:, 0] != pairs[:, 1]
    keys = pairs[remains, 0] * count + pairs[remains, 1]
    borders = combined_borders(keys, regions.saddles[remains], regions.lines[remains], count)
    return RegionGraph(sums, peaks, *borders, regions.noise)


def noise_of(grey: Grey) -> float:
    """SD of the noise in grey levels, from the median of second differences along rows (after Immerkær 1996)."""
    rows = grey[:: 1 + grey.size // SAMPLED_PX].astype(np.int16)
    differences = np.abs(2 * rows[:, 1:-1] - rows[:, :-2] - rows[:, 2:])
    if not differences.size:
        return LEAST_NOISE
    cumulated = np.cumsum(np.bincount(differences.ravel()))  # counting finds the median faster than sorting
    median = np.searchsorted(cumulated, [(differences.size - 1) // 2, differences.size // 2], "right").mean()
    # 0.6745: median over SD of normal noise; sqrt(6): SD of a second difference over that of a pixel.
    return max(float(median / (0.6745 * np.sqrt(6))), LEAST_NOISE)
