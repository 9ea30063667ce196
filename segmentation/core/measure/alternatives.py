"""What else could have been measured in the same image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..labels.segmentation import Segmentation
from .hulls import ferets, find_hulls
from .runs import find_runs
from .straight import convex_outlines
from .table import Table, column_name


def confidence_under(labels: NDArray[np.int32], segmentation: Segmentation) -> NDArray[np.float32]:
    """(n,) for the particles 1..n of `labels` (H, W): the mean confidence of the segmentation's own particles under
    each, NaN (none was measured) where there are none."""
    n = int(labels.max(initial=0))
    dense = segmentation.dense
    known = dense > 0
    both = known & (labels > 0)
    here = labels[both]
    sums = np.bincount(here, segmentation.confidence[dense[both] - 1], n + 1)
    counts = np.bincount(here, minlength=n + 1)
    with np.errstate(invalid="ignore"):
        return (sums[1:] / counts[1:]).astype(np.float32)


def without_corners(table: Table, labels: NDArray[np.int32]) -> Table:
    """The table with the Feret diameters of the particles' convex outlines instead of those of their pixel corners.

    labels: (H, W) that the table was measured on. Corners stand out at oblique edges (`hulls`), the convex outline
    (`straight`) does not: the difference is what the choice between the two is worth.
    """
    found = ferets(convex_outlines(find_hulls(find_runs(labels))))
    factor = table.nm_per_pixel or 1.0
    changed = {
        column_name(name, table.unit): sizes * factor
        for name, sizes in zip(("min_feret", "max_feret"), found, strict=True)
    }
    return replace(table, columns={**table.columns, **changed})
