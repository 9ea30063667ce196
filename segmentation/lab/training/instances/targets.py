"""What a network is asked to predict for a label image of objects that may touch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from ..contract import Field, Labels, Mask

CHANNELS = ("foreground", "inner_distance")
OPTIONAL = ("touching",)


def targets(labels: Labels, channels: Sequence[str] = CHANNELS) -> Field:
    """(channels + 1, H, W) float32: each channel's map in 0..1, then 1 near contacts."""
    makers = {"foreground": lambda of: of > 0, "inner_distance": inner_distance, "touching": near_contacts}
    return np.stack([*(makers[channel](labels) for channel in channels), near_contacts(labels)]).astype(np.float32)


def boundary(labels: Labels, *, contacts: bool = False) -> Mask:
    """(H, W) bool: the pixels on both sides of every object's edge; contacts: of edges between two objects alone."""
    edge = np.zeros(labels.shape, bool)
    for axis in (0, 1):
        before, after = [slice(None)] * 2, [slice(None)] * 2
        before[axis], after[axis] = slice(None, -1), slice(1, None)
        one, other = labels[tuple(before)], labels[tuple(after)]
        step = (one != other) & (one > 0) & (other > 0) if contacts else one != other
        edge[tuple(before)] |= step
        edge[tuple(after)] |= step
    return edge


def inner_distance(labels: Labels) -> Field:
    """Distance of every particle pixel to its particle's edge, divided by the particle's largest.

    labels: (H, W) int32, 0 is background. Returns (H, W) float32 in 0..1: 1 at a particle's core, 0 outside.
    """
    inside = (labels > 0) & ~boundary(labels)
    if not inside.any():  # also keeps distance_transform_edt from measuring to nowhere
        return (labels > 0).astype(np.float32) * 0.5
    distance = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1].astype(np.float32) + (labels > 0)
    largest = ndimage.maximum(distance, labels, np.arange(labels.max() + 1))
    largest[0] = 1
    return np.where(labels > 0, distance / np.maximum(largest, 1)[labels], 0).astype(np.float32)


def near_contacts(labels: Labels) -> Mask:
    """(H, W) bool: where two objects touch, within about 2 px."""
    highest = ndimage.maximum_filter(labels, 5)
    lowest = ndimage.minimum_filter(np.where(labels > 0, labels, np.iinfo(np.int32).max), 5)
    return (highest > 0) & (lowest < np.iinfo(np.int32).max) & (highest != lowest)
