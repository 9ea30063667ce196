"""The Celery tasks of the worker, one for each queue. A task claims the row that comes next, works
on it and stores the result.

    claim ──None──> nothing to do: another worker has the job, or it was cancelled or deleted
      │
    room on the disk? ──no──> postpone
      │
    fetch the micrograph, read it ─────────────┐
      │                                        │
    segment, unless that is done: store it ────┼──UnreadableImage, UnknownModel, time limit, ...──> fail
      │                                        │
    measure ───────────────────────────────────┤
      │                                        │
    write what is stored with every result ────┘
      │
    publish (files and state in one transaction)

    Superseded, from any report (the row was cancelled, deleted, changed or given to another
    attempt): stop and store nothing. A fault of disk, storage or database, anywhere: postpone,
    which does not count as a failed attempt.

Other rows are done in the same way: a sample, with the stored tables of its images in place of a
micrograph (`samples`), an upload (`inspecting`), files of a result (`exporting`), a comparison
(`comparing`), a study (`studying`), proposals (`proposing`), a dataset (`datasets`), a training (`training`) and a
message of a webhook (`delivering`).

Large libraries are imported inside the tasks, so that torch is only in the child processes of the
pool, which are replaced after `CELERY_WORKER_MAX_TASKS_PER_CHILD` tasks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import shared_task
from celery.signals import task_failure, worker_shutting_down
from celery.worker import state
from django.conf import settings
from django.db import connection

from segmentation.models import (
    REQUEUE_FIELDS,
    Attempted,
    Comparison,
    Dataset,
    Delivery,
    ExportJob,
    Job,
    Measuring,
    Micrograph,
    Proposals,
    Sample,
    Study,
    Training,
    kind_in_turn,
)
from segmentation.services.ground import files as files_service
from segmentation.services.ground.queue import ANALYSES, INSPECTIONS, TRAINING, WORK_KINDS, enqueue, notify_workers
from segmentation.services.upkeep import upkeep

from .analysis.analysing import analyse_job
from .analysis.comparing import compare_results
from .analysis.exporting import write_export_files
from .analysis.measuring import measure_step
from .analysis.proposing import propose_others
from .analysis.samples import pool_sample
from .analysis.studying import make_study
from .attempts import Work, attempt
from .heartbeat import Progress, has_more_urgent_work, stopping_for_urgent_work
from .learning.datasets import prepare_dataset
from .processes import warming  # noqa: F401  warming: has a function that Celery calls in a new child
from .processes.child import stop_preparing
from .reading import decoding
from .reading.inspecting import inspect_upload
from .reading.outlines import imported_segmentation

_measuring_lock, _delivering_lock, _importing_lock, _removing_lock = (threading.Lock() for _ in range(4))
SHORT_IN_A_ROW = 5  # rows of short work that are done before a job has its turn
_short_in_a_row = 0
# The short work, for which a person waits at a page: for each kind of row, in the order in which they are done, the
# function that works on it.
SHORT: dict[type[Attempted], Work] = {
    Measuring: measure_step,
    ExportJob: write_export_files,
    Comparison: compare_results,
    Sample: pool_sample,
    Dataset: prepare_dataset,
}
# Of these kinds only rows with these values are short work: files that nobody asked for are idle
# work, and the worker for inspections measures small images.
FILTERS: dict[type[Attempted], dict[str, bool]] = {ExportJob: {"asked": True}, Measuring: {"large": True}}


@shared_task(name=f"worker.{ANALYSES}")
def do_analyses() -> bool:
    """Do the next work in this queue; returns False if there was none. A message only says that
    work waits; the rows decide what comes first.

    Short work comes first, because a person waits for it at a page, but after SHORT_IN_A_ROW rows a
    job is next. In both, senders take turns. Idle work, for which nobody waits, is only done while no
    other work waits.
    """
    short_first = _short_in_a_row < SHORT_IN_A_ROW
    is_done = any(step() for step in ([_do_short, _do_job] if short_first else [_do_job, _do_short]))
    return _do_idle() or is_done


@shared_task(name=f"worker.{INSPECTIONS}")
def do_inspections() -> None:
    """Measure corrections of a small image; then inspect an upload or, if there is none, read a file
    of outlines; then send a message of a webhook, and remove files of deleted rows. In each of these
    works, senders take turns.

    Only one thread at a time measures, one reads outlines, one sends messages, and one removes
    files, because each of these may take a minute, and other threads must be free for uploads. If
    more of such work waits, another message is sent.
    """
    if _do_alone(_measuring_lock, partial(_do_next, Measuring.objects, measure_step, large=False)):
        notify_workers(INSPECTIONS)
    if _do_first(Micrograph.objects, inspect_upload):
        # A message may have come while all rows of its sender had to wait.
        more = Micrograph.objects.first_in_turn() is not None
    else:
        more = _do_alone(_importing_lock, partial(_do_next, Job.imports, _read_outlines))
    to_send = _do_alone(_delivering_lock, partial(_do_next, Delivery.objects, _deliver))
    if _do_alone(_removing_lock, files_service.remove_leftover_folders) or to_send or more:
        notify_workers(INSPECTIONS)
    decoding.start_reader_process()


@shared_task(
    name=f"worker.{TRAINING}",
    soft_time_limit=3600 * settings.DEEPSEGM_TRAINING_HOURS,
    time_limit=3600 * settings.DEEPSEGM_TRAINING_HOURS + 60,
)
def do_training() -> None:
    """Train a model on a dataset."""
    from .learning.training import train

    _do_first(Training.objects, train)


def _do_first(rows: Any, work: Work, **fields: Any) -> bool:
    """Work on the next row whose fields have these values; returns False if there is none."""
    while (row := rows.filter(**fields).first_in_turn()) is not None:
        if attempt(rows, row, work, is_asked=work is not _write_early_files):
            return True
    return False


def _do_next(rows: Any, work: Work, **fields: Any) -> bool:
    """Work on the next row as `_do_first` does; returns whether a further row waits."""
    return _do_first(rows, work, **fields) and rows.waiting().filter(**fields).exists()


def _do_alone(lock: threading.Lock, step: Callable[[], bool]) -> bool:
    """Do a step unless another thread is doing such a step (has the lock); returns its result (whether
    more work waits), or False if it was not done."""
    if not lock.acquire(blocking=False):
        return False
    try:
        return step()
    finally:
        lock.release()


def _do_short() -> bool:
    """Do the next short work; returns False if there is none."""
    global _short_in_a_row
    for kind, work in SHORT.items():
        if _do_first(kind.objects, work, **FILTERS.get(kind, {})):
            _short_in_a_row += 1
            return True
    return False


def _do_job() -> bool:
    """Do the next job, or analyses of a study; senders take turns. Returns False if there is none."""
    global _short_in_a_row
    is_study = Study.objects.waiting().exists() and kind_in_turn(Job, Study) is Study
    is_done = _do_first(Study.objects, make_study) if is_study else _do_first(Job.objects, analyse_job)
    _short_in_a_row = 0 if is_done else _short_in_a_row
    return is_done


def _do_idle() -> bool:
    """Do work for which nobody waits, unless other work waits: ask for data bars to be read, write
    files in advance, and try other ways for a doubtful result. Returns False if nothing was done in
    this process."""
    if Micrograph.objects.waiting().exists():
        notify_workers(INSPECTIONS)
    is_done = False
    for kind, work, fields in ((ExportJob, _write_early_files, {"asked": False}), (Proposals, propose_others, {})):
        if not has_more_urgent_work(kind):
            is_done = _do_first(kind.objects, work, **fields) or is_done
    return is_done


def _write_early_files(export: ExportJob, progress: Progress, folder: Path) -> None:
    """Write files of a result in advance; stops when other work waits, unless somebody has asked for
    these files meanwhile."""

    def must_stop() -> bool:
        return has_more_urgent_work(ExportJob) and not ExportJob.objects.filter(pk=export.pk, asked=True).exists()

    write_export_files(export, stopping_for_urgent_work(progress, must_stop), folder)


def _read_outlines(job: Job, progress: Progress, folder: Path) -> None:
    """Read the outlines of another tool for a job; the job is then queued again to be measured."""
    imported_segmentation(job, progress, folder)
    job.change(**REQUEUE_FIELDS)
    enqueue([job.pk])


def _deliver(delivery: Delivery, progress: Progress, folder: Path) -> None:
    """Send a message of a webhook. Few sites have webhooks, so the module is only imported for the
    first message."""
    from .delivering import deliver

    deliver(delivery, progress, folder)


KINDS_IN_CHILDREN = [row for row, kind in WORK_KINDS.items() if kind.queue != INSPECTIONS]


@task_failure.connect
def child_died(task_id: str, exception: BaseException, **signal: Any) -> None:
    """Queue the row on which a dead child of the pool worked again, or let the row fail. Celery calls
    this in the worker's process.

    If a child died together with its worker, Celery calls nothing, and
    `services.upkeep.upkeep.rescue` finds the row.
    """
    if isinstance(exception, WorkerLostError | TimeLimitExceeded):
        for kind in KINDS_IN_CHILDREN:
            upkeep.requeue_after_death(kind=kind, message=task_id, too_long=isinstance(exception, TimeLimitExceeded))
        connection.close()


@worker_shutting_down.connect
def requeue_running_rows(**signal: Any) -> None:
    """Called when this worker must stop: queue the rows on which its children work again, which does not
    count as a death of a child. A child that is only warming up ends."""
    stop_preparing()
    for request in list(state.active_requests):
        for kind in KINDS_IN_CHILDREN:
            kind.objects.running().filter(message=request.id).update(**REQUEUE_FIELDS)
    connection.close()
