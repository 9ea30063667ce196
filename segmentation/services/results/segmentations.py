"""Segmentations are stored as soon as they exist, so that a repeated job needs only measuring."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from django.core.files.storage import default_storage
from django.db import DatabaseError

from ...core.analysis import AnalysisSettings
from ...core.labels.segmentation import Provenance
from ...models import Job, Segmentation
from ..ground.files import LocalFile, publishing, remove_folder

NAME = "segmentation.npz"


def keep_segmentation(
    *, job: Job, file: Path, provenance: Provenance, parent: Segmentation | None = None
) -> Segmentation:
    """Store what an attempt found as its job's; raises `Superseded` when the job is no longer this attempt's.

    parent: the one that it corrects.
    """
    row = Segmentation(
        micrograph_id=job.micrograph_id,
        parent=parent,
        task=provenance.task,
        model_name=provenance.model,
        weights=provenance.weights,
        provenance=provenance.as_dict(),
        size=file.stat().st_size,
    )
    row.file.name = f"{row.folder}/{NAME}"
    row.save(force_insert=True)  # first, so that a file left by a crash belongs to a row, which `tidy` finds

    def remove() -> None:
        remove_folder(row.folder)
        with suppress(DatabaseError):
            row.delete()

    with publishing(remove):
        with file.open("rb") as opened:
            default_storage.save(row.file.name, LocalFile(opened))
        job.change(segmentation=row, model_name=row.model_name)
    job.segmentation = row
    return row


def segmentation_for(job: Job, settings: AnalysisSettings) -> Segmentation | None:
    """The segmentation of a job, if other settings would give the same one: then only measuring is needed."""
    same = job.get_settings()
    alike = (same.task, same.segmentation) == (settings.task, settings.segmentation)
    return job.segmentation if alike else None
