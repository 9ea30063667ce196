"""The targets of networks that outline objects which may touch: the maps they should predict for labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage
from skimage.segmentation import find_boundaries

from ..contract import Field, Labels, Mask

CHANNELS = ("foreground", "inner_distance")
OPTIONAL = ("touching",)  # a further map that a recipe may add
WITHIN_2_PX = np.ones((5, 5), bool)


def targets(labels: Labels, channels: Sequence[str] = CHANNELS) -> Field:
    """(channels + 1, H, W) float32 from labels (H, W): each channel's map in 0..1, then a map that is 1 near
    contacts."""
    map_functions = {"foreground": lambda ids: ids > 0, "inner_distance": inner_distance, "touching": near_contacts}
    return np.stack([*(map_functions[channel](labels) for channel in channels), near_contacts(labels)]).astype(
        np.float32
    )


def inner_distance(labels: Labels) -> Field:
    """Distance of every particle pixel to its particle's edge, divided by the particle's largest.

    labels: (H, W) int32, 0 is background. Returns (H, W) float32 in 0..1: 1 at a particle's core, 0 outside.
    """
    inside = (labels > 0) & ~find_boundaries(labels)
    if not inside.any():  # without it distance_transform_edt has no inside
        return (labels > 0).astype(np.float32) * 0.5
    distance = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1].astype(np.float32) + (labels > 0)
    largest = ndimage.maximum(distance, labels, np.arange(labels.max() + 1))
    largest[0] = 1
    return np.where(labels > 0, distance / np.maximum(largest, 1)[labels], 0).astype(np.float32)


def near_contacts(labels: Labels, around: Mask = WITHIN_2_PX) -> Mask:
    """(H, W) bool: whether two objects meet near a pixel. around: which neighbours are near."""
    highest = ndimage.maximum_filter(labels, footprint=around)
    lowest = ndimage.minimum_filter(np.where(labels > 0, labels, np.iinfo(np.int32).max), footprint=around)
    return (highest > 0) & (lowest < np.iinfo(np.int32).max) & (highest != lowest)
