"""How grains are taught and scored: the network learns their boundaries; the whole, convex grains between them are
scored, as in the program CHAC."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from ....core.labels.grains import REACH, are_convex, at_frame, edges
from ..contract import Labels
from ..masks import MaskScoring, equivalent_diameters, learning_task


def boundaries(labels: Labels) -> Labels:
    """(H, W) int32: 1 on boundaries of grains (H, W), else 0.

    A boundary is background up to 2 REACH px from a grain, the largest width that annotators draw, and the pixels
    where two grains touch. So the area of a deleted grain is no boundary.
    """
    between = (labels == 0) & (ndimage.distance_transform_edt(labels == 0) <= 2 * REACH)
    touching = edges(labels) & (ndimage.minimum_filter(labels, 3) > 0)
    return (between | touching).astype(np.int32)


SCORING = MaskScoring(
    "convex grains", lambda labels: are_convex(labels) & ~at_frame(labels), equivalent_diameters, between=True
)
TASK = replace(learning_task("grains", "boundary", SCORING), drawn=boundaries)
