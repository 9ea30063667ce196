"""Detects fused primary particles in an image. Their outlines mean little, so the result then gets a
warning (`tasks.judgement`).

Signs: outlines touch others along most of their rim, are ragged, and have no clear middle.
A model learns the probability that an outline is right from particles that can be told apart. In a
compact lump of primary particles that grew together, an outline may be one of them, a part of many,
or a shadow; the model cannot know which.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from ...labels.bands import Band, by_band, summed_by_id, sums_of_objects
from ...labels.segmentation import Segmentation

MAP = "inner_distance"  # name of the map of a network: 1 in the middle of a particle, 0 at its edge
FEWEST_OUTLINES = 10
GAP = 4  # px; outlines that are nearer touch, because people and networks leave a gap
MOST_OF_RIM = 0.5  # least share of an outline's rim that touches others
RAGGED_SOLIDITY = 0.92  # an outline with a lower solidity is ragged
# An image has fused particles if two limits hold: the mean over the outlined area of each outline's
# highest inner distance is under NO_CLEAR_MIDDLE, and LEAST_SHARE of this area or more is ragged
# and touches others. Both hold for 7 of 12 drawn lumps, 6 of 8 composites of particles 10 to 18 px
# wide, and 7 of 7 micrographs of silica agglomerates; also for 2 of 366 images of EMPS (which show
# such lumps), 1 of 24 composites of larger particles, and none of 8 images of TiO2 and 11 of
# powder. Lumps that are rotated, inverted, half as large or noisier get the same answer; lumps of
# primary particles of 28 to 36 px are not recognised.
NO_CLEAR_MIDDLE, LEAST_SHARE = 0.82, 0.2
_share_of: WeakKeyDictionary[Segmentation, float] = WeakKeyDictionary()


def fused_share(segmentation: Segmentation) -> float:
    """The share of the outlined area in fused particles: outlines that are ragged and touch others along
    most of their rim. 0 if particles can be told apart. Computed once for each segmentation."""
    if segmentation not in _share_of:
        _share_of[segmentation] = _fused_share(segmentation)
    return _share_of[segmentation]


def _fused_share(segmentation: Segmentation) -> float:
    from .shapes import measure

    rows, ids = segmentation.rows, segmentation.ids
    if len(ids) < FEWEST_OUTLINES or MAP not in segmentation.maps:
        return 0.0
    labels, peaks = segmentation.labels[:rows], np.zeros(len(ids), np.uint8)
    for part_ids, highest in by_band("peaks", labels, 0, _peaks, segmentation.maps[MAP][:rows]):
        np.maximum.at(peaks, np.searchsorted(ids, part_ids), highest)
    (areas,) = sums_of_objects(labels, ids)
    if not areas.all() or np.average(peaks / 255, weights=areas) >= NO_CLEAR_MIDDLE:
        return 0.0
    grey = np.zeros(labels.shape, np.uint8)
    sizes = measure(labels, grey, segmentation.confidence, None, rows, only_sizes=True, ids=ids)
    edge, touching = summed_by_id(ids, by_band("fused", labels, GAP, _edges)).T
    is_fused: NDArray[np.bool_] = (touching > MOST_OF_RIM * edge) & (sizes["solidity"] < RAGGED_SOLIDITY)
    share = float(areas[is_fused].sum() / areas.sum())
    return share if share >= LEAST_SHARE else 0.0


def _peaks(band: Band, distance: NDArray[np.uint8]) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """The ids (k,) of a band of rows, and the highest inner distance (k,) of each in this band."""
    from ...labels.separate import max_over_labels

    return band.ids, max_over_labels(distance, band.labels)


def _edges(band: Band) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The ids (k,) of a band of rows, and (k, 2) how many pixels in this band are at the edge of
    each, and how many of these touch another outline."""
    from ...labels.particles.contrast import largest_within

    labels, count = band.labels, len(band.ids)
    is_edge = (labels > 0) & (largest_within(labels, 1) != count + 1 - largest_within(count + 1 - labels, 1))
    highest = largest_within(labels, GAP)
    lowest = count + 1 - largest_within(np.where(labels > 0, count + 1 - labels, 0), GAP)
    touches = is_edge & ((highest != labels) | (lowest != labels))
    band_labels = labels[band.rows]
    counts = [np.bincount(band_labels[mask[band.rows]], minlength=count + 1)[1:] for mask in (is_edge, touches)]
    return band.ids, np.stack(counts, axis=1)
