"""The files of one upload: archives unpacked, side files assigned to their images, notes on all other files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ...core.micrograph.pairing import pair
from ...models import Micrograph, shown_name
from ..ground.refusal import Refused
from .uploads import Note, checked_pages, is_zip, receive_upload

FEW = 12  # images of one drop, up to which data bars are read: more would keep the sender waiting for minutes


@dataclass
class Intake:
    """The stored images of one upload, and notes on the rest."""

    uploads: list[Micrograph] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    @property
    def problems(self) -> list[Note]:
        """Notes about what was not taken."""
        return [note for note in self.notes if note.status >= 400]


def receive_files(*, files: Sequence[Any], pages: str = "", **sender: Any) -> Intake:
    """Store the files of one upload, one at a time; an unusable file becomes a Note and stops nothing.

    An archive is stored unchanged, and the worker unpacks it. pages: as of `Micrograph`, of each file; Refused where
    they are no pages. sender: user, visitor, address, see `receive_upload`.
    """
    pages = checked_pages(pages)
    by_name = {file.name or "": file for file in files}
    paired = pair([file.name or "" for file in files])
    intake = Intake()
    images = [file for file in files if (file.name or "") in paired]
    for file in images:
        try:
            micrograph = receive_upload(
                file=file,
                side=[by_name[side] for side in paired[file.name or ""]],
                read_bar=len(images) <= FEW,
                is_archive=bool(pages) or is_zip(file),
                pages=pages,
                **sender,
            )
            intake.uploads.append(micrograph)
        except Refused as refusal:
            intake.notes.append(Note(shown_name(file.name or ""), refusal.sentence, refusal.status))
    return intake
