"""Files go with their rows: whoever deletes a row deletes its folder in the storage, too."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files import File
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import DatabaseError, InterfaceError, OperationalError, transaction
from django.db.models.signals import post_delete
from django.dispatch import receiver

from ...models import Dataset, DatasetImage, Job, Micrograph, Removal, Sample, Segmentation, StoredFile

logger = logging.getLogger(__name__)


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


def remove_after_commit(folder: str) -> None:
    """Remove a folder once this transaction is certain. What a killed process or a fault of the storage leaves is
    removed by `remove_the_rest`."""
    removal = Removal.objects.create(folder=folder)
    transaction.on_commit(lambda: _finish(removal))


def remove_the_rest(before: datetime) -> None:
    """Remove the folders that should have been removed before this time."""
    for removal in Removal.objects.filter(created__lt=before):
        _finish(removal)


def _finish(removal: Removal) -> None:
    if remove_folder(removal.folder):
        with suppress(DatabaseError):  # then `remove_the_rest` does it
            removal.delete()


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


def remove_files_of(rows: Iterable[StoredFile]) -> None:
    """Remove the files of rows that are deleted, or were not saved after all."""
    remove_files(row.file.name for row in rows)


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
def remove_files_with_row(instance: Any, **kwargs: Any) -> None:
    """Runs for every row, on cascades and bulk deletes too, and only once the deletion is certain."""
    remove_after_commit(instance.folder)
    if isinstance(instance, Micrograph):
        pixels = Path(settings.FILE_UPLOAD_TEMP_DIR, f"{instance.pk}.kept")  # by worker.scratch, for some minutes
        transaction.on_commit(lambda: pixels.unlink(missing_ok=True))


@receiver(post_delete, sender=Job)
def remove_unused_segmentation(instance: Job, **kwargs: Any) -> None:
    """Delete a segmentation together with the last job that measured it."""
    unused = Segmentation.objects.filter(pk=instance.segmentation_id, jobs=None)
    transaction.on_commit(lambda: unused.delete())
