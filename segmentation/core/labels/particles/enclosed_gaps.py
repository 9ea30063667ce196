"""Finds outlines that are gaps between particles, in images without visible background: a gap is surrounded by other
outlines and darker than all of them. (`contrast` finds gaps if there is background.)"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ...micrograph.contrast import grey_limits
from ..bands import Band, Ids, boxes, by_band, ids_in, summed_by_id, sums_of_objects, whole_image
from ..separate import Labels, interior
from .contrast import largest_within

Floats = NDArray[np.float64]
# The rim of an outline is its outermost pixels.
GAP_PX = 4  # px: a pixel of the rim lies at another outline if that is at most so far away
LEAST_RIM_SHARE = 0.9  # of the rim that lies at other outlines
FEWEST_NEIGHBOURS = 3  # around a gap; with two it is open at its ends
LEAST_CONTACT = 0.04  # share of the rim; an outline at less of the rim is no neighbour
# A gap is darker than each neighbour by this share of the neighbours' contrast with the darkest grey.
LEAST_DARKER = 0.3


def are_enclosed_gaps(grey: NDArray[np.uint8], labels: Labels, ids: Ids | None = None) -> NDArray[np.bool_]:
    """(n,) bool: whether each outline of labels (H, W) with these ids (n,), or 1..n, is a gap between particles: nearly
    all of its rim lies at other outlines, and it is clearly darker than each of these.

    grey: (H, W), particles brighter than the ground. The contrast of the neighbours is taken against the darkest 1 % of
    the picture, because in a bed of particles no background is visible. An outline at the frame is never a gap, because
    part of its rim is not known.
    """
    ids = ids_in(labels, ids)
    is_gap = np.zeros(len(ids), bool)
    candidates, margin = _candidates(labels, ids).tolist(), GAP_PX + 1
    if not candidates:
        return is_gap
    areas, sums = sums_of_objects(labels, ids, grey)
    means = sums / np.maximum(areas, 1)
    lowest = whole_image("darkest", grey, lambda: grey_limits(grey, 1.0, 100.0)[0])
    box_of = boxes(labels, ids)
    for index in candidates:
        top, left, bottom, right = box_of[index].tolist()
        if top == 0 or left == 0 or bottom == labels.shape[0] or right == labels.shape[1]:
            continue
        part = labels[max(0, top - margin) : bottom + margin, max(0, left - margin) : right + margin]
        body = part == ids[index]
        rim = body & ~ndimage.binary_erosion(body)
        others = (part > 0) & ~body
        distance, nearest = ndimage.distance_transform_edt(~others, return_indices=True)
        touched = part[tuple(axis[rim] for axis in nearest)][distance[rim] <= GAP_PX]
        if len(touched) < LEAST_RIM_SHARE * rim.sum():
            continue
        neighbours, lengths = np.unique(touched, return_counts=True)
        neighbours = neighbours[lengths >= LEAST_CONTACT * rim.sum()]
        if len(neighbours) < FEWEST_NEIGHBOURS:
            continue
        greys = means[np.searchsorted(ids, neighbours)]
        contrast = float(np.median(greys)) - lowest
        is_gap[index] = means[index] <= greys.min() - LEAST_DARKER * max(contrast, 1.0)
    return is_gap


def _candidates(labels: Labels, ids: Ids) -> NDArray[np.intp]:
    """The places in `ids` of the outlines that may be surrounded. This quick test takes squares instead of circles of
    GAP_PX px around the rim, so it misses none. Distances are then calculated only for these few."""
    rims, at_others = summed_by_id(ids, by_band("ringed", labels, GAP_PX, _rims)).T
    return np.flatnonzero((rims > 0) & (at_others >= LEAST_RIM_SHARE * rims))


def _rims(band: Band) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The ids (k,) in a band, and (k, 2) for each of them the pixels of its rim, and how many of these lie at other
    outlines."""
    labels, rows, count = band.labels, band.rows, len(band.ids)
    reversed_labels = np.where(labels > 0, count + 1 - labels, 0)
    highest, lowest = largest_within(labels, GAP_PX), count + 1 - largest_within(reversed_labels, GAP_PX)
    is_rim = ((labels > 0) & ~interior(labels))[rows]
    at_others = is_rim & ((highest != labels) | (lowest != labels))[rows]
    owners = labels[rows]
    counts = [np.bincount(owners[mask], minlength=count + 1)[1:] for mask in (is_rim, at_others)]
    return band.ids, np.stack(counts, axis=1)
