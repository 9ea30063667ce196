"""What came in one drop: archives unpacked, side files beside their images, and a word on everything else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from ..core.micrograph.pairing import pair
from ..models import Micrograph, shown_name
from .archives import ALONE, Note, is_archive
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


def receive_files(
    *, files: Sequence[Any], user: Any, visitor: UUID | None, address: str
) -> Iterator[Micrograph | Note]:
    """Store the files of one drop, one at a time; what cannot be taken becomes a Note and stops nothing.

    An archive is stored as it is, and unpacked by the worker.
    """
    by_name = {file.name or "": file for file in files}
    pairing = pair([file.name or "" for file in files])
    yield from (Note(shown_name(name), ALONE, 422) for name in pairing.alone)
    images = [file for file in files if (file.name or "") in pairing.images]
    for file in images:
        try:
            yield receive_upload(
                file=file,
                side=[by_name[side] for side in pairing.images[file.name or ""]],
                user=user,
                visitor=visitor,
                address=address,
                read_bar=len(images) <= FEW,
                is_archive=is_archive(file),
            )
        except Refused as refusal:
            yield Note(shown_name(file.name or ""), refusal.sentence, refusal.status)
