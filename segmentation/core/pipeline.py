"""The whole story on one page: a Micrograph is segmented, and what was found is measured."""

from __future__ import annotations

from . import tasks
from .analysis import Analysis, AnalysisSettings
from .labels.segmentation import Segmentation
from .measuring import arranged, measure_objects
from .micrograph.contrast import clip_outliers
from .micrograph.noise import NOISY, noise_of
from .micrograph.types import Micrograph
from .network.cards import ModelCard, stands_for
from .network.runtime import Runtime
from .network.textures import nearest
from .pace import PREPARING, Clock, Progress, quiet
from .preparation import analysed_rows, marks_on, smoothed, without_coloured_marks
from .search import Search, Show, with_reason

# Why an automatic choice took a model.
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
    """Find, measure and explain what is in a micrograph.

    progress(stage, fraction) receives the current stage and the fraction done; it may raise to stop.
    card: the model, if it is none of those that the settings can name.
    Raises UnknownModel, UnknownTask, WrongTask, UnreadableImage for a data bar of all rows, and as `load_network`.
    """
    clock = Clock()
    segmentation = segment(micrograph, settings, progress, runtime=runtime, card=card, clock=clock)
    return arranged(measure_objects(micrograph, segmentation, settings, progress, clock=clock), clock)


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
    """Find the objects of a micrograph, in the uploaded image's own pixels; raises as `analyse` does.

    show(labels, confidence) receives outlines before the network has seen the whole picture: the labels (h, w) of a
    smaller copy of the analysed rows, and the probability of each (n,) to be right. None: they are not made.
    An automatic name stands for several models. The one that fits the image best is used, and `used` says why.
    """
    task, requested, clock = tasks.find(settings.task), settings.segmentation, clock or Clock()
    among, runtime = [card] if card else stands_for(requested.model), runtime or Runtime()
    if among[0].task != task.name:
        raise WrongTask(f"The model {among[0].name} is for {among[0].task}, not for {task.name}: choose another model.")
    progress("finding the data bar", PREPARING)
    with clock.stage("prepare"):
        rows = analysed_rows(micrograph, requested)
        shown = without_coloured_marks(micrograph)
        marked = marks_on(shown, rows)
        picture, noise = clip_outliers(shown.pixels[:rows]), {}
        if task.better and (relative := noise_of(picture)) >= NOISY:
            picture, noise = smoothed(shown.pixels[:rows]), {"noise": round(relative, 2)}
    search = Search(micrograph, picture, rows, task, requested, runtime, clock, show, noise=noise, marks=marked)
    if task.better:
        return search.completed(search.compared(among, progress), among)
    if len(among) == 1:
        return search.completed(search.find(among[0], progress), among)
    best = search.find((nearest(picture, among) or among)[0], progress)
    return search.completed(with_reason(best, NEAREST.format(count=len(among))), among)


def measure(
    micrograph: Micrograph, segmentation: Segmentation, settings: AnalysisSettings, progress: Progress = quiet
) -> Analysis:
    """Measure a segmentation. No model is needed, and the one that made it need not exist any more."""
    clock = Clock()
    return arranged(measure_objects(micrograph, segmentation, settings, progress, clock=clock), clock)
