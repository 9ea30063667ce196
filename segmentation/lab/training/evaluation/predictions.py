"""Predictions of a model for an image. The network runs once; its maps then serve every threshold and
post-processing."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ....core import tasks
from ....core.micrograph.contrast import clip_outliers
from ....core.micrograph.databar import first_bar_row
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
    """The options of an evaluation.

    rows: compare only the first rows of every image. nm: nm per pixel; None: the scale of the files, or pixels if not
    all files have one. threshold: None takes the card's. chains: further post-processings of the same maps, by their
    names in `instances.examine.CHAINS`. thresholds: whether to try other thresholds even if that takes long.
    """

    rows: int | None = None
    nm: float | None = None
    threshold: float | None = None
    chains: tuple[str, ...] = ()
    thresholds: bool = True

    def threshold_of(self, card: ModelCard) -> float:
        """The threshold for a model: that of the options, or the card's."""
        return card.threshold if self.threshold is None else self.threshold


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a network predicts for an image.

    maps: (C, R, W) uint8, the maps of the analysed rows, in the image's own pixels. grey: (R, W) uint8, the rows as
    they were shown to the network. view: polarity and scale at which the network saw them. seconds: time of the
    prediction, with the loading of the weights if that was not done before.
    """

    maps: Picture
    grey: Picture
    view: View
    seconds: float


@dataclass(frozen=True, eq=False)
class Predictor:
    """A model with the settings of a segmentation, used as in an analysis.

    settings: of the segmentation, by name; the others have their defaults. cache: stores the predictions if a fit
    goes over the same images again, by image, rows and options.
    """

    card: ModelCard
    runtime: Runtime
    settings: Mapping[str, Any] = field(default_factory=dict)
    cache: dict[tuple[str, str, int, str], Prediction] | None = None

    @property
    def task(self) -> Task:
        """The task of the model in an analysis."""
        return tasks.find(self.card.task)

    @property
    def requested(self) -> SegmentationSettings:
        """All settings of the segmentation."""
        return self.task.settings(**self.settings)

    def network(self) -> Network:
        """The network; its weights are loaded at the first use. Raises AlteredWeights, UnknownArchitecture."""
        return load_network(self.card, self.runtime, len(self.task.channels(self.card)))

    def labels(self, prediction: Prediction, maps: Picture | None = None, **settings: Any) -> Decoded:
        """What an analysis makes of the model's maps, or of other maps of the same rows.

        settings: replace those of the predictor.
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
        start_time = time.perf_counter()
        self.network()
        picture = clip_outliers(micrograph.pixels[: min(rows, first_bar_row(micrograph))])
        maps, view = predict_maps(picture, self.requested, self.card, self.runtime)
        prediction = Prediction(maps, as_shown(picture, view.polarity), view, time.perf_counter() - start_time)
        if self.cache is not None:
            self.cache[key] = prediction
        return prediction


def padded(labels: Labels, shape: tuple[int, ...]) -> Labels:
    """The labels (R, W) with empty rows below, so that they have as many rows as `shape`."""
    return np.pad(labels, ((0, shape[0] - labels.shape[0]), (0, 0)))
