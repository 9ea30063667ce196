"""The whole story on one page: a Micrograph and a Recipe become an Analysis."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .analysis import Analysis
from .instances.confidence import confidence
from .instances.segmentation import Segmentation
from .instances.separate import separate
from .measure.filters import set_aside
from .measure.shapes import measure
from .measure.statistics import summarise
from .micrograph import clip_outliers, data_bar
from .micrograph.types import Calibration, Micrograph, Polarity
from .network.cards import ModelCard, find
from .network.runtime import Runtime, load_network
from .network.scout import CLEAR
from .network.see import choose_view, see
from .recipe import Recipe

Progress = Callable[[str, float], None]

THRESHOLD_STEP = 0.1  # by which the threshold is moved to tell how much the numbers depend on it

# Where each stage begins in the whole, as measured on a 1024 x 768 image (tests/benchmarks).
PREPARING, LOOKING, SEGMENTING, SEPARATING, MEASURING, DONE = 0.0, 0.05, 0.15, 0.60, 0.70, 0.75


def quiet(stage: str, fraction: float) -> None:
    """A progress that says nothing."""


@dataclass
class Clock:
    """Seconds spent by stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began


def analyse(
    micrograph: Micrograph,
    recipe: Recipe,
    progress: Progress = quiet,
    *,
    runtime: Runtime | None = None,
    card: ModelCard | None = None,
) -> Analysis:
    """Find, measure and explain every particle of a micrograph.

    progress(stage, fraction) is told what happens now and how far the whole is; it may raise to stop.
    card: the model to use where it is not one of the released ones that recipe.model names.
    Raises UnknownModel, AlteredWeights.
    """
    clock = Clock()
    segmentation = segment(
        micrograph, recipe, card or find(recipe.model), progress, runtime=runtime or Runtime(), clock=clock
    )
    return remeasure(micrograph, segmentation, recipe, progress, clock=clock)


def segment(
    micrograph: Micrograph,
    recipe: Recipe,
    card: ModelCard,
    progress: Progress = quiet,
    *,
    runtime: Runtime,
    clock: Clock,
) -> Segmentation:
    """The outlines of all particles, in the uploaded image's own pixels."""
    threshold = card.threshold if recipe.threshold is None else recipe.threshold
    progress("loading the model", PREPARING)
    with clock.stage("load"):
        network = load_network(card, runtime)
    progress("finding the data bar", PREPARING)
    with clock.stage("prepare"):
        rows = analysed_rows(micrograph, recipe)
        picture = clip_outliers(micrograph.pixels[:rows])
    progress("looking at size and contrast", LOOKING)
    polarity: Polarity | None = None if recipe.polarity == "auto" else recipe.polarity
    with clock.stage("look"):
        view = choose_view(network, card, picture, runtime, polarity=polarity, scale=recipe.scale)
    progress("segmenting", SEGMENTING)
    with clock.stage("network"):
        maps = see(
            network,
            picture,
            view,
            runtime,
            flips=recipe.flips,
            progress=lambda done: progress("segmenting", SEGMENTING + done * (SEPARATING - SEGMENTING)),
        ).maps
    progress("separating particles", SEPARATING)
    with clock.stage("instances"):
        labels = separate(*maps, threshold=threshold, core=card.core)
        certainty = confidence(maps, labels, view.scale, card)
        alternatives = {
            f"threshold {step:+.1f}": separate(*maps, threshold=threshold + step, core=card.core)
            for step in (-THRESHOLD_STEP, THRESHOLD_STEP)
            if 0 < threshold + step < 1
        }
    return Segmentation(
        _whole(labels, micrograph),
        certainty,
        rows,
        view.polarity,
        view.scale,
        threshold,
        card.name,
        card.sha256,
        view.clarity,
        {name: _whole(each, micrograph) for name, each in alternatives.items()},
    )


def _whole(labels: NDArray[np.int32], micrograph: Micrograph) -> NDArray[np.int32]:
    """Labels of the analysed rows as labels of the uploaded image."""
    full = np.zeros(micrograph.shape, np.int32)
    full[: len(labels)] = labels
    return full


def analysed_rows(micrograph: Micrograph, recipe: Recipe) -> int:
    """Rows from the top that are analysed: all but the data bar."""
    if recipe.data_bar == "auto":
        return data_bar(micrograph)
    return max(1, micrograph.shape[0] - recipe.data_bar)


def remeasure(
    micrograph: Micrograph,
    segmentation: Segmentation,
    recipe: Recipe,
    progress: Progress = quiet,
    *,
    clock: Clock | None = None,
) -> Analysis:
    """Measure known outlines under a recipe's calibration and filter; no network is needed."""
    clock = clock or Clock()
    progress("measuring", MEASURING)
    calibration = recipe.calibration or micrograph.calibration
    with clock.stage("measure"):
        table = measure(
            segmentation.labels,
            micrograph.pixels,
            segmentation.confidence,
            nm_per_pixel=calibration.nm_per_pixel,
            rows=segmentation.rows,
        )
        table = set_aside(table, recipe.filter)
        statistics = summarise(table)
    progress("measured", DONE)
    return Analysis(
        micrograph,
        recipe,
        calibration,
        segmentation,
        table,
        statistics,
        clock.seconds,
        tuple(_warnings(micrograph, segmentation, calibration)),
    )


def _warnings(micrograph: Micrograph, segmentation: Segmentation, calibration: Calibration) -> Iterator[str]:
    if calibration.source == "default":
        yield "The image width is the default of 7520 nm and was not checked: type the true width."
    if calibration.source == "none":
        yield "No image width is known, so sizes are in pixels."
    if not len(segmentation.confidence):
        yield "No particles were found; try the other polarity or a lower threshold."
    elif segmentation.clarity < CLEAR:
        yield "Nothing in this image is clearly a particle: check the outlines before you use the sizes."
    yield from micrograph.notes
