"""Uploads: limits are checked first, then the files are stored. A worker inspects them, and
`after_inspection` goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.core.serializers import deserialize
from django.db import transaction
from django.utils import timezone

from ...core import tasks
from ...core.errors import UserError
from ...core.micrograph.decoded import page_index
from ...core.micrograph.kinds import HEAD_BYTES, maker_file, recognise
from ...core.micrograph.pages import pages_of
from ...core.micrograph.pairing import MOST_SIDES, pair
from ...core.micrograph.types import UnreadableImage
from ...core.micrograph.unpacking import OFFICE, OFFICE_ENTRY
from ...core.micrograph.whole import check_complete
from ...core.names import harmless_suffix
from ...core.settings import DEFAULT_TASK
from ...models import Arrival, Job, Micrograph, Owned, SideFile, shown_name
from ..ground import bounds, limits
from ..ground.files import remove_files
from ..ground.queue import INSPECTIONS, notify_workers
from ..ground.refusal import Refused
from ..ground.space import undo_failed_storing

# Examples by kind: synthetic images that the upload page offers to try (made by python -m
# tests.examples).
EXAMPLES = {DEFAULT_TASK: "sem-sample.tif"}
EXAMPLES |= {task.name: f"{task.name}.tif" for task in tasks.every() if finders.find(f"sample/{task.name}.tif")}
# By the SHA-256 of a picture: whose it is, and under which licence.
SOURCES = {
    "a2297bd4c78b2f684cea33b647987aecc595b9d36cbb54e52f2fa3c7ac854569": (
        "gas-atomised powder, SEM (Cohn et al. 2021, doi.org/10.1007/s11837-021-04713-y; AMPIS, MIT licence);"
        " no scale is published"
    ),
}

NO_SIDE_FILE = "No microscope saves a file such as {name} beside an image: send the image alone."
MANY_SIDES = f"An image has at most {MOST_SIDES} files of the microscope beside it: send only those that belong to it."
OFFICE_HEAD = 30 + len(OFFICE_ENTRY)  # bytes with the name of the first entry of a ZIP file
# The text of data bars is read if so many images are sent together, or fewer: that of more would
# take minutes.
MOST_BARS_READ = 12


class Note(NamedTuple):
    """A sentence about an uploaded file. name: of the file, "" if it is about no single file. status: of
    HTTP."""

    name: str
    sentence: str
    status: int = 200

    def as_dict(self) -> dict[str, str]:
        """The note as a row stores it."""
        return {"name": self.name, "sentence": self.sentence}


def is_zip(file: Any) -> bool:
    """Whether an uploaded file is a ZIP archive, by its first bytes. Image formats that use ZIP are no
    archives."""
    return head_of(file, 4) in (b"PK\x03\x04", b"PK\x05\x06") and not maker_file(file.name or "")


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

    file: a Django `File` with `name` and `size`; `side`: such files. address: keyed hash of the
    sender's IP. holds_several_images: see `Micrograph.is_archive`. fields: other fields of
    `Micrograph`; with read_bar=False the text of the data bar is not read, which takes seconds.
    Raises Refused (413 too large, 422 no image by its first bytes or too many side files, 429 too
    many uploads, 507 no room); then nothing is stored.
    """
    if len(side) > MOST_SIDES:
        raise Refused(MANY_SIDES, 422)
    for received in (file, *side):
        limits.check_size(received.size)
    size = sum(received.size for received in (file, *side))
    bounds.ask(Arrival, size=size, user=user, visitor=visitor, address=address)
    if is_zip(file) and OFFICE_ENTRY in head_of(file, OFFICE_HEAD):
        raise Refused(OFFICE, 422)
    if not (holds_several_images and is_zip(file)):
        try:
            check_complete(file, recognise(head_of(file), file.name or ""), file.size)
        except UnreadableImage as error:
            raise Refused(str(error), 422) from None
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
    notify_workers(INSPECTIONS)
    return micrograph


def example_file(kind: str) -> Path:
    """The path of the example for this kind of analysis."""
    return Path(settings.STATICFILES_DIRS[0], "sample", EXAMPLES[kind])


def discard_unused(*micrographs: Micrograph) -> None:
    """Delete each of these images that no job uses and for which no sample waits."""
    keys = [micrograph.pk for micrograph in micrographs]
    Micrograph.objects.filter(pk__in=keys, jobs=None, sample=None).only("pk").delete()


def checked_pages(text: str) -> str:
    """The text of the requested pages, such as "1-3", without spaces around it; "" for none. Raises
    Refused (400) if it names no pages or too many."""
    text = text.strip()
    try:
        if text:
            numbers = pages_of(text, 1, limit=settings.DEEPSEGM_SAMPLE_IMAGES)
            page_index(max(numbers), max(numbers))
    except UserError as problem:
        raise Refused(str(problem)) from None
    return text


def stored_example(kind: str) -> dict[str, Any]:
    """The stored example of a kind of analysis, with new ids; {} if it has none. It is a real micrograph, analysed when
    a version was made (python -m tests.examples.stored): "rows", the "files" of the folder static/sample/KIND by name,
    "job" and the "sha256" of the picture."""
    file = Path(settings.STATICFILES_DIRS[0], "sample", kind, "rows.json")
    text = file.read_text() if file.is_file() else "{}"
    for table in ("micrograph", "segmentation", "job"):
        text = text.replace(f"{{{table}}}", str(uuid4()))
    content: dict[str, Any] = json.loads(text)
    return content


def show_stored(kind: str, *, user: Any, visitor: UUID | None, address: str) -> Job:
    """Make the stored example of a kind a result of the caller, who may correct it. Raises Refused (429, 507) as an
    upload does."""
    folder, content = Path(settings.STATICFILES_DIRS[0], "sample", kind), stored_example(kind)
    size = sum((folder / name).stat().st_size for name in content["files"])
    bounds.ask(Arrival, size=size, user=user, visitor=visitor, address=address)
    bounds.ask(Job, among=Job.objects.none(), user=user, visitor=visitor, address=address)
    fields = {**Job.fields_of(user, visitor, address), "created": timezone.now()}
    with undo_failed_storing(lambda: remove_files(content["files"].values())), transaction.atomic():
        Arrival.objects.create(**fields)
        for name, stored_name in content["files"].items():
            with (folder / name).open("rb") as file:
                default_storage.save(stored_name, File(file))
        for entry in deserialize("python", content["rows"]):
            for name, value in fields.items() if isinstance(entry.object, Owned) else ():
                setattr(entry.object, name, value)
            entry.save(force_insert=True)
    return Job.objects.get(pk=content["job"])


@cache
def example_sha256(kind: str = DEFAULT_TASK) -> str:
    """The SHA-256 of an example, by which its results are recognised."""
    return hashlib.sha256(example_file(kind).read_bytes()).hexdigest()


def _store(micrograph: Micrograph, file: Any, side: Sequence[Any]) -> None:
    """Store the files of an upload. Its row is saved before, so that files left by a crash belong to a
    row. After a failure neither row nor files stay."""
    with undo_failed_storing(micrograph.delete):
        micrograph.file.save(micrograph.name, file, save=False)
        for side_file in side:
            name, sha256 = shown_name(side_file.name or ""), sha256_of_upload(side_file)
            stored = _store_side(micrograph, side_file, name, sha256)
            micrograph.side = [*micrograph.side, {"name": name, "sha256": sha256, "file": stored}]
        micrograph.state = Micrograph.State.QUEUED
        micrograph.save(update_fields=["file", "side", "state"])


def _store_side(micrograph: Micrograph, side_file: Any, name: str, sha256: str) -> str:
    """Store a side file; returns its path in the storage. If another image of the sender has the same
    file, the stored file is shared.

    The row is saved before the file. Images that are still being stored do not share files.
    """
    images_of_sender = Micrograph.objects.filter(limits.filter_for_sender(**micrograph.maker)).exclude(
        state=Micrograph.State.RECEIVING
    )
    same_files = SideFile.objects.filter(name=name, sha256=sha256, micrograph__in=images_of_sender.values("pk"))
    with transaction.atomic():
        shared = same_files.select_for_update().first()
        place = shared.file.name if shared else f"sides/{uuid4()}/side{harmless_suffix(name)}"
        fields = {"name": name, "sha256": sha256, "file": place, "size": side_file.size}
        SideFile.objects.create(micrograph=micrograph.pk, **fields)
    if shared is None:
        default_storage.save(place, side_file)
    return place


def head_of(file: Any, size: int = HEAD_BYTES) -> bytes:
    """The first bytes of a Django `File`. The file is at its start afterwards."""
    file.seek(0)
    head: bytes = file.read(size)
    file.seek(0)
    return head


def sha256_of_upload(file: Any) -> str:
    """The SHA-256 of a Django `File`. The file is at its start afterwards."""
    digest = hashlib.sha256()
    for chunk in file.chunks(2**20):
        digest.update(chunk)
    file.seek(0)
    return digest.hexdigest()


@dataclass
class Intake:
    """The stored images of one upload, and notes on the files that were not stored."""

    uploads: list[Micrograph] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """A block that uses the uploads. If it raises, unused uploads are deleted."""
        try:
            yield
        except Exception:
            discard_unused(*self.uploads)
            raise


def receive_files(*, files: Sequence[Any], pages: str = "", **sender: Any) -> Intake:
    """Store the files of one upload; an unusable file becomes a Note, and the others are still stored.

    A worker unpacks archives later. pages: of each file, as in `Micrograph`; raises Refused if the
    text names no pages. sender: user, visitor and address, as in `receive_upload`.
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
                read_bar=len(images) <= MOST_BARS_READ,
                holds_several_images=bool(pages) or is_zip(file),
                pages=pages,
                **sender,
            )
            intake.uploads.append(micrograph)
        except Refused as refusal:
            intake.notes.append(Note(shown_name(file.name or ""), refusal.sentence, refusal.status))
    return intake
