"""What training minimises."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy


def map_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Loss of both output maps.

    logits: (B, 2, H, W) foreground and inner distance. target: (B, 3, H, W) foreground, inner distance, weight.
    Cross-entropy of the foreground, weighted near contacts, + its Dice loss + cross-entropy of the inner
    distance (a soft target), in which particles count three times as much as background.
    """
    foreground, distance, weight = target.unbind(1)
    logits = logits.float()
    pixels = cross_entropy(logits[:, 0], foreground, weight=weight)
    inner = cross_entropy(logits[:, 1], distance, weight=1 + 2 * foreground)
    return pixels + dice_loss(logits[:, 0].sigmoid(), foreground) + 2 * inner


def dice_loss(probability: Tensor, truth: Tensor) -> Tensor:
    """1 - Dice over the whole batch (B, H, W), so that empty crops do not swing it."""
    overlap = (probability * truth).sum()
    return 1 - (2 * overlap + 1) / (probability.sum() + truth.sum() + 1)


@torch.no_grad()
def batch_dice(logits: Tensor, target: Tensor) -> float:
    """Dice of the thresholded foreground over the batch."""
    found, truth = logits[:, 0] > 0, target[:, 0] > 0.5
    return float(2 * (found & truth).sum() / (found.sum() + truth.sum()).clamp(min=1))
