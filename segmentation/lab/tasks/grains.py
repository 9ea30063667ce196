"""Grains: their boundaries are taught; the whole, convex grains are scored, as CHAC counts them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...core.labels.grains import are_convex, at_frame
from ..contract import Labels
from ..masks import MaskScoring, equal_circles, learning_task


def as_chac_counts(labels: Labels) -> NDArray[np.bool_]:
    return are_convex(labels) & ~at_frame(labels)


TASK = learning_task("grains", "boundary", MaskScoring("convex grains", as_chac_counts, equal_circles, between=True))
