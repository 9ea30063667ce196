"""Prepares and locks the data folder for `manage.py up` and `restore`, and reads the secret key in
it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import TextIO

from django.conf import settings
from django.core.management.utils import get_random_secret_key

from segmentation.checks import why_not_writable


class UnusableFolder(Exception):
    """The data folder cannot be used; the message is one sentence for the administrator."""


def prepare(folder: Path) -> None:
    """Make the data folder and its database, if they are missing, readable only for their owner.
    Raises UnusableFolder if the folder cannot be written."""
    database = folder / "db.sqlite3"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if settings.DATABASES["default"]["NAME"] == database:
            database.touch(mode=0o600)  # SQLite would let everybody read it, and gives its other files the same mode
        Path(settings.FILE_UPLOAD_TEMP_DIR).mkdir(mode=0o700, parents=True, exist_ok=True)
        problem = why_not_writable(folder)
    except OSError as error:
        problem = error.strerror or str(error)
    if problem:
        raise UnusableFolder(
            f"The data folder {folder} cannot be used ({problem}): make it writable or set DEEPSEGM_DATA to another."
        )


def lock(folder: Path) -> TextIO:
    """Lock the folder for this process; the lock holds as long as the returned file is open.

    The system releases it when the process ends for any reason. Raises UnusableFolder if another process has
    it.
    """
    file = (folder / "up.lock").open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        process = file.read().strip() or "unknown"
        file.close()
        raise UnusableFolder(
            f"DeepSegm already runs on the data folder {folder} (process {process}): "
            "stop that one first, or set DEEPSEGM_DATA to another folder."
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def read_or_make_key(file: Path) -> str:
    """The secret key in a file. A missing file is made, with a new key, readable only for its
    owner."""
    if not file.exists():
        partial = file.with_name(f"{file.name}.{os.getpid()}")
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as opened:
            opened.write(get_random_secret_key())
        partial.replace(file)
    return file.read_text(encoding="utf-8").strip()


def empty_spool(folder: Path) -> None:
    """Delete all messages in the folder of the broker (`worker.spool`), also incomplete ones, but
    not those in quarantine. The caller sends messages for waiting rows again."""
    for file in [*folder.glob("*.msg"), *folder.glob("*.part"), *folder.glob("taken/*.msg")]:
        file.unlink(missing_ok=True)
