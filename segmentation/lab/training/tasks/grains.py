"""Grains: their boundaries are taught; the whole, convex grains are scored, as CHAC counts them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from ....core.labels.grains import REACH, are_convex, at_frame, edges
from ..contract import Labels
from ..masks import MaskScoring, equal_circles, learning_task


def boundaries(labels: Labels) -> Labels:
    """(H, W) int32: 1 between grains, up to the width at which annotators draw a boundary, and where two grains touch;
    0 elsewhere, so that the place of a grain that was deleted is no boundary."""
    between = (labels == 0) & (ndimage.distance_transform_edt(labels == 0) <= 2 * REACH)
    touching = edges(labels) & (ndimage.minimum_filter(labels, 3) > 0)
    return (between | touching).astype(np.int32)


# As CHAC counts: whole, convex grains.
SCORING = MaskScoring(
    "convex grains", lambda labels: are_convex(labels) & ~at_frame(labels), equal_circles, between=True
)
TASK = replace(learning_task("grains", "boundary", SCORING), drawn=boundaries)
