"""The present step of a result: what its corrections leave is measured in its place. A version is fixed: signed, shared
or named, it stays what it is, and corrections of it go on in another result."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from ...core.report.wording import one_line
from ...models import AFRESH, Artifact, ExportJob, Job, Link, Measuring, Micrograph, Owned, Sample
from ...models.jobs import ANALYSES, LONGEST_TITLE
from ..access import links
from ..ground.files import delete_with_files, publishing, remove_files
from ..ground.queue import TRY_AGAIN, enqueue_after_commit, ring
from ..ground.refusal import Refused
from ..ground.tables import OUTLINES, UNCORRECTED
from . import control
from .judging import forget_certificate
from .pooling import refresh_after_commit
from .publishing import store

LARGE = 1 << 24  # px; a larger image is measured by a child of the pool for analyses, whose memory is limited
NO_NAME = f"Type a name of at most {LONGEST_TITLE} characters."
UNMEASURED = "The numbers of the last corrections are still being made: try again in a moment."


def is_large(job: Job) -> bool:
    """Whether its corrections are measured by a child of the pool for analyses."""
    return job.micrograph.width * job.micrograph.height > LARGE


@transaction.atomic
def ask_for_numbers(job: Job) -> Measuring | None:
    """Let a worker measure a finished result whose numbers lack its last corrections; None where they lack none, and of
    a version. What measures an earlier step is superseded."""
    if not job.is_done or job.fixed or job.segmentation_id is None or job.is_measured:
        return None
    large = is_large(job)
    fields = {"step": job.edit_count, "large": large, "summary": {}}
    row, is_new = Measuring.objects.get_or_create(job=job, defaults=fields)
    rows = Measuring.objects.filter(pk=row.pk)
    if not is_new:
        now = Measuring.State
        # This row of the job may be older than the numbers that a worker has just published.
        late = rows.exclude(step=job.edit_count)
        late |= rows.filter(state=now.DONE).exclude(job__step=F("job__edit_count"))
        failed = rows.filter(state=now.FAILED, finished__lt=timezone.now() - TRY_AGAIN)
        is_new = bool((late | failed).update(**AFRESH, **fields))
    if is_new:
        enqueue_after_commit(row.pk, Measuring)
        if large:
            transaction.on_commit(lambda: ring(ANALYSES))
    row.refresh_from_db()
    return row


def check_measured(job: Job) -> None:
    """Raises Refused (409) where the numbers of a result lack its last corrections; they are asked for then."""
    if ask_for_numbers(job) is not None:
        raise Refused(UNMEASURED, 409)


def publish_step(*, measuring: Measuring, step: int, files: dict[str, Path], summary: dict[str, Any]) -> None:
    """Store numbers and files of a result after so many corrections, in place of all earlier ones; raises
    `Superseded`. What was fixed meanwhile stays as it is."""
    job, original = measuring.job, measuring.job.segmentation
    folder = f"{job.folder}/{job.attempt}/step-{step}-{measuring.attempt}"
    artifacts: list[Artifact] = []
    with publishing(lambda: remove_files(row.file.name for row in artifacts)):
        for path in files.values():
            artifacts.append(Artifact(job=job, attempt=job.attempt, **store(folder, path, files)))
        with transaction.atomic():
            Micrograph.objects.locked(job.micrograph_id)
            measuring.finish(Measuring.State.DONE, summary={})
            if Job.objects.filter(attempt=job.attempt, fixed=False).locked(job.pk) is not None:
                job.artifacts.filter(file=original.file.name if original else "").delete()  # the outlines before all
                if not job.artifacts.filter(name=UNCORRECTED).exists():
                    job.artifacts.filter(name=OUTLINES).update(name=UNCORRECTED)
                delete_with_files(job.artifacts.exclude(name=UNCORRECTED))
                Artifact.objects.bulk_create(artifacts)
                ExportJob.objects.filter(job=job).delete()
                Job.objects.filter(pk=job.pk).update(summary=summary, step=step)
                control.record(job)
                refresh_after_commit(job.sample_id)
                return
        remove_files(row.file.name for row in artifacts)


def name_version(*, job: Job, title: str) -> None:
    """Keep the present step of a result as a version of this name; raises Refused (409 while it is measured, 422)."""
    words = " ".join(one_line(title, 10**6).split())
    if not 0 < len(words) <= LONGEST_TITLE:
        raise Refused(NO_NAME, 422)
    check_measured(job)
    with transaction.atomic():
        fix(job)
        Job.objects.filter(pk=job.pk).update(title=words)


def share(*, row: Owned, **wishes: Any) -> Link:
    """Change the private link of a row, as `links.change_link` does; a result that is shared becomes a version. Raises
    Refused as that, and 409 while the present step is measured."""
    is_result = isinstance(row, Job) and not wishes.get("off")
    if is_result:
        check_measured(row)
    with transaction.atomic():
        link = links.change_link(row=row, **wishes)
        if is_result and link.number:
            fix(row)
        if isinstance(row, Job | Sample) and row.specification:
            forget_certificate(row)  # which has the link
    return link


def fix(job: Job) -> None:
    """Make a result a version, which is never measured anew. Within a transaction; raises Refused (409) where somebody
    has corrected it meanwhile."""
    now = Job.objects.filter(state=Job.State.DONE).locked(job.pk)
    if now is None:
        return
    if not (now.fixed or now.is_measured):
        raise Refused(UNMEASURED, 409)
    Job.objects.filter(pk=job.pk).update(fixed=True)
    job.fixed = True


def last_change(job: Job) -> datetime | None:
    """When what a result says came about: its last correction, else the end of its analysis; files name this time."""
    edit = job.edits.filter(sequence=job.step).values_list("created", flat=True).first() if job.step else None
    return edit or job.finished
