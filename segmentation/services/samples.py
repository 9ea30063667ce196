"""Samples: made, extended, images left out and taken in again, measured with another scale, deleted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from ..core.micrograph.types import Calibration
from ..core.recipe import Recipe
from ..models import SHOWN_NAME, Job, Sample, Upload
from ..models.samples import TYPED
from . import limits
from .archives import Note
from .jobs import check_model
from .pooling import refresh_after_commit
from .refusal import Refused
from .uploads import discard_unused

NO_IMAGES = "None of these files is an image that can be analysed, so there is no sample to make."
NOT_ITS_IMAGE = "This is no result of an image of the sample."
UNFINISHED = "Both results of the image must have ended before one can take the place of the other."
UNDER_WAY = "Images of this sample are still under way: wait for them or cancel them first."
NO_VALUE = "Say how many nanometres that is, or choose each image's own scale."
UNNAMED = "Unnamed sample"


class Scale(NamedTuple):
    """A calibration rule, as `Sample` stores it; typed: the text that the user typed for its value."""

    rule: str = Sample.Rule.OWN
    value: float | None = None
    assumed: bool = False
    typed: str = ""

    def check(self) -> None:
        """Raises Refused for a rule that lacks its number."""
        if self.rule == Sample.Rule.PIXEL and not self.value:
            raise Refused(NO_VALUE)

    def fields(self) -> dict[str, Any]:
        """The fields of the `Sample`."""
        return {**self._asdict(), "typed": _visible(self.typed)[:TYPED]}


@transaction.atomic
def create_sample(
    *,
    name: str,
    uploads: Iterable[Upload],
    recipe: Recipe,
    scale: Scale,
    user: Any,
    visitor: UUID | None,
    token: str,
    notes: Iterable[Note] = (),
    calibrations: Mapping[Any, Calibration | None] | None = None,
) -> Sample:
    """Queue an analysis of each image, to be pooled at the end.

    calibrations: by the id of an upload, where the rule is not to decide. notes: what intake had to say.
    The same token of the same account gives the same sample again. Raises Refused (400 no images, 429 too many).
    """
    check_model(recipe.model)
    scale.check()
    submission = _submission(token, user)
    existing = Sample.objects.filter(submission=submission).first()
    uploads = list(uploads)
    if existing is not None:
        for upload in uploads:
            discard_unused(upload)
        return existing
    if not uploads:
        raise Refused(NO_IMAGES)
    limits.check_samples(user=user, visitor=visitor, address=uploads[0].address)
    sample = Sample.objects.create(
        name=_clean(name),
        recipe=recipe.with_(calibration=None).as_dict(),
        **scale.fields(),
        owner=user if user is not None and user.is_authenticated else None,
        visitor=visitor,
        submission=submission,
    )
    _enrol(sample, uploads, notes, calibrations or {})
    return sample


@transaction.atomic
def add_images(*, sample: Sample, uploads: Iterable[Upload], notes: Iterable[Note] = ()) -> list[Note]:
    """Queue more images by the sample's own settings; returns what there is to say about this lot."""
    return _enrol(sample, list(uploads), notes, {})


@transaction.atomic
def include_image(*, sample: Sample, job: Job, included: bool) -> None:
    """Count an image in the pooled numbers, or leave it out of them; both twice are once."""
    _locked(sample)
    if sample.members.filter(pk=job.pk).exclude(included=included).update(included=included):
        refresh_after_commit(sample.pk)


@transaction.atomic
def replace_image(*, sample: Sample, job: Job) -> None:
    """Count this result of an image instead of the one that counts now; that one becomes a result of its own.

    Raises Refused where the image is none of the sample's (404) or one of the two is under way or failed (409).
    """
    _locked(sample)
    now = sample.members.filter(upload=job.upload_id).first()
    if now is None:
        raise Refused(NOT_ITS_IMAGE, 404)
    if now.pk == job.pk:
        return
    if not now.is_finished or job.state != Job.State.DONE:
        raise Refused(UNFINISHED, 409)
    sample.jobs.filter(upload=job.upload_id).update(sample=None)
    Job.objects.filter(pk=job.pk).update(sample=sample, included=now.included)
    refresh_after_commit(sample.pk)


@transaction.atomic
def retry_failed(*, sample: Sample) -> int:
    """Queue the images that failed or were cancelled once more, and the pooling; returns how many images."""
    again = sample.members.filter(state__in=(Job.State.FAILED, Job.State.CANCELLED))
    count = Job.objects.filter(pk__in=list(again.values_list("pk", flat=True))).update(
        state=Job.State.QUEUED,
        queued=timezone.now(),
        rung=None,
        losses=0,
        stage="",
        progress=0.0,
        error="",
        started=None,
        finished=None,
    )
    refresh_after_commit(sample.pk)
    return count


@transaction.atomic
def cancel_sample(*, sample: Sample) -> int:
    """Stop the images that wait or run; those that are done stay and are pooled. Returns how many."""
    under_way = sample.jobs.filter(state__in=Job.UNFINISHED)
    count = under_way.update(state=Job.State.CANCELLED, finished=timezone.now())
    refresh_after_commit(sample.pk)
    return count


@transaction.atomic
def recalibrate_sample(*, sample: Sample, scale: Scale) -> int:
    """Measure every image by another calibration rule, from its stored outlines; returns for how many that differs.

    Each gets a new job, whose parent, the one before, stays as it was: a result is never rewritten.
    """
    scale.check()
    _locked(sample)
    if sample.jobs.filter(state__in=Job.UNFINISHED).exists():
        raise Refused(UNDER_WAY, 409)
    for name, value in scale.fields().items():
        setattr(sample, name, value)
    sample.save(update_fields=Scale._fields)
    made = []
    for job in sample.members.select_related("upload").order_by("created", "pk"):
        recipe = job.get_recipe().with_(calibration=sample.calibration_for(job.upload))
        if recipe != job.get_recipe():
            made.append(_job(sample, job.upload, recipe, parent=job, included=job.included))
    Job.objects.bulk_create(made)
    refresh_after_commit(sample.pk)
    return len(made)


@transaction.atomic
def delete_sample(*, sample: Sample) -> None:
    """Remove a sample in any state, with its analyses, and its micrographs where no other job needs them."""
    uploads = list(Upload.objects.filter(jobs__sample=sample).distinct())
    sample.delete()
    for upload in uploads:
        discard_unused(upload)


def _clean(name: str) -> str:
    """A sample's name on one line, without what cannot be seen."""
    return _visible(name)[:SHOWN_NAME] or UNNAMED


def _visible(text: str) -> str:
    """Text on one line, without what cannot be seen."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _locked(sample: Sample) -> None:
    """Of two changes at once one waits; raises Refused where the sample is gone."""
    if not Sample.objects.select_for_update().filter(pk=sample.pk).exists():
        raise Refused("This sample has been deleted.", 404)


def _enrol(
    sample: Sample, uploads: list[Upload], notes: Iterable[Note], calibrations: Mapping[Any, Calibration | None]
) -> list[Note]:
    """Make the jobs; what is not taken is discarded and said."""
    _locked(sample)
    said = list(notes)
    known = dict(sample.jobs.values_list("upload__sha256", "upload__name"))
    room = settings.DEEPSEGM_SAMPLE_IMAGES - len(known)
    made = []
    for upload in uploads:
        recipe = Recipe.from_dict(sample.recipe).with_(
            calibration=calibrations.get(upload.pk, sample.calibration_for(upload))
        )
        why = _why_not(upload, recipe, known, room - len(made))
        if why:
            said.append(Note(upload.name, why, 409))
            discard_unused(upload)
            continue
        known[upload.sha256] = upload.name
        made.append(_job(sample, upload, recipe))
    Job.objects.bulk_create(made)
    remarks = ({"name": note.name, "sentence": note.sentence} for note in said)
    sample.notes = list({(each["name"], each["sentence"]): each for each in [*sample.notes, *remarks]}.values())
    sample.save(update_fields=["notes"])
    refresh_after_commit(sample.pk)
    return said


def _why_not(upload: Upload, recipe: Recipe, known: Mapping[str, str], room: int) -> str:
    """Why an image cannot belong to the sample; "" when it can."""
    if upload.sha256 in known:
        return f"This is the same file as {known[upload.sha256]}; it is analysed once."
    if room <= 0:
        return f"The sample is full: {settings.DEEPSEGM_SAMPLE_IMAGES} images are the limit, and this one was left out."
    if recipe.data_bar != "auto" and recipe.data_bar >= upload.height:
        return f"The data bar cannot take {recipe.data_bar} rows: the image has only {upload.height}; it was left out."
    return ""


def _job(sample: Sample, upload: Upload, recipe: Recipe, **fields: Any) -> Job:
    return Job(
        upload=upload,
        sample=sample,
        recipe=recipe.as_dict(),
        model_name=recipe.model,
        owner_id=sample.owner_id,
        visitor=sample.visitor,
        submission=uuid4().hex,
        **fields,
    )


def _submission(token: str, user: Any) -> str:
    said = f"sample {token or uuid4().hex} {getattr(user, 'pk', None)}"
    return hashlib.sha256(said.encode()).hexdigest()
