"""Region merging: touching particles are oversegmented, and neighbouring regions are merged.

A watershed first gives one region for every maximum of the inner distance, which is too many (`region_graph`).
Neighbours are then merged one after the other, those with the least probable border first, as long as this probability
is below the model's limit. The probability that a border is real comes from a logistic model of features of both
regions and their border in maps and picture. It was fitted on images with truth (docs/development/experiments.md).
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .options import INTERCEPT, LOW_MERGE_LIMIT, MERGE_LIMIT
from .region_graph import AREA, DARK, GREY, LENGTH, TOUCHING, XX, XY, YY, Floats, Grey, RegionGraph, X, Y, oversegment
from .separate import Labels, fill_holes, relabel, renumber

SMALL = 16.0, 24.0  # px of the median ECD: here the limit begins to rise, and here it reaches the usual limit
Ints = NDArray[np.int64]


class Merges(NamedTuple):
    """What `merge` did. Merging up to a lower limit leaves out some of it and changes nothing else, because the least
    probable border always comes first.

    targets: (n + 1,) the region that each was merged into, or its own number. probability: (n + 1,) the probability of
    the border that vanished then; of a border around earlier ones not less than theirs; 1 of regions that stay. turn:
    (n + 1,) 1 for the first merge; 0 of regions that stay.
    """

    targets: Ints
    probability: Floats
    turn: Ints

    def ends(self, limit: float = 1.0) -> Ints:
        """(n + 1,) the final region of each region, merged up to a limit that is not above the limit of all."""
        ends = np.where(self.probability < limit, self.targets, np.arange(len(self.targets)))
        while (ends != ends[ends]).any():
            ends = ends[ends]
        return ends

    def joining(self, pairs: Ints) -> Ints:
        """(m,) the merge, by the region that was merged into another, that made regions (m, 2) one; 0 where none
        did. Both climb the tree of merges, the earlier turn first, until they meet: the last step made them one."""
        one, other = pairs.T.copy()
        merges = np.zeros(len(pairs), np.int64)
        turns = np.where(self.turn > 0, self.turn, len(self.turn))
        while (going := (one != other) & (np.minimum(turns[one], turns[other]) < len(turns))).any():
            earlier = np.where(turns[one] <= turns[other], one, other)
            merges = np.where(going, earlier, merges)
            one, other = (np.where(going & (side == earlier), self.targets[side], side) for side in (one, other))
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
    """Label the particles: every foreground pixel belongs to one particle, and no lines are left between particles.

    maps: (2 or 3, H, W) uint8 foreground, inner distance and, optionally, contacts of particles, 0..255 for 0..1.
    grey: (H, W) uint8, the picture as the network saw it. threshold: a pixel at or above it is particle. scale: at
    which the network saw the picture. diameter: its preferred diameter in px. weights: of the logistic model, see
    ParticleOptions. Returns (H, W) int32 labels 1..n, 0 background.
    """
    oversegmented = oversegment(maps, grey, threshold=threshold, scale=scale)
    merges = merge(oversegmented[2], weights, diameter / scale)
    size = typical_size(oversegmented[2], merges.ends())
    return merged_labels(oversegmented, merges.ends(limit_for(size, weights[MERGE_LIMIT])))


def merged_labels(oversegmented: tuple[Labels, int, RegionGraph], ends: Ints) -> Labels:
    """The labels of regions after each was merged into its entry in `ends` (n + 1,), numbered 1..n without holes; those
    of `oversegmented`, from `oversegment`, are changed in place."""
    labels, first_region, _ = oversegmented
    numbers = np.arange(first_region + len(ends) - 1, dtype=np.int32)
    numbers[first_region:] = ends[1:] + first_region - 1
    return renumber(fill_holes(relabel(labels, numbers)))


def typical_size(regions: RegionGraph, ends: Ints) -> float:
    """Median ECD in px of the merged regions, without those that were alone in their component; infinite without any.
    ends: (n + 1,) from `Merges.ends`."""
    areas = np.bincount(ends[1:], regions.sums[1:, AREA])
    areas = areas[areas > 0]
    return float(np.median(np.sqrt(4 * areas / np.pi))) if len(areas) else np.inf


def limit_for(size: float, usual: float) -> float:
    """The limit for an image with outlines `size` px wide: below the usual limit if they are SMALL.

    The border between small particles has only a few pixels, so it never looks probable. With the usual limit most
    errors are merged particles; a lower limit splits hardly more particles (docs/development/experiments.md).
    """
    return float(np.interp(size, SMALL, (min(usual, LOW_MERGE_LIMIT), usual)))


def border_features(regions: RegionGraph, one: Ints, other: Ints, at: Ints, unit: float) -> dict[str, Floats]:
    """The variables of the probability that a border is real, (k,) each, by the names of BORDER_FEATURES.

    one, other: (k,) regions. at: (k,) the places of their borders. unit: the network's preferred diameter, in the
    same pixels.
    saddle: highest inner distance on the border. lower, higher: the peaks of both. size: ln(ECD of the smaller / unit).
    ratio: ln(area of the larger / of the smaller). border_darkness: asinh of the darkness of the border relative to
    both sides, in units of the noise. step: ln(1 + difference of both mean greys, in the same units). roundness:
    shorter over longer axis of the ellipse with the second moments of both together. touching: mean probability along
    the border that particles touch.
    """
    sums, peaks, lines = (
        (regions.sums[one], regions.sums[other]),
        (regions.peaks[one], regions.peaks[other]),
        regions.lines[at],
    )
    areas = sums[0][:, AREA], sums[1][:, AREA]
    smaller, length = np.minimum(*areas), lines[:, LENGTH]
    moments = sums[0] + sums[1]
    area = moments[:, AREA]
    x, y = moments[:, X] / area, moments[:, Y] / area
    # A pixel is a square, with a second moment of its own.
    xx, yy = moments[:, XX] / area - x * x + 1 / 12, moments[:, YY] / area - y * y + 1 / 12
    xy = moments[:, XY] / area - x * y
    middle, off = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    roundness = np.asarray(np.sqrt(np.maximum(middle - off, 0) / (middle + off)))
    return {
        "saddle": regions.saddles[at],
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
    """How regions with an improbable border are merged, up to the limit in `weights`.

    unit: the network's preferred diameter, in pixels of the regions. weights: see `merge_regions`.
    """
    names = [name for name in weights if name not in (INTERCEPT, MERGE_LIMIT)]
    least = np.log(weights[MERGE_LIMIT] / (1 - weights[MERGE_LIMIT]))
    grown = replace(
        regions,
        sums=regions.sums.copy(),
        peaks=regions.peaks.copy(),
        saddles=regions.saddles.copy(),
        lines=regions.lines.copy(),
    )
    beside: list[dict[int, int]] = [{} for _ in regions.peaks]  # neighbour -> the place of the border with it
    ends, changes = list(range(len(beside))), [0] * len(beside)
    highest_odds, odds_of, turns = (
        [-np.inf] * len(beside),
        np.full(len(beside), np.inf),
        np.zeros(len(beside), np.int64),
    )
    queue: list[tuple[float, int, int, int]] = []
    turn = 0

    def offer(one: Ints, other: Ints, at: Ints) -> None:
        features = border_features(grown, one, other, at, unit)
        odds = np.full(len(at), weights[INTERCEPT])
        for name in names:
            odds += weights[name] * features[name]
        for index in np.flatnonzero(odds < least).tolist():
            a, b = int(one[index]), int(other[index])
            heapq.heappush(queue, (float(odds[index]), a, b, changes[a] + changes[b]))

    for border, (one, other) in enumerate(regions.pairs.tolist()):
        beside[one][other] = beside[other][one] = border
    offer(regions.pairs[:, 0], regions.pairs[:, 1], np.arange(len(regions.pairs)))
    while queue:
        odds, one, other, version = heapq.heappop(queue)
        # What was offered before one of the two grew, or was taken in, is out of date.
        if version != changes[one] + changes[other] or ends[one] != one or ends[other] != other:
            continue
        ends[other] = one
        odds_of[other] = highest_odds[one] = max(odds, highest_odds[one], highest_odds[other])
        turns[other] = turn = turn + 1
        grown.sums[one] += grown.sums[other]
        grown.peaks[one] = max(grown.peaks[one], grown.peaks[other])
        changes[one] += changes[other] + 1
        for third, border in beside[other].items():
            del beside[third][other]
            if third == one:
                continue
            edge = beside[one].setdefault(third, border)
            beside[third][one] = edge
            if edge != border:
                grown.saddles[edge] = max(grown.saddles[edge], grown.saddles[border])
                grown.lines[edge] += grown.lines[border]
        near = np.array(list(beside[one].items()), np.int64).reshape(-1, 2)
        offer(np.full(len(near), one), near[:, 0], near[:, 1])
    return Merges(np.array(ends), 1 / (1 + np.exp(-odds_of)), turns)
