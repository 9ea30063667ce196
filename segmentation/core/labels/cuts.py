"""Touching particles cut apart: a piece around every maximum of the inner distance, joined where no cut is likely.

The pieces are those of a watershed, too many at first. Neighbours are joined one after the other, the least likely cut
first, as long as one is less likely than the model's limit. How likely a cut is says a logistic model, fitted on images
with truth (lab/evaluation/cutting.py), of three heights of the inner distance and two sizes.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import local_maxima

from ..network.cards import CUT_TRAITS, INTERCEPT, LIMIT
from .separate import Labels, fill_holes, grow, renumber

Floats = NDArray[np.float64]
SMOOTHED = 0.5  # px, as the network saw them: SD of the smoothing under which ripples of the map are no maxima
STEP = 10  # of 255: maxima that rise less above their surroundings are none
LOWEST = 64  # of 255: a lower maximum is noise of the map


@dataclass(frozen=True, eq=False)
class Pieces:
    """Pieces 1..n of components that have several; entry 0 of each array stands for no piece.

    areas: (n + 1,) px. peaks: (n + 1,) highest inner distance, 0 to 1. pairs: (m, 2) int64 pieces that touch.
    saddles: (m,) highest inner distance, 0 to 1, on the border of each pair.
    """

    areas: Floats
    peaks: Floats
    pairs: NDArray[np.int64]
    saddles: Floats


def cut_apart(
    maps: NDArray[np.uint8], *, threshold: float, scale: float, diameter: float, weights: Mapping[str, float]
) -> Labels:
    """Label the particles of two maps: every pixel of foreground belongs to one, and no lines are burnt in.

    maps: (2, H, W) uint8 foreground and inner distance, 0..255 for 0..1. threshold: a pixel at or above it is
    particle. scale: at which the network saw the picture. diameter: px that it likes best. weights: of the model of
    cuts, as in a ModelCard. Returns (H, W) int32 labels 1..n, 0 background.
    """
    labels, first, pieces = oversegment(maps, threshold=threshold, scale=scale)
    if len(pieces.pairs):
        ends = join(pieces, weights, diameter / scale)
        several = labels >= first
        labels[several] = ends[labels[several] - first + 1] + first - 1
    return renumber(fill_holes(labels))


def oversegment(maps: NDArray[np.uint8], *, threshold: float, scale: float) -> tuple[Labels, int, Pieces]:
    """Pieces around every maximum of the inner distance: labels (H, W) int32, the first piece's label, the pieces.

    Smaller labels are components that have one maximum or none, and are particles as they are.
    """
    mask = maps[0] >= max(1, round(threshold * 255))
    components, count = ndimage.label(mask)
    components = components.astype(np.int32, copy=False)
    distance = ndimage.gaussian_filter(maps[1], SMOOTHED / min(scale, 1.0))
    markers, owners = _maxima(distance, components)
    labels = grow(components, count, markers, owners, distance)
    return labels, count + 1, _pieces(labels, count, markers, distance)


def _maxima(distance: NDArray[np.uint8], components: Labels) -> tuple[Labels, NDArray[np.int64]]:
    """The plateaus of maxima numbered 1..m (H, W), and the component of each (m + 1,): owners[0] is 0."""
    inside = components > 0
    steps = np.where(inside, distance // STEP + 1, 0).astype(np.uint8)
    tops = local_maxima(steps, connectivity=1).astype(bool) & inside & (distance >= LOWEST)
    markers, count = ndimage.label(tops, structure=np.ones((3, 3)))
    owners = np.zeros(count + 1, np.int64)
    owners[markers[tops]] = components[tops]
    return markers.astype(np.int32, copy=False), owners


def _pieces(labels: Labels, components: int, markers: Labels, distance: NDArray[np.uint8]) -> Pieces:
    """What is to know of the pieces, whose labels are their marker's number + `components`."""
    marked = markers > 0
    count = int(markers.max(initial=0))
    peaks = np.zeros(count + 1)
    np.maximum.at(peaks, markers[marked], distance[marked] / 255)
    areas = np.bincount(labels[labels > components] - components, minlength=count + 1).astype(float)
    pairs, saddles = _borders(labels, components, distance)
    return Pieces(areas, peaks, pairs, saddles)


def _borders(
    labels: Labels, components: int, distance: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    keys, heights = [], []
    highest = int(labels.max(initial=0)) + 1
    all_, before, after = slice(None), slice(None, -1), slice(1, None)
    for here, there in (((before, all_), (after, all_)), ((all_, before), (all_, after))):
        touching = (labels[here] != labels[there]) & (labels[here] > components) & (labels[there] > components)
        one, other = labels[here][touching].astype(np.int64), labels[there][touching].astype(np.int64)
        keys.append(np.minimum(one, other) * highest + np.maximum(one, other))
        heights.append(np.minimum(distance[here][touching], distance[there][touching]) / 255)
    return unique_borders(np.concatenate(keys), np.concatenate(heights), highest, components)


def unique_borders(
    keys: NDArray[np.int64], heights: Floats, base: int, offset: int = 0
) -> tuple[NDArray[np.int64], Floats]:
    """Pairs (m, 2) and their highest height (m,), of keys lower * base + higher that may occur many times."""
    unique, place = np.unique(keys, return_inverse=True)
    saddles = np.zeros(len(unique))
    np.maximum.at(saddles, place, heights)
    return np.stack([unique // base, unique % base], axis=1) - offset, saddles


def cut_traits(saddle: Any, peaks: tuple[Any, Any], areas: tuple[Any, Any], diameter: float) -> tuple[Any, ...]:
    """What the chance of a cut depends on, in the order of CUT_TRAITS; numbers or arrays alike.

    saddle: highest inner distance on the border. lower, higher: the peaks of both. size: ln(ECD of the smaller
    / diameter). ratio: ln(area of the larger / of the smaller). areas: px. diameter: px of the same pixels.
    """
    smaller, larger = np.minimum(*areas), np.maximum(*areas)
    size = np.log(np.sqrt(4 * smaller / np.pi) / diameter)
    return saddle, np.minimum(*peaks), np.maximum(*peaks), size, np.log(larger / smaller)


def join(pieces: Pieces, weights: Mapping[str, float], diameter: float) -> NDArray[np.int64]:
    """(n + 1,) the piece in which each piece ends, when what is unlikely to be cut is joined.

    diameter: px that the network likes best, in the pixels of the pieces. weights: see `cut_apart`.
    """
    factors, least = [weights[name] for name in CUT_TRAITS], np.log(weights[LIMIT] / (1 - weights[LIMIT]))
    areas, peaks = pieces.areas.tolist(), pieces.peaks.tolist()
    beside: list[dict[int, float]] = [{} for _ in areas]
    ends, changes = list(range(len(areas))), [0] * len(areas)
    queue: list[tuple[float, int, int, int]] = []

    def offer(one: int, other: int) -> None:
        traits = cut_traits(beside[one][other], (peaks[one], peaks[other]), (areas[one], areas[other]), diameter)
        odds = sum(factor * trait for factor, trait in zip(factors, traits, strict=True)) + weights[INTERCEPT]
        if odds < least:
            heapq.heappush(queue, (float(odds), one, other, changes[one] + changes[other]))

    for (one, other), saddle in zip(pieces.pairs.tolist(), pieces.saddles.tolist(), strict=True):
        beside[one][other] = beside[other][one] = saddle
        offer(one, other)
    while queue:
        _, one, other, known = heapq.heappop(queue)
        # What was offered before one of the two grew, or was taken in, is out of date.
        if known != changes[one] + changes[other] or ends[one] != one or ends[other] != other:
            continue
        ends[other] = one
        areas[one], peaks[one] = areas[one] + areas[other], max(peaks[one], peaks[other])
        changes[one] += changes[other] + 1
        for third, saddle in beside[other].items():
            del beside[third][other]
            if third != one:
                beside[one][third] = beside[third][one] = max(saddle, beside[one].get(third, 0.0))
        for third in beside[one]:
            offer(one, third)
    return _followed(np.array(ends))


def _followed(ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each chain of pieces taken in by one another followed to its last."""
    while (ends != ends[ends]).any():
        ends = ends[ends]
    return ends


def joined(pieces: Pieces, ends: NDArray[np.int64]) -> Pieces:
    """The pieces after a `join`: those that were taken in have no area and no neighbours."""
    areas = np.bincount(ends, weights=pieces.areas, minlength=len(ends)).astype(float)
    peaks = np.zeros(len(ends))
    np.maximum.at(peaks, ends, pieces.peaks)
    pairs = np.sort(ends[pieces.pairs], axis=1)
    apart = pairs[:, 0] != pairs[:, 1]
    keys = pairs[apart, 0] * len(ends) + pairs[apart, 1]
    return Pieces(areas, peaks, *unique_borders(keys, pieces.saddles[apart], len(ends)))
