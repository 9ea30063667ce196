"""The further files of a result, measured again from the stored segmentation: no network is loaded."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from segmentation import services
from segmentation.core.labels.segmentation import DAMAGED, Segmentation, UnusableSegmentation
from segmentation.models import ExportJob, Job
from segmentation.services import bundles

from .fetching import pixels_of

Progress = Callable[[str, float], None]
MEASURED = 0.1


NO_PARENT = "The result that was corrected has been deleted, and its outlines with it."


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
    found = services.corrected(parent, job.corrects)
    origin = replace(found.provenance, parent=str(parent.segmentation_id))
    file = folder / "segmentation.npz"
    replace(found, provenance=origin).save(file)
    services.keep_segmentation(job=job, file=file, provenance=origin, parent=parent.segmentation)
    return replace(found, provenance=origin)


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
