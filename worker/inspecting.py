"""Inspection of uploads: an image becomes facts and a preview, an archive becomes uploads."""

from __future__ import annotations

import errno
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from django.db import IntegrityError
from django.utils import timezone

from segmentation import services
from segmentation.models import Micrograph, Superseded
from segmentation.services.results.archives import Incoming, Note, Unpacked, unpacked
from segmentation.services.results.uploads import sha256_of

from . import inspection
from .fetching import fetch

Progress = Callable[[str, float], None]
UNPACKING = "unpacking the archive"
READING = "reading the image"
READING_BAR = "reading the scale in the image"


class GivesWay(Exception):
    """A job came while a data bar was being read."""


def inspect(micrograph: Micrograph, progress: Progress, folder: Path) -> None:
    """Inspect one micrograph and publish the facts; raises Unreadable if it is unusable, Superseded.

    An image is inspected twice: reading the text of its data bar takes seconds, so it is done when no job waits or
    runs, and again from the start if one comes meanwhile.
    """
    if micrograph.is_archive:
        _unpack(micrograph, progress, folder)
        return
    again = micrograph.is_read
    stage = READING_BAR if again else READING
    progress(stage, 0.1)
    path = fetch(micrograph.file.name, folder)
    side = [(beside["name"], fetch(beside["file"], folder)) for beside in micrograph.side]
    options = {"side": side, "read_bar": micrograph.read_bar, "later": not again}
    options["keep_as"] = "" if again else str(micrograph.pk)

    def alive() -> None:
        progress(stage, 0.5)
        if again and not Micrograph.objects.may_read_bars().filter(pk=micrograph.pk).exists():
            raise GivesWay

    try:
        found = inspection.inspect(path, name=micrograph.name, alive=alive, **options)
    except GivesWay:
        services.give_way(micrograph=micrograph, metadata=micrograph.metadata)
        return
    except (inspection.Unreadable, inspection.Killed):
        if not again:
            raise
        services.publish_reading(micrograph=micrograph, reading={})
        return
    if again:
        services.publish_reading(micrograph=micrograph, reading=found.facts["reading"])
        return
    services.publish_inspection(micrograph=micrograph, facts=found.facts, preview=found.preview, unread=found.unread)


def _unpack(archive: Micrograph, progress: Progress, folder: Path) -> None:
    """Store the content of an archive; files stored by an interrupted attempt are not stored again.

    After each image other waiting senders have their turn. A turn takes at least as long as fetching the archive.
    """
    progress(UNPACKING, 0.0)
    for broken in archive.images.filter(state=Micrograph.State.RECEIVING):
        broken.delete()
    before = archive.metadata
    done, notes = Unpacked(**before.get("done", {})), [Note(*note) for note in before.get("notes", ())]
    since = {"created__gt": before["at"]} if before else {}
    stored = Counter(archive.images.filter(**since).values_list("name", "sha256"))
    began = time.monotonic()
    path = fetch(archive.file.name, folder)
    end = 2 * time.monotonic() - began
    for each in unpacked(path, folder, done):
        if isinstance(each, Note):
            notes.append(each)
            continue
        try:
            archive.refresh_from_db(fields=["owner", "sample", "asked"])
            notes += _take(archive, each, stored)
        except (Micrograph.DoesNotExist, IntegrityError) as error:
            if Micrograph.objects.filter(pk=archive.pk).exists():
                raise
            raise Superseded from error
        progress(f"{UNPACKING}, {done.images} {'image' if done.images == 1 else 'images'} so far", 0.5)
        if time.monotonic() >= end and Micrograph.objects.others_wait(archive):
            reached = {"done": asdict(done), "notes": notes, "at": timezone.now().isoformat()}
            services.give_way(micrograph=archive, metadata=reached)
            return
    services.publish_archive(micrograph=archive, notes=notes)


def _take(archive: Micrograph, incoming: Incoming, stored: Counter[tuple[str, str]]) -> list[Note]:
    """Store an image of an archive as if it had come by itself; raises OSError where there is no room."""
    file = incoming.file
    known = (file.name, sha256_of(file))
    if stored[known]:
        stored[known] -= 1
        return []
    try:
        services.receive_upload(
            file=file,
            side=incoming.side,
            **archive.maker,
            read_bar=archive.read_bar,
            archive=archive,
            sample=archive.sample,
            asked=archive.asked if archive.sample else None,
        )
    except services.Refused as refusal:
        if refusal.status == 507:
            raise OSError(errno.ENOSPC, refusal.sentence) from refusal
        return [Note(file.name, refusal.sentence, refusal.status)]
    return services.start_images(archive)
