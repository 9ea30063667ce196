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
from ...core.report.exports.base import Export, Subject
from ...core.report.looks import look_of, with_options
from ...models import AFRESH, ExportJob, Job, Measuring, Micrograph, Sample, StoredFile
from ..access.webhooks import announce
from ..ground.files import delete_with_files, publishing, remove_files, remove_folder
from ..ground.queue import ask_for_files, enqueue_after_commit
from ..ground.refusal import Refused
from ..ground.tables import UNCORRECTED
from . import control
from .pooling import refresh_after_commit
from .publishing import NAME as SEGMENTATION
from .publishing import heed_reading, store
from .steps import ask_for_numbers

LONGEST_WAIT = 30.0  # seconds
AT_ONCE = BoundedSemaphore(2)  # threads of the web process that may wait; the others answer at once
PAUSE = 0.2  # seconds
MOST_FORGOTTEN = 1000  # exports at once
T = TypeVar("T")
Result = Job | Sample


def unwritten(result: Result) -> dict[str, Export]:
    """The files of a finished result that can be asked for and are not stored, by name. Of a sample that is pooled
    once more they follow its new numbers."""
    if isinstance(result, Job):
        has_files = result.is_done and result.segmentation_id is not None
    else:
        has_files = bool(result.pooled.get("of")) and result.state != Sample.State.FAILED
    if not has_files:
        return {}
    names = {artifact.name for artifact in result.artifacts.all()}
    return {name: export for name, export in _further(result).items() if name not in names}


def write_ahead(result: Result) -> None:
    """Let the further files of a result that somebody looks at be written, once nobody waits for anything else; of an
    image in a sample few are opened, and those of a sample wait for its numbers."""
    is_wanted = result.sample_id is None if isinstance(result, Job) else result.state == Sample.State.DONE
    if is_wanted:
        row = {result.artifacts.model.owner: result}
        export, is_new = ExportJob.objects.get_or_create(**row, defaults={"asked": False})
        if is_new:
            enqueue_after_commit(export.pk, ExportJob)


def _further(result: Result) -> dict[str, Export]:
    """The files that are not stored with every result, by name."""
    return {name: export for name, export in listed(result).items() if not export.stored}


def listed(result: Result) -> dict[str, Export]:
    """The files that a result of its kind has, by name."""
    kind: Subject = "image" if isinstance(result, Job) else "sample"
    return exports.listed(kind, tasks.find(result.settings["task"]), judged=bool(result.specification))


def named(name: str, options: Mapping[str, str]) -> str:
    """The name of the file that options ask for (`core.report.looks`); raises Refused."""
    try:
        return with_options(name, options)
    except ValueError as problem:
        raise Refused(str(problem), 422) from None


def file_of(result: Result, name: str, wait: float = 0.0) -> StoredFile | ExportJob | Measuring | Sample | None:
    """A file of a result as it is now, else what now makes its numbers or writes the file, after so many seconds of
    waiting; None if there is no such file. Figures with options that nobody asked for lately are removed."""
    try:
        return _file_of(result, name, wait)
    except ExportJob.DoesNotExist:  # a change that was measured or pooled meanwhile: its files are to be written
        result.refresh_from_db()
        return _file_of(result, name)


def _file_of(result: Result, name: str, wait: float = 0.0) -> StoredFile | ExportJob | Measuring | Sample | None:
    numbers = _unmade_numbers(result, name)
    if numbers is not None:
        if (numbers := _waited_until(numbers, wait)) is not None:
            return numbers
        result.refresh_from_db()
    figure = name if isinstance(result, Job) and look_of(name) and result.is_done and result.segmentation_id else ""
    may_be_written = figure or name in unwritten(result)
    stored_file = result.artifacts.filter(name=name).first()  # last: a worker may have published it meanwhile
    if stored_file is not None or not may_be_written:
        if stored_file is not None and name in _further(result):
            ExportJob.objects.filter(**{stored_file.owner: result}, asked=False).update(asked=True)
        return stored_file
    export = ask_for_files(result, figure)
    rows = result.artifacts.filter(name__startswith="figure-").exclude(name__in=export.figures)
    delete_with_files(result.artifacts.filter(pk__in=[row.pk for row in rows if look_of(row.name)]))

    def written() -> StoredFile | None:
        export.refresh_from_db()
        return result.artifacts.filter(name=name).first()

    return _waited_for(written, lambda: export.state == ExportJob.State.FAILED, wait) or export


def _unmade_numbers(result: Result, name: str) -> Measuring | Sample | None:
    """What makes the numbers that this file is to have; None where they are there, or the file has others anyway: a
    file that a page shows at once, and one that was written before its sample is pooled once more."""
    if isinstance(result, Sample):
        return result if result.state != Sample.State.DONE and name in unwritten(result) else None
    return None if name in _of_page(result) else ask_for_numbers(result)


def _of_page(job: Job) -> set[str]:
    """The files that a page shows at once, of whatever step its numbers have."""
    return {name for name, export in listed(job).items() if export.for_the_page and export.stored}


def _waited_until(numbers: Measuring | Sample, seconds: float) -> Measuring | Sample | None:
    """What makes numbers, None once it is done."""

    def done() -> bool:
        numbers.refresh_from_db()
        return numbers.state == "done"

    return None if _waited_for(done, lambda: numbers.state == "failed", seconds) else numbers


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
    long_columns = "job__summary", "job__early", "sample__pooled"
    for export in old.select_related("job", "sample").defer(*long_columns)[:MOST_FORGOTTEN]:
        further = export.result.artifacts.filter(name__in=_further(export.result))
        with transaction.atomic():
            if ExportJob.objects.filter(pk=export.pk, asked=False).delete()[0]:
                delete_with_files(further)


def _remove_earlier(export: ExportJob) -> None:
    """Remove what attempts at an export left that were killed; what was published before a signature stays."""
    result = export.result
    names = set(result.artifacts.values_list("file", flat=True))
    for attempt in range(1, export.attempt):
        folder = f"{result.folder}/{result.attempt}/{attempt}"
        if not any(name.startswith(f"{folder}/") for name in names):
            remove_folder(folder)


def publish_export(
    *, export: ExportJob, files: dict[str, Path], summary: dict[str, Any] | None = None, early: bool = False
) -> None:
    """Store the files that are not stored yet and set the export done; raises `Superseded`.

    files: all files of the result, by name. If it was signed meanwhile they are written once more; those of a sample
    that is pooled once more are dropped. summary: of a result that was measured again (`heed_reading`): it and these
    files replace all earlier ones. early: store copies of the first files of an export that goes on, so that whoever
    waits for one need not wait for the others.
    """
    result, kind = export.result, export.result.artifacts.model
    stored = set() if summary else set(result.artifacts.values_list("name", flat=True))
    folder = f"{result.folder}/{result.attempt}/{export.attempt}"  # another one after a signature
    artifacts: list[StoredFile] = []
    with publishing(lambda: remove_files(row.file.name for row in artifacts)):
        for path in (path for name, path in files.items() if name not in stored):
            fields = {kind.owner: result, "attempt": result.attempt, **store(folder, path, files, keep=early)}
            artifacts.append(kind(**fields))
        with transaction.atomic():
            if isinstance(result, Job):
                Micrograph.objects.locked(result.micrograph_id)
            export.change() if early else export.finish(ExportJob.State.DONE)
            if _locked_as_it_was(result):
                names = {row.name for row in artifacts}
                replaced = (
                    result.artifacts.exclude(name__in=(SEGMENTATION, UNCORRECTED))
                    if summary
                    else result.artifacts.filter(name__in=names)
                )
                delete_with_files(replaced)
                kind.objects.bulk_create(artifacts)
                if isinstance(result, Job):
                    _heed(result, summary, early=early)
                if not early:
                    transaction.on_commit(lambda: _remove_earlier(export))
                return
            if isinstance(result, Sample):
                ExportJob.objects.filter(pk=export.pk).delete()
            elif not early:
                ExportJob.objects.filter(pk=export.pk).update(**AFRESH)
                enqueue_after_commit(export.pk, ExportJob)
        remove_files(row.file.name for row in artifacts)


def _locked_as_it_was(result: Result) -> bool:
    """Whether a result has still the numbers, signatures and limits that its files were written with, until the
    transaction ends."""
    now = {"signature_hash": result.signature_hash} if isinstance(result, Job) else {"state": Sample.State.DONE}
    row = type(result).objects.filter(attempt=result.attempt, **now).locked(result.pk)
    return row is not None and row.specification == result.specification


def _heed(job: Job, summary: dict[str, Any] | None, *, early: bool) -> None:
    """The numbers of a result that was measured again, and what its bar says since."""
    if summary:
        Job.objects.filter(pk=job.pk).update(summary=summary)
        control.record(job)
        announce(job, "job.done")
        refresh_after_commit(job.sample_id)
    if not early:
        heed_reading(Job.objects.filter(pk=job.pk))
