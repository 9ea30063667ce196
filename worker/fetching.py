"""Local copies of what lies in the storage, which may be far away."""

from __future__ import annotations

import shutil
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.files.storage import default_storage

if TYPE_CHECKING:
    from segmentation.core.micrograph.types import Micrograph
    from segmentation.models import Upload


def fetch(stored: str, folder: Path) -> Path:
    """A copy of a file of the storage, in `folder` under its own last name."""
    copy = folder / PurePosixPath(stored).name
    with default_storage.open(stored, "rb") as source, copy.open("wb") as local:
        shutil.copyfileobj(source, local, 2**20)
    return copy


def micrograph_of(upload: Upload, folder: Path) -> Micrograph:
    """The upload as a Micrograph, with what the files beside it say; raises UnreadableImage."""
    from segmentation.core.micrograph import read

    side = [(beside["name"], fetch(beside["file"], folder)) for beside in upload.side]
    limit = settings.DEEPSEGM_MAX_MEGAPIXELS * 1_000_000
    return read(fetch(upload.file.name, folder), name=upload.name, max_pixels=limit, side=side)
