"""What follows once an upload has been looked into: its jobs may run, its sample takes it in, or both are told why not.

A sender need not wait for that: a job is made at once and `ready` later, and a sample takes in its images one by one.
"""

from __future__ import annotations

from typing import Any

from django.core.files.base import ContentFile
from django.db import transaction
from django.utils import timezone

from ..core.recipe import Recipe
from ..models import Job, Upload
from .archives import Note
from .files import remove_folder
from .jobs import create_job, make_ready
from .pooling import refresh_after_commit
from .refusal import Refused
from .samples import enrol, remark, take_in


def publish_inspection(*, upload: Upload, facts: dict[str, Any], preview: bytes) -> None:
    """Store what an image turned out to be, and let follow what waits for that.

    facts: fields of the `Upload` by name. Raises `Lost` where the upload is no longer this attempt's.
    """
    upload.preview.save("preview.png", ContentFile(preview), save=False)
    try:
        with transaction.atomic():
            _end(upload, state=Upload.State.DONE, preview=upload.preview.name, **facts)
            upload.refresh_from_db()
            for job in _held(upload):
                make_ready(job)
            if upload.sample is not None:
                enrol(upload.sample, [upload])
    except BaseException:
        _forget_preview(upload)
        raise


def _forget_preview(upload: Upload) -> None:
    """Remove a preview that was not published, with its folder where the upload is gone."""
    upload.preview.storage.delete(upload.preview.name)
    if not Upload.objects.filter(pk=upload.pk).exists():
        remove_folder(upload.folder)


def publish_archive(*, upload: Upload, notes: list[Note]) -> None:
    """Note what was left out of an archive that has been unpacked; its own bytes are needed no more.

    Where its images go may have been said while it was unpacked: whatever came out before or in that moment follows.
    """
    with transaction.atomic():
        _end(upload, state=Upload.State.DONE, kind="ZIP archive")
        upload.refresh_from_db()
        if upload.owner_id:
            upload.images.filter(owner=None).update(owner=upload.owner_id)
            Job.objects.filter(upload__archive=upload, owner=None).update(owner=upload.owner_id)
        if upload.sample is not None:
            loose = upload.images.filter(jobs=None, sample=None).exclude(state=Upload.State.FAILED)
            take_in(upload.sample, list(loose.order_by("created")), (), {upload.pk: upload.asked})
        notes = [*notes, *start_images(upload)]
        said = [{"name": note.name, "sentence": note.sentence} for note in notes]
        Upload.objects.filter(pk=upload.pk).update(notes=said)
        _leave_sample(upload, notes)
        transaction.on_commit(lambda: remove_folder(upload.folder))


def start_images(archive: Upload) -> list[Note]:
    """Start a job for each image that has come out of an archive, where that was asked for and is not done yet.

    Returns a Note for each that cannot be. One that its sender's limits do not allow now fails, and may be tried again.
    """
    archive.refresh_from_db(fields=["asked", "owner"])
    if "recipe" not in archive.asked:
        return []
    recipe = Recipe.from_dict(archive.asked["recipe"])
    asked = {name: archive.asked.get(name) for name in ("width", "origin")}
    who = {"user": archive.owner, "visitor": archive.visitor, "address": archive.address}
    notes = []
    for image in archive.images.filter(jobs=None).order_by("created"):
        try:
            create_job(upload=image, recipe=recipe, asked=asked, token=archive.asked["token"], shelve=True, **who)
        except (Refused, ValueError) as problem:
            notes.append(Note(image.name, str(problem), 409))
            image.delete()
    return notes


def start_archive(*, archive: Upload, recipe: Recipe, asked: dict[str, Any], token: str) -> None:
    """Analyse every image of an archive by itself, as they come out of it; the same token makes no second jobs."""
    archive.asked = {**asked, "recipe": recipe.as_dict(), "token": token}
    Upload.objects.filter(pk=archive.pk).update(asked=archive.asked)
    said = [{"name": note.name, "sentence": note.sentence} for note in start_images(archive)]
    if said:
        archive.refresh_from_db(fields=["notes"])
        Upload.objects.filter(pk=archive.pk).update(notes=[*archive.notes, *said])


def fail_upload(*, upload: Upload, sentence: str, unreadable: bool = True) -> None:
    """Set an upload failed, with a sentence for its sender; raises `Lost`.

    Its jobs fail with the same sentence and its sample notes it. unreadable: its bytes are removed, as nobody can use
    them here; else they stay for another try.
    """
    with transaction.atomic():
        _end(upload, state=Upload.State.FAILED, error=sentence, **({"file": ""} if unreadable else {}))
        give_up_on(upload, sentence)
        if unreadable:
            transaction.on_commit(lambda: remove_folder(upload.folder))


def give_up_on(upload: Upload, sentence: str) -> None:
    """What follows the failure of an upload."""
    _held(upload).update(state=Job.State.FAILED, error=sentence, finished=timezone.now())
    _leave_sample(upload, [Note(upload.name, sentence, 422)])


def _end(upload: Upload, **fields: Any) -> None:
    upload.change(stage="", progress=1.0, losses=0, faults=0, finished=timezone.now(), **fields)


def _held(upload: Upload) -> Any:
    return Job.objects.filter(upload=upload, ready=False, state=Job.State.QUEUED)


def _leave_sample(upload: Upload, notes: list[Note]) -> None:
    if upload.sample is not None:
        remark(upload.sample, notes)
        Upload.objects.filter(pk=upload.pk).update(sample=None)
        refresh_after_commit(upload.sample_id)
