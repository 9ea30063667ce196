"""Knowledge distillation: a network learns the maps of a second model, the teacher, in addition to the truth (Hinton,
Vinyals & Dean 2015, arXiv 1503.02531).

As in an analysis, the teacher predicts each crop twice: at the crop's own size, and mirrored at its second scale. A
network that learns the mean of both maps needs one prediction, a third of the work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, interpolate

from ...core import tasks
from ...core.network.architectures import build
from ...core.network.runtime import STRIDE
from .pretrained import base_card, load_model, maps_of
from .settings import BadRecipe, TrainingRecipe

Forward = Callable[[nn.Module, Tensor], Tensor]


class Teacher:
    """The model that a recipe names as its teacher. Raises BadRecipe if it predicts other maps than the recipe.

    forward(network, pictures): the logits, as the training computes them. device: of the training.
    """

    def __init__(self, recipe: TrainingRecipe, forward: Forward, device: torch.device) -> None:
        card = base_card(recipe.teacher)
        if card.task != recipe.task or list(maps_of(card)) != recipe.heads:
            raise BadRecipe(f"The teacher {card.name} predicts other maps than the recipe's.")
        self.forward = forward
        network = build(card.architecture, len(recipe.heads))
        load_model(network, card.architecture, card)
        self.network: nn.Module = network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        options: Any = tasks.find(card.task).options.model_validate(card.options)
        self.second_scale = float(getattr(options, "second_scale", 1.0))

    @torch.no_grad()
    def maps(self, pictures: Tensor) -> Tensor:
        """The teacher's maps (B, C, S, S) in 0..1 of pictures (B, 1, S, S): the mean of both predictions."""
        maps = self.forward(self.network, pictures).float().sigmoid()
        if self.second_scale == 1.0:
            return maps
        side = pictures.shape[-1]
        larger = STRIDE * round(side * self.second_scale / STRIDE)
        enlarged = interpolate(pictures.flip(-1), (larger, larger), mode="bicubic", antialias=True)
        second_maps = self.forward(self.network, enlarged).float().sigmoid().flip(-1)
        return (maps + interpolate(second_maps, (side, side), mode="bilinear", antialias=True)) / 2

    def loss(self, logits: Tensor, pictures: Tensor) -> Tensor:
        """The cross-entropy of logits (B, C, S, S) against the teacher's maps of the pictures (B, 1, S, S)."""
        return binary_cross_entropy_with_logits(logits.float(), self.maps(pictures))
