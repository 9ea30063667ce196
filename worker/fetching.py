"""Local copies of what lies in the storage, which may be far away."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from django.core.files.storage import default_storage

from segmentation.core.micrograph.types import UnreadableImage
from segmentation.services.limits import most_pixels

if TYPE_CHECKING:
    from segmentation.core.micrograph import types
    from segmentation.models import Micrograph


GONE = "The stored file of this image is gone: upload it again."


def fetch(stored: str, folder: Path) -> Path:
    """A file of the storage as a local one: where it lies, else a copy in `folder`; raises UnreadableImage if gone."""
    try:
        with suppress(NotImplementedError):
            local = Path(default_storage.path(stored))
            local.stat()
            return local
        copy = folder / PurePosixPath(stored).name
        with default_storage.open(stored, "rb") as source, copy.open("wb") as file:
            shutil.copyfileobj(source, file, 2**20)
    except (FileNotFoundError, NotADirectoryError):
        raise UnreadableImage(GONE) from None
    return copy


def pixels_of(micrograph: Micrograph, folder: Path) -> types.Micrograph:
    """The micrograph as read, with what the files beside it and its own bar say; raises UnreadableImage."""
    from segmentation.core.micrograph import read
    from segmentation.core.micrograph.readings import sure_calibration

    side = [(beside["name"], fetch(beside["file"], folder)) for beside in micrograph.side]
    found = read(fetch(micrograph.file.name, folder), name=micrograph.name, max_pixels=most_pixels(), side=side)
    return replace(found, reading=sure_calibration(micrograph.reading))
