"""The whole story on one page: a Micrograph and a Recipe become an Analysis."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .analysis import Analysis
from .labels.outline import EVEN, outline
from .labels.segmentation import Segmentation
from .measure.alternatives import confidence_under, without_corners
from .measure.filters import set_aside
from .measure.shapes import measure
from .measure.statistics import seed_of, summarise
from .measure.table import ParticleTable
from .micrograph import clip_outliers, data_bar
from .micrograph.crosscheck import crosscheck
from .micrograph.flatness import DRAWN, flat_share
from .micrograph.types import Calibration, Micrograph, Polarity
from .network.cards import ModelCard, find
from .network.runtime import Runtime, load_network
from .network.scout import CLEAR
from .network.see import choose_view, see
from .recipe import Recipe

Progress = Callable[[str, float], None]

CALLED = {"typed": "typed width", "drawn": "drawn scale bar"}  # sources of a calibration, where a word is missing

MOSTLY = 0.75  # expected share of right outlines under which the user is told to check them

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
            card,
            picture,
            view,
            runtime,
            flips=recipe.flips,
            progress=lambda done: progress("segmenting", SEGMENTING + done * (SEPARATING - SEGMENTING)),
        ).maps
    del picture  # of a large image a quarter of a gigabyte, which separating can use
    progress("separating particles", SEPARATING)
    with clock.stage("instances"):
        found = outline(maps, view.scale, threshold, card)
        alternatives = {
            f"threshold {step:+.1f}": outline(maps, view.scale, threshold + step, card).labels
            for step in (-THRESHOLD_STEP, THRESHOLD_STEP)
            if 0 < threshold + step < 1
        }
    return Segmentation(
        _whole(found.labels, micrograph),
        found.confidence,
        rows,
        view.polarity,
        view.scale,
        threshold,
        card.name,
        card.sha256,
        view.clarity,
        {name: _whole(each, micrograph) for name, each in alternatives.items()},
        found.expected,
        found.dropped,
        card.closer,
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
        table = _judged(micrograph, segmentation, segmentation.labels, segmentation.confidence, recipe)
        alternatives = {
            name: _judged(micrograph, segmentation, labels, confidence_under(labels, segmentation), recipe)
            for name, labels in segmentation.alternatives.items()
        }
        alternatives["Feret without pixel corners"] = without_corners(table, segmentation.labels)
    with clock.stage("statistics"):
        statistics = summarise(
            table,
            calibration=calibration,
            edge=recipe.edge,
            filter=recipe.filter,
            alternatives=alternatives,
            seed=seed_of(micrograph.sha256),
        )
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


def _judged(
    micrograph: Micrograph,
    segmentation: Segmentation,
    labels: NDArray[np.int32],
    confidence: NDArray[np.float32],
    recipe: Recipe,
) -> ParticleTable:
    calibration = recipe.calibration or micrograph.calibration
    table = measure(
        labels, micrograph.pixels, confidence, nm_per_pixel=calibration.nm_per_pixel, rows=segmentation.rows
    )
    return set_aside(table, recipe.filter)


def _warnings(micrograph: Micrograph, segmentation: Segmentation, calibration: Calibration) -> Iterator[str]:
    yield from _doubts(micrograph, segmentation)
    if calibration.source == "default":
        yield "The image width is the default of 7520 nm and was not checked: type the true width."
    if calibration.source == "none":
        yield "No image width is known, so sizes are in pixels."
    yield from _disagreements(micrograph.calibration, calibration)
    yield from micrograph.notes


def _doubts(micrograph: Micrograph, segmentation: Segmentation) -> Iterator[str]:
    """Whether the image is one that the model can judge at all."""
    flat = flat_share(micrograph.pixels[: segmentation.rows])
    if flat >= DRAWN:
        yield (
            f"{100 * flat:.0f} % of this image is of exactly one grey value, as in drawings, plots and text and hardly"
            " ever in micrographs: is it the right file?"
        )
    found, dropped = len(segmentation.confidence), segmentation.dropped
    if dropped and segmentation.expected < EVEN:
        left = {0: "none is left", 1: "1 is left"}.get(found, f"{found} are left")
        yield (
            "This image looks unlike the micrographs that the model knows: it may show no particles, or be none."
            f" {dropped} outlines that were more likely wrong than right were dropped; {left}."
        )
    elif not found:
        yield (
            "No particles were found: the image shows none, or none that the model knows. If it does show some, try the"
            " other polarity or a lower threshold."
        )
    elif segmentation.expected < MOSTLY:
        yield (
            f"Only about {100 * segmentation.expected:.0f} % of these outlines are expected to be right, going by"
            " images on which that was tried: check them before you use the sizes."
        )
    elif segmentation.clarity < CLEAR:
        yield "Nothing in this image is clearly a particle: check the outlines before you use the sizes."


def _disagreements(own: Calibration, used: Calibration) -> list[str]:
    """What the file says against what is used, where the two are not the same thing."""
    if own.source == used.source:
        return []
    return crosscheck({CALLED.get(each.source, each.source): each for each in (own, used)})
