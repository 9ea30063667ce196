"""Makes, changes, cancels, repeats and deletes jobs. A job analyses one image, or measures existing
outlines of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from ...core.analysis import AnalysisSettings
from ...core.micrograph.calibration.stated import StatedScale
from ...core.micrograph.scale_bar.readings import CUT_OFF
from ...models import REQUEUE_FIELDS, RESTART_FIELDS, Job, MethodVersion, Micrograph, Segmentation
from ...quality.limits.services import fields_by_method
from ..access.webhooks import announce
from ..ground import bounds, tables
from ..ground.callers import fingerprint, submission_id
from ..ground.files import remove_files_together
from ..ground.limits import check_waiting, count_megapixels
from ..ground.queue import INSPECTIONS, enqueue_after_commit, notify_workers
from ..ground.refusal import Refused, change_state
from ..ground.requested import refuse_tall_bar
from ..ground.space import with_disk_reserve
from .corrections.signing import KEPT, signed_jobs
from .growing import check_not_closed, results_of_closed_samples
from .models_offered import check_model
from .pooling import refresh_after_commit
from .publishing import segmentation_for
from .uploads import discard_unused

GONE = "This analysis has been deleted."
ENDED = "This analysis has already ended, so there is nothing to cancel."
NO_RETRY = "Only an analysis that failed or was cancelled can be tried again."
OTHER_CONTENT = "This Idempotency-Key belongs to another file or other settings: use a new key."
OTHER_OUTLINES = (
    "These settings would outline the image anew, without the corrections: beside edits or outlines send only settings"
    " of measuring."
)
UNCORRECTED = "before all corrections"  # title of the version that `version_before_corrections` makes
NOTHING_CORRECTED = "Nothing has been corrected in this result yet."
UNREADABLE = "The image cannot be read, so trying again would not help: save it as TIFF or PNG and upload that."


@transaction.atomic
def create_job(
    *,
    micrograph: Micrograph,
    settings: AnalysisSettings,
    user: Any,
    visitor: UUID | None,
    address: str = "",
    token: str = "",
    key: str = "",
    asked: dict[str, Any] | None = None,
    parent: Job | None = None,
    segmentation: Segmentation | None = None,
    corrects: int | None = None,
    outlines: dict[str, Any] | None = None,
    method: MethodVersion | None = None,
    shelve: bool = False,
) -> Job:
    """Make a job for an image and enqueue it, or if the image is not inspected yet, let it wait.

    token, key: identify a submission (`submission_id`), so that a double click or a reload makes no
    second job; the second upload of the image is then removed. asked: the stated scale
    (`StatedScale`), used instead of the calibration in the settings. parent: the job from whose
    result this job is made. segmentation: existing outlines to measure; without them the network
    finds outlines. corrects: how many corrections of the parent are measured. outlines: the file of
    another tool whose outlines are measured, see `Job`. method: the version of a method that the
    settings follow; by default the method of the parent. shelve: if the limits of the maker are
    exceeded, store the job as failed, to be tried again later, instead of refusing it. Raises
    Refused (409 if the key belongs to another submission, 422 if the file is no image, 429 too
    many), ValueError if image and request do not fit.
    """
    if segmentation is None and corrects is None and not outlines:
        check_model(settings.segmentation.model, user)
    identity = [str(segmentation.pk)] if segmentation else []
    identity += [f"{parent.pk} {corrects}"] if parent and corrects is not None else []
    identity += [f"{parent.pk} {outlines['sha256']}"] if parent and outlines else []
    method = method or (parent.method if parent else None)
    identity += [f"method {method.pk}"] if method else []
    content = fingerprint(file_hashes(micrograph), settings.as_dict(), asked, *identity)
    submission = submission_id("job", user, visitor, token=token, key=key, content=content)
    job = Job.objects.filter(submission=submission).first()
    if job is None:
        fields = {"micrograph": micrograph, "content": content, "parent": parent, "segmentation": segmentation}
        fields |= {"corrects": corrects, "outlines": outlines or {}, "method": method}
        fields |= Job.fields_of(user, visitor, address)
        fields |= parent.judgement_fields if parent else fields_by_method(method)
        job = _create(submission, settings, asked, shelve, fields)
    if job.content != content:
        raise Refused(OTHER_CONTENT, 409)
    if job.micrograph_id != micrograph.pk:
        discard_unused(micrograph)
    return job


def _create(
    submission: str, settings: AnalysisSettings, asked: dict[str, Any] | None, shelve: bool, fields: dict[str, Any]
) -> Job:
    """Make a job; returns it, or the equal job that another request made at the same moment. The image is
    locked meanwhile."""
    parent, micrograph = fields["parent"], Micrograph.objects.locked(fields["micrograph"].pk)
    if micrograph is None or (parent and not Job.objects.filter(pk=parent.pk).exists()):
        raise Refused(GONE, 404)
    if micrograph.state == Micrograph.State.FAILED:
        raise Refused(micrograph.error, 422)
    fields |= {"id": uuid4(), "micrograph": micrograph}
    new_job = Job(**fields)
    has_scale = asked is None or not micrograph.waits_for_bar(asked)
    state, error, ready = Job.State.QUEUED, "", micrograph.is_read and has_scale
    try:
        bounds.ask(Job, of=micrograph, **new_job.maker)
        check_waiting(**new_job.maker)
        count_megapixels(new_job)
    except Refused as refusal:
        if not shelve:
            raise
        state, error, ready = Job.State.FAILED, refusal.sentence, False
    if ready:
        settings = settings_for_image(settings, asked, micrograph)
    fields |= {"settings": settings.as_dict(), "model_name": settings.segmentation.model, "state": state}
    fields |= {"error": error, "finished": timezone.now() if error else None}
    fields |= {"ready": ready, "asked": {} if ready or asked is None else asked}
    job, created = Job.objects.get_or_create(submission=submission, defaults=fields)
    if created and (ready or (micrograph.is_read and state == Job.State.QUEUED)):
        enqueue_after_commit(job.pk)
    return job


def settings_for_image(
    settings: AnalysisSettings, requested: dict[str, Any] | None, micrograph: Micrograph
) -> AnalysisSettings:
    """The settings with the requested scale (as `create_job` takes it in `asked`) for this image. Raises ValueError if
    the scale or the height of the data bar do not fit the image."""
    if requested is not None:
        settings = settings.replaced(calibration=StatedScale.of(requested).calibration(micrograph.scale))
    refuse_tall_bar(settings, micrograph)
    return settings


@transaction.atomic
def change_job(*, job: Job, settings: AnalysisSettings, asked: dict[str, Any] | None) -> bool:
    """Change the settings of an unfinished analysis; returns whether they were changed (not if it has
    ended).

    If the new settings would give the same outlines, these stay and a running search goes on. asked:
    as in `create_job`. Raises Refused and ValueError as `create_job` does.
    """
    check_model(settings.segmentation.model, job.owner)
    micrograph, now = _locked_upload(job), Job.objects.locked(job.pk)
    if now is None or now.is_finished or now.is_by_hand:
        return False
    ready = micrograph.is_read and (asked is None or not micrograph.waits_for_bar(asked))
    if ready:
        settings = settings_for_image(settings, asked, micrograph)
    before = now.get_settings()
    same_outlines = (before.task, before.segmentation) == (settings.task, settings.segmentation)
    fields = {"settings": settings.as_dict(), "ready": ready, "asked": {} if ready or asked is None else asked}
    goes_on = now.state == Job.State.RUNNING or ready == now.ready
    # If the attempt goes on, it reads the new settings before it measures.
    if not same_outlines or now.segmentation_id or not goes_on:
        fields |= {
            **RESTART_FIELDS,
            "segmentation": now.segmentation if same_outlines else None,
            "summary": {},
            "early": {},
        }
        fields |= {"model_name": settings.segmentation.model, "queued": timezone.now()}
        if ready:
            enqueue_after_commit(job.pk)
    Job.objects.filter(pk=job.pk).update(**fields)
    return True


def start_without_scale(job: Job) -> None:
    """Start a job whose scale is not read yet: it finds the outlines and then waits. If a limit of the
    sender is exceeded, it fails."""
    try:
        count_megapixels(job)
    except Refused as refusal:
        fail_waiting(job, refusal.sentence)
        return
    enqueue_after_commit(job.pk)
    transaction.on_commit(lambda: notify_workers(INSPECTIONS))  # to read the data bar at the same time


def wait_for_scale(job: Job) -> None:
    """Put a running job whose outlines are found back into the queue, because its scale is not read yet.
    The next attempt measures with the scale. Raises Superseded if the job no longer belongs to this
    attempt."""
    if not Job.objects.filter(pk=job.pk, state=Job.State.RUNNING, attempt=job.attempt).update(**REQUEUE_FIELDS):
        job.report()  # raises Superseded
    job.refresh_from_db()
    if job.ready:
        enqueue_after_commit(job.pk)
    elif not job.micrograph.waits_for_bar(job.asked):
        make_ready(job)


def make_ready(job: Job) -> None:
    """Let a job run after its image and scale were read. If settings or limits forbid it, the job fails
    and can be tried again."""
    try:
        settings = settings_for_image(job.get_settings(), job.asked or None, job.micrograph)
        count_megapixels(job)
    except (ValueError, Refused) as problem:
        fail_waiting(job, str(problem))
        return
    fields = {"settings": settings.as_dict(), "ready": True, "asked": {}, "queued": timezone.now()}
    Job.objects.filter(pk=job.pk).update(**fields)
    # A worker may have received the last message before the job was ready.
    enqueue_after_commit(job.pk, again=True)


def fail_waiting(job: Job, sentence: str) -> None:
    """Set a job failed that no worker has taken yet. Call it in a transaction."""
    ended = {"state": Job.State.FAILED, "error": sentence, "finished": timezone.now()}
    if Job.objects.filter(pk=job.pk, state=Job.State.QUEUED).update(**ended):
        job.error = sentence
        announce(job, "job.failed")


def rerun_with_corrections(*, job: Job, settings: AnalysisSettings, **who: Any) -> Job:
    """Make a job that measures the corrected outlines of another job. Raises Refused (409 nothing was
    corrected, 422 the settings need other outlines).

    who: user, visitor, address and token, as for `create_job`.
    """
    if job.segmentation_id is None or not job.is_corrected:
        raise Refused(NOTHING_CORRECTED, 409)
    if segmentation_for(job, settings) is None:
        raise Refused(OTHER_OUTLINES, 422)
    return create_job(micrograph=job.micrograph, settings=settings, parent=job, corrects=job.edit_count, **who)


def continue_version(*, job: Job, **who: Any) -> Job:
    """Make a job with the outlines of a version, to correct them further. A second call returns the same
    job.

    who: user, visitor and address, as for `create_job`.
    """
    token = f"goes on {job.pk} {job.edit_count}"
    return rerun_job(job=job, settings=job.get_settings(), token=token, **who)


@transaction.atomic
def version_before_corrections(*, job: Job, **who: Any) -> Job:
    """Make a version with the outlines of a result before all its corrections. A second call returns the
    same job. who: as in `continue_version`."""
    new = create_job(
        micrograph=job.micrograph,
        settings=job.get_settings(),
        parent=job,
        segmentation=job.segmentation,
        token=f"before corrections {job.pk}",
        **who,
    )
    Job.objects.filter(pk=new.pk, fixed=False).update(fixed=True, title=UNCORRECTED)
    return new


def rerun_job(*, job: Job, settings: AnalysisSettings, again: bool = False, **who: Any) -> Job:
    """Make a new job for the image of a job, with other settings. If they would give the same outlines,
    the new job only measures the corrected outlines.

    again: let the network find outlines in any case, for example with a newer model. who: user,
    visitor, address and token, as for `create_job`.
    """
    outlines: dict[str, Any] = {"segmentation": None if again else segmentation_for(job, settings)}
    if outlines["segmentation"] is not None and job.is_corrected:
        outlines = {"corrects": job.edit_count}
    return create_job(micrograph=job.micrograph, settings=settings, parent=job, **outlines, **who)


@with_disk_reserve
@transaction.atomic
def cancel_job(*, job: Job) -> Job:
    """Stop a job that waits or runs. A second call changes nothing."""
    change_state(job, Job.UNFINISHED, ENDED, GONE, state=Job.State.CANCELLED, finished=timezone.now(), early={})
    refresh_after_commit(job.sample_id)
    return job


@transaction.atomic
def retry_job(*, job: Job) -> Job:
    """Queue a failed or cancelled job once more. For a finished job whose data bar was not read
    completely, the bar is read again.

    A second call changes nothing. Raises Refused (409 if it cannot be tried again, 429 if its maker
    has too many jobs running).
    """
    job.micrograph = _locked_upload(job)
    if job.sample:
        check_not_closed(job.sample)
    if job.micrograph.is_useless:
        raise Refused(UNREADABLE, 409)
    if job.is_done and job.scale_check != "done":
        read_bar_again(job.micrograph)
        job.refresh_from_db()
        return job
    if job.can_retry:
        bounds.ask(Job, added=0, of=job.micrograph, **job.maker)
        check_waiting(**job.maker)
        count_megapixels(job)
    change_state(job, (Job.State.FAILED, Job.State.CANCELLED), NO_RETRY, GONE, queued=timezone.now(), **RESTART_FIELDS)
    refresh_after_commit(job.sample_id)
    if job.micrograph.state == Micrograph.State.FAILED:
        Micrograph.objects.filter(pk=job.micrograph_id).update(**RESTART_FIELDS)
        transaction.on_commit(lambda: notify_workers(INSPECTIONS))
    elif job.micrograph.is_read and not job.ready and not job.micrograph.waits_for_bar(job.asked):
        make_ready(job)
        job.refresh_from_db()
    elif job.sample_id is None and job.ready:
        enqueue_after_commit(job.pk)
    return job


def read_bar_again(micrograph: Micrograph) -> None:
    """Queue an image again whose data bar was not read in time. The reading will be compared with its
    finished results."""
    if Micrograph.objects.filter(pk=micrograph.pk, reading__note=CUT_OFF).update(reading={}, **RESTART_FIELDS):
        for job in micrograph.jobs.filter(state=Job.State.DONE, signature_hash=""):
            Job.objects.filter(pk=job.pk).update(summary={**job.summary, "unread": True})
        transaction.on_commit(lambda: notify_workers(INSPECTIONS))


def delete_job(*, job: Job, signed: bool = False) -> None:
    """Delete one job as `delete_jobs` does; raises Refused (409) if it must stay because it is signed or in a
    closed sample."""
    if job.sample:
        check_not_closed(job.sample)
    if delete_jobs([job.pk], signed=signed):
        raise Refused(KEPT, 409)


@with_disk_reserve
@transaction.atomic
def delete_jobs(pks: Iterable[UUID], *, signed: bool = False) -> set[UUID]:
    """Delete jobs in any state with their files, and images that no other job needs. Returns the ids of
    the jobs that stay.

    The rows are deleted at once, many files later (`remove_after_commit`). signed: delete also signed
    jobs and jobs from whose outlines a signed job was made; otherwise these stay. Results of closed samples
    stay.
    """
    requested = set(pks)
    staying = set() if signed else requested & signed_jobs()
    staying |= results_of_closed_samples(requested)
    leaving = Job.objects.filter(pk__in=requested - staying)
    # First the images, then the jobs: a worker locks them in the same order.
    images = list(leaving.values_list("micrograph", flat=True))
    images = list(Micrograph.objects.select_for_update().filter(pk__in=images).order_by("pk").only("pk"))
    # Locked, because a job may be corrected at this moment; long columns are not read.
    locked_jobs = leaving.select_for_update().order_by("pk")
    locked_jobs = locked_jobs.only("pk", "parent", "sample", "included", "segmentation")
    jobs = {job.pk: job for job in locked_jobs}
    superseded = _give_children_new_parents(jobs)
    for job in jobs.values():
        if job.sample_id and job.pk not in superseded:
            _count_earlier_result(job, _last_staying(jobs, job.pk))
    with remove_files_together():
        Job.objects.filter(pk__in=jobs).only("pk", "sample", "segmentation").delete()
        measured = {job.segmentation_id for job in jobs.values()}
        Segmentation.objects.filter(pk__in=measured, jobs=None).only("pk").delete()
        discard_unused(*images)
    return staying


def _last_staying(jobs: dict[UUID, Job], pk: UUID | None) -> UUID | None:
    """The id of the first job that is not in `jobs`, among the job `pk`, its parent, the parent of the
    parent and so on; None if there is none."""
    while pk in jobs:
        pk = jobs[pk].parent_id
    return pk


def _give_children_new_parents(jobs: dict[UUID, Job]) -> set[UUID]:
    """Give each job that was made from one of `jobs` a parent that stays.

    Returns the ids of the `jobs` that a later result in the same sample has already replaced.
    """
    superseded, children_of = set[UUID](), defaultdict[UUID | None, list[UUID]](list)
    children = Job.objects.filter(parent__in=jobs).exclude(pk__in=jobs)
    may_follow = Q(corrects=None, outlines={})
    # A job that measures corrections of its parent, or imported outlines, cannot get another parent.
    children_of[None] = list(children.exclude(may_follow).values_list("pk", flat=True))
    for pk, parent in children.filter(may_follow).values_list("pk", "parent"):
        children_of[_last_staying(jobs, parent)].append(pk)
    for parent, sample in children.values_list("parent", "sample"):
        while parent in jobs and jobs[parent].sample_id == sample:
            superseded.add(parent)
            parent = jobs[parent].parent_id
    for parent, pks in children_of.items():
        Job.objects.filter(pk__in=pks).update(parent=parent)
    return superseded


def _count_earlier_result(job: Job, earlier: UUID | None) -> None:
    """Let the result `earlier` (id), from which this job was made, count in the sample instead of this
    job."""
    before = Job.objects.filter(pk=earlier).first() if earlier else None
    if before is None or before.sample_id not in (None, job.sample_id):
        return
    new_fields: dict[str, Any] = {}
    if before.sample_id is None:
        if before.state != Job.State.DONE or before.get_settings().task != job.get_settings().task:
            return
        new_fields = fields_for_pooling(before)
        if new_fields and before.signature_hash:  # a signed result is never measured again
            return
    Job.objects.filter(pk=before.pk).update(sample=job.sample_id, **job.inherited_place, **new_fields)
    refresh_after_commit(job.sample_id)


def fields_for_pooling(job: Job) -> dict[str, Any]:
    """The new fields of a result that is put into a sample: a result without the table for pooling is
    queued to be measured again; {} for other results."""
    return {} if job.artifact(tables.TABLE_FILE) else {"queued": timezone.now(), **RESTART_FIELDS}


def _locked_upload(job: Job) -> Micrograph:
    """The image of a job, locked. Call it before the job is locked, because a worker locks them in
    this order.

    Raises Refused (404) if it is deleted.
    """
    micrograph = Micrograph.objects.locked(job.micrograph_id)
    if micrograph is None:
        raise Refused(GONE, 404)
    return micrograph


def file_hashes(micrograph: Micrograph) -> list[str]:
    """The SHA-256 of an upload's file and of its side files, and the requested pages."""
    pages = [micrograph.pages] if micrograph.pages else []
    return [micrograph.sha256, *pages, *(side_file.get("sha256", "") for side_file in micrograph.side)]
