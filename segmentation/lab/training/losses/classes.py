"""The loss of networks that give each class a probability map: cross-entropy and Dice of the labelled pixels."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor

from . import Loss, Weight


class ClassLoss(Loss):
    """Cross-entropy of the softmax over all maps, pixels weighted by class, + 1 - the mean Dice of the classes.

    maps: (B, C, H, W) logits. targets: (B, C + 1, H, W), a map of 0 and 1 for each class, then one that is 1
    where a pixel is labelled. Where it is not, the maps of the classes are 0.
    """

    name: Literal["classes"] = Field("classes", description="of tasks whose pixels belong to classes")
    cross_entropy: Weight = Field(1.0, description="weight of the cross-entropy")
    dice: Weight = Field(1.0, description="weight of the Dice loss")
    rarity: float = Field(
        0.0,
        ge=0,
        le=1,
        description="in the cross-entropy a pixel weighs the frequency of its class in the batch to the power"
        " of minus this; 0: all pixels alike, 1: all classes alike",
    )

    def __call__(self, maps: Tensor, targets: Tensor) -> Tensor:
        truth, labelled = targets[:, :-1], targets[:, -1:]
        logs = maps.float().log_softmax(1)
        pixels = truth.sum((0, 2, 3))
        weights = pixels.clamp(min=1).pow(-self.rarity)
        entropy = -(truth * logs).sum((0, 2, 3)) @ weights / (pixels @ weights).clamp(min=1e-6)
        predicted = logs.exp() * labelled
        overlap, sums = (predicted * truth).sum((0, 2, 3)), predicted.sum((0, 2, 3)) + truth.sum((0, 2, 3))
        # Over the whole batch. With + 1 a class that does not occur has no loss.
        dice = ((2 * overlap + 1) / (sums + 1)).mean()
        return self.cross_entropy * entropy + self.dice * (1 - dice)
