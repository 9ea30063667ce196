"""The pipeline of an analysis: it segments a Micrograph, then measures the Segmentation."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import tasks
from .analysis import Analysis, AnalysisSettings
from .labels.segmentation import Segmentation
from .micrograph.contrast import clip_outliers
from .micrograph.drawn.borders import BORDER, border_of, without_border
from .micrograph.drawn.marks import fill_in
from .micrograph.noise import NOISY, noise_of
from .micrograph.pages import SIGNS_OF_PANELS
from .micrograph.types import Micrograph
from .micrograph.vendors.facts import MARKS
from .network.cards import ModelCard, cards_for_name
from .network.runtime import Runtime
from .network.textures import nearest
from .stages.measuring import measure_objects, with_arrangement
from .stages.pace import PREPARING, Clock, Progress, quiet
from .stages.preparation import analysed_rows, marks_on, smooth, without_coloured_marks
from .stages.search import Search, Show, with_reason

# The reason that a result states for an automatic choice of the model.
NEAREST = "Its training images resemble this image most, among {count} models."


class WrongTask(ValueError):
    """The model is for another kind of analysis; the message is one sentence."""


def analyse(
    micrograph: Micrograph,
    settings: AnalysisSettings,
    progress: Progress = quiet,
    *,
    runtime: Runtime | None = None,
    card: ModelCard | None = None,
) -> Analysis:
    """The Analysis of a micrograph: segmented and measured.

    progress(stage, fraction) receives the current stage and the fraction done; it may raise to stop.
    card: the model to use instead of the one that the settings name.
    Raises UnknownModel, UnknownTask, WrongTask, UnreadableImage if the data bar covers all rows, and what
    `load_network` raises.
    """
    clock = Clock()
    segmentation = segment(micrograph, settings, progress, runtime=runtime, card=card, clock=clock)
    return with_arrangement(measure_objects(micrograph, segmentation, settings, progress, clock=clock), clock)


def segment(
    micrograph: Micrograph,
    settings: AnalysisSettings,
    progress: Progress = quiet,
    *,
    runtime: Runtime | None = None,
    card: ModelCard | None = None,
    clock: Clock | None = None,
    show: Show | None = None,
) -> Segmentation:
    """The Segmentation of a micrograph, in the pixels of the uploaded image; raises what `analyse` raises.

    show(labels, confidence) receives early outlines, before the network has predicted the whole picture: labels (h, w)
    of a smaller copy of the analysed rows, and the probability (n,) that each is right. None: they are not made.
    If the settings name several models, such as auto-particles does, the model that fits the image best is used, and
    `Segmentation.used` has the reason.
    """
    task, requested, clock = tasks.find(settings.task), settings.segmentation, clock or Clock()
    candidates, runtime = [card] if card else cards_for_name(requested.model), runtime or Runtime()
    if (default := candidates[0]).task != task.name:
        raise WrongTask(f"The model {default.name} is for {default.task}, not for {task.name}: choose another model.")
    progress("finding the data bar", PREPARING)
    with clock.stage("prepare"):
        rows = analysed_rows(micrograph, requested)
        unmarked = without_coloured_marks(micrograph)
        border = border_of(unmarked.pixels[:rows])
        specimen = without_border(unmarked, border)
        marks, writing = marks_on(specimen, rows, lined=not task.parted)
        facts: dict[str, Any] = {BORDER: border, MARKS: marks, SIGNS_OF_PANELS: writing.panels if writing else ""}
        picture = clip_outliers(specimen.pixels[:rows])
        if task.better and (relative := noise_of(picture)) >= NOISY:
            picture, facts["noise"] = smooth(specimen.pixels[:rows]), round(relative, 2)
        if writing and writing.lines.any():  # a line over a particle would divide it
            picture = np.asarray(fill_in(picture, writing.lines), np.float32)
    facts = {name: fact for name, fact in facts.items() if fact}
    search = Search(micrograph, picture, rows, task, requested, runtime, clock, show, facts=facts)
    if task.better:  # the task can compare candidates
        return search.with_alternatives(search.best_of_models(candidates, progress), candidates)
    if len(candidates) == 1:
        return search.with_alternatives(search.find(candidates[0], progress), candidates)
    best = search.find((nearest(picture, candidates) or candidates)[0], progress)
    return search.with_alternatives(with_reason(best, NEAREST.format(count=len(candidates))), candidates)


def measure(
    micrograph: Micrograph, segmentation: Segmentation, settings: AnalysisSettings, progress: Progress = quiet
) -> Analysis:
    """The Analysis of a segmentation, measured again. No model is needed."""
    clock = Clock()
    return with_arrangement(measure_objects(micrograph, segmentation, settings, progress, clock=clock), clock)
