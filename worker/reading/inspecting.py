"""The work on an upload: a worker stores the facts and a preview of an image; it stores the images of
an archive as uploads."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from django.conf import settings
from django.core.files import File
from django.db import IntegrityError

from segmentation.core.errors import UserError
from segmentation.core.micrograph.pages import page_name, take_pages
from segmentation.core.micrograph.scale_bar.readings import CUT_OFF
from segmentation.models import Micrograph, Superseded, shown_name
from segmentation.services.ground.files import LocalFile
from segmentation.services.ground.refusal import Refused
from segmentation.services.results import after_inspection, uploads
from segmentation.services.results.uploads import Note, is_zip, sha256_of_upload

from ..fetching import fetch, fetch_side_files
from ..heartbeat import Progress, UrgentWorkWaits
from . import decoding

Group = list[tuple[str, Path]]  # (name, path) of an image, then of its side files
UNPACKING = "unpacking the archive"
TAKING = "taking the pages out of the file"
READING = "reading the image"
READING_BAR = "reading the scale in the image"


def inspect_upload(micrograph: Micrograph, progress: Progress, folder: Path) -> None:
    """Inspect an upload and store the outcome; raises Unreadable if it is unusable, Killed,
    Superseded.

    An image is inspected twice, because reading the text of its data bar takes seconds: that is
    done in the second inspection, when `bars_to_read` allows it. If `bars_to_read` no longer
    allows it, the second inspection stops and starts again later. An image needs no second
    inspection if an earlier image of the sender has the same data bar.
    """
    if micrograph.is_archive:
        _unpack(micrograph, progress, folder)
        return
    is_second = micrograph.is_read  # only the data bar remains to be read
    stage = READING_BAR if is_second else READING
    progress(stage, 0.1)
    path = fetch(micrograph.file.name, folder)
    side = fetch_side_files(micrograph, folder)
    if micrograph.pages:
        path, side = _replace_stack_by_page(micrograph, path, side, folder, partial(progress, stage, 0.3))
    options = {"side": side, "read_bar": micrograph.read_bar, "later": not is_second}
    options["keep_as"] = "" if is_second else str(micrograph.pk)
    options["known"] = Micrograph.objects.earlier_readings(micrograph)

    def report_alive() -> None:
        progress(stage, 0.5)
        if is_second and not Micrograph.objects.bars_to_read().filter(pk=micrograph.pk).exists():
            raise UrgentWorkWaits

    try:
        outcome = decoding.inspect(path, name=micrograph.name, report_alive=report_alive, **options)
    except UrgentWorkWaits:
        # `started` stays, because the queue counts this as a turn of the sender.
        micrograph.change(state=Micrograph.State.QUEUED, enqueued=None)
        return
    except (decoding.Unreadable, decoding.Killed):
        if not is_second:
            raise
        after_inspection.publish_reading(micrograph=micrograph, reading={"note": CUT_OFF})
        return
    if is_second:
        after_inspection.publish_reading(micrograph=micrograph, reading=outcome.facts["reading"])
        return
    after_inspection.publish_inspection(
        micrograph=micrograph, facts=outcome.facts, preview=outcome.preview, unread=outcome.unread
    )


def _unpack(archive: Micrograph, progress: Progress, folder: Path) -> None:
    """Store the images of an archive, or the chosen pages of a file, as uploads, which are
    inspected later as any other. Images that an interrupted attempt has stored are not stored
    again."""
    stage = TAKING if archive.pages else UNPACKING
    progress(stage, 0.0)
    for broken in archive.images.filter(state=Micrograph.State.RECEIVING):
        broken.delete()
    counts = Counter(archive.images.values_list("name", "sha256"))
    report_alive, limit = partial(progress, stage, 0.3), settings.DEEPSEGM_SAMPLE_IMAGES
    path, notes = fetch(archive.file.name, folder), []
    groups: Iterable[Group] = [[(archive.name, path), *fetch_side_files(archive, folder)]]
    with path.open("rb") as file:
        if is_zip(file):
            groups, notes = decoding.unpack(path, folder, report_alive, images=limit)
    if archive.pages:
        groups = _pages(archive.pages, groups, notes, folder, report_alive)
    for number, group in enumerate(groups, 1):
        with ExitStack() as stack:
            opened = [(name, stack.enter_context(path.open("rb"))) for name, path in group]
            (name, image), *beside = opened
            file = LocalFile(image, name=shown_name(name))
            # Side files are copied, not moved (as a LocalFile is), because other images may need
            # them.
            side = [File(file, name=shown_name(name)) for name, file in beside]
            try:
                archive.refresh_from_db(fields=["owner", "sample", "asked"])
                notes += _store_image(archive, file, side, counts)
            except (Micrograph.DoesNotExist, IntegrityError) as error:
                if Micrograph.objects.filter(pk=archive.pk).exists():
                    raise
                raise Superseded from error
        progress(f"{stage}, {number} {'image' if number == 1 else 'images'} so far", 0.5)
    after_inspection.publish_archive(micrograph=archive, notes=notes)


def _replace_stack_by_page(
    micrograph: Micrograph, path: Path, side: Group, folder: Path, report_alive: Callable[[], None]
) -> tuple[Path, Group]:
    """Store the requested page of a stack in place of the stack. Returns the path of the page and no
    side files; for a file with a single page, the file itself and its side files."""
    # A single number, because the upload is no archive.
    page, name = int(micrograph.pages), micrograph.name
    file, pages = decoding.take_page(path, folder, page, name=name, side=side, report_alive=report_alive)
    if pages == 1:
        return path, side
    with file.open("rb") as opened:
        after_inspection.replace_by_page(
            micrograph=micrograph, page=LocalFile(opened, name=shown_name(page_name(name, page)))
        )
    return fetch(micrograph.file.name, folder), []


def _pages(
    pages: str, groups: Iterable[Group], notes: list[Note], folder: Path, report_alive: Callable[[], None]
) -> Iterator[Group]:
    """The images of an archive; of a stack only the pages that `pages` names. A note on a page that
    cannot be read is added to `notes`."""
    for (name, path), *side in groups:
        take = partial(decoding.take_page, path, folder, name=name, side=side, report_alive=report_alive)
        try:
            for page, file in take_pages(pages, take, limit=settings.DEEPSEGM_SAMPLE_IMAGES):
                yield [(shown_name(page_name(name, page)), file)] if page else [(name, path), *side]
                if page:
                    # It still exists if the page was not moved into the storage.
                    file.unlink(missing_ok=True)
        except UserError as problem:
            notes.append(Note(name, str(problem), 422))


def _store_image(
    archive: Micrograph, file: LocalFile, side: list[File], counts: Counter[tuple[str, str]]
) -> list[Note]:
    """Store an image of an archive as an upload; returns notes. Raises OSError if there is no room.

    counts: by name and SHA-256 how many images an earlier attempt has stored. Such an image is not
    stored again: its count becomes smaller.
    """
    identity = (file.name, sha256_of_upload(file))
    if counts[identity]:
        counts[identity] -= 1
        return []
    try:
        uploads.receive_upload(
            file=file,
            side=side,
            **archive.maker,
            read_bar=archive.read_bar,
            archive=archive,
            sample=archive.sample,
            asked=archive.asked if archive.sample else {},
        )
    except Refused as refusal:
        if refusal.status == 507:
            raise OSError(errno.ENOSPC, refusal.sentence) from refusal
        return [Note(str(file.name), refusal.sentence, refusal.status)]
    return after_inspection.start_images(archive)
