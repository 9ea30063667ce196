"""What training minimises."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from .entries import Loss
from .targets import HEADS


def map_loss(logits: Tensor, target: Tensor, loss: Loss | None = None, heads: Sequence[str] = HEADS) -> Tensor:
    """Loss of all output maps.

    logits: (B, heads, H, W), the first two foreground and inner distance. target: (B, heads + 1, H, W), the
    heads' maps and then a weight. Cross-entropy of the foreground, weighted near contacts, + its Dice loss + loss
    of the inner distance (a soft target), in which particles count more than background, + cross-entropy of
    what auxiliary heads there are; `loss` holds the weight of each.
    """
    loss, logits = loss or Loss(), logits.float()
    truth, distance, weight = target[:, 0], target[:, 1], target[:, -1]
    total = loss.foreground * _pixels(logits[:, 0], truth, weight, loss)
    total = total + loss.dice * dice_loss(logits[:, 0].sigmoid(), truth)
    total = total + loss.inner_distance * _distance(logits[:, 1], distance, 1 + loss.inside * truth, loss)
    for number in range(len(HEADS), len(heads)):
        total = total + loss.boundary * cross_entropy(logits[:, number], target[:, number])
    return total


def _pixels(logits: Tensor, truth: Tensor, weight: Tensor, loss: Loss) -> Tensor:
    if loss.balance:
        share = truth.mean().clamp(1e-3, 1 - 1e-3)
        weight = weight * torch.where(truth > 0.5, (1 - share) / share, torch.ones_like(truth))
    if loss.focal:
        wrong = (logits.sigmoid() - truth).abs()
        weight = weight * wrong.pow(loss.focal)
    # Not as the weight of cross_entropy, which no gradient may pass.
    return (weight * cross_entropy(logits, truth, reduction="none")).mean()


def _distance(logits: Tensor, distance: Tensor, weight: Tensor, loss: Loss) -> Tensor:
    if loss.distance == "absolute":
        return (weight * (logits.sigmoid() - distance).abs()).mean()
    return cross_entropy(logits, distance, weight=weight)


def dice_loss(probability: Tensor, truth: Tensor) -> Tensor:
    """1 - Dice over the whole batch (B, H, W), so that empty crops do not swing it."""
    overlap = (probability * truth).sum()
    return 1 - (2 * overlap + 1) / (probability.sum() + truth.sum() + 1)


@torch.no_grad()
def batch_dice(logits: Tensor, target: Tensor) -> float:
    """Dice of the thresholded foreground over the batch."""
    found, truth = logits[:, 0] > 0, target[:, 0] > 0.5
    return float(2 * (found & truth).sum() / (found.sum() + truth.sum()).clamp(min=1))
