"""Runs a model on an image and makes labels from its maps. The network runs once; its maps are used for every threshold
and post-processing."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ....core import tasks
from ....core.micrograph.contrast import clip_outliers
from ....core.micrograph.scale_bar.databar import first_bar_row
from ....core.micrograph.types import Micrograph
from ....core.network.cards import ModelCard
from ....core.network.runtime import Network, Runtime, load_network
from ....core.network.scale_search import View, as_shown
from ....core.settings import SegmentationSettings
from ....core.stages.prediction import predict_maps
from ....core.tasks.base import Decoded, Task
from ..contract import Labels, Picture


@dataclass(frozen=True)
class Options:
    """The options of an evaluation.

    rows: compare only the first rows of every image. nm: nm per pixel; None: the scale of the files, or pixels if not
    all files have one. threshold: None for the card's. chains: further post-processings of the same maps, by their
    names in `instances.examine.CHAINS`. thresholds: whether the scores at other thresholds are calculated, which may
    take long.
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
    """The maps that a network predicts for an image.

    maps: (C, R, W) uint8, the maps of the analysed rows, in pixels of the image. grey: (R, W) uint8, these rows as
    input of the network, before scaling. view: their polarity and scale. seconds: time of the prediction, with the
    loading of the weights if that was not done before.
    """

    maps: Picture
    grey: Picture
    view: View
    seconds: float


@dataclass(frozen=True, eq=False)
class Predictor:
    """A model with the settings of a segmentation, used as in an analysis.

    settings: of the segmentation, by name; the others have their defaults. cache: predictions by image, rows
    and options, for a fit that uses the same images several times; None: nothing is stored.
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
    def segmentation_settings(self) -> SegmentationSettings:
        """All settings of the segmentation."""
        return self.task.settings(**self.settings)

    def network(self) -> Network:
        """The network; its weights are loaded at the first use. Raises AlteredWeights, UnknownArchitecture."""
        return load_network(self.card, self.runtime, len(self.task.channels(self.card)))

    def labels(self, prediction: Prediction, maps: Picture | None = None, **settings: Any) -> Decoded:
        """The labels that an analysis makes from the model's maps, or from other maps of the same rows.

        settings: replace settings of the predictor.
        """
        settings_used = self.segmentation_settings.replaced(**settings)
        maps = prediction.maps if maps is None else maps
        return self.task.decode(maps, prediction.grey, prediction.view, self.card, settings_used)

    def predict(self, micrograph: Micrograph, rows: int) -> Prediction:
        """The model's maps of the first `rows` rows, or fewer if a data bar begins above."""
        options = {name: value for name, value in self.card.options.items() if name not in self.task.options.FITTED}
        key = micrograph.name, micrograph.sha256, rows, str(options)
        if self.cache is not None and key in self.cache:
            return self.cache[key]
        start_time = time.perf_counter()
        self.network()
        picture = clip_outliers(micrograph.pixels[: min(rows, first_bar_row(micrograph))])
        maps, view = predict_maps(picture, self.segmentation_settings, self.card, self.runtime)
        prediction = Prediction(maps, as_shown(picture, view.polarity), view, time.perf_counter() - start_time)
        if self.cache is not None:
            self.cache[key] = prediction
        return prediction


def pad_rows(labels: Labels, shape: tuple[int, ...]) -> Labels:
    """The labels (R, W) with empty rows below, so that they have as many rows as `shape`."""
    return np.pad(labels, ((0, shape[0] - labels.shape[0]), (0, 0)))
