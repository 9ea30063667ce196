"""What a network is asked to predict for a label image of objects that may touch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage
from skimage.segmentation import find_boundaries

from ..contract import Field, Labels, Mask

CHANNELS = ("foreground", "inner_distance")
OPTIONAL = ("touching",)
WITHIN_2_PX = np.ones((5, 5), bool)


def targets(labels: Labels, channels: Sequence[str] = CHANNELS) -> Field:
    """(channels + 1, H, W) float32: each channel's map in 0..1, then 1 near contacts."""
    makers = {"foreground": lambda ids: ids > 0, "inner_distance": inner_distance, "touching": near_contacts}
    return np.stack([*(makers[channel](labels) for channel in channels), near_contacts(labels)]).astype(np.float32)


def inner_distance(labels: Labels) -> Field:
    """Distance of every particle pixel to its particle's edge, divided by the particle's largest.

    labels: (H, W) int32, 0 is background. Returns (H, W) float32 in 0..1: 1 at a particle's core, 0 outside.
    """
    inside = (labels > 0) & ~find_boundaries(labels)
    if not inside.any():  # also keeps distance_transform_edt from measuring to nowhere
        return (labels > 0).astype(np.float32) * 0.5
    distance = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1].astype(np.float32) + (labels > 0)
    largest = ndimage.maximum(distance, labels, np.arange(labels.max() + 1))
    largest[0] = 1
    return np.where(labels > 0, distance / np.maximum(largest, 1)[labels], 0).astype(np.float32)


def near_contacts(labels: Labels, around: Mask = WITHIN_2_PX) -> Mask:
    """(H, W) bool: where two objects meet among the pixels `around` a pixel."""
    highest = ndimage.maximum_filter(labels, footprint=around)
    lowest = ndimage.minimum_filter(np.where(labels > 0, labels, np.iinfo(np.int32).max), footprint=around)
    return (highest > 0) & (lowest < np.iinfo(np.int32).max) & (highest != lowest)
