"""One pass of a model over an image; its maps then serve every threshold and every post-processing."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ....core import tasks
from ....core.micrograph.contrast import clip_outliers
from ....core.micrograph.databar import data_bar
from ....core.micrograph.types import Micrograph
from ....core.network.cards import ModelCard
from ....core.network.runtime import Network, Runtime, load_network
from ....core.network.scale_search import View, as_shown
from ....core.prediction import predict_maps
from ....core.settings import SegmentationSettings
from ....core.tasks.base import Decoded, Task
from ..contract import Labels, Picture


@dataclass(frozen=True)
class Options:
    """How an evaluation is done.

    rows: compare only so many rows of every image. nm: per pixel; None takes the scale of the files, and pixels unless
    all files have one. threshold: None takes the card's. chains: further post-processings of the same maps, names in
    `instances.examine.CHAINS`. thresholds: whether to try other thresholds even if that takes long.
    """

    rows: int | None = None
    nm: float | None = None
    threshold: float | None = None
    chains: tuple[str, ...] = ()
    thresholds: bool = True

    def threshold_of(self, card: ModelCard) -> float:
        return card.threshold if self.threshold is None else self.threshold


@dataclass(frozen=True, eq=False)
class Prediction:
    """maps: (C, R, W) uint8, the network's maps of the analysed rows, in the image's own pixels. grey: (R, W)
    uint8, the rows themselves, as they were shown. view: how the network saw it. seconds: that looking and predicting
    took, and loading the weights where that was not done before."""

    maps: Picture
    grey: Picture
    view: View
    seconds: float


@dataclass(frozen=True, eq=False)
class Predictor:
    """A model as the pipeline would use it. settings: of the segmentation, by name; defaults for the others.

    cache: the predictions so far, by image, rows and how it is shown, where fitting runs over the same images again.
    """

    card: ModelCard
    runtime: Runtime
    settings: Mapping[str, Any] = field(default_factory=dict)
    cache: dict[tuple[str, str, int, str], Prediction] | None = None

    @property
    def task(self) -> Task:
        return tasks.find(self.card.task)

    @property
    def requested(self) -> SegmentationSettings:
        return self.task.settings(**self.settings)

    def network(self) -> Network:
        """Loads the weights on first use; raises AlteredWeights, UnknownArchitecture."""
        return load_network(self.card, self.runtime, len(self.task.channels(self.card)))

    def labels(self, prediction: Prediction, maps: Picture | None = None, **settings: Any) -> Decoded:
        """What an analysis makes of the model's maps, or of other maps of the same rows.

        settings: instead of the model's own.
        """
        settings_used = self.requested.replaced(**settings)
        maps = prediction.maps if maps is None else maps
        return self.task.decode(maps, prediction.grey, prediction.view, self.card, settings_used)

    def predict(self, micrograph: Micrograph, rows: int) -> Prediction:
        """The model's maps of the first `rows` rows, or fewer where a data bar begins sooner."""
        options = {name: value for name, value in self.card.options.items() if name not in self.task.options.FITTED}
        key = micrograph.name, micrograph.sha256, rows, str(options)
        if self.cache is not None and key in self.cache:
            return self.cache[key]
        began = time.perf_counter()
        self.network()
        picture = clip_outliers(micrograph.pixels[: min(rows, data_bar(micrograph))])
        maps, view = predict_maps(picture, self.requested, self.card, self.runtime)
        prediction = Prediction(maps, as_shown(picture, view.polarity), view, time.perf_counter() - began)
        if self.cache is not None:
            self.cache[key] = prediction
        return prediction


def padded(labels: Labels, shape: tuple[int, ...]) -> Labels:
    """The labels (R, W) with empty rows below, as many as `shape` has more."""
    return np.pad(labels, ((0, shape[0] - labels.shape[0]), (0, 0)))
