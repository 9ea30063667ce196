"""Space on the disk: uploads stop before it is full, and deleting works even when it is full.

On a full disk even the deletion of a job cannot be written to the database. So the data folder holds a reserve, a
file of zeros, which is removed in that case and made again when there is space.
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
RESERVE, NOTED = "reserve", "free-space.json"
A_DAY = 24 * 3600.0
WEEK = 7 * A_DAY
LARGEST_RESERVE = 4 * 2**20
RESERVE_DIVISOR = 16  # the reserve takes at most 1/16 of the disk
NO_ROOM = "The server has no room for more images: delete results that you no longer need, or ask its administrator."

P = ParamSpec("P")
R = TypeVar("R")


def free_bytes() -> int | None:
    """Free bytes for incoming images and results on this machine's disks; None while none of their folders is there."""
    location: Any = settings.STORAGES["default"].get("OPTIONS", {}).get("location")  # none of a bucket
    folders = [settings.DEEPSEGM_DATA, Path(settings.FILE_UPLOAD_TEMP_DIR), *([Path(location)] if location else [])]
    return min((shutil.disk_usage(folder).free for folder in folders if folder.is_dir()), default=None)


def is_scarce(needed: int = 0) -> bool:
    """Whether less than DEEPSEGM_MIN_FREE_MB would be left after so many bytes more."""
    free = free_bytes()
    return free is not None and free - needed < settings.DEEPSEGM_MIN_FREE_MB * 2**20


def note_free() -> None:
    """Write down how much is free now, each hour, beside what was in the last WEEK."""
    free, now, file = free_bytes(), time.time(), settings.DEEPSEGM_DATA / NOTED
    if free is not None:
        noted = [entry for entry in _noted() if now - entry[0] < WEEK]
        _write(file, json.dumps([*noted, (now, free)]).encode())


def days_left() -> float | None:
    """Days until uploads are refused, at the pace since the first note; None where less is used than then, or the first
    note is not a day old."""
    noted, free = _noted(), free_bytes()
    days = (time.time() - noted[0][0]) / A_DAY if noted else 0.0
    if free is None or days < 1 or noted[0][1] <= free:
        return None
    return max(free - settings.DEEPSEGM_MIN_FREE_MB * 2**20, 0) * days / (noted[0][1] - free)


def _noted() -> list[tuple[float, int]]:
    """(time in seconds, bytes that were free then)."""
    try:
        return [(when, free) for when, free in json.loads((settings.DEEPSEGM_DATA / NOTED).read_text())]
    except (OSError, ValueError, TypeError):
        return []


def check_space(needed: int) -> None:
    """Raises Refused (507) where there is no room for a file of so many bytes."""
    if is_scarce(needed):
        raise Refused(NO_ROOM, 507)


@contextmanager
def storing(undo: Callable[[], Any]) -> Iterator[None]:
    """Store what came: nothing of it stays after a failure. Raises Refused (507) for a full disk."""
    try:
        yield
    except BaseException as error:
        undo()
        if is_full(error):
            raise Refused(NO_ROOM, 507) from error
        raise


def keep_reserve() -> None:
    """Make the reserve where it is missing and there is room."""
    file = settings.DEEPSEGM_DATA / RESERVE
    if file.exists() or is_scarce():
        return
    _write(file, bytes(min(LARGEST_RESERVE, shutil.disk_usage(file.parent).total // RESERVE_DIVISOR)))


def _write(file: Path, content: bytes) -> None:
    """Write a file whole. On a full disk it stays as it was."""
    aside = file.with_suffix(".part")
    try:
        aside.write_bytes(content)
        aside.replace(file)
    except OSError:
        aside.unlink(missing_ok=True)


def frees_room(service: Callable[P, R]) -> Callable[P, R]:
    """Decorates a service that frees space: on a full disk it removes the reserve and tries once more."""

    @wraps(service)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return service(*args, **kwargs)
        except (OperationalError, OSError) as error:
            if not is_full(error) or not _give_up_reserve():
                raise
        return service(*args, **kwargs)

    return wrapped


def _give_up_reserve() -> bool:
    try:
        (settings.DEEPSEGM_DATA / RESERVE).unlink()
    except OSError:
        return False
    logger.warning("The disk is full: the reserve is given up so that things can be deleted.")
    return True
