"""What a worker can be asked to do, and the messages that call it.

A message only says that work waits in a queue: which work it is, the worker reads from the rows. Nothing here imports
the worker's code.
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
from ...models import AFRESH, Attempted, ExportJob, Job, Sample
from ...models.jobs import ANALYSES

logger = logging.getLogger(__name__)
TRY_AGAIN = timedelta(seconds=10)
MOST_FIGURES = 12
INSPECTIONS, TRAINING = "inspections", "training"
ASK = "ask the administrator."
GOES_ON = "and it goes on where it stopped."


class Kind(NamedTuple):
    """One kind of work, by its queue and the words for people.

    queue: name of the broker's queue. noun: what the work is called in sentences about faults.
    subject: with what a sentence about the work begins. smaller: what people can do so that it needs less memory.
    quicker: what they can do so that it needs less time; "" if that is the same as `smaller`.
    """

    queue: str
    noun: str
    subject: str = ""
    smaller: str = ASK
    quicker: str = ""

    def gave_up(self, deaths: int) -> str:
        """The sentence where its child died too often."""
        why = "most likely because the computer ran out of memory"
        return f"{self.subject} stopped {deaths} times without finishing, {why}: {self.smaller}"

    def needs_memory(self) -> str:
        return f"{self.subject} needs more memory than it may have here: {self.smaller}"

    def too_long(self, time: str = "") -> str:
        """time: that is allowed, where it is known."""
        allowed = f"the {time} allowed" if time else "is allowed"
        return f"{self.subject} took longer than {allowed}: {self.quicker or self.smaller}"


KINDS: dict[type[models.Attempted], Kind] = {
    models.Job: Kind(ANALYSES, "analysis", "The analysis", f"crop the image, or {ASK}"),
    models.Micrograph: Kind(INSPECTIONS, "upload"),
    models.Sample: Kind(ANALYSES, "sample", "The pooling", "exclude images, or make two samples of them."),
    models.ExportJob: Kind(ANALYSES, "writing of files", "Writing the files", f"crop the image, or {ASK}"),
    models.Measuring: Kind(
        INSPECTIONS, "measuring of corrections", "Measuring the corrections", f"crop the image, or {ASK}"
    ),
    models.Comparison: Kind(ANALYSES, "comparison", "The comparison"),
    models.Study: Kind(ANALYSES, "study", "The study"),
    models.ChartReport: Kind(ANALYSES, "month of a control chart", "Writing the month"),
    models.Proposals: Kind(ANALYSES, "look at other ways", "The look at other ways"),
    models.Dataset: Kind(
        ANALYSES,
        "dataset",
        "Preparing the dataset",
        f"remove its largest images, send smaller archives, or {ASK}",
        f"press Check again, {GOES_ON}",
    ),
    models.Training: Kind(TRAINING, "training", "The training", ASK, f"try again, {GOES_ON}"),
    models.Delivery: Kind(INSPECTIONS, "delivery of a message"),
}


def enqueue_after_commit(pk: Any, kind: type[Attempted] = Job, *, again: bool = False) -> None:
    """Enqueue a row when the transaction has been stored, so that the worker finds the row."""
    transaction.on_commit(lambda: enqueue([pk], kind, again=again))


def enqueue(pks: Iterable[Any], kind: type[Attempted] = Job, *, again: bool = False) -> int:
    """Send a message for each queued row of a kind that has had none, until the broker fails; returns how many.

    again: also for rows that had one, which may be lost. When it was sent is noted before: of two that would send it at
    once one does, and a worker that has it at once knows that this row had one.
    """
    rows, count = kind.objects.all() if again else kind.objects.filter(enqueued=None), 0
    for pk in pks:
        if rows.filter(pk=pk).update(enqueued=timezone.now()):
            if not ring(KINDS[kind].queue):
                kind.objects.filter(pk=pk).update(enqueued=None)
                break
            count += 1
    return count


def ask_for_files(result: Job | Sample, figure: str = "") -> ExportJob:
    """Start writing the files of a finished result, because one of them is missing. After a failure it starts again
    only when TRY_AGAIN has passed. figure: name of a figure with options; the last MOST_FIGURES of them are kept."""
    with transaction.atomic():
        export, is_new = ExportJob.objects.get_or_create(**{result.artifacts.model.owner: result})
        rows = ExportJob.objects.filter(pk=export.pk)
        if figure and figure not in export.figures:
            rows.update(figures=[*export.figures, figure][-MOST_FIGURES:])
        failed = rows.filter(state=ExportJob.State.FAILED, finished__lt=timezone.now() - TRY_AGAIN)
        # Done, and a file is missing: a figure with options, or one that an earlier version did not know.
        finished = rows.filter(state=ExportJob.State.DONE)
        ahead = rows.filter(asked=False).update(asked=True)
        if is_new or failed.update(**AFRESH) or finished.update(**AFRESH) or ahead:
            enqueue_after_commit(export.pk, ExportJob, again=True)
    export.refresh_from_db()
    return export


def ring(queue: str) -> bool:
    """Tell the workers of a queue that work waits. Returns False if the broker cannot be reached. The user sees no
    error then, because `rescue` sends the message again later."""
    try:
        current_app.send_task(f"worker.{queue}")
    except Exception as error:
        logger.warning("The queue could not be reached (%s); what waits will be enqueued again.", error)
        return False
    return True
