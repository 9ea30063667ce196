"""Every kind of analysis as the conformance test runs it: its task, a card, and a network that is always right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor, nn

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.measure import quantities
from segmentation.core.network.cards import ModelCard
from segmentation.core.tasks.base import Task
from segmentation.lab.training import tasks as taught


@dataclass(frozen=True)
class Kind:
    task: Task
    card: ModelCard

    @property
    def is_ours(self) -> bool:
        """Those of others may do without curves and without a judgement of the picture."""
        return self.task.measure.__module__.startswith("segmentation.")

    def settings(self, **values: object) -> AnalysisSettings:
        return AnalysisSettings.of(self.task.name, model=self.card.name, **values)


class Brightest(nn.Module):
    """A network that answers as it is taught, were everything bright an object of its own, or of the second class."""

    def __init__(self, name: str, maps: tuple[str, ...]) -> None:
        super().__init__()
        self.task, self.maps = taught.find(name), maps

    def forward(self, pictures: Tensor) -> Tensor:
        return torch.stack([self._maps(picture[0] > 0) for picture in pictures.float().numpy()])

    def _maps(self, bright: np.ndarray) -> Tensor:
        labels = (
            bright + np.int32(len(self.maps) > 1) if self.task.classes else ndimage.label(bright)[0].astype(np.int32)
        )
        wanted = self.task.targets(labels, self.maps)[: len(self.maps)]
        return torch.logit(torch.from_numpy(wanted), 0.01)


def kinds(numbers: Iterable[str]) -> list[str]:
    """Names of numbers without those of the classes that each is of."""
    return list(dict.fromkeys(name.partition(quantities.OF)[0] for name in numbers))
