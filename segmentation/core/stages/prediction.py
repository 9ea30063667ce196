"""Makes the maps of a picture: chooses polarity and working scale, then lets the network predict."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .. import tasks
from ..network.answers import PredictionMemory
from ..network.cards import ModelCard
from ..network.inference import FractionProgress, no_progress, predict_augmented
from ..network.runtime import Maps, Runtime, load_network
from ..network.scale_search import View, with_bright_objects
from ..settings import SegmentationSettings
from .pace import SEARCHING, SEGMENTING, SEPARATING, Clock, Progress, quiet
from .preparation import Picture


def predict_maps(
    picture: Picture,
    requested: SegmentationSettings,
    card: ModelCard,
    runtime: Runtime,
    answers: PredictionMemory | None = None,
    progress: Progress = quiet,
    clock: Clock | None = None,
    show_view: Callable[[View], None] = lambda view: None,
) -> tuple[Maps, View]:
    """The maps (C, H, W) uint8 of a picture (H, W) float32 in 0..1, and the View (polarity, scales) that was used.

    answers: remembers the predictions of earlier calls. show_view(view): called with the view before the
    maps are predicted. A picture without any contrast is not given to the network; its maps are 0.
    """
    task, clock = tasks.find(card.task), clock or Clock()
    channels = task.channels(card)
    if not picture.any():
        return np.zeros((len(channels), *picture.shape), np.uint8), View(clarity=0.0)  # no contrast
    network, answers = load_network(card, runtime, len(channels)), answers or PredictionMemory()

    def predict_copy(copy: Picture, progress_of_copy: FractionProgress = no_progress) -> Maps:
        return answers.predict(network, copy, activation=channels.activation, progress=progress_of_copy)

    progress(f"estimating the size of the {task.things}", SEARCHING)
    with clock.stage("search"):
        view = task.scale(predict_copy, card, picture, requested)
    with clock.stage("labels"):  # its caller may separate objects already
        show_view(view)
    progress(f"outlining {task.things}", SEGMENTING)
    with clock.stage("network"):
        maps = predict_augmented(
            predict_copy,
            with_bright_objects(picture, view.polarity),
            view.scale,
            second_scale=view.second_scale,
            flips=getattr(requested, "flips", False),
            progress=lambda done: progress(f"outlining {task.things}", SEGMENTING + done * (SEPARATING - SEGMENTING)),
        )
    return maps, view
