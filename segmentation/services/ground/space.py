"""Free space on the disk: uploads are refused before it is full, and deleting works when it is full.

On a full disk the database cannot even store that a job is deleted. Therefore the data folder contains
a reserve, a file of zeros. It is removed in that case, and made again when there is space.
"""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from django.conf import settings
from django.db import OperationalError

from .refusal import Refused, is_full

logger = logging.getLogger(__name__)
RESERVE_FILE, FREE_SPACE_FILE = "reserve", "free-space.json"  # files in the data folder
DAY_SECONDS = 24 * 3600.0
WEEK_SECONDS = 7 * DAY_SECONDS
LARGEST_RESERVE = 4 * 2**20  # bytes
RESERVE_DIVISOR = 16  # the reserve takes at most 1/16 of a small disk
NO_ROOM = "The server has no room for more images: delete results that you no longer need, or ask its administrator."

P = ParamSpec("P")
R = TypeVar("R")


def free_bytes() -> int | None:
    """Free bytes on the fullest disk that stores images or results; None if no such folder exists."""
    # An object store (S3) has no folder.
    location: Any = settings.STORAGES["default"].get("OPTIONS", {}).get("location")
    folders = [settings.DEEPSEGM_DATA, Path(settings.FILE_UPLOAD_TEMP_DIR), *([Path(location)] if location else [])]
    return min((shutil.disk_usage(folder).free for folder in folders if folder.is_dir()), default=None)


def is_space_scarce(needed: int = 0) -> bool:
    """Whether less than DEEPSEGM_MIN_FREE_MB would be free after `needed` more bytes are stored."""
    free = free_bytes()
    return free is not None and free - needed < settings.DEEPSEGM_MIN_FREE_MB * 2**20


def record_free_space() -> None:
    """Add the present free bytes to the stored record of the last week. `upkeep.tidy` calls this each
    hour."""
    free, now, file = free_bytes(), time.time(), settings.DEEPSEGM_DATA / FREE_SPACE_FILE
    if free is not None:
        recent = [entry for entry in _free_space_record() if now - entry[0] < WEEK_SECONDS]
        _write(file, json.dumps([*recent, (now, free)]).encode())


def days_left() -> float | None:
    """Days until uploads are refused, at the rate at which the disk filled in the recorded week.

    None if the record is shorter than a day, or if the disk did not become fuller.
    """
    record, free = _free_space_record(), free_bytes()
    recorded_days = (time.time() - record[0][0]) / DAY_SECONDS if record else 0.0
    if free is None or recorded_days < 1 or record[0][1] <= free:
        return None
    return max(free - settings.DEEPSEGM_MIN_FREE_MB * 2**20, 0) * recorded_days / (record[0][1] - free)


def _free_space_record() -> list[tuple[float, int]]:
    """The stored record of free space, the oldest entry first: (time in s, free bytes)."""
    try:
        return [(when, free) for when, free in json.loads((settings.DEEPSEGM_DATA / FREE_SPACE_FILE).read_text())]
    except (OSError, ValueError, TypeError):
        return []


def check_space(needed: int) -> None:
    """Raises Refused (507) if there is no room for a file of `needed` bytes."""
    if is_space_scarce(needed):
        raise Refused(NO_ROOM, 507)


@contextmanager
def undo_failed_storing(undo: Callable[[], Any]) -> Iterator[None]:
    """A block that stores sent files. If it fails, `undo` is called to remove them. Raises Refused
    (507) if the disk is full."""
    try:
        yield
    except BaseException as error:
        undo()
        if is_full(error):
            raise Refused(NO_ROOM, 507) from error
        raise


def make_reserve() -> None:
    """Make the reserve file if it is missing and there is room for it."""
    file = settings.DEEPSEGM_DATA / RESERVE_FILE
    if file.exists() or is_space_scarce():
        return
    _write(file, bytes(min(LARGEST_RESERVE, shutil.disk_usage(file.parent).total // RESERVE_DIVISOR)))


def _write(file: Path, content: bytes) -> None:
    """Write a file completely or, on a full disk, not at all."""
    partial = file.with_suffix(".part")
    try:
        partial.write_bytes(content)
        partial.replace(file)
    except OSError:
        partial.unlink(missing_ok=True)


def with_disk_reserve(service: Callable[P, R]) -> Callable[P, R]:
    """A decorator for services that delete data: if the disk is full, the reserve is removed and the
    service is called once more."""

    @wraps(service)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return service(*args, **kwargs)
        except (OperationalError, OSError) as error:
            if not is_full(error) or not _remove_reserve():
                raise
        return service(*args, **kwargs)

    return wrapped


def _remove_reserve() -> bool:
    """Remove the reserve; returns whether there was one."""
    try:
        (settings.DEEPSEGM_DATA / RESERVE_FILE).unlink()
    except OSError:
        return False
    logger.warning("The disk is full: the reserve is given up so that things can be deleted.")
    return True
