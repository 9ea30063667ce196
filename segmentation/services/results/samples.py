"""Makes, changes, cancels, repeats and deletes samples, and sets which of their images count."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import Count, F, Q, QuerySet
from django.utils import timezone

from ...core.analysis import AnalysisSettings
from ...core.micrograph.calibration.stated import StatedScale
from ...core.micrograph.scale_bar.readings import CUT_OFF
from ...core.names import clean_text
from ...core.settings import Regions, regions_of
from ...models import RESTART_FIELDS, SHOWN_NAME, Job, MethodVersion, Micrograph, Sample
from ...models.samples import LONGEST_TYPED
from ...quality.limits import services as judging
from ..ground import bounds, staff_log
from ..ground.callers import fingerprint, submission_id
from ..ground.files import remove_files_together
from ..ground.refusal import Refused, lock
from ..ground.space import with_disk_reserve
from . import growing
from .corrections.signing import signed_jobs
from .corrections.steps import ask_for_numbers
from .jobs import (
    OTHER_CONTENT,
    delete_jobs,
    fields_for_pooling,
    file_hashes,
    read_bar_again,
    settings_for_image,
)
from .models_offered import check_model
from .pooling import refresh_after_commit
from .publishing import segmentation_for
from .uploads import Note, discard_unused

GONE = "This sample has been deleted."
NO_IMAGES = "None of these files is an image that can be analysed, so there is no sample to make."
NOT_ITS_IMAGE = "This is no result of an image of the sample."
OTHER_KIND = "This result is of another kind of analysis than the sample: it cannot count there."
UNFINISHED = "Both results of the image must have ended before one can take the place of the other."
SIGNED = (
    "This signed result would have to be measured again for the sample, and a signed result never changes: run it again"
    " with the same settings, and use that one."
)
SIGNED_RESULT = (
    "A result of this sample is signed, or a signed one is made from it: only an administrator may delete it."
)
UNDER_WAY = "Images of this sample are still under way: wait for them or cancel them first."
FULL = "The sample is full: {limit} images are the limit, and this one was left out."
UNNAMED = "Unnamed sample"
AND_MORE = re.compile(r" and \d+ more$")  # end of a title by `_default_title`
NO_RESULTS = "Tick the results first that the sample is made of."
TOO_MANY = "A sample holds up to {limit} images: tick fewer results."
NOT_DONE = "Only finished results with stored outlines can make a sample: tick no others."
SEVERAL_KINDS = "These results are of several kinds of analysis, and a sample has one: tick results of one kind."
ONE_IMAGE = "Two of these results are of the same image: tick each image once."


class ScaleRule(NamedTuple):
    """The rule by which a sample gives its images a scale; the fields are those of `Sample`.

    typed: the text that the user typed for `value`. `forms.samples` makes sure that the rule has
    its value.
    """

    rule: str = Sample.Rule.OWN
    value: float | None = None
    typed: str = ""

    def fields(self) -> dict[str, Any]:
        """The fields of the `Sample`."""
        return {**self._asdict(), "typed": clean_text(self.typed, LONGEST_TYPED)}


@transaction.atomic
def create_sample(
    *,
    name: str,
    uploads: Iterable[Micrograph],
    settings: AnalysisSettings,
    scale: ScaleRule,
    user: Any,
    visitor: UUID | None,
    address: str = "",
    token: str = "",
    key: str = "",
    notes: Iterable[Note] = (),
    method: MethodVersion | None = None,
) -> Sample:
    """Make a sample of uploads and queue an analysis of each image; at the end the numbers are pooled.
    Images that are not read yet are added later.

    notes: on the files that were sent (`Intake`). token, key: identify a submission
    (`submission_id`). method: the version of a method that the settings follow. Raises Refused (400
    no images, 409 if the key belongs to another submission, 429 too many).
    """
    check_model(settings.segmentation.model, user)
    uploads = list(uploads)
    # The None comes from version 1.0.0; without it the hashes of equal submissions would differ.
    files = [[*file_hashes(micrograph), None] for micrograph in uploads]
    identity = [f"method {method.pk}"] if method else []
    content = fingerprint(files, _clean_name(name), settings.as_dict(), scale.fields(), *identity)
    submission = submission_id("sample", user, visitor, token=token, key=key, content=content)
    sample = Sample.objects.filter(submission=submission).first()
    if sample is None:
        if not uploads:
            raise Refused(NO_IMAGES)
        who = {"user": user, "visitor": visitor, "address": address}
        title = clean_text(name, SHOWN_NAME) or _default_title(uploads[0].name, len(uploads))
        fields = {"name": title, "content": content, "method": method, **scale.fields()}
        fields |= judging.fields_by_method(method)
        sample, created = _new_sample(submission, who, settings, **fields)
        if created:
            take_in_images(sample, uploads, notes)
            return sample
    if sample.content != content:
        raise Refused(OTHER_CONTENT, 409)
    discard_unused(*uploads)  # the sample has the images of the first submission
    return sample


@transaction.atomic
def sample_of_results(
    *, name: str, jobs: Iterable[Job], moves: bool = False, user: Any, visitor: UUID | None, token: str = "", **who: Any
) -> Sample:
    """Make a sample of finished results: new jobs in the sample measure the outlines of the results,
    which stay as they are.

    moves: if possible, move the results themselves into the sample instead. The sample gets the
    settings of the first result, and the method if all results have the same; each image keeps its
    settings and scale. token: of a form. Raises Refused (409 for results that are not done,
    422 for results of several kinds or of one image, 429 too many).
    """
    jobs = list(jobs)
    _check_results(jobs)
    newest = [_with_last_scale(job) if moves else job for job in jobs]
    content = fingerprint([str(job.pk) for job in jobs], _clean_name(name))
    submission = submission_id("sample of results", user, visitor, token=token, key="", content=content)
    who |= {"user": user, "visitor": visitor}
    title = clean_text(name, SHOWN_NAME) or _default_title(jobs[0].micrograph.name, len(jobs))
    methods = {job.method for job in newest}
    fields = {"name": title, "content": content, "method": methods.pop() if len(methods) == 1 else None}
    fields |= judging.shared_by(jobs)
    sample, created = _new_sample(submission, who, newest[0].get_settings(), **fields)
    if created:
        for job, last in zip(jobs, newest, strict=True):
            corrected = {"corrects": job.edit_count} if job.is_corrected else {}
            if corrected or not (moves and _move_if_possible(sample, last)):
                rerun_fields = {"parent": job, **(corrected or {"segmentation": job.segmentation})}
                _new_job(sample, job.micrograph, last.get_settings(), **rerun_fields).save(force_insert=True)
        refresh_after_commit(sample.pk)
    return sample


def _with_last_scale(job: Job) -> Job:
    """The last job of the same maker that measured the outlines of this job again: it has the last scale
    that the maker stated. It may be unfinished. Without such a job, the job itself."""
    same = {"segmentation": job.segmentation_id, "owner": job.owner_id, "visitor": job.visitor, "sample": None}
    later = Job.objects.filter(parent=job, **same).exclude(state__in=("failed", "cancelled"))
    return later.order_by("created").last() or job


def _move_if_possible(sample: Sample, job: Job) -> bool:
    """Move a result into a new sample of the same maker, if possible; returns whether it was moved."""
    rerun_fields = fields_for_pooling(job)
    single = Job.objects.filter(pk=job.pk, sample=None, owner=sample.owner_id, visitor=sample.visitor, state="done")
    is_fixed = rerun_fields and job.signature_hash  # a signed result is never measured again
    return not is_fixed and bool(single.update(sample=sample, **rerun_fields))


def _new_sample(submission: str, who: dict[str, Any], settings: AnalysisSettings, **fields: Any) -> tuple[Sample, bool]:
    """The sample of a submission, and whether it is new; raises Refused (429) if its maker has too
    many."""
    bounds.ask(Sample, **who)
    fields |= {"settings": settings.replaced(calibration=None).as_dict(), **Sample.fields_of(**who)}
    return Sample.objects.get_or_create(submission=submission, defaults=fields)


def _check_results(jobs: list[Job]) -> None:
    """Raises Refused if these results cannot make a sample."""
    limit = settings.DEEPSEGM_SAMPLE_IMAGES
    if not jobs:
        raise Refused(NO_RESULTS)
    if len(jobs) > limit:
        raise Refused(TOO_MANY.format(limit=limit), 422)
    if any(not job.is_done or job.segmentation_id is None for job in jobs):
        raise Refused(NOT_DONE, 409)
    if len({job.get_settings().task for job in jobs}) > 1:
        raise Refused(SEVERAL_KINDS, 422)
    if len({job.micrograph.sha256 for job in jobs}) < len(jobs):
        raise Refused(ONE_IMAGE, 422)


@transaction.atomic
def add_images(*, sample: Sample, uploads: Iterable[Micrograph], notes: Iterable[Note] = ()) -> list[Note]:
    """Add images to a sample and queue their analyses with its settings; returns all notes on these
    images. Raises Refused (404, 409 the sample is closed)."""
    lock(sample, GONE)
    growing.check_takes_images(sample)
    return take_in_images(sample, list(uploads), notes)


@transaction.atomic
def rename_sample(*, sample: Sample, name: str) -> None:
    """Rename a sample. Its files contain the name, so they are written again."""
    lock(sample, GONE)
    if Sample.objects.filter(pk=sample.pk).exclude(name=_clean_name(name)).update(name=_clean_name(name)):
        refresh_after_commit(sample.pk)


@transaction.atomic
def include_images(*, sample: Sample, included: Mapping[UUID, bool], account: Any = None) -> None:
    """Include images in the pooled numbers or leave them out, then pool the sample again. A second call
    changes nothing.

    included: by the id of a result, whether it counts; including an image that waits is the agreement
    of the user. account: who does this. Raises Refused (409) if the sample is closed.
    """
    lock(sample, GONE)
    members = sample.members.filter(pk__in=included)
    members = members.select_related("micrograph").only("included", "waits", "micrograph__name")
    changed = [job for job in members if job.included != included[job.pk]]
    if not changed:
        return
    growing.check_not_closed(sample)
    for job in changed:
        growing.decide(job, account, included=included[job.pk])
    refresh_after_commit(sample.pk)


@transaction.atomic
def replace_image(*, sample: Sample, job: Job, account: Any = None) -> None:
    """Count this result of an image instead of the present one, which becomes a separate result.

    account: who does this. Raises Refused if the image is not in the sample (404), if the sample is closed,
    or if one of the two results cannot be exchanged (409).
    """
    lock(sample, GONE)
    counted_job = sample.members.filter(micrograph=job.micrograph_id).first()
    if counted_job is None:
        raise Refused(NOT_ITS_IMAGE, 404)
    if counted_job.pk == job.pk:
        return
    growing.check_not_closed(sample)
    if not counted_job.is_finished or job.state != Job.State.DONE:
        raise Refused(UNFINISHED, 409)
    if job.get_settings().task != counted_job.get_settings().task:
        raise Refused(OTHER_KIND, 409)
    sample.jobs.filter(micrograph=job.micrograph_id).update(sample=None)
    rerun_fields = fields_for_pooling(job)
    if rerun_fields and job.signature_hash:
        raise Refused(SIGNED, 409)
    place = {**counted_job.inherited_place, "sample": sample, **rerun_fields}
    Job.objects.filter(pk=job.pk).update(**place)
    before = {"result": str(counted_job.pk)}
    staff_log.note(account, "counted another result", job, before, {"result": str(job.pk)})
    refresh_after_commit(sample.pk)


def _unmeasured(sample: Sample) -> QuerySet[Job]:
    """The finished results in a sample whose numbers do not include their last corrections. (Undone
    edits and undos are both counted as edits.)"""
    undone = Count("edits", filter=Q(edits__undoes__isnull=False))
    done = sample.members.filter(state=Job.State.DONE).exclude(edit_count=F("step")).annotate(undone=undone)
    return done.filter(Q(step__gt=0) | Q(edit_count__gt=2 * F("undone")))


def outdated_versions(sample: Sample) -> QuerySet[Job]:
    """The versions in a sample whose numbers do not include their last corrections. Only earlier
    releases made such versions."""
    return _unmeasured(sample).filter(fixed=True)


def measure_last_corrections(sample: Sample) -> None:
    """Let workers measure the last corrections of a sample's images. After each image the sample is
    pooled again."""
    # Pages call this often; this quick query is mostly enough.
    if not sample.jobs.exclude(edit_count=F("step")).exists():
        return
    for job in _unmeasured(sample).filter(fixed=False).select_related("micrograph", "segmentation"):
        ask_for_numbers(job)


@transaction.atomic
def replace_outdated_versions(*, sample: Sample, account: Any = None) -> None:
    """Count results with the last corrections instead of versions without them (`outdated_versions`).

    The versions become separate results. If a result with these corrections exists, it is used; if
    it was corrected further, a new job measures these corrections, too.
    """
    lock(sample, GONE)
    growing.check_not_closed(sample)
    new, replaced = [], []
    for job in list(outdated_versions(sample).select_related("micrograph")):
        newest = _newest_version(job)
        if newest.pk != job.pk and not newest.is_corrected:
            replace_image(sample=sample, job=newest, account=account)
        else:
            rerun_fields = {"parent": newest, "corrects": newest.edit_count, **job.inherited_place}
            new.append(_new_job(sample, job.micrograph, newest.get_settings(), **rerun_fields))
            replaced.append(job.pk)
    Job.objects.filter(pk__in=replaced).update(sample=None)
    Job.objects.bulk_create(new)
    refresh_after_commit(sample.pk)


def _newest_version(job: Job) -> Job:
    """The last result in the chain that begins with this job: each measures the corrections of the one
    before. The job itself if no result measures its corrections."""
    while job.is_corrected:
        measured = job.reruns.filter(corrects=job.edit_count, sample=None, state=Job.State.DONE)
        if (later := measured.select_related("micrograph").order_by("created").last()) is None:
            break
        job = later
    return job


@transaction.atomic
def retry_failed(*, sample: Sample) -> None:
    """Queue failed and cancelled images again, as many as the limits of their maker allow, and pool the
    sample. Data bars that were not read in time are read again.

    Raises Refused (429) if too many samples are running.
    """
    lock(sample, GONE)
    growing.check_not_closed(sample)
    if not sample.jobs.filter(state__in=Job.UNFINISHED).exists():
        bounds.ask(Sample, **sample.maker)
    failed_jobs = sample.members.filter(state__in=(Job.State.FAILED, Job.State.CANCELLED)).select_related("micrograph")
    for job in failed_jobs.order_by("created", "pk"):
        try:
            bounds.count_megapixels(job)
        except Refused:
            break
        Job.objects.filter(pk=job.pk).update(queued=timezone.now(), **RESTART_FIELDS)
    for job in sample.members.filter(state=Job.State.DONE, micrograph__reading__note=CUT_OFF):
        read_bar_again(job.micrograph)
    refresh_after_commit(sample.pk)


@with_disk_reserve
@transaction.atomic
def cancel_sample(*, sample: Sample) -> None:
    """Cancel the unfinished images of a sample; its finished images are pooled."""
    arriving = list(Micrograph.objects.select_for_update().filter(sample=sample))
    sample.jobs.filter(state__in=Job.UNFINISHED).update(state=Job.State.CANCELLED, finished=timezone.now())
    _release_uploads(arriving)
    refresh_after_commit(sample.pk)


@transaction.atomic
def recalibrate_sample(*, sample: Sample, scale: ScaleRule) -> None:
    """Give a sample another rule for the scale. Each image whose scale changes gets a new job that
    measures its outlines; the earlier job becomes the parent and does not change. Raises Refused
    (404, 409).
    """
    lock(sample, GONE)
    growing.check_not_closed(sample)
    if sample.jobs.filter(state__in=Job.UNFINISHED).exists():
        raise Refused(UNDER_WAY, 409)
    members = list(sample.members.select_related("micrograph", "segmentation").order_by("created", "pk"))
    earlier_scales = {job.pk: sample.stated_calibration(job.micrograph) for job in members}
    for name, value in scale.fields().items():
        setattr(sample, name, value)
    sample.save(update_fields=ScaleRule._fields)
    if sample.rule != Sample.Rule.OWN:  # for images that are still being read or unpacked
        Micrograph.objects.filter(sample=sample).update(asked={})
    reruns = []
    for job in members:
        calibration, stated = sample.stated_calibration(job.micrograph), job.get_settings().measurement.calibration
        # This scale was typed or drawn for this image, so it stays.
        if sample.rule == Sample.Rule.OWN and stated not in (None, earlier_scales[job.pk]):
            calibration = stated
        settings = job.get_settings().replaced(calibration=calibration)
        if settings != job.get_settings():
            reruns.append(_measured_again(job, settings))
    Job.objects.bulk_create(reruns)
    refresh_after_commit(sample.pk)


def others_of_this_size(sample: Sample, job: Job) -> list[Job]:
    """The other results in a sample whose images have the size of a job's image, but which ignore other
    regions."""
    size = {"micrograph__width": job.micrograph.width, "micrograph__height": job.micrograph.height}
    others = sample.members.filter(state=Job.State.DONE, **size).exclude(micrograph=job.micrograph_id)
    ignored = job.get_settings().measurement.ignore
    results = others.select_related("micrograph", "segmentation").defer("summary").order_by("created", "pk")
    return [other for other in results if other.get_settings().measurement.ignore != ignored]


@transaction.atomic
def ignore_in_sample(*, sample: Sample, job: Job, account: Any = None) -> None:
    """Ignore the regions that a result ignores in all images of the same size in its sample: these are
    measured again, with their corrections. The result itself counts in the sample then."""
    lock(sample, GONE)
    growing.check_not_closed(sample)
    if sample.jobs.filter(state__in=Job.UNFINISHED).exists():
        raise Refused(UNDER_WAY, 409)
    replace_image(sample=sample, job=job, account=account)
    reruns = []
    for other in others_of_this_size(sample, job):
        settings = other.get_settings().replaced(ignore=job.get_settings().measurement.ignore)
        reruns.append(_measured_again(other, settings))
    Job.objects.bulk_create(reruns)
    refresh_after_commit(sample.pk)


@transaction.atomic
def scale_image(*, job: Job, settings: AnalysisSettings) -> Job:
    """Measure an image of a sample with a scale that the user has given; the new job counts instead of the
    present one. Returns the job that counts."""
    lock(job.sample, GONE)
    growing.check_not_closed(job.sample)
    counted_job = job.sample.members.filter(micrograph=job.micrograph_id).first() or job
    if counted_job.settings == settings.as_dict():
        return counted_job
    new = _measured_again(counted_job, settings)
    new.save(force_insert=True)
    refresh_after_commit(job.sample_id)
    return new


def _measured_again(job: Job, settings: AnalysisSettings) -> Job:
    """A new job, not stored yet, that measures the corrected outlines of a job with other settings and
    replaces it in the sample."""
    segmentation = segmentation_for(job, settings)
    is_corrected = segmentation is not None and job.is_corrected
    outlines = {"corrects": job.edit_count} if is_corrected else {"segmentation": segmentation}
    rerun_fields = {"parent": job, **job.inherited_place, **outlines}
    return _new_job(job.sample, job.micrograph, settings, **rerun_fields)


@with_disk_reserve
@transaction.atomic
def delete_sample(*, sample: Sample, signed: bool = False) -> None:
    """Delete a sample in any state, with its jobs, and its images if no other job needs them. The rows
    are deleted at once, many files later (`remove_after_commit`).

    signed: delete also a sample with signed results; otherwise such a sample raises Refused (409).
    """
    if not signed and sample.jobs.filter(pk__in=signed_jobs()).exists():
        raise Refused(SIGNED_RESULT, 409)
    pks = list(sample.jobs.values_list("pk", flat=True))
    with remove_files_together():
        _release_uploads(Micrograph.objects.select_for_update().filter(sample=sample))
        sample.jobs.update(sample=None)  # so that the deletions below do not pool the sample
        delete_jobs(pks, signed=True)
        sample.delete()


def _release_uploads(arriving: Iterable[Micrograph]) -> None:
    """Delete the uploads for which a sample waits. Uploads that a job uses stay."""
    arriving = list(arriving)
    Micrograph.objects.filter(pk__in=[micrograph.pk for micrograph in arriving]).update(sample=None)
    discard_unused(*arriving)


def _clean_name(name: str) -> str:
    """A sample's name on one line, without invisible characters; UNNAMED if nothing is left."""
    return clean_text(name, SHOWN_NAME) or UNNAMED


def _default_title(name: str, images: int) -> str:
    """The title of a sample without a name: the name of its first image, and the number of the other
    images."""
    more = f" and {images - 1} more" if images > 1 else ""
    return f"{name[: SHOWN_NAME - len(more)]}{more}"


def add_notes(sample: Sample, notes: Iterable[Note]) -> None:
    """Add notes about uploads to a sample, whose page shows them; none is added twice."""
    lock(sample, GONE)
    entries = [*sample.notes, *(note.as_dict() for note in notes)]
    sample.notes = list({(entry["name"], entry["sentence"]): entry for entry in entries}.values())
    sample.save(update_fields=["notes"])


def add_read_images(sample: Sample, uploads: Iterable[Micrograph]) -> list[Note]:
    """Add uploads that were read to a sample, and start their jobs. Uploads that cannot belong to it are
    deleted; returns notes on these. Call it in a transaction."""
    lock(sample, GONE)
    name_by_sha256 = dict(sample.jobs.values_list("micrograph__sha256", "micrograph__name"))
    notes = []
    for micrograph in uploads:
        Micrograph.objects.filter(pk=micrograph.pk).update(sample=None)
        micrograph.sample = None
        try:
            job = _job_of_image(sample, micrograph, name_by_sha256)
        except (Refused, ValueError) as problem:
            notes.append(Note(micrograph.name, str(problem), 409))
            discard_unused(micrograph)
            continue
        name_by_sha256[micrograph.sha256] = micrograph.name
        job.save(force_insert=True)
    if (title := AND_MORE.sub("", sample.name)) in name_by_sha256.values():
        still_coming = sample.arriving.filter(state__in=Micrograph.UNFINISHED).count()
        Sample.objects.filter(pk=sample.pk).update(name=_default_title(title, len(name_by_sha256) + still_coming))
    add_notes(sample, notes)
    refresh_after_commit(sample.pk)
    return notes


def _job_of_image(sample: Sample, micrograph: Micrograph, name_by_sha256: Mapping[str, str]) -> Job:
    """The job of one image, not stored yet; raises Refused or ValueError if the image cannot belong
    to the sample.

    name_by_sha256: the images that the sample already has.
    """
    growing.check_takes_images(sample)
    if micrograph.sha256 in name_by_sha256:
        raise Refused(f"This is the same file as {name_by_sha256[micrograph.sha256]}; it is analysed once.", 409)
    if len(name_by_sha256) >= settings.DEEPSEGM_SAMPLE_IMAGES:
        raise Refused(FULL.format(limit=settings.DEEPSEGM_SAMPLE_IMAGES), 409)
    # Only uploads to version 1.0.0 have `asked` here.
    stated = StatedScale.of(micrograph.asked) if micrograph.asked else None
    calibration = stated.calibration(micrograph.scale) if stated else sample.stated_calibration(micrograph)
    requested = AnalysisSettings.from_dict(sample.settings).replaced(calibration=calibration)
    requested = requested.replaced(ignore=_regions_of_this_size(sample, micrograph, requested.measurement.ignore))
    job = _new_job(sample, micrograph, settings_for_image(requested, None, micrograph), created=micrograph.created)
    try:
        bounds.count_megapixels(job)
    except Refused as refusal:  # it may be tried again when there is room
        job.state, job.error, job.finished = Job.State.FAILED, refusal.sentence, timezone.now()
    return job


def _regions_of_this_size(sample: Sample, micrograph: Micrograph, usual: Regions) -> Regions:
    """The regions that all images of the same size in a sample ignore; `usual` if they differ."""
    size = {"micrograph__width": micrograph.width, "micrograph__height": micrograph.height}
    region_lists = sample.members.filter(**size).values_list("settings__ignore", flat=True)
    ignored = {regions_of(regions or ()) for regions in region_lists}
    return ignored.pop() if len(ignored) == 1 else usual


def take_in_images(sample: Sample, uploads: list[Micrograph], notes: Iterable[Note]) -> list[Note]:
    """Add uploads to a sample: images that are already read at once, the others when they are read.
    Returns all notes. Call it in a transaction."""
    locked = Micrograph.objects.select_for_update().in_bulk([micrograph.pk for micrograph in uploads])
    images: dict[Any, Micrograph] = {}  # also those that were unpacked from archives
    for upload in (locked[micrograph.pk] for micrograph in uploads if micrograph.pk in locked):
        images[upload.pk] = upload
        if upload.is_archive:
            unpacked = upload.images.filter(jobs=None, sample=None).order_by("created")
            images.update((image.pk, image) for image in unpacked)
    ready, remarks = [], list(notes)
    for micrograph in images.values():
        if micrograph.is_archive:
            remarks += [Note(**note) for note in micrograph.notes]
        if micrograph.state == Micrograph.State.FAILED:
            remarks.append(Note(micrograph.name, micrograph.error, 422))
            discard_unused(micrograph)
        elif micrograph.is_read and not sample.waits_for_bar(micrograph):
            ready.append(micrograph)
        elif not micrograph.is_finished:
            micrograph.sample = sample
            micrograph.save(update_fields=["sample"])
    add_notes(sample, remarks)
    return [*remarks, *add_read_images(sample, ready)]


def _new_job(sample: Sample, micrograph: Micrograph, settings: AnalysisSettings, **fields: Any) -> Job:
    """A job for an image of a sample, not stored yet."""
    parent: Job | None = fields.get("parent")
    judged = parent.judgement_fields if parent else {}
    bounds.ask(Job, of=micrograph, **sample.maker)
    return Job(
        **judged,
        method=parent.method if parent else sample.method,
        micrograph=micrograph,
        sample=sample,
        settings=settings.as_dict(),
        model_name=settings.segmentation.model,
        **Job.fields_of(**sample.maker),
        submission=uuid4().hex,
        **fields,
    )
