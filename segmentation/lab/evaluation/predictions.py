"""One pass of a model over an image; its maps then serve every threshold and every post-processing."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ...core.micrograph import clip_outliers, data_bar
from ...core.micrograph.types import Micrograph, Polarity
from ...core.network.cards import ModelCard
from ...core.network.runtime import Runtime, load_network
from ...core.pipeline import predict_maps
from ...core.settings import AnalysisSettings
from .matching import Labels


@dataclass(frozen=True, eq=False)
class Seen:
    """maps: (2, R, W) uint8 foreground and inner distance of the analysed rows, in the image's own pixels.
    polarity, scale: under which the network saw it. seconds: that looking and predicting took."""

    maps: NDArray[np.uint8]
    polarity: Polarity
    scale: float
    seconds: float


@dataclass(frozen=True, eq=False)
class Predictor:
    """A model as the pipeline would use it. polarity, scale: None leaves the choice to the model.
    flips: as in Recipe."""

    card: ModelCard
    runtime: Runtime
    polarity: Polarity | None = None
    scale: float | None = None
    flips: bool = False

    def network(self) -> nn.Module:
        """Loads the weights on first use; raises AlteredWeights, UnknownArchitecture."""
        return load_network(self.card, self.runtime)

    def see(self, micrograph: Micrograph, rows: int) -> Seen:
        """The model's maps of the first `rows` rows, or fewer where a data bar begins sooner."""
        began = time.perf_counter()
        self.network()
        picture = clip_outliers(micrograph.pixels[: min(rows, data_bar(micrograph))])
        asked = AnalysisSettings.of(
            self.card.task, polarity=self.polarity or "auto", scale=self.scale, flips=self.flips
        ).segmentation
        maps, view = predict_maps(picture, asked, self.card, self.runtime)
        return Seen(maps, view.polarity, view.scale, time.perf_counter() - began)


def padded(labels: Labels, shape: tuple[int, ...]) -> Labels:
    """The labels (R, W) with empty rows below, as many as `shape` has more."""
    return np.pad(labels, ((0, shape[0] - labels.shape[0]), (0, 0)))
