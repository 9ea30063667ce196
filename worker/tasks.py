"""The tasks of the worker, one a queue. Each claims the row that comes next, works on it and publishes the result.

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

    Superseded, from any report: cancelled, deleted, changed or given to another attempt; stop without a trace.
    Trouble with disk, storage or database, anywhere: postpone, which costs no attempt.

A sample goes the same way, with the stored tables of its images in place of a micrograph (`samples`); so do a
micrograph that is to be inspected (`inspecting`), the further files of a result (`exporting`), the comparison of
two results (`comparing`), other ways (`proposing`), the images of a dataset (`datasets`), a training
(`training`) and a message to a webhook (`delivering`).

Everything heavy is imported inside the tasks, so that torch lives only in the pool's child process, which
`CELERY_WORKER_MAX_TASKS_PER_CHILD` renews.
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
    AGAIN,
    Delivery,
    ExportJob,
    Job,
    Measuring,
    Micrograph,
    Proposals,
    Training,
)
from segmentation.services.ground import files as files_service
from segmentation.services.ground.queue import ANALYSES, INSPECTIONS, KINDS, TRAINING, enqueue, ring
from segmentation.services.upkeep import upkeep

from . import inspection, warming  # noqa: F401  warming: what Celery calls in a new child
from .analysing import analyse_job
from .attempts import Work, attempt
from .child import stop_preparing
from .exporting import write_further
from .heartbeat import Progress, comes_before, giving_way
from .inspecting import inspect_upload
from .measuring import measure_step
from .outlines import imported_segmentation
from .proposing import propose_others
from .short import ONLY, SHORT

_measuring, _delivering, _importing, _removing = (threading.Lock() for _ in range(4))
SHORT_IN_A_ROW = 5
_short_in_a_row = 0


@shared_task(name=f"worker.{ANALYSES}")
def do_analyses() -> bool:
    """Do what comes next in this queue; False if there was nothing. A message only says that something waits; the rows
    say what comes first.

    Short work does, because somebody waits for it at a page, but after a few in a row a job is next. Senders take turns
    in both. What nobody waits for comes last, while no job comes.
    """
    short_first = _short_in_a_row < SHORT_IN_A_ROW
    is_done = any(step() for step in ([_do_short, _do_job] if short_first else [_do_job, _do_short]))
    return _do_idle() or is_done


@shared_task(name=f"worker.{INSPECTIONS}")
def do_inspections() -> None:
    """Measure corrections of a small image, for which somebody waits at a page; else inspect an upload, or read a file
    of outlines; then send a message of a webhook, and remove files of rows that were deleted. Senders take turns in
    each.

    One thread at a time measures, one reads outlines, one sends messages, and one removes files, because each may take
    a minute and uploads need the others. The thread that did such work rings again while more of it waits.
    """
    if _do_alone(_measuring, partial(_do_next, Measuring.objects, measure_step, large=False)):
        ring(INSPECTIONS)
    if _do_first(Micrograph.objects, inspect_upload):
        more = Micrograph.objects.first_in_turn() is not None  # its message came while its sender had enough at work
    else:
        more = _do_alone(_importing, partial(_do_next, Job.imports, _read_outlines))
    to_send = _do_alone(_delivering, partial(_do_next, Delivery.objects, _deliver))
    if _do_alone(_removing, files_service.remove_leftover_folders) or to_send or more:
        ring(INSPECTIONS)
    inspection.keep_reader()


@shared_task(
    name=f"worker.{TRAINING}",
    soft_time_limit=3600 * settings.DEEPSEGM_TRAINING_HOURS,
    time_limit=3600 * settings.DEEPSEGM_TRAINING_HOURS + 60,
)
def do_training() -> None:
    """Train a model on a dataset."""
    from .training import train

    _do_first(Training.objects, train)


def _do_first(rows: Any, work: Work, **only: Any) -> bool:
    """Work on the next row whose fields are as `only` says; False if there is none."""
    while (row := rows.filter(**only).first_in_turn()) is not None:
        if attempt(rows, row, work, is_asked=work is not _write_ahead):
            return True
    return False


def _do_next(rows: Any, work: Work, **only: Any) -> bool:
    """The same; whether another row waits."""
    return _do_first(rows, work, **only) and rows.waiting().filter(**only).exists()


def _do_alone(lock: threading.Lock, step: Callable[[], bool]) -> bool:
    """A step by one thread at a time, which says whether another waits; False where another thread is at it."""
    if not lock.acquire(blocking=False):
        return False
    try:
        return step()
    finally:
        lock.release()


def _do_short() -> bool:
    global _short_in_a_row
    for kind, work in SHORT.items():
        if _do_first(kind.objects, work, **ONLY.get(kind, {})):
            _short_in_a_row += 1
            return True
    return False


def _do_job() -> bool:
    global _short_in_a_row
    is_done = _do_first(Job.objects, analyse_job)
    _short_in_a_row = 0 if is_done else _short_in_a_row
    return is_done


def _do_idle() -> bool:
    """While nobody waits for anything else: let data bars be read, write files that nobody has asked for yet, and look
    at other ways for a doubtful result. False if there was nothing for this process."""
    if Micrograph.objects.waiting().exists():
        ring(INSPECTIONS)
    is_done = False
    for kind, work, only in ((ExportJob, _write_ahead, {"asked": False}), (Proposals, propose_others, {})):
        if not comes_before(kind):
            is_done = _do_first(kind.objects, work, **only) or is_done
    return is_done


def _write_ahead(export: ExportJob, progress: Progress, folder: Path) -> None:
    def waits() -> bool:
        return comes_before(ExportJob) and not ExportJob.objects.filter(pk=export.pk, asked=True).exists()

    write_further(export, giving_way(progress, waits), folder)


def _read_outlines(job: Job, progress: Progress, folder: Path) -> None:
    imported_segmentation(job, progress, folder)
    job.change(**AGAIN)  # an analysis measures them
    enqueue([job.pk])


def _deliver(delivery: Delivery, progress: Progress, folder: Path) -> None:
    """Send a message of a webhook. Few sites have any: what sends them is loaded for the first one."""
    from .delivering import deliver

    deliver(delivery, progress, folder)


IN_A_CHILD = [row for row, kind in KINDS.items() if kind.queue != INSPECTIONS]


@task_failure.connect
def child_died(task_id: str, exception: BaseException, **signal: Any) -> None:
    """In the worker's own process: a child of its pool is dead; its row is queued again or fails.

    A child that died together with its worker is not reported here: `services.upkeep.upkeep.rescue` finds its row.
    """
    if isinstance(exception, WorkerLostError | TimeLimitExceeded):
        for kind in IN_A_CHILD:
            upkeep.child_died(kind=kind, message=task_id, too_long=isinstance(exception, TimeLimitExceeded))
        connection.close()


@worker_shutting_down.connect
def give_back(**signal: Any) -> None:
    """Queue the rows again that this worker's children work on when it must stop; this never counts as a death. A child
    that is only warming up ends."""
    stop_preparing()
    for request in list(state.active_requests):
        for kind in IN_A_CHILD:
            kind.objects.running().filter(message=request.id).update(**AGAIN)
    connection.close()
