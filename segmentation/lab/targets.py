"""What a network is asked to predict for a label image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..core.network.architectures import OUTPUTS

HEADS = OUTPUTS  # what every network of ours predicts; entries.AUXILIARY are added to it in training alone


def targets(labels: NDArray[np.int32], heads: Sequence[str] = HEADS, contacts: float = 4.0) -> NDArray[np.float32]:
    """(heads + 1, H, W) float32: each head's map in 0..1, then the weights near contacts."""
    makers = {"foreground": lambda of: of > 0, "inner_distance": inner_distance, "boundary": boundary}
    maps = [makers[head](labels) for head in heads]
    return np.stack([*maps, weights_near_contacts(labels, contacts)]).astype(np.float32)


def boundary(labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    """(H, W) bool: the pixels on both sides of every particle's edge."""
    edge = np.zeros(labels.shape, bool)
    for axis in (0, 1):
        step = np.diff(labels, axis=axis) != 0
        before, after = [slice(None)] * 2, [slice(None)] * 2
        before[axis], after[axis] = slice(None, -1), slice(1, None)
        edge[tuple(before)] |= step
        edge[tuple(after)] |= step
    return edge


def inner_distance(labels: NDArray[np.int32]) -> NDArray[np.float32]:
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


def weights_near_contacts(labels: NDArray[np.int32], extra: float = 4.0) -> NDArray[np.float32]:
    """(H, W) float32 pixel weights: 1, and `extra` more where two particles touch (within about 2 px)."""
    highest = ndimage.maximum_filter(labels, 5)
    filled = np.where(labels > 0, labels, np.iinfo(np.int32).max)
    lowest = ndimage.minimum_filter(filled, 5)
    contact = (highest > 0) & (lowest < np.iinfo(np.int32).max) & (highest != lowest)
    return 1 + extra * contact.astype(np.float32)
