"""Micrographs coming in: limits first, then inspection in a child process, then storage."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.files import File
from django.core.files.base import ContentFile
from django.db import transaction

from .. import inspection
from ..models import Upload, shown_name
from . import limits
from .files import remove_folder
from .refusal import Refused

logger = logging.getLogger(__name__)
SAMPLE = Path("sample", "sem-sample.tif")


def receive_upload(*, file: Any, user: Any, visitor: UUID | None, address: str) -> Upload:
    """Check, inspect and store one micrograph.

    file: a Django `File` with `name` and `size`. address: keyed hash of the sender's IP.
    Raises Refused (413 too large, 429 too many, 422 unreadable, 503 busy, 507 no room); nothing of the file
    stays behind then.
    """
    limits.check_size(file.size)
    limits.check_uploads(user=user, visitor=visitor, address=address)
    name = shown_name(file.name or "")
    with _on_disk(file) as path:
        try:
            found = inspection.inspect(path, name=name)
        except inspection.Busy as busy:
            raise Refused(str(busy), 503) from None
        except inspection.Unreadable as bad:
            raise Refused(str(bad), 422) from None
        upload = Upload(
            name=name,
            size=file.size,
            owner=user if user is not None and user.is_authenticated else None,
            visitor=visitor,
            address=address,
            **found.facts,
        )
        with path.open("rb") as opened:
            _store(upload, opened, found.preview)
    return upload


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
def _on_disk(file: Any) -> Iterator[Path]:
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


def _store(upload: Upload, opened: Any, preview: bytes) -> None:
    """Files first, then the row; when either fails, neither stays."""
    try:
        upload.file.save(upload.name, File(opened), save=False)
        upload.preview.save("preview.png", ContentFile(preview), save=False)
        upload.save(force_insert=True)
    except OSError as error:
        remove_folder(upload.folder)
        raise _no_room(error) from error
    except BaseException:
        remove_folder(upload.folder)
        raise


def _no_room(error: OSError) -> Refused:
    logger.error("An upload could not be stored: %s", error)
    return Refused("The server could not store the image: tell its administrator that the disk may be full.", 507)
