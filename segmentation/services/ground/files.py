"""Files go with their rows: whoever deletes a row deletes its folder in the storage, too."""

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
from .queue import INSPECTIONS, ring

logger = logging.getLogger(__name__)
FEW, A_BATCH = 30, 100  # folders: removed at once by whoever deletes, and by a worker before it looks for other work
_together: ContextVar[list[Any] | None] = ContextVar("together", default=None)


class LocalFile(File):
    """Our own file on this disk, which can be read without another copy."""

    def temporary_file_path(self) -> str:
        return str(self.file.name)


def remove_folder(folder: str) -> bool:
    """Remove the content of a folder in the storage; errors of the storage are logged and do not stop us. Returns
    whether nothing is left."""
    try:
        _remove(folder)
    except Exception:
        logger.exception("The files under %s could not be removed.", folder)
        return False
    return True


def remove_after_commit(*folders: str) -> None:
    """Remove folders once this transaction is certain. A worker does so where they are more than FEW, and it finishes
    what a killed process or a fault of the storage leaves (`remove_the_rest`)."""
    removals = Removal.objects.bulk_create(Removal(folder=folder) for folder in folders)
    transaction.on_commit(lambda: (len(removals) <= FEW and _finish(removals)) or ring(INSPECTIONS))


@contextmanager
def removing_together() -> Iterator[None]:
    """Note what goes with the rows that the block deletes in one step at its end, or at that of the block around it;
    within a transaction."""
    if _together.get() is not None:
        yield
        return
    token = _together.set(rows := [])
    try:
        yield
    finally:
        _together.reset(token)
    _remove_with(rows)


def remove_the_rest() -> bool:
    """Remove a batch of the folders that should have been removed. The order is by chance, so that one that the storage
    refuses does not stop the others for ever. Returns whether the next batch can follow."""
    removals = list(Removal.objects.order_by("?")[:A_BATCH])
    return _finish(removals) and len(removals) == A_BATCH


def _finish(removals: list[Removal]) -> bool:
    """Remove folders and their rows until the storage refuses one; whether all are gone."""
    empty = list(takewhile(lambda removal: remove_folder(removal.folder), removals))
    with suppress(DatabaseError):  # then `remove_the_rest` does it
        Removal.objects.filter(pk__in=[removal.pk for removal in empty]).delete()
        return len(empty) == len(removals)
    return False


@contextmanager
def publishing(remove: Callable[[], Any]) -> Iterator[None]:
    """Store files and commit their rows: what was stored is removed again if that fails.

    If the connection broke, nobody knows whether the transaction was committed. Then the files stay: if it was not, a
    later attempt, the row's deletion or `tidy` removes them.
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
    """Delete rows of stored files, and the files once that is certain."""
    names = list(rows.values_list("file", flat=True))
    rows.delete()
    transaction.on_commit(lambda: remove_files(names))


def remove_files(names: Iterable[str]) -> None:
    """Remove files of the storage, if they are there; errors are logged and do not stop us."""
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
def remove_with_row(instance: Any, **kwargs: Any) -> None:
    """Runs for every row, on cascades and bulk deletes too."""
    together = _together.get()
    if together is None:
        _remove_with([instance])
    else:
        together.append(copy(instance))  # the row itself loses its id


def _remove_with(rows: list[Any]) -> None:
    """Remove what goes with deleted rows: their files and links, and the segmentations that no job measures now."""
    Link.objects.filter(pk__in=[row.pk for row in rows if isinstance(row, Job | Sample)]).delete()
    let_go_of_sides([row.pk for row in rows if isinstance(row, Micrograph)])
    measured = [row.segmentation_id for row in rows if isinstance(row, Job)]
    pixels = [f"{row.pk}.kept" for row in rows if isinstance(row, Micrograph)]  # by worker.scratch, for some minutes
    transaction.on_commit(lambda: Segmentation.objects.filter(pk__in=measured, jobs=None).delete())
    transaction.on_commit(lambda: [Path(settings.FILE_UPLOAD_TEMP_DIR, name).unlink(True) for name in pixels])
    remove_after_commit(*(row.folder for row in rows))


def let_go_of_sides(micrographs: Iterable[UUID]) -> None:
    """These images have no files beside them any more; those that no other image has are removed. In a transaction."""
    mine = list(SideFile.objects.filter(micrograph__in=micrographs))
    SideFile.objects.filter(pk__in=[side.pk for side in mine]).delete()
    kept = set(SideFile.objects.filter(file__in={side.file.name for side in mine}).values_list("file", flat=True))
    if unused := sorted({side.folder for side in mine if side.file.name not in kept}):
        remove_after_commit(*unused)
