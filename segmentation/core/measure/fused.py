"""Fused primary particles: outlines that touch along most of their rim, are ragged, and have no clear middle.

The probability that an outline is right is learnt on particles that can be told apart. In a compact lump of primaries
that grew together an outline may be one of them, a lobe of many, or a shadow, and the model cannot tell.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

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
    from ..labels.contrast import largest_within
    from ..labels.separate import areas_of, max_over_labels
    from .shapes import measure, true_solidity

    rows, count = segmentation.rows, len(segmentation)
    if count < FEWEST or MAP not in segmentation.maps:
        return 0.0
    labels = segmentation.dense[:rows]
    peaks = max_over_labels(segmentation.maps[MAP][:rows], labels) / 255
    areas = areas_of(labels, count)[1:].astype(float)
    if not areas.all() or np.average(peaks, weights=areas) >= VAGUE:
        return 0.0
    sizes = measure(labels, labels.astype(np.uint8), segmentation.confidence, None, rows, only_sizes=True)
    is_edge = (labels > 0) & (largest_within(labels, 1) != count + 1 - largest_within(count + 1 - labels, 1))
    highest = largest_within(labels, GAP)
    lowest = count + 1 - largest_within(np.where(labels > 0, count + 1 - labels, 0), GAP)
    touches = is_edge & ((highest != labels) | (lowest != labels))
    edge, touched = (np.bincount(labels[part], minlength=count + 1)[1:] for part in (is_edge, touches))
    is_fused: NDArray[np.bool_] = (touched > MOSTLY * edge) & (true_solidity(sizes) < WHOLE)
    share = float(areas[is_fused].sum() / areas.sum())
    return share if share >= RAGGED else 0.0
