"""What came in one drop: archives unpacked, side files beside their images, and a word on everything else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from ..core.micrograph.pairing import pair
from ..models import Micrograph, shown_name
from .archives import ALONE, Incoming, Note, is_archive
from .refusal import Refused
from .uploads import receive_upload

FEW = 12  # images of one drop, up to which data bars are read: more would keep the sender waiting for minutes


@dataclass
class Intake:
    """The images of a drop, stored, and what there is to say about the rest."""

    uploads: list[Micrograph] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    @property
    def problems(self) -> list[Note]:
        """Notes about what was not taken."""
        return [note for note in self.notes if note.status >= 400]

    @classmethod
    def of(cls, arriving: Iterator[Micrograph | Note]) -> Intake:
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


def receive_files(
    *, files: Sequence[Any], user: Any, visitor: UUID | None, address: str, asked: dict[str, Any] | None = None
) -> Iterator[Micrograph | Note]:
    """Store the files of one drop, one at a time; what cannot be taken becomes a Note and stops nothing.

    An archive is stored as it is, and unpacked by the worker. asked: as of `Micrograph`, for all of them.
    """
    who = {"user": user, "visitor": visitor, "address": address, "asked": asked}
    images, notes = sorted_files(files)
    yield from notes
    for image in images:
        try:
            yield receive_upload(
                file=image.file,
                side=image.side,
                read_bar=len(images) <= FEW,
                is_archive=is_archive(image.file),
                **who,
            )
        except Refused as refusal:
            yield Note(shown_name(image.file.name or ""), refusal.sentence, refusal.status)
