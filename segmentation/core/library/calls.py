"""The functions of the Python library: they analyse an image, measure a mask of another tool, and pool results."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from ..analysis import AnalysisSettings
from ..errors import UserError
from ..imported.labelled import analyse_mask
from ..masks.label_images import Kind
from ..micrograph.types import Micrograph
from ..network.runtime import Runtime
from ..pipeline import analyse as run
from ..report.exports.viewer import thumbnail
from ..sample import Member
from ..settings import DEFAULT_TASK, MeasurementSettings
from ..stages.pace import Progress, quiet
from ..typed import settings_of_task
from .inputs import Picture, PixelSize, mask_of, model_for, read, settings_of, task_by_name
from .results import Pooled, Result

# Names of the settings that `measure` takes; measure_unlike is about the training images of a model, which it has not.
MASK_SETTINGS = ("data_bar", *(name for name in MeasurementSettings.model_fields if name != "measure_unlike"))


def analyse(
    image: Picture,
    nm_per_pixel: PixelSize = None,
    kind: str = DEFAULT_TASK,
    *,
    page: int = 0,
    device: str = "auto",
    progress: Progress = quiet,
    **settings: Any,
) -> Result:
    """Outline and measure the objects in an image, as the web site and the command line do.

    image: a file, an array or a Micrograph (`read`). page: number of the image in a stack, from 1
        (0: the first).
    nm_per_pixel: the size of a pixel in nm, such as 7.34. Its last digit says how exactly it is
        known. Without it the scale comes from the file or from a scale bar in the image; else sizes
        are in pixels.
    kind: what is looked for: particles, grains, bubbles, phases, layers, fibres, or another kind
        that has a model.
    device: "auto" (a GPU if there is one and torch is installed), "cpu" or "cuda".
    progress(stage, fraction): called with the stage and the fraction that is done, 0 to 1; it may
        raise an exception to stop.
    settings: as named in docs/use/settings.md, as values or as texts: filter=True,
        model="supported".
    Raises UserError (a ValueError), one sentence, for an image, a number or a setting that cannot
    be used.
    """
    task = task_by_name(kind)
    names = [setting.name for setting in settings_of_task(task)]
    model = model_for(task, settings.pop("model", ""))
    requested = settings_of(task, nm_per_pixel, {**settings, "model": model}, names)
    micrograph = read(image, page=page, nm_per_pixel=nm_per_pixel)
    file = Path(image) if isinstance(image, str | os.PathLike) else None
    return analyse_micrograph(micrograph, requested, runtime=Runtime(device), progress=progress, file=file)


def analyse_micrograph(
    micrograph: Micrograph,
    settings: AnalysisSettings,
    *,
    runtime: Runtime | None = None,
    progress: Progress = quiet,
    file: Path | None = None,
) -> Result:
    """The Result of an image that is read already, with settings that are checked already. file:
    that of the image, for the entry of an electronic notebook."""
    return Result(run(micrograph, settings, progress, runtime=runtime), file)


def measure(
    labels: str | os.PathLike[str] | ArrayLike,
    nm_per_pixel: PixelSize = None,
    kind: str = DEFAULT_TASK,
    *,
    image: Picture | None = None,
    values: Kind = "auto",
    background: int = 0,
    progress: Progress = quiet,
    **settings: Any,
) -> Result:
    """Measure the objects of a mask that another tool made, without a model, as the objects that a
    model finds are measured.

    labels: (H, W) whole numbers, one for each object and 0 between them, or a TIFF, PNG, BMP or npy
        file of them.
    values: with "labels" each number is an object, with "binary" each connected piece; "auto" takes
        a mask with a single number as binary. background: the number between objects.
    image: the micrograph, with the same rows and columns. It is used for the figures, the data bar
        and, without nm_per_pixel, the scale. Without it the scale in a TIFF of labels is used.
    nm_per_pixel, kind, progress: as in `analyse`. settings: as there, but only those of measuring,
        and data_bar.
    Raises UserError (a ValueError), one sentence.
    """
    task = task_by_name(kind)
    if task.semantic:
        raise UserError(f"{task.title} have no single objects, so that a mask of them is not measured.")
    requested = settings_of(task, nm_per_pixel, settings, MASK_SETTINGS)
    mask = mask_of(labels, task, values=values, background=background)
    micrograph = None if image is None else read(image, nm_per_pixel=nm_per_pixel)
    return Result(analyse_mask(mask, requested, progress, image=micrograph))


def pool(results: Sequence[Result], name: str = "sample", *, count_unusable: bool = False) -> Pooled:
    """Put several images of one material together as one sample (docs/method/statistics.md).

    results: at least one, all of one kind, measured with the same border correction and filter;
        their order does not matter. name: of the sample.
    count_unusable: whether results count, too, whose warning says "Do not use"; else they are left
        out.
    Raises UserError (a ValueError), one sentence.
    """
    results = list(results)
    if not results:
        raise UserError("There is no result to pool.")
    if not all(isinstance(result, Result) for result in results):
        raise UserError("Pool the results that analyse or measure returned.")
    requested = [result.analysis.settings for result in results]
    rule = requested[0].measurement
    rules = {(used.task, used.measurement.border_correction, used.measurement.filter) for used in requested}
    if len(rules) > 1:
        raise UserError("Only results of one kind, with the same border correction and filter, can be pooled.")
    from ..combine import combine

    members = [Member.of(result.analysis, thumbnail(result.analysis)) for result in results]
    sample = combine(name, members, edge=rule.border_correction, filter=rule.filter, count_unusable=count_unusable)
    return Pooled(sample, tuple(results))
