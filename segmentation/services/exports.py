"""Files that are not stored with every result: written by a worker when one of them is first asked for, then kept."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from threading import BoundedSemaphore

from django.db import transaction
from django.utils import timezone

from ..core import tasks
from ..core.report import exports
from ..core.report.exports.base import Export
from ..models import AFRESH, Artifact, ExportJob, Job
from .files import may_be_stored, remove_files_of, remove_folder
from .publishing import store
from .queue import enqueue_after_commit

LONGEST_WAIT = 30.0  # seconds
AT_ONCE = BoundedSemaphore(2)  # threads of the web process that may wait; the others answer at once
PAUSE = 0.2  # seconds
TRY_AGAIN = timedelta(seconds=10)


def unwritten(job: Job) -> dict[str, Export]:
    """The files of a finished job that can be asked for and are not stored, by name."""
    if not job.is_done or job.segmentation_id is None:
        return {}
    listed = exports.listed("image", tasks.find(job.get_settings().task))
    there = {each.name for each in job.artifacts.all()}
    return {name: each for name, each in listed.items() if not each.stored and name not in there}


def ask_for_files(job: Job) -> ExportJob:
    """Start writing the files of a finished job, once; after a failure it starts again after a moment."""
    with transaction.atomic():
        export, is_new = ExportJob.objects.get_or_create(job=job)
        failed = ExportJob.objects.filter(
            pk=export.pk, state=ExportJob.State.FAILED, finished__lt=timezone.now() - TRY_AGAIN
        )
        # Done, and a file is missing all the same: written by a version that knew fewer files.
        done = ExportJob.objects.filter(pk=export.pk, state=ExportJob.State.DONE)
        if is_new or failed.update(**AFRESH) or done.update(**AFRESH):
            enqueue_after_commit(export.pk, ExportJob)
    export.refresh_from_db()
    return export


def file_of(job: Job, name: str, wait: float = 0.0) -> Artifact | ExportJob | None:
    """A file of a job, or its running export after so many seconds of waiting; None if there is no such file."""
    stored = job.artifact(name)
    if stored is not None or name not in unwritten(job):
        return stored
    export = ask_for_files(job)
    if wait > 0 and AT_ONCE.acquire(blocking=False):
        try:
            return _waited_for(export, name, min(wait, LONGEST_WAIT))
        finally:
            AT_ONCE.release()
    return export


def _waited_for(export: ExportJob, name: str, seconds: float) -> Artifact | ExportJob:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(PAUSE)
        export.refresh_from_db()
        if export.state == ExportJob.State.FAILED:
            break
        stored = export.job.artifact(name)
        if stored is not None:
            return stored
    return export


def _remove_earlier(export: ExportJob) -> None:
    """Remove what attempts at an export left that were killed; what was published before a signature stays."""
    names = set(export.job.artifacts.values_list("file", flat=True))
    for attempt in range(1, export.attempt):
        folder = f"{export.job.folder}/{export.job.attempt}/{attempt}"
        if not any(name.startswith(f"{folder}/") for name in names):
            remove_folder(folder)


def publish_export(*, export: ExportJob, files: dict[str, Path]) -> None:
    """Store the files that are not stored yet and set the export done; raises `Superseded`.

    files: all files of the job, by name. If the result was signed meanwhile they are written once more.
    """
    job = export.job
    there = set(job.artifacts.values_list("name", flat=True))
    folder = f"{job.folder}/{job.attempt}/{export.attempt}"  # another one after a signature
    stored = []
    try:
        for path in (path for name, path in files.items() if name not in there):
            stored.append(Artifact(job=job, attempt=job.attempt, **store(folder, path, files)))
        with transaction.atomic():
            export.finish(ExportJob.State.DONE, stage="", progress=1.0, error="")
            if list(Job.objects.select_for_update().filter(pk=job.pk, signature_hash=job.signature_hash)):
                Artifact.objects.bulk_create(stored)
                transaction.on_commit(lambda: _remove_earlier(export))
                return
            ExportJob.objects.filter(pk=export.pk).update(**AFRESH)
            enqueue_after_commit(export.pk, ExportJob)
        remove_files_of(stored)
    except BaseException as error:
        if not may_be_stored(error):
            remove_files_of(stored)
        raise
