"""Removes stored files: when a row of the database is deleted, its folder in the storage goes, too."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from copy import copy
from itertools import takewhile
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.files import File
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import DatabaseError, InterfaceError, OperationalError, transaction
from django.db.models import QuerySet
from django.db.models.signals import post_delete
from django.dispatch import receiver

from ...models import Dataset, DatasetImage, Job, Link, Micrograph, Removal, Sample, Segmentation, SideFile, Training
from .queue import INSPECTIONS, notify_workers

logger = logging.getLogger(__name__)
# The process that deletes the rows removes at most so many folders itself; a worker removes more.
MOST_REMOVED_AT_ONCE = 30
REMOVAL_BATCH = 100  # folders that a worker removes before it checks for other work
# The rows that are deleted within `remove_files_together`; None outside of it.
_deleted_rows: ContextVar[list[Any] | None] = ContextVar("deleted_rows", default=None)


class LocalFile(File):
    """A file on this disk that Django's storage may move instead of copying it."""

    def temporary_file_path(self) -> str:
        return str(self.file.name)


def remove_folder(folder: str) -> bool:
    """Remove the content of a folder in the storage; returns whether nothing is left. Errors of the
    storage are logged, not raised."""
    try:
        _remove(folder)
    except Exception:
        logger.exception("The files under %s could not be removed.", folder)
        return False
    return True


def remove_after_commit(*folders: str) -> None:
    """Remove folders when this transaction is committed. More than MOST_REMOVED_AT_ONCE are left to a
    worker.

    A worker also removes folders that stayed because a process was killed or the storage failed
    (`remove_leftover_folders`).
    """
    removals = Removal.objects.bulk_create(Removal(folder=folder) for folder in folders)
    transaction.on_commit(
        lambda: (len(removals) <= MOST_REMOVED_AT_ONCE and _finish(removals)) or notify_workers(INSPECTIONS)
    )


@contextmanager
def remove_files_together() -> Iterator[None]:
    """A block that deletes rows, within a transaction. At its end the files and links of all these
    rows are removed in one step. Of nested blocks, the outer block removes them."""
    if _deleted_rows.get() is not None:
        yield
        return
    token = _deleted_rows.set(rows := [])
    try:
        yield
    finally:
        _deleted_rows.reset(token)
    _remove_files_of(rows)


def remove_leftover_folders() -> bool:
    """Remove a batch of folders whose removal is still due; returns whether more are left to remove now.

    The order is random, because otherwise a folder that the storage refuses would always be first
    and block the others.
    """
    removals = list(Removal.objects.order_by("?")[:REMOVAL_BATCH])
    return _finish(removals) and len(removals) == REMOVAL_BATCH


def _finish(removals: list[Removal]) -> bool:
    """Remove folders and their rows until the storage refuses one; returns whether all are
    removed."""
    removed = list(takewhile(lambda removal: remove_folder(removal.folder), removals))
    with suppress(DatabaseError):  # `remove_leftover_folders` will try again
        Removal.objects.filter(pk__in=[removal.pk for removal in removed]).delete()
        return len(removed) == len(removals)
    return False


@contextmanager
def undo_on_failure(remove: Callable[[], Any]) -> Iterator[None]:
    """A block that stores files and commits their rows. If it fails, `remove` is called to delete the
    files.

    If the connection to the database broke, it is not known whether the transaction was committed, so
    the files stay. A later attempt, the deletion of the row or `upkeep.tidy` removes useless ones.
    """
    try:
        yield
    except (OperationalError, InterfaceError):
        raise
    except BaseException:
        remove()
        raise


def _remove(folder: str) -> None:
    try:
        folders, names = default_storage.listdir(folder)
    except FileNotFoundError:
        return
    for name in filter(None, names):
        default_storage.delete(f"{folder}/{name}")
    for name in filter(None, folders):
        _remove(f"{folder}/{name}")
    if isinstance(default_storage, FileSystemStorage):
        default_storage.delete(folder)


def delete_with_files(rows: QuerySet) -> None:
    """Delete rows of stored files, and the files when the transaction is committed."""
    names = list(rows.values_list("file", flat=True))
    rows.delete()
    transaction.on_commit(lambda: remove_files(names))


def remove_files(names: Iterable[str]) -> None:
    """Remove files of the storage, if they exist; errors are logged, not raised."""
    for name in names:
        try:
            default_storage.delete(name)
        except Exception:
            logger.exception("The file %s could not be removed.", name)


@receiver(post_delete, sender=Job)
@receiver(post_delete, sender=Sample)
@receiver(post_delete, sender=Micrograph)
@receiver(post_delete, sender=Segmentation)
@receiver(post_delete, sender=DatasetImage)
@receiver(post_delete, sender=Dataset)
@receiver(post_delete, sender=Training)
def remove_files_of_row(instance: Any, **kwargs: Any) -> None:
    """Remove the files and links of a deleted row. Django calls this for each deleted row, also in
    cascades and bulk deletes."""
    rows = _deleted_rows.get()
    if rows is None:
        _remove_files_of([instance])
    else:
        rows.append(copy(instance))  # a copy, because Django takes the id from a deleted instance


def _remove_files_of(rows: list[Any]) -> None:
    """Remove files and links of deleted rows, and segmentations that no other job measures."""
    Link.objects.filter(pk__in=[row.pk for row in rows if isinstance(row, Job | Sample)]).delete()
    release_side_files([row.pk for row in rows if isinstance(row, Micrograph)])
    segmentations = [row.segmentation_id for row in rows if isinstance(row, Job)]
    # worker.scratch stores the pixels of an image in such a file for some minutes.
    pixel_files = [f"{row.pk}.kept" for row in rows if isinstance(row, Micrograph)]
    transaction.on_commit(lambda: Segmentation.objects.filter(pk__in=segmentations, jobs=None).delete())
    transaction.on_commit(lambda: [Path(settings.FILE_UPLOAD_TEMP_DIR, name).unlink(True) for name in pixel_files])
    remove_after_commit(*(row.folder for row in rows))


def release_side_files(micrographs: Iterable[UUID]) -> None:
    """Delete the rows of the side files of these images (files uploaded beside an image, such as
    its metadata).

    A stored file that no other image uses is removed. Call it in a transaction.
    """
    rows = list(SideFile.objects.filter(micrograph__in=micrographs))
    SideFile.objects.filter(pk__in=[side.pk for side in rows]).delete()
    in_use = set(SideFile.objects.filter(file__in={side.file.name for side in rows}).values_list("file", flat=True))
    if unused := sorted({side.folder for side in rows if side.file.name not in in_use}):
        remove_after_commit(*unused)
