"""Starts analyses of uploads, and continues them when a worker has inspected the upload.

A user need not wait for the inspection: a job is made at once and becomes `ready` later, and a
sample gets its images one by one. If an upload cannot be read, its jobs fail.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage
from django.db import transaction

from ...core.analysis import AnalysisSettings
from ...core.errors import UserError
from ...core.micrograph.calibration.stated import StatedScale
from ...core.micrograph.decoded import page_index
from ...core.micrograph.pages import pages_of
from ...models import RESTART_FIELDS, Job, MethodVersion, Micrograph
from ..ground.files import (
    LocalFile,
    release_side_files,
    remove_after_commit,
    remove_files,
    remove_folder,
    undo_on_failure,
)
from ..ground.refusal import Refused
from .jobs import create_job, fail_waiting, make_ready, start_without_scale
from .pooling import refresh_after_commit
from .publishing import apply_bar_reading
from .samples import add_notes, add_read_images, take_in_images
from .uploads import Note, discard_unused, receive_upload, sha256_of_upload


def publish_inspection(*, micrograph: Micrograph, facts: dict[str, Any], preview: bytes, unread: bool = False) -> None:
    """Store what the inspection of an image found, and start the work that waits for it.

    facts: fields of the `Micrograph` by name. preview: the bytes of a PNG file. unread: whether the
    data bar is not read yet; then the image goes back into the queue. Raises `Superseded` if the
    micrograph no longer belongs to this attempt.
    """
    # If an earlier attempt has stored a preview, pages may show it now, so it stays.
    is_new = not micrograph.preview
    if is_new:
        micrograph.preview.save(f"preview-{micrograph.attempt}.png", ContentFile(preview), save=False)

    def remove() -> None:
        if is_new:
            micrograph.preview.storage.delete(micrograph.preview.name)
        if not Micrograph.objects.filter(pk=micrograph.pk).exists():
            remove_folder(micrograph.folder)

    with undo_on_failure(remove), transaction.atomic():
        facts = {**facts, "preview": micrograph.preview.name}
        if unread:
            # `started` stays, because the queue takes it for the last turn of the sender.
            micrograph.change(**{**RESTART_FIELDS, "started": micrograph.started, **facts})
        else:
            micrograph.finish(Micrograph.State.DONE, **facts)
        _start_waiting_work(micrograph)
    old_previews = {f"{micrograph.folder}/preview-{attempt}.png" for attempt in range(1, micrograph.attempt)}
    remove_files(old_previews - {micrograph.preview.name})


def replace_by_page(*, micrograph: Micrograph, page: LocalFile) -> None:
    """Replace an uploaded stack by one page of it (a TIFF file); raises `Superseded`."""
    fields = {"name": page.name, "size": page.size, "sha256": sha256_of_upload(page), "side": [], "pages": ""}
    stored = default_storage.save(f"{micrograph.folder}/page.tif", page)
    with undo_on_failure(lambda: default_storage.delete(stored)), transaction.atomic():
        micrograph.change(file=stored, **fields)
        release_side_files([micrograph.pk])
    remove_files([micrograph.file.name])
    micrograph.refresh_from_db()


def publish_reading(*, micrograph: Micrograph, reading: dict[str, Any]) -> None:
    """Store the reading of an image's data bar, start the work that waits for it, and compare it with
    results that did not wait (`apply_bar_reading`). Raises `Superseded`."""
    with transaction.atomic():
        micrograph.finish(Micrograph.State.DONE, reading=reading)
        _start_waiting_work(micrograph)
        apply_bar_reading(micrograph.jobs.all())


def _start_waiting_work(micrograph: Micrograph) -> None:
    """Start the jobs that waited for an image, and add it to its sample. A job whose scale depends on a
    data bar that is not read yet only finds its outlines; a sample waits longer."""
    micrograph.refresh_from_db()
    for job in _waiting_jobs(micrograph):
        if not micrograph.waits_for_bar(job.asked):
            make_ready(job)
        else:
            start_without_scale(job)
    sample = micrograph.sample
    if sample is not None and not sample.waits_for_bar(micrograph):
        add_read_images(sample, [micrograph])


def publish_archive(*, micrograph: Micrograph, notes: list[Note]) -> None:
    """Set an unpacked archive done: store notes on the entries that were left out, and remove its
    file.

    If the user has chosen an account, a sample or an analysis for the images while the archive was
    being unpacked, the choice is applied to all of its images.
    """
    with transaction.atomic():
        micrograph.finish(Micrograph.State.DONE, kind="ZIP archive")
        micrograph.refresh_from_db()
        if micrograph.owner_id:
            micrograph.images.filter(owner=None).update(owner=micrograph.owner_id)
            Job.objects.filter(micrograph__archive=micrograph, owner=None).update(owner=micrograph.owner_id)
        if micrograph.sample is not None:
            unassigned = micrograph.images.filter(jobs=None, sample=None).exclude(state=Micrograph.State.FAILED)
            take_in_images(micrograph.sample, list(unassigned.order_by("created")), ())
        notes = [*notes, *start_images(micrograph)]
        Micrograph.objects.filter(pk=micrograph.pk).update(notes=[note.as_dict() for note in notes])
        _leave_sample(micrograph, notes)
        release_side_files([micrograph.pk])
        remove_after_commit(micrograph.folder)


def start_images(archive: Micrograph) -> list[Note]:
    """Start a job for each image of an archive that has no job, if the user requested analyses. Returns
    notes on images that cannot be analysed; these are deleted.

    A job beyond the limits of its sender fails and may be tried again.
    """
    archive.refresh_from_db(fields=["asked", "owner"])
    if "settings" not in archive.asked:
        return []
    settings = AnalysisSettings.from_dict(archive.asked["settings"])
    stated = StatedScale.of(archive.asked).as_dict()
    method = MethodVersion.objects.filter(pk=archive.asked.get("method")).first()
    notes = []
    for image in archive.images.filter(jobs=None).order_by("created"):
        try:
            create_job(
                micrograph=image,
                settings=settings,
                asked=stated,
                token=archive.asked["token"],
                method=method,
                shelve=True,
                **archive.maker,
            )
        except (Refused, ValueError) as problem:
            notes.append(Note(image.name, str(problem), 409))
            image.delete()
    return notes


def start_analysis(
    *,
    micrograph: Micrograph,
    settings: AnalysisSettings,
    asked: dict[str, Any] | None,
    token: str = "",
    method: MethodVersion | None = None,
    **who: Any,
) -> Job | None:
    """Start the analysis of an upload; arguments as for `create_job`. Returns the job, or None for an
    archive: its images are analysed when they are unpacked."""
    if not micrograph.is_archive:
        return create_job(micrograph=micrograph, settings=settings, asked=asked, token=token, method=method, **who)
    micrograph.asked = {**(asked or {}), "settings": settings.as_dict(), "token": token}
    micrograph.asked |= {"method": str(method.pk)} if method else {}
    Micrograph.objects.filter(pk=micrograph.pk).update(asked=micrograph.asked)
    if notes := [note.as_dict() for note in start_images(micrograph)]:
        micrograph.refresh_from_db(fields=["notes"])
        Micrograph.objects.filter(pk=micrograph.pk).update(notes=[*micrograph.notes, *notes])
    return None


def analyse_file(
    *,
    settings: AnalysisSettings,
    asked: dict[str, Any] | None = None,
    token: str = "",
    key: str = "",
    method: MethodVersion | None = None,
    file: Any,
    **received: Any,
) -> Job | None:
    """Store a file and start its analysis, as `start_analysis` does. Raises Refused; then nothing is
    stored.

    received: further arguments of `receive_upload`; the others as for `create_job`.
    """
    who = {name: received[name] for name in ("user", "visitor", "address")}
    micrograph = receive_upload(file=file, **received)
    try:
        request = {"settings": settings, "asked": asked, "token": token, "key": key, "method": method}
        return start_analysis(micrograph=micrograph, **request, **who)
    except (ValueError, Refused) as problem:
        discard_unused(micrograph)
        raise problem if isinstance(problem, Refused) else Refused(str(problem)) from None


def analyse_page(*, job: Job, page: str, **who: Any) -> Job | None:
    """Analyse one page of a job's file, or one panel of a figure, as a separate image. The settings of
    the job are used, without a stated scale. A second call returns the same job.

    page: its number, as a text. who: user, visitor and address. Raises Refused (404 if there is no
    such page, otherwise as `analyse_file`).
    """
    original = job.micrograph
    try:
        [number] = pages_of(page.strip(), limit=1)
        page_index(number, original.page_count)
    except UserError as problem:
        raise Refused(str(problem), 404) from None
    stored = [(original.name, original.file.name), *((beside["name"], beside["file"]) for beside in original.side)]
    with ExitStack() as stack:
        file, *side = (File(stack.enter_context(default_storage.open(path)), name=name) for name, path in stored)
        common = {"settings": job.get_settings(), "asked": StatedScale("").as_dict(), "method": job.method}
        common |= {"token": f"page of {job.pk}"}
        return analyse_file(file=file, side=side, pages=str(number), **common, **who)


def fail_upload(*, micrograph: Micrograph, sentence: str, unreadable: bool = True) -> None:
    """Set an upload failed, with a sentence for its sender; raises `Superseded`.

    Its jobs fail with the same sentence; its sample gets the sentence as a note. unreadable: whether
    the file is useless and is removed; otherwise it stays for another attempt.
    """
    with transaction.atomic():
        micrograph.finish(
            Micrograph.State.FAILED,
            stage="",
            progress=1.0,
            error=sentence,
            **({"file": "", "side": []} if unreadable else {}),
        )
        for job in _waiting_jobs(micrograph).select_for_update():
            fail_waiting(job, sentence)
        _leave_sample(micrograph, [Note(micrograph.name, sentence, 422)])
        if unreadable:
            release_side_files([micrograph.pk])
            remove_after_commit(micrograph.folder)


def _waiting_jobs(micrograph: Micrograph) -> Any:
    """The jobs of an image that wait until it is read."""
    return Job.objects.filter(micrograph=micrograph, ready=False, state__in=Job.UNFINISHED)


def _leave_sample(micrograph: Micrograph, notes: list[Note]) -> None:
    """Take an upload that gives no image out of the sample that waits for it, and add notes to the
    sample."""
    if micrograph.sample is not None:
        add_notes(micrograph.sample, notes)
        Micrograph.objects.filter(pk=micrograph.pk).update(sample=None)
        refresh_after_commit(micrograph.sample_id)
