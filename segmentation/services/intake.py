"""What came in one drop: archives unpacked, side files beside their images, and a word on everything else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from ..core.micrograph.pairing import pair
from ..models import Upload, shown_name
from .archives import ALONE, Incoming, Note, is_archive, unpacked
from .refusal import Refused
from .uploads import on_disk, receive_upload

FEW = 12  # images of one drop, up to which data bars are read: more would keep the sender waiting for minutes


@dataclass
class Intake:
    """The images of a drop, stored, and what there is to say about the rest."""

    uploads: list[Upload] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    @property
    def problems(self) -> list[Note]:
        """Notes about what was not taken."""
        return [note for note in self.notes if note.status >= 400]

    @classmethod
    def of(cls, arriving: Iterator[Upload | Note]) -> Intake:
        """All of `receive_files` at once."""
        intake = cls()
        for each in arriving:
            (intake.notes if isinstance(each, Note) else intake.uploads).append(each)
        return intake


def sorted_files(files: Sequence[Any]) -> tuple[list[Incoming], list[Note]]:
    """The files of a drop as images (or archives) with their side files, and a Note for each side file left over."""
    names = [file.name or "" for file in files]
    pairing = pair(names)
    by_name = dict(zip(names, files, strict=True))
    images = [
        Incoming(file, [by_name[side] for side in pairing.images[name]])
        for name, file in zip(names, files, strict=True)
        if name in pairing.images
    ]
    return images, [Note(shown_name(name), ALONE, 422) for name in pairing.alone]


def receive_files(*, files: Sequence[Any], user: Any, visitor: UUID | None, address: str) -> Iterator[Upload | Note]:
    """Store the images of one drop, one at a time; what cannot be taken becomes a Note and stops nothing."""
    who = {"user": user, "visitor": visitor, "address": address}
    images, notes = sorted_files(files)
    yield from notes
    who["read_bar"] = len(images) <= FEW
    for image in images:
        yield from _archive(image.file, who) if is_archive(image.file) else _one(image, who)


def _archive(file: Any, who: dict[str, Any]) -> Iterator[Upload | Note]:
    name = shown_name(file.name or "")
    try:
        with on_disk(file) as path:
            for each in unpacked(path):
                yield from [each] if isinstance(each, Note) else _one(each, {**who, "read_bar": False})
    except Refused as refusal:
        yield Note(name, refusal.sentence, refusal.status)


def _one(image: Incoming, who: dict[str, Any]) -> Iterator[Upload | Note]:
    try:
        yield receive_upload(file=image.file, side=image.side, **who)
    except Refused as refusal:
        yield Note(shown_name(image.file.name or ""), refusal.sentence, refusal.status)
