"""How an attempt ends: with its files published, or with a sentence why not."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import Any

from django.core.files import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from ..models import Artifact, Job
from .files import remove_folder

TYPES = {
    ".npz": "application/octet-stream",
    ".tif": "image/tiff",
    ".csv": "text/csv",
    ".svg": "image/svg+xml",
}


def publish(*, job: Job, files: dict[str, Path], summary: dict[str, Any]) -> None:
    """Store an attempt's files and set the job done, in one transaction with their rows.

    Raises `Job.Lost` when the job is no longer this attempt's; its files are then removed again.
    """
    folder = f"{job.folder}/{job.attempt}"
    try:
        artifacts = [_store(job, f"{folder}/{name}", path) for name, path in files.items()]
        with transaction.atomic():
            _finish(job, Job.State.DONE, stage="", progress=1.0, error="", losses=0, summary=summary)
            Artifact.objects.filter(job=job).delete()
            Artifact.objects.bulk_create(artifacts)
    except BaseException:
        remove_folder(folder)
        raise
    for attempt in range(1, job.attempt):
        remove_folder(f"{job.folder}/{attempt}")


def fail_job(*, job: Job, sentence: str) -> None:
    """Set this attempt's job failed with a sentence for its user; raises `Job.Lost`."""
    _finish(job, Job.State.FAILED, error=sentence)


def _store(job: Job, path: str, source: Path) -> Artifact:
    with source.open("rb") as opened:
        stored = default_storage.save(path, File(opened))
    kind = TYPES.get(source.suffix) or mimetypes.guess_type(source.name)[0] or "application/octet-stream"
    return Artifact(
        job=job,
        attempt=job.attempt,
        name=source.name,
        file=stored,
        size=source.stat().st_size,
        content_type=kind,
    )


def _finish(job: Job, state: str, **fields: Any) -> None:
    now = timezone.now()
    job.change(state=state, finished=now, **fields)
