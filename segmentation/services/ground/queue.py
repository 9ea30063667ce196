"""The kinds of work that workers do, and the messages that tell workers that work waits.

A message names only a queue; the worker finds the waiting rows in the database. This module imports
no code of the worker.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, NamedTuple

from celery import current_app
from django.db import transaction
from django.utils import timezone

from ... import models
from ...models import RESTART_FIELDS, Attempted, ExportJob, Job, Sample
from ...models.jobs import ANALYSES
from . import bounds

logger = logging.getLogger(__name__)
RETRY_AFTER = timedelta(seconds=10)  # from the failure of work that a page needs to the next attempt
MOST_FIGURES = 12  # figures with options that are stored for a result at a time
INSPECTIONS, TRAINING = "inspections", "training"
ASK_ADMINISTRATOR = "ask the administrator."
GOES_ON = "and it goes on where it stopped."


class WorkKind(NamedTuple):
    """One kind of work: its queue, and the words for it in messages to users.

    queue: the name of the broker's queue. noun: the name of the work. subject: this name as the
    beginning of a sentence. smaller: advice how the work needs less memory. quicker: advice how it
    needs less time; "" if `smaller` applies.
    """

    queue: str
    noun: str
    subject: str = ""
    smaller: str = ASK_ADMINISTRATOR
    quicker: str = ""

    def gave_up(self, deaths: int) -> str:
        """The error message if the process of the work died too often. deaths: how often."""
        why = "most likely because the computer ran out of memory"
        return f"{self.subject} stopped {deaths} times without finishing, {why}: {self.smaller}"

    def needs_memory(self) -> str:
        """The error message if the work needed too much memory."""
        return f"{self.subject} needs more memory than it may have here: {self.smaller}"

    def too_long(self, time: str = "") -> str:
        """The error message if the work took too long. time: the allowed time in words; "" if it is
        not known."""
        allowed = f"the {time} allowed" if time else "is allowed"
        return f"{self.subject} took longer than {allowed}: {self.quicker or self.smaller}"


WORK_KINDS: dict[type[models.Attempted], WorkKind] = {
    models.Job: WorkKind(ANALYSES, "analysis", "The analysis", f"crop the image, or {ASK_ADMINISTRATOR}"),
    models.Micrograph: WorkKind(INSPECTIONS, "upload"),
    models.Sample: WorkKind(ANALYSES, "sample", "The pooling", "exclude images, or make two samples of them."),
    models.ExportJob: WorkKind(
        ANALYSES, "writing of files", "Writing the files", f"crop the image, or {ASK_ADMINISTRATOR}"
    ),
    models.Measuring: WorkKind(
        INSPECTIONS, "measuring of corrections", "Measuring the corrections", f"crop the image, or {ASK_ADMINISTRATOR}"
    ),
    models.Comparison: WorkKind(ANALYSES, "comparison", "The comparison"),
    models.Study: WorkKind(ANALYSES, "study", "The study"),
    models.Proposals: WorkKind(ANALYSES, "look at other ways", "The look at other ways"),
    models.Dataset: WorkKind(
        ANALYSES,
        "dataset",
        "Preparing the dataset",
        f"remove its largest images, send smaller archives, or {ASK_ADMINISTRATOR}",
        f"press Check again, {GOES_ON}",
    ),
    models.Training: WorkKind(TRAINING, "training", "The training", ASK_ADMINISTRATOR, f"try again, {GOES_ON}"),
    models.Delivery: WorkKind(INSPECTIONS, "delivery of a message"),
}


def enqueue_after_commit(pk: Any, kind: type[Attempted] = Job, *, again: bool = False) -> None:
    """Send a message for a row after the transaction is committed (see `enqueue`)."""
    transaction.on_commit(lambda: enqueue([pk], kind, again=again))


def enqueue(pks: Iterable[Any], kind: type[Attempted] = Job, *, again: bool = False) -> int:
    """Send a message for each of these rows that had none yet, until the broker fails; returns the
    number of messages.

    pks: ids of the rows. kind: their model. again: also for rows that had a message, which may be
    lost. The time of the message is stored in the row before it is sent, so only one of two
    processes sends it.
    """
    rows, count = kind.objects.all() if again else kind.objects.filter(enqueued=None), 0
    for pk in pks:
        if rows.filter(pk=pk).update(enqueued=timezone.now()):
            if not notify_workers(WORK_KINDS[kind].queue):
                kind.objects.filter(pk=pk).update(enqueued=None)
                break
            count += 1
    return count


def ask_for_files(result: Job | Sample, figure: str = "") -> ExportJob:
    """Let a worker write the missing files of a finished result; returns the row of this work.

    Raises Refused (429, 507). After a failure it starts again only when RETRY_AFTER has passed. figure:
    the file name of a requested figure with options; the row stores the last MOST_FIGURES names.
    """
    owner = {result.artifacts.model.owner: result}
    if not ExportJob.objects.filter(**owner, asked=True, state__in=ExportJob.UNFINISHED).exists():
        bounds.ask(ExportJob, **result.maker)
    with transaction.atomic():
        export, is_new = ExportJob.objects.get_or_create(**owner)
        rows = ExportJob.objects.filter(pk=export.pk)
        if figure and figure not in export.figures:
            rows.update(figures=[*export.figures, figure][-MOST_FIGURES:])
        failed = rows.filter(state=ExportJob.State.FAILED, finished__lt=timezone.now() - RETRY_AFTER)
        # All files were written, but one is missing: a figure with options, or a file that an earlier
        # version did not write.
        finished = rows.filter(state=ExportJob.State.DONE)
        # `asked` is False while the files are only written in advance: now somebody waits for them.
        newly_asked = rows.filter(asked=False).update(asked=True)
        if is_new or failed.update(**RESTART_FIELDS) or finished.update(**RESTART_FIELDS) or newly_asked:
            enqueue_after_commit(export.pk, ExportJob, again=True)
    export.refresh_from_db()
    return export


def notify_workers(queue: str) -> bool:
    """Tell the workers of a queue that work waits; returns whether the broker took the message. If
    not, the user sees no error, because `upkeep.rescue` sends the message again."""
    try:
        current_app.send_task(f"worker.{queue}")
    except Exception as error:
        logger.warning("The queue could not be reached (%s); what waits will be enqueued again.", error)
        return False
    return True
