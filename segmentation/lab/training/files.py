"""Writes files so that none is ever half-written, and locks the folder of a training."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import TypeAdapter

from .contract import Picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FINGERPRINT_LENGTH = 12  # characters of a SHA-256 by which an image is recognised
ENDING_SECONDS = 10.0  # how long the child processes of a killed training may take to end


class CannotWrite(OSError):
    """A file could not be written; the message names it and the reason. The earlier file is kept."""


class InUse(OSError):
    """Another process works in the folder."""


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Lock a folder, which is made if necessary, against other trainings; raises InUse, CannotWrite.

    The lock ends with the process and its children, even if they are killed, and leaves no file.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise CannotWrite(f"{folder} cannot be written ({error.strerror or error}).") from error
    try:
        if not _take_lock(descriptor):
            raise InUse(f"Another training writes into {folder}: wait for it, or name another folder with --out.")
        yield
    finally:
        os.close(descriptor)


def _take_lock(descriptor: int) -> bool:
    """Whether the lock could be taken within ENDING_SECONDS."""
    deadline = time.monotonic() + ENDING_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)


def write_whole(file: Path, content: bytes | memoryview) -> None:
    """Write a file under another name, then rename it, so that a killed process or a full disk leaves the old or the
    new file, never a part of one."""
    partial_file = file.with_name(f".{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with partial_file.open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        os.replace(partial_file, file)
    except OSError as error:
        partial_file.unlink(missing_ok=True)
        raise CannotWrite(f"{file} cannot be written ({error.strerror or error}); earlier files are kept.") from error


def write_picture(file: Path, picture: Image.Image | Figure | Picture | NDArray[np.uint16]) -> None:
    """Write a PNG by `write_whole`."""
    content = io.BytesIO()
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(picture)
    if isinstance(picture, Image.Image):
        picture.save(content, "PNG")
    else:
        picture.savefig(content, format="png", dpi=110)
    write_whole(file, content.getbuffer())


def check_disk_space(folder: Path, needed: int) -> None:
    """Raise CannotWrite unless `needed` bytes are free where `folder` lies (or will be made)."""
    existing = next(ancestor for ancestor in (folder.absolute(), *folder.absolute().parents) if ancestor.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise CannotWrite(f"{folder} needs {needed / 2**20:.0f} MB of disk and {free / 2**20:.0f} MB are free.")


def fingerprint(file: Path) -> str:
    """A short hash of a file by which an image is recognised under any name."""
    return hashlib.sha256(file.read_bytes()).hexdigest()[:FINGERPRINT_LENGTH]


def as_json(value_type: Any, value: Any) -> str:
    """The JSON of a value of this type; its arrays are annotated with `contract.STORED`."""
    return json.dumps(TypeAdapter(value_type).dump_python(value, mode="json"))


def from_json(value_type: Any, text: str | bytes) -> Any:
    """The value of this type in a JSON; raises ValueError, TypeError or IndexError if it contains another type."""
    return TypeAdapter(value_type).validate_python(json.loads(text))
