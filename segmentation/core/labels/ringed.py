"""Gaps that only their neighbours show: an outline ringed by others and darker than all of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..micrograph.contrast import limits
from .contrast import largest_within, overlapping_bands
from .separate import Labels, interior, sums_over_labels

Floats = NDArray[np.float64]
GAP = 4  # px across which an outline touches another
RINGED = 0.9  # share of the rim that lies at others
FEWEST = 3  # neighbours that ring a gap; two leave it open at its ends
LEAST = 0.04  # share of the rim that makes an outline a neighbour
DARKER = 0.3  # of the contrast of the neighbours with the darkest ground there is


def ringed_darker(grey: NDArray[np.uint8], labels: Labels) -> NDArray[np.bool_]:
    """(n,) whether each outline 1..n of labels (H, W) is a gap between particles: nearly all of its rim lies at other
    outlines, and it is clearly darker than each of these.

    grey: (H, W), particles brighter than the ground. The contrast of the neighbours is that with the darkest grey that
    a picture shows (1 %), because in a bed no ground is bare. At the frame nothing is known of the rim.
    """
    count = int(labels.max(initial=0))
    is_gap = np.zeros(count, bool)
    areas, sums = sums_over_labels(labels, grey)
    means = sums / np.maximum(areas, 1)
    lowest = limits(grey, 1.0, 100.0)[0] if grey.size else 0.0
    candidates = _nearly_ringed(labels, count).tolist()
    boxes, margin = ndimage.find_objects(labels) if candidates else [], GAP + 1
    for number in candidates:
        box = boxes[number - 1]
        at_frame = any(side.start == 0 or side.stop == length for side, length in zip(box, labels.shape, strict=True))
        if at_frame:
            continue
        window = tuple(slice(max(0, side.start - margin), side.stop + margin) for side in box)
        part = labels[window]
        mine = part == number
        rim = mine & ~ndimage.binary_erosion(mine)
        others = (part > 0) & ~mine
        away, nearest = ndimage.distance_transform_edt(~others, return_indices=True)
        beside = part[tuple(axis[rim] for axis in nearest)][away[rim] <= GAP]
        if len(beside) < RINGED * rim.sum():
            continue
        neighbours, lengths = np.unique(beside, return_counts=True)
        neighbours = neighbours[lengths >= LEAST * rim.sum()]
        if len(neighbours) < FEWEST:
            continue
        contrast = float(np.median(means[neighbours - 1])) - lowest
        is_gap[number - 1] = means[number - 1] <= means[neighbours - 1].min() - DARKER * max(contrast, 1.0)
    return is_gap


def _nearly_ringed(labels: Labels, count: int) -> NDArray[np.intp]:
    """The outlines of labels (H, W) 1..n whose rim lies at others, where these are looked for in squares, which hold
    the circles of GAP px: few are, and distances from all others take long."""
    rims, beside = np.zeros((2, count + 1), np.int64)
    for part, rows, _ in overlapping_bands(labels, GAP):
        backwards = np.where(part > 0, count + 1 - part, 0)
        highest, lowest = largest_within(part, GAP), count + 1 - largest_within(backwards, GAP)
        is_rim = ((part > 0) & ~interior(part))[rows]
        at_others = is_rim & ((highest != part) | (lowest != part))[rows]
        for counts, where in ((rims, is_rim), (beside, at_others)):
            counts += np.bincount(part[rows][where], minlength=count + 1)
    return np.flatnonzero((rims > 0) & (beside >= RINGED * rims))
