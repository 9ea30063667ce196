"""Fused primary particles: outlines that touch along most of their rim, are ragged, and have no clear middle.

The probability that an outline is right is learnt on particles that can be told apart. In a compact lump of primaries
that grew together an outline may be one of them, a lobe of many, or a shadow, and the model cannot tell.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from ..labels.bands import Band, by_band, summed_by_id, sums_of_objects
from ..labels.segmentation import Segmentation

MAP = "inner_distance"
FEWEST = 10  # outlines
GAP = 4  # px across which two outlines touch: people's and networks' outlines leave a gap
MOSTLY, WHOLE = 0.5, 0.92  # share of the rim, and the solidity of what is not ragged
# Of the outlined area: mean highest inner distance under which it has no clear middle, and share that is ragged and
# touches. Both hold of 7 of 12 drawn lumps, 6 of 8 composites of particles 10 to 18 px wide, 7 of 7 micrographs of
# silica agglomerates; of 2 of 366 of EMPS (such lumps), 1 of 24 composites of larger ones, none of 8 of TiO2 and 11 of
# powder. Turned, inverted, half as large and noisier lumps are named alike; primaries of 28 to 36 px are not.
VAGUE, RAGGED = 0.82, 0.2
_known: WeakKeyDictionary[Segmentation, float] = WeakKeyDictionary()


def fused_share(segmentation: Segmentation) -> float:
    """Share of the outlined area that is ragged and touches others along most of its rim, 0 where particles can be told
    apart. Asked once of each segmentation."""
    if segmentation not in _known:
        _known[segmentation] = _fused_share(segmentation)
    return _known[segmentation]


def _fused_share(segmentation: Segmentation) -> float:
    from .shapes import measure, true_solidity

    rows, ids = segmentation.rows, segmentation.ids
    if len(ids) < FEWEST or MAP not in segmentation.maps:
        return 0.0
    labels, peaks = segmentation.labels[:rows], np.zeros(len(ids), np.uint8)
    for part_ids, highest in by_band("peaks", labels, 0, _peaks, segmentation.maps[MAP][:rows]):
        np.maximum.at(peaks, np.searchsorted(ids, part_ids), highest)
    (areas,) = sums_of_objects(labels, ids)
    if not areas.all() or np.average(peaks / 255, weights=areas) >= VAGUE:
        return 0.0
    grey = np.zeros(labels.shape, np.uint8)
    sizes = measure(labels, grey, segmentation.confidence, None, rows, only_sizes=True, ids=ids)
    edge, touched = summed_by_id(ids, by_band("fused", labels, GAP, _edges)).T
    is_fused: NDArray[np.bool_] = (touched > MOSTLY * edge) & (true_solidity(sizes) < WHOLE)
    share = float(areas[is_fused].sum() / areas.sum())
    return share if share >= RAGGED else 0.0


def _peaks(band: Band, distance: NDArray[np.uint8]) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """The ids (k,) of a band, and the highest inner distance (k,) of each in it."""
    from ..labels.separate import max_over_labels

    return band.ids, max_over_labels(distance, band.labels)


def _edges(band: Band) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Of each id (k,) the pixels of its edge in a band, and how many of them touch another outline (k, 2)."""
    from ..labels.contrast import largest_within

    labels, count = band.labels, len(band.ids)
    is_edge = (labels > 0) & (largest_within(labels, 1) != count + 1 - largest_within(count + 1 - labels, 1))
    highest = largest_within(labels, GAP)
    lowest = count + 1 - largest_within(np.where(labels > 0, count + 1 - labels, 0), GAP)
    touches = is_edge & ((highest != labels) | (lowest != labels))
    band_labels = labels[band.rows]
    counts = [np.bincount(band_labels[where[band.rows]], minlength=count + 1)[1:] for where in (is_edge, touches)]
    return band.ids, np.stack(counts, axis=1)
