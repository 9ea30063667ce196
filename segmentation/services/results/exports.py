"""Files that are not stored with every result: a worker writes them when one of them is first asked for, or ahead."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any, TypeVar

from django.db import transaction

from ...core import tasks
from ...core.report import exports
from ...core.report.exports.base import Export
from ...core.report.looks import look_of, with_options
from ...models import AFRESH, Artifact, ExportJob, Job, Measuring, Micrograph
from ..access.webhooks import announce
from ..ground.files import delete_with_files, publishing, remove_files, remove_folder
from ..ground.queue import ask_for_files, enqueue_after_commit
from ..ground.refusal import Refused
from ..ground.tables import UNCORRECTED
from .pooling import refresh_after_commit
from .publishing import NAME as SEGMENTATION
from .publishing import heed_reading, store
from .steps import ask_for_numbers

LONGEST_WAIT = 30.0  # seconds
AT_ONCE = BoundedSemaphore(2)  # threads of the web process that may wait; the others answer at once
PAUSE = 0.2  # seconds
MOST_FORGOTTEN = 1000  # exports at once
T = TypeVar("T")


def unwritten(job: Job) -> dict[str, Export]:
    """The files of a finished job that can be asked for and are not stored, by name."""
    if not job.is_done or job.segmentation_id is None:
        return {}
    names = {artifact.name for artifact in job.artifacts.all()}
    return {name: export for name, export in _further(job).items() if name not in names}


def write_ahead(job: Job) -> None:
    """Let the further files of a result that somebody looks at be written, once nobody waits for anything else; of an
    image in a sample few are opened."""
    if job.sample_id is None:
        export, is_new = ExportJob.objects.get_or_create(job=job, defaults={"asked": False})
        if is_new:
            enqueue_after_commit(export.pk, ExportJob)


def _further(job: Job) -> dict[str, Export]:
    """The files that are not stored with every result, by name."""
    listed = exports.listed("image", tasks.find(job.get_settings().task))
    return {name: export for name, export in listed.items() if not export.stored}


def named(name: str, options: Mapping[str, str]) -> str:
    """The name of the file that options ask for (`core.report.looks`); raises Refused."""
    try:
        return with_options(name, options)
    except ValueError as problem:
        raise Refused(str(problem), 422) from None


def file_of(job: Job, name: str, wait: float = 0.0) -> Artifact | ExportJob | Measuring | None:
    """A file of a job at its present step, else what now measures that step or writes the file, after so many seconds
    of waiting; None if there is no such file. Figures with options that nobody asked for lately are removed."""
    try:
        return _file_of(job, name, wait)
    except ExportJob.DoesNotExist:  # a correction that was measured meanwhile: its files are to be written
        job.refresh_from_db()
        return _file_of(job, name)


def _file_of(job: Job, name: str, wait: float = 0.0) -> Artifact | ExportJob | Measuring | None:
    if name not in _of_page(job) and (measuring := ask_for_numbers(job)) is not None:
        measuring = _waited_until(measuring, wait)
        if measuring is not None:
            return measuring
        job.refresh_from_db()
    figure = name if look_of(name) and job.is_done and job.segmentation_id else ""
    may_be_written = figure or name in unwritten(job)
    artifact = job.artifact(name)  # asked for last: a worker may have published it meanwhile
    if artifact is not None or not may_be_written:
        if artifact is not None and name in _further(job):
            ExportJob.objects.filter(job=job, asked=False).update(asked=True)
        return artifact
    export = ask_for_files(job, figure)
    rows = export.job.artifacts.filter(name__startswith="figure-").exclude(name__in=export.figures)
    delete_with_files(export.job.artifacts.filter(pk__in=[row.pk for row in rows if look_of(row.name)]))

    def written() -> Artifact | None:
        export.refresh_from_db()
        return export.job.artifact(name)

    return _waited_for(written, lambda: export.state == ExportJob.State.FAILED, wait) or export


def _of_page(job: Job) -> set[str]:
    """The files that a page shows at once, of whatever step its numbers have."""
    listed = exports.listed("image", tasks.find(job.get_settings().task))
    return {name for name, export in listed.items() if export.for_the_page and export.stored}


def _waited_until(measuring: Measuring, seconds: float) -> Measuring | None:
    """The measuring of a step, None once it is done."""

    def done() -> bool:
        measuring.refresh_from_db()
        return measuring.state == Measuring.State.DONE

    return None if _waited_for(done, lambda: measuring.state == Measuring.State.FAILED, seconds) else measuring


def _waited_for(ready: Callable[[], T], has_failed: Callable[[], bool], seconds: float) -> T | None:
    """What is ready within so many seconds, at most LONGEST_WAIT; None where it is not, or has failed."""
    if seconds <= 0 or not AT_ONCE.acquire(blocking=False):
        return None
    end = time.monotonic() + min(seconds, LONGEST_WAIT)
    try:
        while time.monotonic() < end:
            time.sleep(PAUSE)
            if answer := ready():
                return answer
            if has_failed():
                break
        return None
    finally:
        AT_ONCE.release()


def forget_unasked(before: datetime) -> None:
    """Remove what was written ahead before this time and nobody has asked for; it is written again for who does."""
    old = ExportJob.objects.filter(asked=False, state=ExportJob.State.DONE, finished__lt=before)
    long_columns = "job__summary", "job__early"
    for export in old.select_related("job").defer(*long_columns)[:MOST_FORGOTTEN]:
        further = export.job.artifacts.filter(name__in=_further(export.job))
        with transaction.atomic():
            if ExportJob.objects.filter(pk=export.pk, asked=False).delete()[0]:
                delete_with_files(further)


def _remove_earlier(export: ExportJob) -> None:
    """Remove what attempts at an export left that were killed; what was published before a signature stays."""
    names = set(export.job.artifacts.values_list("file", flat=True))
    for attempt in range(1, export.attempt):
        folder = f"{export.job.folder}/{export.job.attempt}/{attempt}"
        if not any(name.startswith(f"{folder}/") for name in names):
            remove_folder(folder)


def publish_export(
    *, export: ExportJob, files: dict[str, Path], summary: dict[str, Any] | None = None, early: bool = False
) -> None:
    """Store the files that are not stored yet and set the export done; raises `Superseded`.

    files: all files of the job, by name. If the result was signed meanwhile they are written once more. summary: of a
    result that was measured again (`heed_reading`): it and these files replace all earlier ones. early: store copies
    of the first files of an export that goes on, so that whoever waits for one need not wait for the others.
    """
    job = export.job
    stored = set() if summary else set(job.artifacts.values_list("name", flat=True))
    folder = f"{job.folder}/{job.attempt}/{export.attempt}"  # another one after a signature
    artifacts: list[Artifact] = []
    with publishing(lambda: remove_files(row.file.name for row in artifacts)):
        for path in (path for name, path in files.items() if name not in stored):
            artifacts.append(Artifact(job=job, attempt=job.attempt, **store(folder, path, files, keep=early)))
        with transaction.atomic():
            Micrograph.objects.locked(job.micrograph_id)
            export.change() if early else export.finish(ExportJob.State.DONE)
            same = Job.objects.filter(attempt=job.attempt, signature_hash=job.signature_hash)
            if same.locked(job.pk) is not None:
                names = {row.name for row in artifacts}
                replaced = (
                    job.artifacts.exclude(name__in=(SEGMENTATION, UNCORRECTED))
                    if summary
                    else job.artifacts.filter(name__in=names)
                )
                delete_with_files(replaced)
                Artifact.objects.bulk_create(artifacts)
                if summary:
                    Job.objects.filter(pk=job.pk).update(summary=summary)
                    announce(job, "job.done")
                    refresh_after_commit(job.sample_id)
                if not early:
                    heed_reading(Job.objects.filter(pk=job.pk))
                    transaction.on_commit(lambda: _remove_earlier(export))
                return
            if not early:
                ExportJob.objects.filter(pk=export.pk).update(**AFRESH)
                enqueue_after_commit(export.pk, ExportJob)
        remove_files(row.file.name for row in artifacts)
