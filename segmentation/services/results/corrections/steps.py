"""Measures results again after corrections, and makes versions. The step of a result is the number of
corrections that its numbers include.

After corrections a worker measures the result, and the new numbers replace the old ones. A result
that is signed, shared or named becomes a version, which never changes.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from ....models import RESTART_FIELDS, Artifact, ExportJob, Job, Link, Measuring, Micrograph, Owned, Sample
from ....models.jobs import ANALYSES, LONGEST_TITLE
from ....quality.control_charts import points as control
from ....quality.limits.services import remove_papers
from ...access import links
from ...ground.files import delete_with_files, remove_files, undo_on_failure
from ...ground.queue import RETRY_AFTER, enqueue_after_commit, notify_workers
from ...ground.refusal import Refused, typed_words
from ...ground.tables import OUTLINES_FILE, UNCORRECTED_FILE
from ..pooling import refresh_after_commit
from ..publishing import store_file

# Larger images are measured in a child process of the pool for analyses, whose memory is limited.
LARGE_PX = 1 << 24
NO_NAME = f"Type a name of at most {LONGEST_TITLE} characters."
UNMEASURED = "The numbers of the last corrections are still being made: try again in a moment."


def is_large(job: Job) -> bool:
    """Whether the image is so large that its corrections are measured in a child process of the pool for
    analyses."""
    return job.micrograph.width * job.micrograph.height > LARGE_PX


@transaction.atomic
def ask_for_numbers(job: Job) -> Measuring | None:
    """If the numbers of a finished result do not include its last corrections, let a worker measure it;
    returns the row of this work. None if the numbers are complete, and for a version. Work on an
    earlier step is superseded."""
    if not job.is_done or job.fixed or job.segmentation_id is None or job.is_measured:
        return None
    large = is_large(job)
    fields = {"step": job.edit_count, "large": large, "summary": {}}
    row, is_new = Measuring.objects.get_or_create(job=job, defaults=fields)
    rows = Measuring.objects.filter(pk=row.pk)
    if not is_new:
        state = Measuring.State
        # A worker may have published numbers since `job` was read, so the database is queried.
        outdated = rows.exclude(step=job.edit_count)
        outdated |= rows.filter(state=state.DONE).exclude(job__step=F("job__edit_count"))
        failed = rows.filter(state=state.FAILED, finished__lt=timezone.now() - RETRY_AFTER)
        is_new = bool((outdated | failed).update(**RESTART_FIELDS, **fields))
    if is_new:
        enqueue_after_commit(row.pk, Measuring)
        if large:
            transaction.on_commit(lambda: notify_workers(ANALYSES))
    row.refresh_from_db()
    return row


def check_measured(job: Job) -> None:
    """Raises Refused (409) if the numbers of a result do not include its last corrections; a worker then
    measures them."""
    if ask_for_numbers(job) is not None:
        raise Refused(UNMEASURED, 409)


def publish_step(*, measuring: Measuring, step: int, files: dict[str, Path], summary: dict[str, Any]) -> None:
    """Replace the numbers (`summary`) and files of a result by those after `step` corrections. If the
    result became a version meanwhile, it does not change. Raises `Superseded`."""
    job, original = measuring.job, measuring.job.segmentation
    folder = f"{job.folder}/{job.attempt}/step-{step}-{measuring.attempt}"
    artifacts: list[Artifact] = []
    with undo_on_failure(lambda: remove_files(row.file.name for row in artifacts)):
        for path in files.values():
            artifacts.append(Artifact(job=job, attempt=job.attempt, **store_file(folder, path, files)))
        with transaction.atomic():
            Micrograph.objects.locked(job.micrograph_id)
            measuring.finish(Measuring.State.DONE, summary={})
            if Job.objects.filter(attempt=job.attempt, fixed=False).locked(job.pk) is not None:
                # Only the row of the outlines is deleted; their file stays.
                job.artifacts.filter(file=original.file.name if original else "").delete()
                if not job.artifacts.filter(name=UNCORRECTED_FILE).exists():
                    job.artifacts.filter(name=OUTLINES_FILE).update(name=UNCORRECTED_FILE)
                delete_with_files(job.artifacts.exclude(name=UNCORRECTED_FILE))
                Artifact.objects.bulk_create(artifacts)
                ExportJob.objects.filter(job=job).delete()
                Job.objects.filter(pk=job.pk).update(summary=summary, step=step)
                control.add_to_charts(job)
                refresh_after_commit(job.sample_id)
                return
        remove_files(row.file.name for row in artifacts)


def name_version(*, job: Job, title: str) -> None:
    """Make a result a version with the name `title`; raises Refused (409 while it is being measured,
    422)."""
    words = typed_words(title, LONGEST_TITLE, NO_NAME)
    check_measured(job)
    with transaction.atomic():
        make_version(job)
        Job.objects.filter(pk=job.pk).update(title=words)


def change_private_link(*, row: Owned, **wishes: Any) -> Link:
    """Change the private link of a row, as `links.change_link` does; a shared result becomes a version.
    wishes: arguments of `change_link`. Raises Refused as `change_link` does, and 409 while the result
    is being measured."""
    is_result = isinstance(row, Job) and not wishes.get("off")
    if is_result:
        check_measured(row)
    with transaction.atomic():
        link = links.change_link(row=row, **wishes)
        if is_result and link.number:
            make_version(row)
        if isinstance(row, Job | Sample) and row.specification:
            remove_papers(row)  # the link is printed in it
        if isinstance(row, Sample):
            for job in row.jobs.exclude(specification={}):
                remove_papers(job)
    return link


def make_version(job: Job) -> None:
    """Make a result a version, which never changes. Call it in a transaction. Raises Refused (409)
    if somebody has corrected it meanwhile."""
    now = Job.objects.filter(state=Job.State.DONE).locked(job.pk)
    if now is None:
        return
    if not (now.fixed or now.is_measured):
        raise Refused(UNMEASURED, 409)
    Job.objects.filter(pk=job.pk).update(fixed=True)
    job.fixed = True


def last_change(job: Job) -> datetime | None:
    """The time of the last change of a result, which its files state: of the last correction in its
    numbers, otherwise of the end of its analysis."""
    edit = job.edits.filter(sequence=job.step).values_list("created", flat=True).first() if job.step else None
    return edit or job.finished
