"""Jobs that analyse or measure an image: how they are made, cancelled, tried again, run again with
other settings, and deleted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from ...core.analysis import AnalysisSettings
from ...core.micrograph.readings import CUT_OFF
from ...core.micrograph.stated import StatedScale
from ...models import AFRESH, AGAIN, Job, MethodVersion, Micrograph, Segmentation
from ..access.webhooks import announce
from ..ground import tables
from ..ground.callers import fingerprint, submission_of
from ..ground.files import removing_together
from ..ground.limits import check_waiting, count_megapixels
from ..ground.queue import INSPECTIONS, enqueue_after_commit, ring
from ..ground.refusal import Refused, move
from ..ground.requested import refuse_tall_bar
from ..ground.space import frees_room
from .growing import check_open
from .models_offered import check_model
from .pooling import refresh_after_commit
from .publishing import segmentation_for
from .signing import KEPT, signed_jobs
from .uploads import discard_unused

GONE = "This analysis has been deleted."
ENDED = "This analysis has already ended, so there is nothing to cancel."
NO_RETRY = "Only an analysis that failed or was cancelled can be tried again."
OTHER_CONTENT = "This Idempotency-Key belongs to another file or other settings: use a new key."
OTHER_OUTLINES = (
    "These settings would outline the image anew, without the corrections: beside edits or outlines send only settings"
    " of measuring."
)
UNCORRECTED = "before all corrections"  # title of the version that `before_corrections` makes
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
    """Make a job for an image; it is enqueued when the image was inspected.

    token, key: identify a submission (`submission_of`), so that a double click or a reload makes no
    second job; the second upload of the image is then removed. asked: the stated scale
    (`StatedScale`), used instead of the calibration in the settings. parent: the job from whose
    result this one is made. segmentation: existing outlines to measure; without them the network
    finds outlines. corrects: how many corrections of the parent are measured. outlines: the file of
    another tool whose outlines are measured, see `Job`. method: the version of a method that the
    settings follow; without it that of the parent. shelve: store a job beyond its maker's limits as
    failed, to be tried again later, instead of refusing it. Raises Refused (409 if the key belongs
    to another submission, 422 if the file is no image, 429 too many), ValueError if image and
    request do not fit.
    """
    if segmentation is None and corrects is None and not outlines:
        check_model(settings.segmentation.model, user)
    identity = [str(segmentation.pk)] if segmentation else []
    identity += [f"{parent.pk} {corrects}"] if parent and corrects is not None else []
    identity += [f"{parent.pk} {outlines['sha256']}"] if parent and outlines else []
    method = method or (parent.method if parent else None)
    identity += [f"method {method.pk}"] if method else []
    content = fingerprint(files_of(micrograph), settings.as_dict(), asked, *identity)
    submission = submission_of("job", user, visitor, token=token, key=key, content=content)
    job = Job.objects.filter(submission=submission).first()
    if job is None:
        fields = {"micrograph": micrograph, "content": content, "parent": parent, "segmentation": segmentation}
        fields |= {"corrects": corrects, "outlines": outlines or {}, "method": method}
        fields |= Job.fields_of(user, visitor, address)
        fields |= parent.judged_by if parent else {}
        job = _create(submission, settings, asked, shelve, fields)
    if job.content != content:
        raise Refused(OTHER_CONTENT, 409)
    if job.micrograph_id != micrograph.pk:
        discard_unused(micrograph)
    return job


def _create(
    submission: str, settings: AnalysisSettings, asked: dict[str, Any] | None, shelve: bool, fields: dict[str, Any]
) -> Job:
    """A new job, or the equal one that another request made at the same moment. The image is locked
    meanwhile."""
    parent, micrograph = fields["parent"], Micrograph.objects.locked(fields["micrograph"].pk)
    if micrograph is None or (parent and not Job.objects.filter(pk=parent.pk).exists()):
        raise Refused(GONE, 404)
    if micrograph.state == Micrograph.State.FAILED:
        raise Refused(micrograph.error, 422)
    fields |= {"id": uuid4(), "micrograph": micrograph}
    new = Job(**fields)
    has_scale = asked is None or not micrograph.waits_for_bar(asked)
    state, error, ready = Job.State.QUEUED, "", micrograph.is_read and has_scale
    try:
        check_waiting(**new.maker)
        count_megapixels(new)
    except Refused as refusal:
        if not shelve:
            raise
        state, error, ready = Job.State.FAILED, refusal.sentence, False
    if ready:
        settings = fitting(settings, asked, micrograph)
    fields |= {"settings": settings.as_dict(), "model_name": settings.segmentation.model, "state": state}
    fields |= {"error": error, "finished": timezone.now() if error else None}
    fields |= {"ready": ready, "asked": {} if ready or asked is None else asked}
    job, created = Job.objects.get_or_create(submission=submission, defaults=fields)
    if created and (ready or (micrograph.is_read and state == Job.State.QUEUED)):
        enqueue_after_commit(job.pk)
    return job


def fitting(settings: AnalysisSettings, requested: dict[str, Any] | None, micrograph: Micrograph) -> AnalysisSettings:
    """The settings with the requested calibration; raises ValueError if the image does not fit it."""
    if requested is not None:
        settings = settings.replaced(calibration=StatedScale.of(requested).calibration(micrograph.scale))
    refuse_tall_bar(settings, micrograph)
    return settings


@transaction.atomic
def change_job(*, job: Job, settings: AnalysisSettings, asked: dict[str, Any] | None) -> bool:
    """Let an unfinished analysis go on with other settings; returns False if it has ended.

    Outlines stay, and a running search for them goes on, if the new settings would find the same.
    asked: as in `create_job`. Raises Refused and ValueError as `create_job` does.
    """
    check_model(settings.segmentation.model, job.owner)
    micrograph, now = _locked_upload(job), Job.objects.locked(job.pk)
    if now is None or now.is_finished or now.is_by_hand:
        return False
    ready = micrograph.is_read and (asked is None or not micrograph.waits_for_bar(asked))
    if ready:
        settings = fitting(settings, asked, micrograph)
    before = now.get_settings()
    same_outlines = (before.task, before.segmentation) == (settings.task, settings.segmentation)
    fields = {"settings": settings.as_dict(), "ready": ready, "asked": {} if ready or asked is None else asked}
    goes_on = now.state == Job.State.RUNNING or ready == now.ready
    # Otherwise the running attempt reads the new settings before it measures.
    if not same_outlines or now.segmentation_id or not goes_on:
        fields |= {**AFRESH, "segmentation": now.segmentation if same_outlines else None, "summary": {}, "early": {}}
        fields |= {"model_name": settings.segmentation.model, "queued": timezone.now()}
        if ready:
            enqueue_after_commit(job.pk)
    Job.objects.filter(pk=job.pk).update(**fields)
    return True


def begin_unscaled(job: Job) -> None:
    """Start a job whose scale is not read yet: it finds the outlines and then waits. Beyond a limit
    it fails."""
    try:
        count_megapixels(job)
    except Refused as refusal:
        fail_waiting(job, refusal.sentence)
        return
    enqueue_after_commit(job.pk)
    transaction.on_commit(lambda: ring(INSPECTIONS))  # to read the data bar at the same time


def wait_for_scale(job: Job) -> None:
    """Put a job back into the queue when its outlines are found and the data bar of its image is
    still being read. The next attempt measures them with the scale. Raises Superseded if the job no
    longer belongs to this attempt."""
    if not Job.objects.filter(pk=job.pk, state=Job.State.RUNNING, attempt=job.attempt).update(**AGAIN):
        job.report()  # raises Superseded
    job.refresh_from_db()
    if job.ready:
        enqueue_after_commit(job.pk)
    elif not job.micrograph.waits_for_bar(job.asked):
        make_ready(job)


def make_ready(job: Job) -> None:
    """Let a job run after its image was read. If that is refused, it fails, and its settings stay
    for another try."""
    try:
        settings = fitting(job.get_settings(), job.asked or None, job.micrograph)
        count_megapixels(job)
    except (ValueError, Refused) as problem:
        fail_waiting(job, str(problem))
        return
    fields = {"settings": settings.as_dict(), "ready": True, "asked": {}, "queued": timezone.now()}
    Job.objects.filter(pk=job.pk).update(**fields)
    # A worker may have got its last message before the job was ready.
    enqueue_after_commit(job.pk, again=True)


def fail_waiting(job: Job, sentence: str) -> None:
    """Fail a job that no worker has taken yet; within a transaction."""
    ended = {"state": Job.State.FAILED, "error": sentence, "finished": timezone.now()}
    if Job.objects.filter(pk=job.pk, state=Job.State.QUEUED).update(**ended):
        job.error = sentence
        announce(job, "job.failed")


def finish_corrections(*, job: Job, settings: AnalysisSettings, **who: Any) -> Job:
    """A new job that measures the corrected outlines of a job; raises Refused if nothing was
    corrected.

    who: user, visitor, address and token, as for `create_job`.
    """
    if job.segmentation_id is None or not job.is_corrected:
        raise Refused(NOTHING_CORRECTED, 409)
    if segmentation_for(job, settings) is None:
        raise Refused(OTHER_OUTLINES, 422)
    return create_job(micrograph=job.micrograph, settings=settings, parent=job, corrects=job.edit_count, **who)


def go_on(*, job: Job, **who: Any) -> Job:
    """A new job with the outlines of a version, in which they can be corrected further. A second
    call gives the same job.

    who: user, visitor and address, as for `create_job`.
    """
    token = f"goes on {job.pk} {job.edit_count}"
    return rerun_job(job=job, settings=job.get_settings(), token=token, **who)


@transaction.atomic
def before_corrections(*, job: Job, **who: Any) -> Job:
    """A version with the outlines of a result before all its corrections. A second call gives the
    same. who: as in `go_on`."""
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
    """A new job for the image of a job, with other settings. If they would find the same outlines,
    it only measures the corrected outlines again.

    again: let the network find outlines in any case, for example with a newer model. who: user,
    visitor, address and token, as for `create_job`.
    """
    outlines: dict[str, Any] = {"segmentation": None if again else segmentation_for(job, settings)}
    if outlines["segmentation"] is not None and job.is_corrected:
        outlines = {"corrects": job.edit_count}
    return create_job(micrograph=job.micrograph, settings=settings, parent=job, **outlines, **who)


@frees_room
@transaction.atomic
def cancel_job(*, job: Job) -> Job:
    """Stop a job that waits or runs. A second call changes nothing."""
    move(job, Job.UNFINISHED, ENDED, GONE, state=Job.State.CANCELLED, finished=timezone.now(), early={})
    refresh_after_commit(job.sample_id)
    return job


@transaction.atomic
def retry_job(*, job: Job) -> Job:
    """Queue a failed or cancelled job once more. For a finished job whose data bar was not read in
    time, read it again.

    A second call changes nothing. Raises Refused (409 if it cannot be tried again, 429 if its maker
    has too many jobs running).
    """
    job.micrograph = _locked_upload(job)
    if job.sample:
        check_open(job.sample)
    if job.micrograph.is_useless:
        raise Refused(UNREADABLE, 409)
    if job.is_done and job.scale_check != "done":
        read_bar_again(job.micrograph)
        job.refresh_from_db()
        return job
    if job.can_retry:
        check_waiting(**job.maker)
        count_megapixels(job)
    move(job, (Job.State.FAILED, Job.State.CANCELLED), NO_RETRY, GONE, queued=timezone.now(), **AFRESH)
    refresh_after_commit(job.sample_id)
    if job.micrograph.state == Micrograph.State.FAILED:
        Micrograph.objects.filter(pk=job.micrograph_id).update(**AFRESH)
        transaction.on_commit(lambda: ring(INSPECTIONS))
    elif job.micrograph.is_read and not job.ready and not job.micrograph.waits_for_bar(job.asked):
        make_ready(job)
        job.refresh_from_db()
    elif job.sample_id is None and job.ready:
        enqueue_after_commit(job.pk)
    return job


def read_bar_again(micrograph: Micrograph) -> None:
    """Queue an image whose data bar was not read in time. The reading is then compared with its
    finished results."""
    if Micrograph.objects.filter(pk=micrograph.pk, reading__note=CUT_OFF).update(reading={}, **AFRESH):
        for job in micrograph.jobs.filter(state=Job.State.DONE, signature_hash=""):
            Job.objects.filter(pk=job.pk).update(summary={**job.summary, "unread": True})
        transaction.on_commit(lambda: ring(INSPECTIONS))


def delete_job(*, job: Job, signed: bool = False) -> None:
    """Remove one job as `delete_jobs` does; raises Refused (409) if it is signed and must stay."""
    if delete_jobs([job.pk], signed=signed):
        raise Refused(KEPT, 409)


@frees_room
@transaction.atomic
def delete_jobs(pks: Iterable[UUID], *, signed: bool = False) -> set[UUID]:
    """Remove jobs in any state with their files, and images that no other job needs. Returns the
    ids of jobs that stay.

    The rows are removed at once; if there are many files, they are removed later
    (`remove_after_commit`). signed: remove also signed jobs, and jobs from whose outlines a signed
    one was made; otherwise these stay.
    """
    requested = set(pks)
    staying = set() if signed else requested & signed_jobs()
    leaving = Job.objects.filter(pk__in=requested - staying)
    # First the images, then the jobs: a worker locks them in the same order.
    images = list(leaving.values_list("micrograph", flat=True))
    images = list(Micrograph.objects.select_for_update().filter(pk__in=images).order_by("pk").only("pk"))
    # Locked, because somebody may be correcting one; without the long columns, which nobody needs.
    locked_jobs = leaving.select_for_update().order_by("pk")
    locked_jobs = locked_jobs.only("pk", "parent", "sample", "included", "segmentation")
    jobs = {job.pk: job for job in locked_jobs}
    superseded = _give_children_new_parents(jobs)
    for job in jobs.values():
        if job.sample_id and job.pk not in superseded:
            _count_earlier_result(job, _last_staying(jobs, job.pk))
    with removing_together():
        Job.objects.filter(pk__in=jobs).only("pk", "sample", "segmentation").delete()
        measured = {job.segmentation_id for job in jobs.values()}
        Segmentation.objects.filter(pk__in=measured, jobs=None).only("pk").delete()
        discard_unused(*images)
    return staying


def _last_staying(jobs: dict[UUID, Job], pk: UUID | None) -> UUID | None:
    """The nearest result that is not in `jobs`: the job `pk` itself, its parent, the parent of that
    and so on; None if there is none."""
    while pk in jobs:
        pk = jobs[pk].parent_id
    return pk


def _give_children_new_parents(jobs: dict[UUID, Job]) -> set[UUID]:
    """Give the jobs that were made from these jobs a parent that stays.

    Returns the ids of those of these jobs that a later result in the same sample replaces already.
    """
    superseded, children_of = set[UUID](), defaultdict[UUID | None, list[UUID]](list)
    children = Job.objects.filter(parent__in=jobs).exclude(pk__in=jobs)
    may_follow = Q(corrects=None, outlines={})
    # A job that measures corrections of its parent, or imported outlines, belongs to no other
    # parent.
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
    """Let the result `earlier`, from which this job was made, count in the sample in place of this
    job."""
    before = Job.objects.filter(pk=earlier).first() if earlier else None
    if before is None or before.sample_id not in (None, job.sample_id):
        return
    new_fields: dict[str, Any] = {}
    if before.sample_id is None:
        if before.state != Job.State.DONE or before.get_settings().task != job.get_settings().task:
            return
        new_fields = measured_for_pooling(before)
        if new_fields and before.signature_hash:  # a signed result is never measured again
            return
    Job.objects.filter(pk=before.pk).update(sample=job.sample_id, **job.place_in_sample, **new_fields)
    refresh_after_commit(job.sample_id)


def measured_for_pooling(job: Job) -> dict[str, Any]:
    """The new fields of a result that is put into a sample: a result without the table for pooling
    is measured again; {} for others."""
    return {} if job.artifact(tables.NAME) else {"queued": timezone.now(), **AFRESH}


def _locked_upload(job: Job) -> Micrograph:
    """The image of a job, locked. Call it before the job is locked, because a worker locks them in
    this order.

    Raises Refused (404) if it is deleted.
    """
    micrograph = Micrograph.objects.locked(job.micrograph_id)
    if micrograph is None:
        raise Refused(GONE, 404)
    return micrograph


def files_of(micrograph: Micrograph) -> list[str]:
    """The SHA-256 of an upload's file and of its side files, and the requested pages."""
    pages = [micrograph.pages] if micrograph.pages else []
    return [micrograph.sha256, *pages, *(side_file.get("sha256", "") for side_file in micrograph.side)]
