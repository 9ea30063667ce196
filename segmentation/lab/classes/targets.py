"""What a network is asked to predict for a label image of classes, and what its maps say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..tasks.base import Labels, Maps


def targets(labels: Labels, channels: Sequence[str]) -> NDArray[np.float32]:
    """(channels + 1, H, W) float32 of labels (H, W), 1 for the first channel: a map for each, then 1 where labelled."""
    numbers = np.arange(1, len(channels) + 1, dtype=np.int32)[:, None, None]
    return np.concatenate([labels == numbers, (labels > 0)[None]]).astype(np.float32)


@torch.no_grad()
def dice(logits: Tensor, target: Tensor) -> float:
    """Mean Dice of the classes in the batch, each pixel of the likeliest class; what is not labelled does not count."""
    labelled = target[:, -1:] > 0.5
    found = torch.zeros_like(logits).scatter_(1, logits.argmax(1, keepdim=True), 1).bool() & labelled
    truth = target[:, :-1] > 0.5
    both, either = ((found & truth).sum((0, 2, 3)), found.sum((0, 2, 3)) + truth.sum((0, 2, 3)))
    present = either > 0
    return float((2 * both[present] / either[present]).mean()) if present.any() else 1.0


def activation(logits: Tensor) -> Tensor:
    return logits.softmax(1)


def likeliest(maps: Maps) -> Labels:
    """(H, W) int32: of each pixel the number, from 1 on, of its highest map (C, H, W)."""
    return maps.argmax(0).astype(np.int32) + 1
