"""The loss of networks that predict masks which are independent of each other: cross-entropy and Dice."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from . import Loss, Weight
from .instances import dice_loss


class MaskLoss(Loss):
    """Binary cross-entropy + 1 - Dice over the batch.

    maps: (B, C, H, W) logits. targets: (B, C, H, W), 0 and 1.
    """

    name: Literal["masks"] = Field("masks", description="of tasks that find one mask")
    cross_entropy: Weight = Field(1.0, description="weight of the cross-entropy")
    dice: Weight = Field(0.5, description="weight of the Dice loss")

    def __call__(self, maps: Tensor, targets: Tensor) -> Tensor:
        logits = maps.float()
        entropy = binary_cross_entropy_with_logits(logits, targets)
        return self.cross_entropy * entropy + self.dice * dice_loss(logits.sigmoid(), targets)
