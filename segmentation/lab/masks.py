"""Pixels that belong to a thing or do not, a map for each kind of them: what a network is asked to predict."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .tasks.base import Labels, Maps


def targets(labels: Labels, channels: Sequence[str]) -> NDArray[np.float32]:
    """(channels, H, W) float32 of labels (H, W), 1 for the first channel: a map of 0 and 1 for each."""
    return np.stack([labels == number for number in range(1, len(channels) + 1)]).astype(np.float32)


@torch.no_grad()
def dice(logits: Tensor, target: Tensor) -> float:
    """Dice of the thresholded maps over the batch."""
    found, truth = logits > 0, target > 0.5
    return float(2 * (found & truth).sum() / (found.sum() + truth.sum()).clamp(min=1))


def preview(maps: Maps) -> Labels:
    """(H, W) int32: 1 where the first map is at least a half."""
    return (maps[0] >= 128).astype(np.int32)
