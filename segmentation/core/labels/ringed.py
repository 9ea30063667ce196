"""Gaps that only their neighbours show: an outline ringed by others and darker than all of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..micrograph.contrast import limits
from .bands import Band, Ids, boxes, by_band, ids_in, summed_by_id, sums_of_objects, whole_image
from .contrast import largest_within
from .separate import Labels, interior

Floats = NDArray[np.float64]
GAP = 4  # px across which an outline touches another
RINGED = 0.9  # share of the rim that lies at others
FEWEST = 3  # neighbours that ring a gap; two leave it open at its ends
LEAST = 0.04  # share of the rim that makes an outline a neighbour
DARKER = 0.3  # of the contrast of the neighbours with the darkest ground there is


def ringed_darker(grey: NDArray[np.uint8], labels: Labels, ids: Ids | None = None) -> NDArray[np.bool_]:
    """(n,) whether each outline of these ids (n,), or 1..n, of labels (H, W) is a gap between particles: nearly all of
    its rim lies at other outlines, and it is clearly darker than each of these.

    grey: (H, W), particles brighter than the ground. The contrast of the neighbours is that with the darkest grey that
    a picture shows (1 %), because in a bed no ground is bare. At the frame nothing is known of the rim.
    """
    ids = ids_in(labels, ids)
    is_gap = np.zeros(len(ids), bool)
    candidates, margin = _nearly_ringed(labels, ids).tolist(), GAP + 1
    if not candidates:
        return is_gap
    areas, sums = sums_of_objects(labels, ids, grey)
    means = sums / np.maximum(areas, 1)
    lowest = whole_image("darkest", grey, lambda: limits(grey, 1.0, 100.0)[0])
    box_of = boxes(labels, ids)
    for index in candidates:
        top, left, bottom, right = box_of[index].tolist()
        if top == 0 or left == 0 or bottom == labels.shape[0] or right == labels.shape[1]:
            continue
        part = labels[max(0, top - margin) : bottom + margin, max(0, left - margin) : right + margin]
        mine = part == ids[index]
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
        means_beside = means[np.searchsorted(ids, neighbours)]
        contrast = float(np.median(means_beside)) - lowest
        is_gap[index] = means[index] <= means_beside.min() - DARKER * max(contrast, 1.0)
    return is_gap


def _nearly_ringed(labels: Labels, ids: Ids) -> NDArray[np.intp]:
    """The places of the outlines of labels (H, W) whose rim lies at others, where these are looked for in squares,
    which hold the circles of GAP px: few are, and distances from all others take long."""
    rims, beside = summed_by_id(ids, by_band("ringed", labels, GAP, _rims)).T
    return np.flatnonzero((rims > 0) & (beside >= RINGED * rims))


def _rims(band: Band) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Of each id (k,) the pixels of its rim in a band, and how many of them lie at others (k, 2)."""
    labels, rows, count = band.labels, band.rows, len(band.ids)
    backwards = np.where(labels > 0, count + 1 - labels, 0)
    highest, lowest = largest_within(labels, GAP), count + 1 - largest_within(backwards, GAP)
    is_rim = ((labels > 0) & ~interior(labels))[rows]
    at_others = is_rim & ((highest != labels) | (lowest != labels))[rows]
    owners = labels[rows]
    counts = [np.bincount(owners[where], minlength=count + 1)[1:] for where in (is_rim, at_others)]
    return band.ids, np.stack(counts, axis=1)
