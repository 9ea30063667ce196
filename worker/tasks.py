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

import errno
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import chain, count, repeat
from pathlib import Path
from typing import Any

from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import current_app, current_task, shared_task
from celery.signals import task_failure, worker_process_init, worker_shutting_down
from celery.worker import state
from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from segmentation import log_filters
from segmentation.core.analysis import AnalysisSettings
from segmentation.core.labels.segmentation import Segmentation, UnusableSegmentation
from segmentation.core.micrograph import types
from segmentation.core.micrograph.crosscheck import Source
from segmentation.core.micrograph.types import UnreadableImage
from segmentation.core.network.runtime import Runtime, give_memory_back
from segmentation.core.network.served import ServerAway, ServerGone
from segmentation.core.report.outlines import growing
from segmentation.core.settings import DEFAULT_TASK
from segmentation.core.tasks import find
from segmentation.models import (
    AGAIN,
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
    Superseded,
    Training,
)
from segmentation.services.ground import files as files_service
from segmentation.services.ground import refusal
from segmentation.services.ground.queue import ANALYSES, INSPECTIONS, KINDS, TRAINING, enqueue, ring
from segmentation.services.ground.refusal import Refused
from segmentation.services.ground.space import is_scarce
from segmentation.services.results import after_inspection, jobs, publishing
from segmentation.services.results.publishing import NAME as SEGMENTATION
from segmentation.services.upkeep import upkeep
from segmentation.services.upkeep.upkeep import MAX_DEATHS

from . import inspection
from .child import preparing, stop_preparing
from .comparing import compare_results
from .datasets import prepare_dataset
from .delivering import deliver
from .exporting import (
    corrected_segmentation,
    imported_segmentation,
    keep_latest,
    keep_outlines,
    measure_step,
    stored_files,
    stored_segmentation,
    summarise,
    write_further,
)
from .failures import sentence_for
from .fetching import GONE, pixels_of, show_in_squares
from .heartbeat import GivesWay, Heartbeat, Progress, comes_before, giving_way
from .inspecting import inspect_upload
from .inspection import Killed
from .proposing import propose_others
from .samples import pool_sample
from .scratch import scratch

logger = logging.getLogger(__name__)

EVERY_SECONDS = 0.5  # between two reports of one stage
WRITING, STORING = 0.75, 0.97  # where these begin in the progress
_measuring, _delivering, _importing, _removing = (threading.Lock() for _ in range(4))
NO_NETWORKS = "The process that calculates the networks does not start"
NEWER = "The analysis needs a worker of the new version"  # while a site is upgraded
SHORT_IN_A_ROW = 5
_short_in_a_row = 0
Work = Callable[[Any, Progress, Path], None]
# Of these an idle or another worker does the rest.
ONLY: dict[type[Attempted], dict[str, bool]] = {ExportJob: {"asked": True}, Measuring: {"large": True}}
SHORT: dict[type[Attempted], Work] = {
    Measuring: measure_step,
    ExportJob: write_further,
    Comparison: compare_results,
    Sample: pool_sample,
    Dataset: prepare_dataset,
}


@shared_task(name=f"worker.{ANALYSES}")
def do_analyses() -> None:
    """Do what comes next in this queue. A message only says that something waits; the rows say what comes first.

    Short work does, because somebody waits for it at a page, but after a few in a row a job is next. Senders take turns
    in both. What nobody waits for comes last, while no job comes.
    """
    short_first = _short_in_a_row < SHORT_IN_A_ROW
    any(step() for step in ([_do_short, _do_job] if short_first else [_do_job, _do_short]))
    _do_idle()


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
    to_send = _do_alone(_delivering, partial(_do_next, Delivery.objects, deliver))
    if _do_alone(_removing, files_service.remove_the_rest) or to_send or more:
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
    while (first := rows.filter(**only).first_in_turn()) is not None:
        if _run(rows, first, work):
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
    is_done = _do_first(Job.objects, _attempt)
    _short_in_a_row = 0 if is_done else _short_in_a_row
    return is_done


def _do_idle() -> None:
    """While nobody waits for anything else: let data bars be read, write files that nobody has asked for yet, and look
    at other ways for a doubtful result."""
    if Micrograph.objects.waiting().exists():
        ring(INSPECTIONS)
    for kind, work, only in ((ExportJob, _write_ahead, {"asked": False}), (Proposals, propose_others, {})):
        if not comes_before(kind):
            _do_first(kind.objects, work, **only)


def _write_ahead(export: ExportJob, progress: Progress, folder: Path) -> None:
    def waits() -> bool:
        return comes_before(ExportJob) and not ExportJob.objects.filter(pk=export.pk, asked=True).exists()

    write_further(export, giving_way(progress, waits), folder)


def _read_outlines(job: Job, progress: Progress, folder: Path) -> None:
    imported_segmentation(job, progress, folder)
    job.change(**AGAIN)  # an analysis measures them
    enqueue([job.pk])


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


def _run(rows: Any, pk: Any, work: Work) -> bool:
    """Claim a row and make one attempt at it, which ends it or queues it again; False if it is no longer queued."""
    row = rows.claim(pk, message=current_task.request.id or "")
    if row is None:
        return False
    kind = type(row)
    if row.enqueued is None and work is not _write_ahead:
        ring(current_task.name.removeprefix("worker."))  # it has taken the message of another row, which waits on
    log_filters.row.set(f"{kind.__name__} {pk}")
    logger.debug("Attempt %s begins.", row.attempt)
    try:
        if kind is not Micrograph and is_scarce():
            raise OSError(errno.ENOSPC, f"less than {settings.DEEPSEGM_MIN_FREE_MB} MB are free")
        analysed = row.result if isinstance(row, ExportJob) else getattr(row, "job", row)
        job_settings = getattr(analysed, "settings", None)
        if job_settings and AnalysisSettings.from_dict(job_settings).others:
            publishing.postpone(row=row, why=NEWER)
            return True
        with Heartbeat(row) as heartbeat, scratch() as folder:
            try:
                work(row, ProgressReporter(row, heartbeat), folder)
            except GivesWay:
                row.change(**AGAIN)
                if kind is not ExportJob:  # written ahead for nobody yet
                    enqueue([row.pk], kind)
        logger.debug("Done.")
    except Superseded:
        logger.info("Attempt %s is over: the row was cancelled, changed, deleted or passed on.", row.attempt)
    except Exception as error:
        _end(row, error)
    return True


class ProgressReporter:
    """The `progress` of an attempt: every new stage at once, the rest at most twice a second; raises `Superseded`. It
    never goes back: a second look at the image, or another attempt, waits where the first one was. The time left is
    that of this attempt."""

    def __init__(self, row: Attempted, heartbeat: Heartbeat) -> None:
        self._row, self._heartbeat = row, heartbeat
        self._forecast = row.forecast() if isinstance(row, Job) else None
        self._stage, self._reported, self._furthest, self._before = "", 0.0, 0.0, row.progress

    def __call__(self, stage: str, fraction: float) -> None:
        if self._heartbeat.superseded.is_set():
            raise Superseded
        now = time.monotonic()
        if stage == self._stage and now - self._reported < EVERY_SECONDS:
            return
        self._stage, self._reported = stage, now
        fraction = self._furthest = max(self._furthest, min(fraction, 1.0))
        seconds_left = self._forecast.left(fraction) if self._forecast else None
        ends = {} if seconds_left is None else {"ends": timezone.now() + timedelta(seconds=seconds_left)}
        self._row.report(stage=stage, progress=max(fraction, self._before), **ends)


def _attempt(job: Job, progress: Progress, folder: Path) -> None:
    """Segment unless that is done, measure, write, publish; the page shows the numbers before files are written."""
    from segmentation.core import pipeline

    keep_latest(job, None)
    reading = partial(progress, "reading the image", 0.0)
    reading()
    micrograph = pixels_of(job.micrograph, folder, reading)
    clock, parent = pipeline.Clock(), job.parent
    reused = job.is_by_hand or (parent is not None and job.segmentation_id == parent.segmentation_id is not None)
    if job.segmentation is not None or job.outlines:
        segmented = stored_segmentation(job)
    elif job.corrects is not None:
        segmented = corrected_segmentation(job, folder)
    else:
        segmented = _segment(job, micrograph, progress, clock, folder)
    if not job.ready:
        jobs.wait_for_scale(job)
        return
    # Those of measuring may have been changed meanwhile (`change_job`).
    job.settings = Job.objects.filter(pk=job.pk).values_list("settings", flat=True).first() or job.settings
    analysis = pipeline.measure_objects(micrograph, segmented, job.get_settings(), progress, clock=clock)
    unread = not job.micrograph.is_finished
    # The page shows the numbers while the rest is measured and the files are written.
    job.change(summary=summarise(analysis, reused=reused, unread=unread))
    progress("drawing the figure", WRITING)
    analysis = pipeline.arranged(analysis, clock)
    keep_latest(job, analysis)
    summary = summarise(analysis, reused=reused, unread=unread)
    files = stored_files(
        analysis,
        folder / "results",
        in_sample=Job.objects.filter(micrograph=job.micrograph_id, sample__isnull=False).exists(),  # it may count there
        progress=lambda stage, done: progress(stage, WRITING + (STORING - WRITING) * done),
    )
    if job.step:  # the outlines as they were corrected; else they are stored already
        files[SEGMENTATION] = folder / SEGMENTATION
        segmented.save(files[SEGMENTATION])
    show_in_squares(job.micrograph, micrograph, folder)
    progress("storing the results", STORING)
    publishing.publish(job=job, files=files, summary=summary)
    counted = (summary["statistics"] or {}).get("n_kept", summary["found"])
    logger.info("%s: %s", job.pk, find(summary["task"]).count(counted))


def _segment(job: Job, micrograph: types.Micrograph, progress: Progress, clock: Any, folder: Path) -> Segmentation:
    """The segmentation of the image, stored at once: another attempt at the job needs only to measure it."""
    from segmentation.core import pipeline

    settings, parts = job.get_settings(), count(1)
    is_drawn, most = not find(settings.task).semantic, 0

    def show(labels: Any, confidence: Any) -> None:
        nonlocal most
        if is_drawn and len(confidence) >= most:  # another reading of the image may find less, and not be the last
            most = len(confidence)
            part = f"{job.attempt}-{next(parts)}"
            job.change(early={**growing(labels, confidence, micrograph.shape), "part": part})

    outlines = pipeline.segment(micrograph, settings, progress, runtime=_runtime(), clock=clock, show=show)
    most = 0  # the outlines that were chosen, also where they are fewer
    show(outlines.dense, outlines.confidence)
    return keep_outlines(job, outlines, None, folder)


def _runtime() -> Runtime:
    """What calculates the networks of an analysis that starts now: on all cores if no other one runs or waits."""
    runtime = Runtime(settings.DEEPSEGM_DEVICE, settings.DEEPSEGM_PRECISION)
    may_vary = settings.DEEPSEGM_CONCURRENCY > 1 and not settings.DEEPSEGM_THREADS and runtime.on_processor
    is_alone = may_vary and Job.objects.running().count() + Job.objects.waiting().count() < 2
    return replace(runtime, threads=os.cpu_count() or 0) if is_alone else runtime


@worker_process_init.connect
@preparing()
def warm_up(**signal: Any) -> None:
    """Analyse a drawn picture in a new child of the pool for analyses, so that its first job need not wait for
    libraries and the usual network. What fails here will be told of a job."""
    if ANALYSES not in current_app.amqp.queues.consume_from:
        return
    try:
        from segmentation.core import pipeline
        from segmentation.core.report.files import write_all

        picture = find(DEFAULT_TASK).golden().picture
        micrograph = types.Micrograph(picture, "drawn", "0" * 64, types.Calibration(5.0, Source.METADATA))
        with scratch() as folder:
            write_all(pipeline.analyse(micrograph, AnalysisSettings.of(), runtime=_runtime()), folder, stored_only=True)
        give_memory_back()
    except Exception:
        logger.warning("The usual model could not be tried.", exc_info=True)


def _end(row: Attempted, error: Exception) -> None:
    """End an attempt after an error: postpone it for a fault of the machine, repeat it after a kill, otherwise fail it.

    If even that cannot be stored, it is repeated until it succeeds: nothing else could be done meanwhile.
    """
    why = NO_NETWORKS if isinstance(error, ServerAway) else refusal.trouble(error)
    if why:
        logger.warning("%s: put off, %s (%s).", row.pk, why, error)
        change = partial(publishing.postpone, row=row, why=why)
    elif isinstance(error, (Killed, ServerGone)) and row.deaths < MAX_DEATHS - 1:
        change = partial(publishing.requeue, row=row)
    else:
        sentence = sentence_for(row, error)
        if isinstance(row, Micrograph):
            unreadable = isinstance(error, (UnreadableImage, Refused)) and str(error) != GONE
            change = partial(after_inspection.fail_upload, micrograph=row, sentence=sentence, unreadable=unreadable)
        else:  # an unusable segmentation is not kept for another try
            unusable = isinstance(row, Job) and isinstance(error, UnusableSegmentation)
            change = partial(
                publishing.fail, row=row, sentence=sentence, **({"segmentation": None} if unusable else {})
            )
    for wait in chain((1.0, 2.0, 5.0), repeat(10.0)):
        try:
            change()
            break
        except Superseded:
            logger.info("%s: attempt %s failed after the row had been taken from it.", row.pk, row.attempt)
            break
        except (DatabaseError, OSError) as trouble:
            logger.warning("%s: its end could not be stored (%s).", row.pk, trouble)
            connection.close()
            time.sleep(wait)
