"""The loss of networks that separate touching objects: of the maps of foreground, inner distance and, if the recipe
adds it, contacts."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from . import Loss, Weight


class InstanceLoss(Loss):
    """Cross-entropy and Dice loss of the foreground + cross-entropy of the inner distance + that of the contacts.

    maps: (B, C, H, W) logits of foreground, inner distance and, if the recipe adds it, touching. targets: (B, C + 1,
    H, W) in 0..1, the same maps and then a map that is 1 near contacts of objects. Pixels near contacts count more.
    """

    either: ClassVar[tuple[str, str]] = ("foreground", "dice")
    name: Literal["instances"] = Field("instances", description="of tasks that outline objects")
    foreground: Weight = Field(1.0, description="weight of the foreground's cross-entropy")
    dice: Weight = Field(1.0, description="weight of the foreground's Dice loss")
    inner_distance: Weight = Field(2.0, description="weight of the inner distance")
    touching: Weight = Field(1.0, description="weight of the cross-entropy of the map of contacts")
    contacts: Weight = Field(4.0, description="how much more pixels between touching objects count")
    inside: Weight = Field(2.0, description="how much more the objects' pixels count in the inner distance")
    balance: bool = Field(
        False, description="objects' pixels count background / foreground times (Ruehle et al., 2021)"
    )

    def __call__(self, maps: Tensor, targets: Tensor) -> Tensor:
        logits, truth = maps.float(), targets[:, 0]
        pixel_weights = 1 + self.contacts * targets[:, -1]
        if self.balance:
            share = truth.mean().clamp(1e-3, 1 - 1e-3)
            pixel_weights = pixel_weights * torch.where(truth > 0.5, (1 - share) / share, torch.ones_like(truth))
        # The weights are multiplied here, because no gradient may pass the argument `weight` of cross_entropy.
        total = self.foreground * (pixel_weights * cross_entropy(logits[:, 0], truth, reduction="none")).mean()
        total = total + self.dice * dice_loss(logits[:, 0].sigmoid(), truth)
        weight = 1 + self.inside * truth
        total = total + self.inner_distance * cross_entropy(logits[:, 1], targets[:, 1], weight=weight)
        if logits.shape[1] > 2:
            weight = 1 + self.contacts * targets[:, 2]
            total = total + self.touching * cross_entropy(logits[:, 2], targets[:, 2], weight=weight)
        return total


def dice_loss(probability: Tensor, truth: Tensor) -> Tensor:
    """1 - Dice over the whole batch (B, H, W), so that empty crops do not change it much."""
    overlap = (probability * truth).sum()
    return 1 - (2 * overlap + 1) / (probability.sum() + truth.sum() + 1)
