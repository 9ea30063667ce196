"""Region merging separates touching particles: they are first divided into too many regions, which are then merged.

A watershed gives one region for every maximum of the inner distance (`region_graph`). Neighbouring regions are merged
one pair after the other, those with the least probable border first, as long as the probability that this border is
real is below the model's limit. The probability comes from a logistic regression on properties of both regions and
their border in maps and picture, fitted to images with ground truth (docs/development/experiments.md).
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..separate import Labels, fill_holes, relabel, renumber
from .options import INTERCEPT, LOW_MERGE_LIMIT, MERGE_LIMIT
from .region_graph import AREA, DARK, GREY, LENGTH, TOUCHING, XX, XY, YY, Floats, Grey, RegionGraph, X, Y, oversegment

SMALL = 16.0, 24.0  # px, median ECD: between these the limit rises from LOW_MERGE_LIMIT to the model's limit
Ints = NDArray[np.int64]


class Merges(NamedTuple):
    """All merges that `merge` made. Merging up to a lower limit makes only the first of them, because the least
    probable border always comes first.

    targets: (n + 1,) the region into which each region was merged, or its own number if it was not. probability:
    (n + 1,) of the border which this removed, but at least the probability of every border removed earlier within the
    two regions; 1 for regions that were not merged. turn: (n + 1,) 1 for the first merge, 2 for the second
    ...; 0 for regions that were not merged.
    """

    targets: Ints
    probability: Floats
    turn: Ints

    def ends(self, limit: float = 1.0) -> Ints:
        """(n + 1,) the final region of each region after merging up to `limit`, which is at most the limit of
        `merge`."""
        ends = np.where(self.probability < limit, self.targets, np.arange(len(self.targets)))
        while (ends != ends[ends]).any():
            ends = ends[ends]
        return ends

    def joining(self, pairs: Ints) -> Ints:
        """(m,) which merge made the two regions of each pair (m, 2) one region; 0 for none. A merge is named by the
        region that was merged into another.

        Both regions climb the tree of merges, the one with the earlier turn first, until they meet.
        """
        one, other = pairs.T.copy()
        merges = np.zeros(len(pairs), np.int64)
        turns = np.where(self.turn > 0, self.turn, len(self.turn))
        while (is_moving := (one != other) & (np.minimum(turns[one], turns[other]) < len(turns))).any():
            earlier = np.where(turns[one] <= turns[other], one, other)
            merges = np.where(is_moving, earlier, merges)
            one, other = (np.where(is_moving & (side == earlier), self.targets[side], side) for side in (one, other))
        return np.where(one == other, merges, 0)


def merge_regions(
    maps: NDArray[np.uint8],
    grey: Grey,
    *,
    threshold: float,
    scale: float,
    diameter: float,
    weights: Mapping[str, float],
) -> Labels:
    """(H, W) int32 labels 1..n of the particles, 0 background. Every foreground pixel belongs to one particle; no lines
    of background are left between particles.

    maps: (2 or 3, H, W) uint8: foreground, inner distance and, optionally, contacts of particles, 0..255 for 0..1.
    grey: (H, W) uint8 in the polarity that the network saw. threshold: least foreground probability of a particle's
    pixel. scale: the working scale. diameter: the network's preferred diameter in px. weights:
    `ParticleOptions.region_merging`.
    """
    oversegmented = oversegment(maps, grey, threshold=threshold, scale=scale)
    merges = merge(oversegmented[2], weights, diameter / scale)
    size = typical_size(oversegmented[2], merges.ends())
    return merged_labels(oversegmented, merges.ends(limit_for(size, weights[MERGE_LIMIT])))


def merged_labels(oversegmented: tuple[Labels, int, RegionGraph], ends: Ints) -> Labels:
    """The labels (H, W) 1..n after each region was merged into the one that `ends` (n + 1,) names; holes are filled.

    oversegmented: from `oversegment`; its labels are changed in place.
    """
    labels, first_region, _ = oversegmented
    numbers = np.arange(first_region + len(ends) - 1, dtype=np.int32)
    numbers[first_region:] = ends[1:] + first_region - 1
    return renumber(fill_holes(relabel(labels, numbers)))


def typical_size(regions: RegionGraph, ends: Ints) -> float:
    """Median ECD in px of the merged regions; infinite without any. Components with a single region do not count.
    ends: (n + 1,) from `Merges.ends`."""
    areas = np.bincount(ends[1:], regions.sums[1:, AREA])
    areas = areas[areas > 0]
    return float(np.median(np.sqrt(4 * areas / np.pi))) if len(areas) else np.inf


def limit_for(size: float, usual: float) -> float:
    """The limit of the probability for an image with outlines `size` px wide: lower than `usual` if they are SMALL.

    The border between small particles has few pixels, so it never looks probable. With the usual limit many of them are
    wrongly merged; a lower limit wrongly divides hardly any more (docs/development/experiments.md).
    """
    return float(np.interp(size, SMALL, (min(usual, LOW_MERGE_LIMIT), usual)))


def border_features(regions: RegionGraph, one: Ints, other: Ints, borders: Ints, unit: float) -> dict[str, Floats]:
    """The variables (k,) of the probability that each of k borders is real, by the names of BORDER_FEATURES.

    one, other: (k,) the numbers of both regions. borders: (k,) the places of the borders in `regions.pairs`. unit: the
    network's preferred diameter, in pixels of the regions.

    saddle: highest inner distance on the border. lower, higher: the peaks of both. size: ln(ECD of the smaller / unit).
    ratio: ln(area of the larger / of the smaller). border_darkness: asinh of the darkness of the border relative to
    both sides, in units of the noise. step: ln(1 + difference of both mean greys, in the same units). roundness:
    shorter over longer axis of the ellipse with the second moments of both together. touching: mean probability along
    the border that particles touch.
    """
    sums, peaks, lines = (
        (regions.sums[one], regions.sums[other]),
        (regions.peaks[one], regions.peaks[other]),
        regions.lines[borders],
    )
    areas = sums[0][:, AREA], sums[1][:, AREA]
    smaller, length = np.minimum(*areas), lines[:, LENGTH]
    moments = sums[0] + sums[1]
    area = moments[:, AREA]
    x, y = moments[:, X] / area, moments[:, Y] / area
    # A pixel is a square, with a second moment of its own.
    xx, yy = moments[:, XX] / area - x * x + 1 / 12, moments[:, YY] / area - y * y + 1 / 12
    xy = moments[:, XY] / area - x * y
    mean, difference = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    roundness = np.asarray(np.sqrt(np.maximum(mean - difference, 0) / (mean + difference)))
    return {
        "saddle": regions.saddles[borders],
        "lower": np.minimum(*peaks),
        "higher": np.maximum(*peaks),
        "size": np.log(np.sqrt(4 * smaller / np.pi) / unit),
        "ratio": np.log(np.maximum(*areas) / smaller),
        "border_darkness": np.arcsinh(lines[:, DARK] / length / regions.noise),
        "step": np.log1p(abs(sums[0][:, GREY] / areas[0] - sums[1][:, GREY] / areas[1]) / regions.noise),
        "roundness": roundness,
        "touching": lines[:, TOUCHING] / length,
    }


def merge(regions: RegionGraph, weights: Mapping[str, float], unit: float) -> Merges:
    """Merge regions with improbable borders, up to the limit in `weights`, and return which were merged.

    unit: the network's preferred diameter, in pixels of the regions. weights: see `merge_regions`.
    """
    names = [name for name in weights if name not in (INTERCEPT, MERGE_LIMIT)]
    limit = np.log(weights[MERGE_LIMIT] / (1 - weights[MERGE_LIMIT]))  # log-odds
    grown = replace(
        regions,
        sums=regions.sums.copy(),
        peaks=regions.peaks.copy(),
        saddles=regions.saddles.copy(),
        lines=regions.lines.copy(),
    )
    neighbours: list[dict[int, int]] = [{} for _ in regions.peaks]  # neighbour -> the place of the border with it
    count = len(neighbours)
    targets, changes = list(range(count)), [0] * count  # changes: how often a region has grown
    highest_odds, odds_of_merge, turns = [-np.inf] * count, np.full(count, np.inf), np.zeros(count, np.int64)
    queue: list[tuple[float, int, int, int]] = []
    turn = 0

    def enqueue(one: Ints, other: Ints, borders: Ints) -> None:
        """Put the borders below the limit into the queue."""
        features = border_features(grown, one, other, borders, unit)
        odds = np.full(len(borders), weights[INTERCEPT])
        for name in names:
            odds += weights[name] * features[name]
        for index in np.flatnonzero(odds < limit).tolist():
            a, b = int(one[index]), int(other[index])
            heapq.heappush(queue, (float(odds[index]), a, b, changes[a] + changes[b]))

    for border, (one, other) in enumerate(regions.pairs.tolist()):
        neighbours[one][other] = neighbours[other][one] = border
    enqueue(regions.pairs[:, 0], regions.pairs[:, 1], np.arange(len(regions.pairs)))
    while queue:
        odds, one, other, version = heapq.heappop(queue)
        # An entry is out of date if one of the two regions has grown or was merged into another since.
        if version != changes[one] + changes[other] or targets[one] != one or targets[other] != other:
            continue
        targets[other] = one
        odds_of_merge[other] = highest_odds[one] = max(odds, highest_odds[one], highest_odds[other])
        turns[other] = turn = turn + 1
        grown.sums[one] += grown.sums[other]
        grown.peaks[one] = max(grown.peaks[one], grown.peaks[other])
        changes[one] += changes[other] + 1
        for third, border in neighbours[other].items():
            del neighbours[third][other]
            if third == one:
                continue
            common = neighbours[one].setdefault(third, border)
            neighbours[third][one] = common
            if common != border:
                grown.saddles[common] = max(grown.saddles[common], grown.saddles[border])
                grown.lines[common] += grown.lines[border]
        borders = np.array(list(neighbours[one].items()), np.int64).reshape(-1, 2)
        enqueue(np.full(len(borders), one), borders[:, 0], borders[:, 1])
    return Merges(np.array(targets), 1 / (1 + np.exp(-odds_of_merge)), turns)
