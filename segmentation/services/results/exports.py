"""Files of results that are not stored at once. A worker writes them when a user requests one of them,
or in advance when a user opens the page of the result. (A result is here a `Job` or a `Sample`.)"""

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
from ...core.report.file_options import options_in_name, with_options
from ...models import RESTART_FIELDS, ExportJob, Job, Measuring, Micrograph, Sample, StoredFile
from ...quality.control_charts import points as control
from ..access.webhooks import announce
from ..ground.files import delete_with_files, remove_files, remove_folder, undo_on_failure
from ..ground.queue import ask_for_files, enqueue_after_commit
from ..ground.refusal import Refused
from ..ground.tables import UNCORRECTED_FILE
from .corrections.steps import ask_for_numbers
from .pooling import refresh_after_commit
from .publishing import SEGMENTATION_FILE as SEGMENTATION
from .publishing import apply_bar_reading, store_file

LONGEST_WAIT_SECONDS = 30.0  # seconds that a request may wait for a file
# Threads of the web process that may wait for a file; other requests are answered at once.
WAITING_THREADS = BoundedSemaphore(2)
POLL_SECONDS = 0.2  # between two queries whether the file is written
MOST_REMOVED_AT_ONCE = 1000  # exports that one call removes
T = TypeVar("T")
Result = Job | Sample


def unwritten_files(result: Result) -> dict[str, Export]:
    """The files of a finished result that are not stored and that a worker can write, by name. If a
    sample is being pooled again, they are written afterwards."""
    if isinstance(result, Job):
        has_files = result.is_done and result.segmentation_id is not None
    else:
        has_files = result.stored.has_numbers and result.state != Sample.State.FAILED
    if not has_files:
        return {}
    names = {artifact.name for artifact in result.artifacts.all()}
    return {name: export for name, export in _not_stored(result).items() if name not in names}


def write_in_advance(result: Result) -> None:
    """Let an idle worker write the files of a result before anybody requests them.

    Nothing is written for an image in a sample, whose files few people open, or for a sample without
    numbers.
    """
    is_wanted = result.sample_id is None if isinstance(result, Job) else result.state == Sample.State.DONE
    if is_wanted:
        row = {result.artifacts.model.owner: result}
        export, is_new = ExportJob.objects.get_or_create(**row, defaults={"asked": False})
        if is_new:
            enqueue_after_commit(export.pk, ExportJob)


def _not_stored(result: Result) -> dict[str, Export]:
    """The files that are not stored with every result, by name."""
    return {name: export for name, export in files_of_kind(result).items() if not export.stored}


def files_of_kind(result: Result) -> dict[str, Export]:
    """All files that a result of this kind can have, by name."""
    unit: Subject = "image" if isinstance(result, Job) else "sample"
    return exports.by_file_name(unit, tasks.find(result.settings["task"]), judged=bool(result.specification))


def name_with_options(name: str, options: Mapping[str, str]) -> str:
    """The name of a file with these options, such as the fonts of a figure (`core.report.file_options`);
    raises Refused (422)."""
    try:
        return with_options(name, options)
    except ValueError as problem:
        raise Refused(str(problem), 422) from None


def file_of(result: Result, name: str, wait: float = 0.0) -> StoredFile | ExportJob | Measuring | Sample | None:
    """A file of a result with its present numbers; None if the result has no such file.

    If the file is not written within `wait` seconds, returns the row of the work that must be done
    first: the export, the measuring, or the pooling of the sample. Older figures with options are
    removed.
    """
    try:
        return _file_of(result, name, wait)
    except ExportJob.DoesNotExist:  # new numbers came meanwhile, so the files are written again
        result.refresh_from_db()
        return _file_of(result, name)


def _file_of(result: Result, name: str, wait: float = 0.0) -> StoredFile | ExportJob | Measuring | Sample | None:
    """As `file_of`; raises ExportJob.DoesNotExist if the files must be written again."""
    numbers = _unmade_numbers(result, name)
    if numbers is not None:
        if (numbers := _waited_until(numbers, wait)) is not None:
            return numbers
        result.refresh_from_db()
    figure = (
        name if isinstance(result, Job) and options_in_name(name) and result.is_done and result.segmentation_id else ""
    )
    may_be_written = figure or name in unwritten_files(result)
    # Queried last, because a worker may have stored the file meanwhile.
    stored_file = result.artifacts.filter(name=name).first()
    if stored_file is not None or not may_be_written:
        if stored_file is not None and name in _not_stored(result):
            ExportJob.objects.filter(**{stored_file.owner: result}, asked=False).update(asked=True)
        return stored_file
    export = ask_for_files(result, figure)
    rows = result.artifacts.filter(name__startswith="figure-").exclude(name__in=export.figures)
    delete_with_files(result.artifacts.filter(pk__in=[row.pk for row in rows if options_in_name(row.name)]))

    def written() -> StoredFile | None:
        export.refresh_from_db()
        return result.artifacts.filter(name=name).first()

    return _waited_for(written, lambda: export.state == ExportJob.State.FAILED, wait) or export


def _unmade_numbers(result: Result, name: str) -> Measuring | Sample | None:
    """The unfinished work that makes the numbers for a file; None if the file can be given or written
    without it.

    It is None if the numbers exist, for a file that the page shows at once, and for a file of a
    sample that was written before the sample is pooled again.
    """
    if isinstance(result, Sample):
        return result if result.state != Sample.State.DONE and name in unwritten_files(result) else None
    # The page shows these at once, even if they lack the last corrections.
    page_files = {name for name, export in files_of_kind(result).items() if export.for_the_page and export.stored}
    return None if name in page_files else ask_for_numbers(result)


def _waited_until(numbers: Measuring | Sample, seconds: float) -> Measuring | Sample | None:
    """Wait at most `seconds` for the work that makes numbers; returns None if it is done then,
    otherwise the work."""

    def done() -> bool:
        numbers.refresh_from_db()
        return numbers.state == "done"

    return None if _waited_for(done, lambda: numbers.state == "failed", seconds) else numbers


def _waited_for(ready: Callable[[], T], has_failed: Callable[[], bool], seconds: float) -> T | None:
    """Call `ready` until it returns a true value, and return this value. Returns None if that takes
    more than `seconds` or LONGEST_WAIT_SECONDS, or if `has_failed` returns True."""
    if seconds <= 0 or not WAITING_THREADS.acquire(blocking=False):
        return None
    end = time.monotonic() + min(seconds, LONGEST_WAIT_SECONDS)
    try:
        while time.monotonic() < end:
            time.sleep(POLL_SECONDS)
            if answer := ready():
                return answer
            if has_failed():
                break
        return None
    finally:
        WAITING_THREADS.release()


def remove_unrequested(before: datetime) -> None:
    """Remove files that were written in advance before the time `before` and that nobody has requested.
    They are written again on request."""
    old = ExportJob.objects.filter(asked=False, state=ExportJob.State.DONE, finished__lt=before)
    long_columns = "job__summary", "job__early", "sample__pooled"
    for export in old.select_related("job", "sample").defer(*long_columns)[:MOST_REMOVED_AT_ONCE]:
        files = export.result.artifacts.filter(name__in=_not_stored(export.result))
        with transaction.atomic():
            if ExportJob.objects.filter(pk=export.pk, asked=False).delete()[0]:
                delete_with_files(files)


def _remove_earlier(export: ExportJob) -> None:
    """Remove the files of killed attempts of an export. Files that belong to the result stay."""
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

    files: all files of the result, by name. If the result was signed meanwhile, they are not stored
    but written once more; files of a sample that is being pooled again are dropped. summary: the new
    numbers of a result that was measured again (`apply_bar_reading`); numbers and files replace all
    earlier ones. early: `files` are only the first files, of which copies are stored, and the export
    goes on.
    """
    result, file_model = export.result, export.result.artifacts.model
    stored = set() if summary else set(result.artifacts.values_list("name", flat=True))
    # An export after a signature has a new attempt, so a new folder.
    folder = f"{result.folder}/{result.attempt}/{export.attempt}"
    artifacts: list[StoredFile] = []
    with undo_on_failure(lambda: remove_files(row.file.name for row in artifacts)):
        for path in (path for name, path in files.items() if name not in stored):
            fields = {
                file_model.owner: result,
                "attempt": result.attempt,
                **store_file(folder, path, files, keep=early),
            }
            artifacts.append(file_model(**fields))
        with transaction.atomic():
            if isinstance(result, Job):
                Micrograph.objects.locked(result.micrograph_id)
            export.change() if early else export.finish(ExportJob.State.DONE)
            if _is_unchanged(result):
                names = {row.name for row in artifacts}
                replaced = (
                    result.artifacts.exclude(name__in=(SEGMENTATION, UNCORRECTED_FILE))
                    if summary
                    else result.artifacts.filter(name__in=names)
                )
                delete_with_files(replaced)
                file_model.objects.bulk_create(artifacts)
                if isinstance(result, Job):
                    _after_storing(result, summary, early=early)
                if not early:
                    transaction.on_commit(lambda: _remove_earlier(export))
                return
            if isinstance(result, Sample):
                ExportJob.objects.filter(pk=export.pk).delete()
            elif not early:
                ExportJob.objects.filter(pk=export.pk).update(**RESTART_FIELDS)
                enqueue_after_commit(export.pk, ExportJob)
        remove_files(row.file.name for row in artifacts)


def _is_unchanged(result: Result) -> bool:
    """Whether a result still has the numbers, signatures and limits with which its files were written.
    Its row is locked until the transaction ends."""
    same = {"signature_hash": result.signature_hash} if isinstance(result, Job) else {"state": Sample.State.DONE}
    row = type(result).objects.filter(attempt=result.attempt, **same).locked(result.pk)
    return row is not None and row.specification == result.specification


def _after_storing(job: Job, summary: dict[str, Any] | None, *, early: bool) -> None:
    """Store the new numbers of a result that was measured again, and apply what was read in its
    data bar meanwhile."""
    if summary:
        Job.objects.filter(pk=job.pk).update(summary=summary)
        control.add_to_charts(job)
        announce(job, "job.done")
        refresh_after_commit(job.sample_id)
    if not early:
        apply_bar_reading(Job.objects.filter(pk=job.pk))
