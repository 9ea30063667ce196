"""Other labels of the same image, made measurable."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..instances.segmentation import Segmentation


def confidence_under(labels: NDArray[np.int32], segmentation: Segmentation) -> NDArray[np.float32]:
    """(n,) for the particles 1..n of `labels` (H, W): the mean confidence of the segmentation's own particles under
    each, NaN (none was measured) where there are none."""
    n = int(labels.max(initial=0))
    known = segmentation.labels > 0
    both = known & (labels > 0)
    here = labels[both]
    sums = np.bincount(here, segmentation.confidence[segmentation.labels[both] - 1], n + 1)
    counts = np.bincount(here, minlength=n + 1)
    with np.errstate(invalid="ignore"):
        return (sums[1:] / counts[1:]).astype(np.float32)
