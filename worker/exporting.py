"""The further files of a result, measured again from the stored segmentation: no network is loaded."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from segmentation import __version__, services
from segmentation.core.labels.segmentation import DAMAGED, Segmentation, UnusableSegmentation
from segmentation.core.tasks import find
from segmentation.models import ExportJob, Job
from segmentation.services import bundles

from . import inspection
from .fetching import fetch, pixels_of

if TYPE_CHECKING:
    from segmentation.core.micrograph import types

Progress = Callable[[str, float], None]
MEASURED = 0.1
NO_PARENT = "The result that was corrected has been deleted, and its outlines with it."
NO_RESULT = "The result to which these outlines belong has been deleted: send them with another result of the image."


def stored_segmentation(job: Job) -> Segmentation:
    """What a job found before; raises UnusableSegmentation."""
    if job.segmentation is None:
        raise UnusableSegmentation(DAMAGED)
    try:
        with job.segmentation.file.open("rb") as file:
            return Segmentation.load(file, job.segmentation.get_provenance())
    except FileNotFoundError as error:
        raise UnusableSegmentation(DAMAGED) from error


def corrected_segmentation(job: Job, folder: Path) -> Segmentation:
    """The outlines of the parent with the corrections that the job measures, stored as the job's own."""
    parent = job.parent
    if parent is None or parent.segmentation is None:
        raise UnusableSegmentation(NO_PARENT)
    found = services.corrections_of(parent, job.corrects).finished()
    origin = replace(found.provenance, parent=str(parent.segmentation_id))
    return kept(job, replace(found, provenance=origin), parent, folder)


def imported_segmentation(job: Job, micrograph: types.Micrograph, progress: Progress, folder: Path) -> Segmentation:
    """The outlines in the file of another tool that came with the job, stored as the job's own."""
    parent = job.parent
    if parent is None or parent.segmentation is None:
        raise UnusableSegmentation(NO_RESULT)
    before, task = stored_segmentation(parent), find(job.get_settings().task)
    rows, columns = micrograph.shape
    calibration = job.get_settings().measurement.scaled(micrograph.own_calibration)
    asked = {
        "frame": [rows, columns, before.rows],
        "task": task.name,
        "names": before.class_names,
        "image": micrograph.name,
        "nm_per_pixel": calibration.nm_per_pixel if calibration.is_known else None,
    }
    stage = "reading the outlines"
    read = inspection.read_outlines(fetch(job.outlines["file"], folder), asked, lambda: progress(stage, 0.1))
    source = {name: job.outlines[name] for name in ("name", "sha256")}
    of = str(parent.segmentation_id)
    found = read.segmentation(before, **source, version=__version__, of=of, semantic=task.semantic)
    return kept(job, found, parent, folder)


def kept(job: Job, found: Segmentation, parent: Job, folder: Path) -> Segmentation:
    """A segmentation that replaces the parent's, stored as the job's own."""
    file = folder / "segmentation.npz"
    found.save(file)
    services.keep_segmentation(job=job, file=file, provenance=found.provenance, parent=parent.segmentation)
    return found


def write_further(export: ExportJob, progress: Progress, folder: Path) -> None:
    """Write and publish the files that are not stored with every result."""
    from segmentation.core import pipeline
    from segmentation.core.report.files import write_all

    job, out = export.job, folder / "results"
    progress("reading the image", 0.0)
    analysis = pipeline.measure(pixels_of(job.micrograph, folder), stored_segmentation(job), job.get_settings())
    out.mkdir()
    there = []
    for stored in job.artifacts.exclude(name=services.segmentations.NAME):
        with bundles.opened(stored) as file, (out / stored.name).open("wb") as copy:
            shutil.copyfileobj(file, copy)
        there.append(stored.name)
    files = write_all(
        analysis,
        out,
        there=there,
        progress=lambda stage, done: progress(stage, MEASURED + (1 - MEASURED) * done),
    )
    services.publish_export(export=export, files=files)
