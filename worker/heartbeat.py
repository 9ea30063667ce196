"""Writes signs of life to the database: of each running attempt, also during steps that report no
progress, and of the worker itself, for /readyz, /metrics and the administrator (models.upkeep).
`stopping_for_urgent_work` lets idle work stop when other work waits."""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from celery.signals import worker_ready, worker_shutting_down
from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from segmentation import __version__
from segmentation.models import (
    Attempted,
    Comparison,
    Dataset,
    ExportJob,
    Job,
    Measuring,
    Proposals,
    Sample,
    Study,
    Superseded,
    WorkerProcess,
)
from segmentation.services.ground.files import remove_folder

from .processes.child import INSPECTIONS, beats, end_pool_child
from .processes.device import device_notice

logger = logging.getLogger(__name__)
Progress = Callable[[str, float], None]  # the stage of an attempt in words, and how far it is, from 0 to 1
HEARTBEAT_SECONDS = 1.0  # between two heartbeats of an attempt
# Time for a superseded attempt to end by itself, because a new child needs longer to start.
GRACE_SECONDS = 3.0
# This time for the measuring of corrections, which the next correction supersedes. If the child were
# killed, its memory of the unchanged objects would be lost, and all would be measured again.
MEASURING_GRACE_SECONDS = 30.0
URGENT_WORK_CHECK_SECONDS = 0.3  # between two checks for waiting rows
SIGN_OF_LIFE_SECONDS = 10.0  # between two signs of life of the worker
_worker_is_stopping = threading.Event()  # set when the worker shuts down


class Heartbeat:
    """A thread that writes the heartbeat of a row as long as the `with` block lasts.

    seconds: between two heartbeats. `superseded` is set when the row no longer belongs to this
    attempt. The attempt should then stop; if it has not stopped after GRACE_SECONDS, or
    MEASURING_GRACE_SECONDS, `end` is called, which stops it.
    """

    def __init__(self, row: Attempted, seconds: float | None = None, end: Callable[[], None] = end_pool_child) -> None:
        self.superseded = threading.Event()
        self._row = row
        self._seconds = min(HEARTBEAT_SECONDS, settings.DEEPSEGM_SILENCE_SECONDS / 6) if seconds is None else seconds
        self._end = end
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._write_heartbeats, name=f"heartbeat of {row.pk}", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _write_heartbeats(self) -> None:
        """Write heartbeats until the block is left; end an attempt that goes on although it was
        superseded."""
        try:
            while not self._is_over.wait(self._seconds) and not self.superseded.is_set():
                self._write_heartbeat()
        finally:
            connection.close()
        grace_seconds = MEASURING_GRACE_SECONDS if isinstance(self._row, Measuring) else GRACE_SECONDS
        if self.superseded.is_set() and not self._is_over.wait(grace_seconds):
            logger.info("%s: stopped in the middle, as nobody wants its result any more.", self._row.pk)
            with suppress(DatabaseError):
                folder = getattr(self._row, "folder", "")  # some kinds of rows have none
                if folder and not type(self._row).objects.filter(pk=self._row.pk).exists():
                    remove_folder(folder)
                connection.close()
            self._end()

    def _write_heartbeat(self) -> None:
        """Write one heartbeat."""
        try:
            self._row.report()
        except Superseded:
            row = self._row
            is_ended_here = type(row).objects.filter(pk=row.pk, attempt=row.attempt, state__in=("done", "failed"))
            if not is_ended_here.exists():  # this attempt may have ended the row, and be removing its files
                self.superseded.set()
        except DatabaseError:
            logger.warning("A sign of life of %s could not be written.", self._row.pk, exc_info=True)


class UrgentWorkWaits(Exception):
    """More urgent work waits for this worker, so this attempt ends, and its row is queued again."""


# Work for which nobody waits, the most urgent first. (ExportJob: only without `asked`.)
IDLE_WORK = (ExportJob, Proposals)


def has_more_urgent_work(kind: type[Attempted]) -> bool:
    """Whether more urgent work waits than idle work of this kind, or than the next analysis of a study:
    work for which a person waits, or idle work of an earlier kind in IDLE_WORK."""
    wanted = ExportJob.objects.waiting().filter(asked=True)
    rows = [
        Job.objects.arriving(),
        wanted,
        Measuring.objects.waiting().filter(large=True),  # others are measured elsewhere (`tasks.do_inspections`)
        *(short.objects.waiting() for short in (Sample, Comparison, Study, Dataset)),
    ]
    if kind in IDLE_WORK:
        rows += [idle.objects.waiting() for idle in IDLE_WORK[: IDLE_WORK.index(kind)]]
    return any(queryset.exists() for queryset in rows)


def stopping_for_urgent_work(progress: Progress, must_stop: Callable[[], bool]) -> Progress:
    """A function like `progress` that also raises UrgentWorkWaits if `must_stop()`, called each
    URGENT_WORK_CHECK_SECONDS, returns true."""
    checked_at = 0.0

    def report(stage: str, fraction: float) -> None:
        nonlocal checked_at
        progress(stage, fraction)
        if time.monotonic() - checked_at > URGENT_WORK_CHECK_SECONDS:
            checked_at = time.monotonic()
            if must_stop():
                raise UrgentWorkWaits

    return report


@worker_ready.connect
def start_signs_of_life(sender: Any, **signal: Any) -> None:
    """Start a thread that writes the signs of life of this worker."""
    _worker_is_stopping.clear()
    # Workers on one machine may have the same name, and workers in several containers the same
    # process id.
    name = f"{sender.hostname} {os.getpid()}-{secrets.token_hex(2)}"
    queues = ",".join(sorted(sender.app.amqp.queues.consume_from))
    threading.Thread(target=_write_signs_of_life, args=(name, queues), name="presence", daemon=True).start()


@worker_shutting_down.connect
def stop_signs_of_life(**signal: Any) -> None:
    """Let the thread of `start_signs_of_life` end, which then removes the row of the worker."""
    _worker_is_stopping.set()


def _write_signs_of_life(name: str, queues: str) -> None:
    """Write a sign of life of the worker each SIGN_OF_LIFE_SECONDS, until it shuts down, and end the children of
    its pool that hang."""
    fields: dict[str, Any] = {"queues": queues, "version": __version__, "started": timezone.now(), "hung": 0}
    try:
        while True:
            if hung := beats.end_silent():
                fields |= {"hung": fields["hung"] + hung, "hung_at": timezone.now()}
            fields |= {"seen": timezone.now(), "notice": "" if queues == INSPECTIONS else device_notice()}
            _write_or_log(partial(WorkerProcess.objects.update_or_create, name=name, defaults=fields))
            if _worker_is_stopping.wait(SIGN_OF_LIFE_SECONDS):
                break
        _write_or_log(lambda: WorkerProcess.objects.filter(name=name).delete())
    finally:
        connection.close()


def _write_or_log(write: Any) -> None:
    """Write to the database; a fault of it is only logged, because it may be away for a moment."""
    try:
        write()
    except DatabaseError as error:
        logger.warning("The worker could not say that it is alive (%s).", error)
        connection.close()
