"""Micrographs coming in: limits first, then inspection in a child process, then storage."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction

from .. import inspection
from ..models import Upload, shown_name
from . import limits
from .files import remove_folder
from .refusal import Refused

logger = logging.getLogger(__name__)
SAMPLE = Path("sample", "sem-sample.tif")


def receive_upload(
    *, file: Any, user: Any, visitor: UUID | None, address: str, side: Sequence[Any] = (), read_bar: bool = True
) -> Upload:
    """Check, inspect and store one micrograph, and the files of the microscope that came beside it.

    file: a Django `File` with `name` and `size`; `side`: such files. address: keyed hash of the sender's IP.
    read_bar: whether the text of the data bar is read, which takes seconds.
    Raises Refused (413 too large, 429 too many, 422 unreadable, 503 busy, 507 no room); nothing of the files
    stays behind then.
    """
    for each in (file, *side):
        limits.check_size(each.size)
    limits.check_uploads(user=user, visitor=visitor, address=address)
    name = shown_name(file.name or "")
    with ExitStack() as stack:
        path = stack.enter_context(on_disk(file))
        beside = [(shown_name(each.name or ""), stack.enter_context(on_disk(each))) for each in side]
        found = _inspected(path, name=name, side=beside, read_bar=read_bar)
        upload = Upload(
            name=name,
            size=file.size + sum(each.size for each in side),
            owner=user if user is not None and user.is_authenticated else None,
            visitor=visitor,
            address=address,
            **found.facts,
        )
        _store(upload, path, found.preview, beside)
    return upload


def _inspected(path: Path, **said: Any) -> inspection.Inspection:
    try:
        return inspection.inspect(path, **said)
    except inspection.Busy as busy:
        raise Refused(str(busy), 503) from None
    except inspection.Unreadable as bad:
        raise Refused(str(bad), 422) from None


def sample_upload(*, user: Any, visitor: UUID | None, address: str) -> Upload:
    """The sample image, as if the user had uploaded it."""
    path = Path(settings.STATICFILES_DIRS[0]) / SAMPLE
    with path.open("rb") as opened:
        return receive_upload(file=File(opened, name=SAMPLE.name), user=user, visitor=visitor, address=address)


@transaction.atomic
def delete_upload(*, upload: Upload) -> None:
    """Remove a micrograph, its jobs and all their files."""
    upload.delete()


def discard_unused(upload: Upload) -> None:
    """Remove a micrograph that no job needs."""
    if not upload.jobs.exists():
        upload.delete()


@contextmanager
def on_disk(file: Any) -> Iterator[Path]:
    """The file's bytes as a local file: where Django has put it, else a temporary copy."""
    if hasattr(file, "temporary_file_path"):
        yield Path(file.temporary_file_path())
        return
    with tempfile.TemporaryDirectory(dir=settings.FILE_UPLOAD_TEMP_DIR) as folder:
        path = Path(folder, "upload")
        try:
            with path.open("wb") as copy:
                copy.writelines(file.chunks())
        except OSError as error:
            raise _no_room(error) from error
        yield path


def _store(upload: Upload, path: Path, preview: bytes, side: list[tuple[str, Path]]) -> None:
    """Files first, then the row; when either fails, neither stays."""
    try:
        with path.open("rb") as opened:
            upload.file.save(upload.name, File(opened), save=False)
        upload.preview.save("preview.png", ContentFile(preview), save=False)
        upload.side = [_store_side(upload, number, *each) for number, each in enumerate(side, 1)]
        upload.save(force_insert=True)
    except OSError as error:
        remove_folder(upload.folder)
        raise _no_room(error) from error
    except BaseException:
        remove_folder(upload.folder)
        raise


def _store_side(upload: Upload, number: int, name: str, path: Path) -> dict[str, str]:
    suffix = PurePosixPath(name).suffix.lower()
    with path.open("rb") as opened:
        return {"name": name, "file": default_storage.save(f"{upload.folder}/side-{number}{suffix}", File(opened))}


def _no_room(error: OSError) -> Refused:
    logger.error("An upload could not be stored: %s", error)
    return Refused("The server could not store the image: tell its administrator that the disk may be full.", 507)
