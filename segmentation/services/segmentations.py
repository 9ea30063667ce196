"""Segmentations are stored as soon as they exist, so that a repeated job needs only measuring."""

from __future__ import annotations

from pathlib import Path

from django.core.files.storage import default_storage
from django.db import transaction

from ..core.analysis import AnalysisSettings
from ..core.labels.segmentation import Provenance
from ..models import Job, Segmentation
from .archives import LocalFile
from .files import remove_folder

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
    try:
        with file.open("rb") as opened:
            row.file.name = default_storage.save(f"{row.folder}/{NAME}", LocalFile(opened))
        with transaction.atomic():
            row.save(force_insert=True)
            job.change(segmentation=row, model_name=row.model_name)
    except BaseException:
        remove_folder(row.folder)
        raise
    job.segmentation = row
    return row


def segmentation_for(job: Job, settings: AnalysisSettings) -> Segmentation | None:
    """The segmentation of a job, if other settings would give the same one: then only measuring is needed."""
    same = job.get_settings()
    alike = (same.task, same.segmentation) == (settings.task, settings.segmentation)
    return job.segmentation if alike else None
