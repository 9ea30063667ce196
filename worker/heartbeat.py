"""Signs of life: from a running attempt, during steps too long to report by themselves, and from the worker itself, for
/readyz, /metrics and the administrator (models.upkeep)."""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from celery.signals import worker_ready, worker_shutting_down
from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from segmentation import __version__
from segmentation.models import (
    Attempted,
    ChartReport,
    Comparison,
    Dataset,
    ExportJob,
    Job,
    Proposals,
    Sample,
    Study,
    Superseded,
    WorkerProcess,
)
from segmentation.services.ground.files import remove_folder

from .child import end_pool_child

logger = logging.getLogger(__name__)
Progress = Callable[[str, float], None]  # the stage of an attempt in words, and how far it is, from 0 to 1
SECONDS = 1.0
GRACE_SECONDS = 3.0  # to end by itself: a new child takes longer than that to load its libraries and networks
LOOK_SECONDS = 0.3  # from one look at what waits to the next
WORKER_SECONDS = 10.0
_worker_over = threading.Event()


class Heartbeat:
    """A thread that beats for a row as long as the `with` block lasts.

    `superseded` is set when a beat finds that the row no longer belongs to this attempt. The attempt should then stop;
    if a long computation has not noticed this after GRACE_SECONDS, `end` stops it.
    """

    def __init__(self, row: Attempted, seconds: float | None = None, end: Callable[[], None] = end_pool_child) -> None:
        self.superseded = threading.Event()
        self._row = row
        self._seconds = min(SECONDS, settings.DEEPSEGM_SILENCE_SECONDS / 6) if seconds is None else seconds
        self._end = end
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"heartbeat of {row.pk}", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _beat(self) -> None:
        """Report until the block is left; end an attempt that goes on although it was superseded."""
        try:
            while not self._over.wait(self._seconds) and not self.superseded.is_set():
                self._once()
        finally:
            connection.close()
        if self.superseded.is_set() and not self._over.wait(GRACE_SECONDS):
            logger.info("%s: stopped in the middle, as nobody wants its result any more.", self._row.pk)
            with suppress(DatabaseError):
                folder = getattr(self._row, "folder", "")  # not every kind of row has one
                if folder and not type(self._row).objects.filter(pk=self._row.pk).exists():
                    remove_folder(folder)
                connection.close()
            self._end()

    def _once(self) -> None:
        try:
            self._row.report()
        except Superseded:
            row = self._row  # this attempt itself may have ended it, and only clean up
            if not type(row).objects.filter(pk=row.pk, attempt=row.attempt, state__in=("done", "failed")).exists():
                self.superseded.set()
        except DatabaseError:
            logger.warning("A sign of life of %s could not be written.", self._row.pk, exc_info=True)


class GivesWay(Exception):
    """Work that comes first waits for this worker: this attempt ends, and its row is queued again."""


IDLE = (ExportJob, Proposals)  # work of idle moments, in its order; of files those of nobody yet


def comes_before(kind: type[Attempted]) -> bool:
    """Whether something waits that is done before this IDLE work: whatever a person waits for, and idle work before."""
    wanted = ExportJob.objects.waiting().filter(asked=True)
    rows = [
        Job.objects.arriving(),
        wanted,
        *(short.objects.waiting() for short in (Sample, Comparison, ChartReport, Study, Dataset)),
    ]
    rows += [idle.objects.waiting() for idle in IDLE[: IDLE.index(kind)]]
    return any(queryset.exists() for queryset in rows)


def giving_way(progress: Progress, waits: Callable[[], bool]) -> Progress:
    """A progress that raises GivesWay as soon as something waits; it looks a few times a second."""
    looked = 0.0

    def report(stage: str, fraction: float) -> None:
        nonlocal looked
        progress(stage, fraction)
        if time.monotonic() - looked > LOOK_SECONDS:
            looked = time.monotonic()
            if waits():
                raise GivesWay

    return report


@worker_ready.connect
def appear(sender: Any, **signal: Any) -> None:
    """Begin to say that this worker lives, in a thread of its own process."""
    _worker_over.clear()
    # Several workers of one machine may have one name, and those of several containers one number.
    name = f"{sender.hostname} {os.getpid()}-{secrets.token_hex(2)}"
    queues = ",".join(sorted(sender.app.amqp.queues.consume_from))
    threading.Thread(target=_say, args=(name, queues), name="presence", daemon=True).start()


@worker_shutting_down.connect
def vanish(**signal: Any) -> None:
    _worker_over.set()


def _say(name: str, queues: str) -> None:
    facts = {"queues": queues, "version": __version__, "started": timezone.now()}
    try:
        while True:
            _safely(
                lambda: WorkerProcess.objects.update_or_create(name=name, defaults={**facts, "seen": timezone.now()})
            )
            if _worker_over.wait(WORKER_SECONDS):
                break
        _safely(lambda: WorkerProcess.objects.filter(name=name).delete())
    finally:
        connection.close()


def _safely(write: Any) -> None:
    """A database that is away for a moment ends nothing."""
    try:
        write()
    except DatabaseError as error:
        logger.warning("The worker could not say that it is alive (%s).", error)
        connection.close()
