"""Files that are whole or not there at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


class CannotWrite(OSError):
    """A file could not be written; the message names it and says why. What was there before is kept."""


def write_whole(file: Path, content: bytes | memoryview) -> None:
    """Write aside, then rename: a kill or a full disk leaves the old file or the new, never half of one."""
    aside = file.with_name(f".{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        os.replace(aside, file)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise CannotWrite(f"{file} cannot be written ({error.strerror or error}); earlier files are kept.") from error


def check_room(folder: Path, needed: int) -> None:
    """Raise CannotWrite unless `needed` bytes are free where `folder` lies (or will be made)."""
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise CannotWrite(f"{folder} needs {needed / 2**20:.0f} MB of disk and {free / 2**20:.0f} MB are free.")
