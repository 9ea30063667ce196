"""What a network is asked to predict for a label image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def inner_distance(labels: NDArray[np.int32]) -> NDArray[np.float32]:
    """Distance of every particle pixel to its particle's edge, divided by the particle's largest.

    labels: (H, W) int32, 0 is background. Returns (H, W) float32 in 0..1: 1 at a particle's core, 0 outside.
    """
    edge = np.zeros(labels.shape, bool)
    for axis in (0, 1):
        step = np.diff(labels, axis=axis) != 0
        before, after = [slice(None)] * 2, [slice(None)] * 2
        before[axis], after[axis] = slice(None, -1), slice(1, None)
        edge[tuple(before)] |= step
        edge[tuple(after)] |= step
    inside = (labels > 0) & ~edge
    if not inside.any():  # also keeps distance_transform_edt from measuring to nowhere
        return (labels > 0).astype(np.float32) * 0.5
    distance = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1].astype(np.float32) + (labels > 0)
    largest = ndimage.maximum(distance, labels, np.arange(labels.max() + 1))
    largest[0] = 1
    return np.where(labels > 0, distance / np.maximum(largest, 1)[labels], 0).astype(np.float32)


def weights_near_contacts(labels: NDArray[np.int32], extra: float = 4.0) -> NDArray[np.float32]:
    """(H, W) float32 pixel weights: 1, and `extra` more where two particles touch (within about 2 px)."""
    highest = ndimage.maximum_filter(labels, 5)
    filled = np.where(labels > 0, labels, np.iinfo(np.int32).max)
    lowest = ndimage.minimum_filter(filled, 5)
    contact = (highest > 0) & (lowest < np.iinfo(np.int32).max) & (highest != lowest)
    return 1 + extra * contact.astype(np.float32)
