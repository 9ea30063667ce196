"""What a worker can be asked to do, one entry for each kind of row. Work is enqueued by the name of its task: nothing
here knows the worker's code."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, NamedTuple

from celery import current_app
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from ... import models
from ...models import AFRESH, Attempted, ExportJob, Job

logger = logging.getLogger(__name__)
INSPECT = "worker.inspect_uploads"
TRY_AGAIN = timedelta(seconds=10)
MOST_FIGURES = 12
ANALYSES, INSPECTIONS, TRAINING = "analyses", "inspections", "training"
ASK = "ask the administrator."
GOES_ON = "and it goes on where it stopped."


class Kind(NamedTuple):
    """task: of Celery; "" where no message names a row. queue: of the broker. noun: for the sentences on faults.

    subject: begins a sentence on the work. smaller: what people can do where it needs less memory; quicker: where it
    needs more time than it has, as `smaller` if "".
    """

    task: str
    queue: str
    noun: str
    subject: str = ""
    smaller: str = ASK
    quicker: str = ""

    def gave_up(self, deaths: int) -> str:
        """Its child died too often."""
        why = "most likely because the computer ran out of memory"
        return f"{self.subject} stopped {deaths} times without finishing, {why}: {self.smaller}"

    def needs_memory(self) -> str:
        return f"{self.subject} needs more memory than it may have here: {self.smaller}"

    def too_long(self, time: str = "") -> str:
        """time: that is allowed, where it is known."""
        allowed = f"the {time} allowed" if time else "is allowed"
        return f"{self.subject} took longer than {allowed}: {self.quicker or self.smaller}"


KINDS: dict[type[models.Attempted], Kind] = {
    models.Job: Kind("worker.run_job", ANALYSES, "analysis", "The analysis", f"crop the image, or {ASK}"),
    models.Micrograph: Kind("", INSPECTIONS, "upload"),
    models.Sample: Kind(
        "worker.run_sample", ANALYSES, "sample", "The pooling", "exclude images, or make two samples of them."
    ),
    models.ExportJob: Kind(
        "worker.write_files", ANALYSES, "writing of files", "Writing the files", f"crop the image, or {ASK}"
    ),
    models.Comparison: Kind("worker.compare", ANALYSES, "comparison", "The comparison"),
    models.OutlinePreview: Kind("worker.preview", ANALYSES, "preview", "The preview"),
    models.Proposals: Kind("worker.propose", ANALYSES, "look at other ways", "The look at other ways"),
    models.Dataset: Kind(
        "worker.prepare_dataset",
        ANALYSES,
        "dataset",
        "Preparing the dataset",
        f"remove its largest images, send smaller archives, or {ASK}",
        f"press Check again, {GOES_ON}",
    ),
    models.Training: Kind("worker.train", TRAINING, "training", "The training", ASK, f"try again, {GOES_ON}"),
    models.Delivery: Kind("worker.deliver", INSPECTIONS, "delivery of a message"),
}


def enqueue_after_commit(pk: Any, kind: type[Attempted] = Job) -> None:
    """Enqueue a row once the worker can see it."""
    transaction.on_commit(lambda: enqueue([pk], kind))


def enqueue(pks: Iterable[Any], kind: type[Attempted] = Job) -> int:
    """Send each queued row of a kind to the broker and note when; returns how many."""
    enqueued = []
    for pk in pks:
        if not _send(KINDS[kind].task, str(pk)):
            break
        enqueued.append(pk)
    kind.objects.filter(pk__in=enqueued).update(enqueued=timezone.now())
    return len(enqueued)


def enqueue_inspection() -> None:
    """Request the inspection of all new uploads with one message."""
    _send(INSPECT)


def ask_for_files(job: Job, figure: str = "") -> ExportJob:
    """Start writing the files of a finished job, once; after a failure it starts again after a moment. figure: name of
    one with options, of which the last MOST_FIGURES are known."""
    with transaction.atomic():
        export, is_new = ExportJob.objects.get_or_create(job=job)
        rows = ExportJob.objects.filter(pk=export.pk)
        if figure and figure not in export.figures:
            rows.update(figures=[*export.figures, figure][-MOST_FIGURES:])
        failed = rows.filter(state=ExportJob.State.FAILED, finished__lt=timezone.now() - TRY_AGAIN)
        # Done, and a file is missing all the same: written by a version that knew fewer files.
        finished = rows.filter(state=ExportJob.State.DONE)
        ahead = rows.filter(asked=False).update(asked=True)
        if is_new or failed.update(**AFRESH) or finished.update(**AFRESH) or ahead:
            enqueue_after_commit(export.pk, ExportJob)
    export.refresh_from_db()
    return export


def _send(task: str, *args: str) -> bool:
    """Whether the broker could be reached; if not, that is no error for the user: `rescue` tries again."""
    try:
        current_app.send_task(task, args=args)
    except Exception as error:
        logger.warning("The queue could not be reached (%s); what waits will be enqueued again.", error)
        return False
    return True


def enqueue_next(sample: Any) -> int:
    """Enqueue the next images of a sample, by its id, so that the broker holds one more than a worker can run at once.

    The rest wait, so that an image from another user waits behind two of them, not behind all. Running images are not
    counted, so that every worker finds one, for any number of workers.
    """
    waiting = Job.objects.filter(sample=sample).waiting()
    room = settings.DEEPSEGM_CONCURRENCY + 1 - waiting.exclude(enqueued=None).count()
    if room <= 0:
        return 0
    waiting = waiting.filter(enqueued=None).order_by("queued", "pk")
    return enqueue(list(waiting.values_list("pk", flat=True)[:room]))
