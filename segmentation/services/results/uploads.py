"""Incoming files: limits are checked first, then files are stored; a worker inspects them (`after_inspection`
continues)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.files.storage import default_storage
from django.db import transaction

from ...core import tasks
from ...core.errors import UserError
from ...core.micrograph.decoded import page_index
from ...core.micrograph.kinds import HEAD_BYTES, maker_of, recognise
from ...core.micrograph.pages import pages_of
from ...core.micrograph.pairing import MOST_SIDES, pair
from ...core.micrograph.types import UnreadableImage
from ...core.micrograph.whole import check_whole
from ...core.names import harmless_suffix
from ...core.settings import DEFAULT_TASK
from ...models import Arrival, Micrograph, SideFile, shown_name
from ..ground import limits
from ..ground.queue import INSPECTIONS, ring
from ..ground.refusal import Refused
from ..ground.space import check_space, storing
from .usage import check_quota

# An image of each kind that the upload page offers to try, all rendered here (python -m tests.examples).
EXAMPLES = {DEFAULT_TASK: "sem-sample.tif"}
EXAMPLES |= {task.name: f"{task.name}.tif" for task in tasks.every() if finders.find(f"sample/{task.name}.tif")}

NO_SIDE_FILE = "No microscope saves a file such as {name} beside an image: send the image alone."
MANY_SIDES = f"An image has at most {MOST_SIDES} files of the microscope beside it: send only those that belong to it."
FEW = 12  # images of one drop, up to which data bars are read: more would keep the sender waiting for minutes


class Note(NamedTuple):
    """A sentence about an uploaded file; the name is "" if it is not about a single file. status: of HTTP."""

    name: str
    sentence: str
    status: int = 200

    def as_dict(self) -> dict[str, str]:
        return {"name": self.name, "sentence": self.sentence}


def is_zip(file: Any) -> bool:
    """Whether an uploaded file is a ZIP archive by its first bytes. Files of makers that are ZIP inside do not
    count."""
    return head_of(file, 4) in (b"PK\x03\x04", b"PK\x05\x06") and not maker_of(file.name or "")


def receive_upload(
    *,
    file: Any,
    user: Any,
    visitor: UUID | None,
    address: str,
    side: Sequence[Any] = (),
    holds_several_images: bool = False,
    **fields: Any,
) -> Micrograph:
    """Store one file and its side files from the microscope, and enqueue its inspection.

    file: a Django `File` with `name` and `size`; `side`: such files. address: keyed hash of the sender's IP.
    holds_several_images: see `Micrograph.is_archive`.
    fields: others of `Micrograph`. Where read_bar is False, the text of the data bar is not read, which takes seconds.
    Raises Refused (413 too large, 422 no image by its first bytes or too many beside it, 429 too many, 507 no room);
    then no file remains.
    """
    if len(side) > MOST_SIDES:
        raise Refused(MANY_SIDES, 422)
    for received in (file, *side):
        limits.check_size(received.size)
    limits.check_uploads(user=user, visitor=visitor, address=address)
    size = sum(received.size for received in (file, *side))
    check_space(size)
    check_quota(size, user=user, visitor=visitor, address=address)
    if not (holds_several_images and is_zip(file)):
        try:
            check_whole(file, recognise(head_of(file), file.name or ""), file.size)
        except UnreadableImage as bad:
            raise Refused(str(bad), 422) from None
    for name in (shown_name(beside.name or "") for beside in side):
        if not PurePosixPath(name).suffix.isascii():
            raise Refused(NO_SIDE_FILE.format(name=name), 422)
    sender = Micrograph.fields_of(user, visitor, address)
    Arrival.objects.create(**sender)
    micrograph = Micrograph.objects.create(
        name=shown_name(file.name or ""),
        size=file.size,
        sha256=sha256_of_upload(file),
        is_archive=holds_several_images,
        **sender,
        **fields,
    )
    _store(micrograph, file, side)
    ring(INSPECTIONS)
    return micrograph


def example_file(kind: str) -> Path:
    """The example of this kind of analysis."""
    return Path(settings.STATICFILES_DIRS[0], "sample", EXAMPLES[kind])


def discard_unused(*micrographs: Micrograph) -> None:
    """Remove those of the micrographs that no job has and no sample waits for."""
    keys = [micrograph.pk for micrograph in micrographs]
    Micrograph.objects.filter(pk__in=keys, jobs=None, sample=None).only("pk").delete()


def checked_pages(text: str) -> str:
    """The pages that a request asks for; "" for none. Raises Refused with a sentence."""
    text = text.strip()
    try:
        if text:
            numbers = pages_of(text, 1, limit=settings.DEEPSEGM_SAMPLE_IMAGES)
            page_index(max(numbers), max(numbers))
    except UserError as problem:
        raise Refused(str(problem)) from None
    return text


@cache
def example_sha256(kind: str = DEFAULT_TASK) -> str:
    """The SHA-256 by which results of an example are known."""
    return hashlib.sha256(example_file(kind).read_bytes()).hexdigest()


def _store(micrograph: Micrograph, file: Any, side: Sequence[Any]) -> None:
    """Save the row first, so that files left by a crash belong to a row; a failure leaves neither row nor file."""
    with storing(micrograph.delete):
        micrograph.file.save(micrograph.name, file, save=False)
        for side_file in side:
            name, sha256 = shown_name(side_file.name or ""), sha256_of_upload(side_file)
            stored = _store_side(micrograph, side_file, name, sha256)
            micrograph.side = [*micrograph.side, {"name": name, "sha256": sha256, "file": stored}]
        micrograph.state = Micrograph.State.QUEUED
        micrograph.save(update_fields=["file", "side", "state"])


def _store_side(micrograph: Micrograph, side_file: Any, name: str, sha256: str) -> str:
    """Where a file beside an image is stored: where another image of its sender has it already, else a new place. The
    row comes first here, too; nobody shares it before its image is stored whole."""
    theirs = Micrograph.objects.filter(limits.sender_of(**micrograph.maker)).exclude(state=Micrograph.State.RECEIVING)
    same = SideFile.objects.filter(name=name, sha256=sha256, micrograph__in=theirs.values("pk"))
    with transaction.atomic():
        shared = same.select_for_update().first()
        place = shared.file.name if shared else f"sides/{uuid4()}/side{harmless_suffix(name)}"
        fields = {"name": name, "sha256": sha256, "file": place, "size": side_file.size}
        SideFile.objects.create(micrograph=micrograph.pk, **fields)
    if shared is None:
        default_storage.save(place, side_file)
    return place


def head_of(file: Any, size: int = HEAD_BYTES) -> bytes:
    """The first bytes of a Django `File`, which is then at its start again."""
    file.seek(0)
    head: bytes = file.read(size)
    file.seek(0)
    return head


def sha256_of_upload(file: Any) -> str:
    """Of a Django `File`'s bytes, which is then at its start again."""
    digest = hashlib.sha256()
    for chunk in file.chunks(2**20):
        digest.update(chunk)
    file.seek(0)
    return digest.hexdigest()


@dataclass
class Intake:
    """The stored images of one upload, and notes on the rest, which was not taken."""

    uploads: list[Micrograph] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """The uploads that nothing else uses are removed if the block raises."""
        try:
            yield
        except Exception:
            discard_unused(*self.uploads)
            raise


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
                holds_several_images=bool(pages) or is_zip(file),
                pages=pages,
                **sender,
            )
            intake.uploads.append(micrograph)
        except Refused as refusal:
            intake.notes.append(Note(shown_name(file.name or ""), refusal.sentence, refusal.status))
    return intake
