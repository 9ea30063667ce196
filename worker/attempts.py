"""One attempt at a row (such as a job): the row is claimed, the work is done while a heartbeat is
written, and the outcome is stored. After a fault of the machine the row does not fail: it is tried
again later."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from itertools import chain, repeat
from pathlib import Path
from typing import Any

from celery import current_task
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from segmentation import log_filters
from segmentation.core.analysis import AnalysisSettings
from segmentation.core.errors import UserError
from segmentation.core.labels.segmentation import UnusableSegmentation
from segmentation.core.micrograph.types import UnreadableImage
from segmentation.core.network import cards
from segmentation.core.network.served import ServerAway, ServerGone
from segmentation.core.tasks import UnknownTask
from segmentation.models import REQUEUE_FIELDS, Attempted, ExportJob, Job, Micrograph, Study, Superseded, Training
from segmentation.services.ground import refusal
from segmentation.services.ground.queue import WORK_KINDS, enqueue, notify_workers
from segmentation.services.ground.refusal import Refused
from segmentation.services.ground.space import is_space_scarce
from segmentation.services.results import after_inspection, publishing
from segmentation.services.upkeep.upkeep import MAX_DEATHS

from .fetching import GONE
from .heartbeat import Heartbeat, Progress, UrgentWorkWaits
from .processes.device import is_missing_device
from .reading.decoding import Killed
from .scratch import scratch_folder

logger = logging.getLogger(__name__)
# Parts of the messages of libraries that lack memory.
OUT_OF_MEMORY = ("not enough memory", "out of memory", "allocate memory", "bad_alloc", "Insufficient memory")
BROKEN = (
    "Something went wrong in our software, not in what you sent: try again, and if it happens once more tell the "
    "administrator the number of this {what}, {id}."
)

PROGRESS_REPORT_SECONDS = 0.5  # between two reports of the progress within one stage
NO_NETWORKS = "The process that calculates the networks does not start"
NO_DEVICE = "The site's GPU is missing, and the analysis goes on without it"
NEWER = "The analysis needs a worker of the new version"  # while a site is upgraded
Work = Callable[[Any, Progress, Path], None]  # of a row; the path is a folder for temporary files


def attempt(rows: Any, pk: Any, work: Work, *, is_asked: bool = True) -> bool:
    """Claim a row and make one attempt at it: afterwards the row is finished or queued again.

    rows: the queryset of the row. work: does the work. is_asked: whether a person waits for it.
    Returns False if the row is no longer queued.
    """
    row = rows.claim(pk, message=current_task.request.id or "")
    if row is None:
        return False
    kind = type(row)
    if row.enqueued is None and is_asked:
        # Its own message was not sent yet, so this task came by the message of another row.
        notify_workers(current_task.name.removeprefix("worker."))
    log_filters.row.set(f"{kind.__name__} {pk}")
    logger.debug("Attempt %s begins.", row.attempt)
    try:
        if kind is not Micrograph and is_space_scarce():
            raise OSError(errno.ENOSPC, f"less than {settings.DEEPSEGM_MIN_FREE_MB} MB are free")
        analysed = row.result if isinstance(row, ExportJob) else getattr(row, "job", row)
        job_settings = getattr(analysed, "settings", None)
        # The job has settings that this version of the worker does not know.
        if job_settings and AnalysisSettings.from_dict(job_settings).later_settings:
            publishing.postpone_row(row=row, why=NEWER)
            return True
        with Heartbeat(row) as heartbeat, scratch_folder() as folder:
            try:
                work(row, ProgressReporter(row, heartbeat), folder)
            except UrgentWorkWaits:
                # The queue takes `started` of a study for the last turn of its sender.
                row.change(**{**REQUEUE_FIELDS, **({"started": timezone.now()} if kind is Study else {})})
                # Files that are written in advance need no message: idle workers look for them.
                if kind is not ExportJob:
                    enqueue([row.pk], kind)
        logger.debug("Done.")
    except Superseded:
        logger.info("Attempt %s is over: the row was cancelled, changed, deleted or passed on.", row.attempt)
    except Exception as error:
        _end(row, error)
    return True


class ProgressReporter:
    """The `progress` of an attempt, which stores stage and fraction in the row; raises
    `Superseded`.

    A new stage is stored at once, other progress at most each PROGRESS_REPORT_SECONDS. The fraction never
    becomes smaller, also not in a further attempt. The expected end is that of this attempt.
    """

    def __init__(self, row: Attempted, heartbeat: Heartbeat) -> None:
        self._row, self._heartbeat = row, heartbeat
        self._forecast = row.forecast() if isinstance(row, Job) else None
        self._stage, self._reported, self._furthest, self._earlier = "", 0.0, 0.0, row.progress

    def __call__(self, stage: str, fraction: float) -> None:
        if self._heartbeat.superseded.is_set():
            raise Superseded
        now = time.monotonic()
        if stage == self._stage and now - self._reported < PROGRESS_REPORT_SECONDS:
            return
        self._stage, self._reported = stage, now
        fraction = self._furthest = max(self._furthest, min(fraction, 1.0))
        seconds_left = self._forecast.seconds_left(fraction) if self._forecast else None
        ends = {} if seconds_left is None else {"ends": timezone.now() + timedelta(seconds=seconds_left)}
        self._row.report(stage=stage, progress=max(fraction, self._earlier), **ends)


def _end(row: Attempted, error: Exception) -> None:
    """End an attempt after an error: the row is postponed after a fault of the machine, queued
    again after a kill, otherwise failed.

    If that cannot be stored, it is tried until it succeeds, because this process could do nothing
    else meanwhile.
    """
    why = NO_NETWORKS if isinstance(error, ServerAway) else refusal.machine_fault(error)
    why = NO_DEVICE if is_missing_device(error) else why
    if why:
        logger.warning("%s: put off, %s (%s).", row.pk, why, error)
        change = partial(publishing.postpone_row, row=row, why=why)
    elif isinstance(error, (Killed, ServerGone)) and row.deaths < MAX_DEATHS - 1:
        change = partial(publishing.requeue_row, row=row)
    else:
        sentence = sentence_for(row, error)
        if isinstance(row, Micrograph):
            unreadable = isinstance(error, (UnreadableImage, Refused)) and str(error) != GONE
            change = partial(after_inspection.fail_upload, micrograph=row, sentence=sentence, unreadable=unreadable)
        else:  # a job loses an unusable segmentation, so that another try finds outlines anew
            unusable = isinstance(row, Job) and isinstance(error, UnusableSegmentation)
            change = partial(
                publishing.fail_row, row=row, sentence=sentence, **({"segmentation": None} if unusable else {})
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


def sentence_for(row: Attempted, error: Exception) -> str:
    """The sentence for the user about an error. Errors that do not have such a sentence themselves are also
    logged."""
    if isinstance(error, (UnreadableImage, Killed, ServerGone, UnusableSegmentation, Refused)):
        return str(error)
    if isinstance(row, Training) and isinstance(error, UserError):
        return error.on_page  # without folders and commands, which users of the site do not know
    kind = WORK_KINDS[type(row)]
    name, number = kind.noun.capitalize(), row.attempt
    # `each`: repeated lines pass the filter of the log, too.
    logger.error("%s %s: attempt %s failed.", name, row.pk, number, exc_info=error, extra={"each": True})
    if isinstance(error, (cards.UnknownModel, cards.AlteredWeights, cards.NoDevice, UnknownTask)):
        return str(error)
    if isinstance(error, SoftTimeLimitExceeded):
        hours, seconds = settings.DEEPSEGM_TRAINING_HOURS, settings.DEEPSEGM_SOFT_LIMIT_SECONDS
        limit = f"{seconds // 60} minutes" if seconds >= 120 else f"{seconds} seconds"
        return kind.too_long(f"{hours} hours" if isinstance(row, Training) else limit)
    if isinstance(error, MemoryError) or any(words in str(error) for words in OUT_OF_MEMORY):
        return kind.needs_memory()
    return BROKEN.format(what=kind.noun, id=row.pk)
