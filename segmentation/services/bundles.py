"""A result's bundle is stored as its plan and put together when it is asked for: all its files lie beside it anyway."""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import IO

from django.conf import settings

from ..core.archive import write_zip
from ..models import StoredFile

NAME = "bundle.zip"
PLAN = "bundle.json"  # the end of the stored file's name


def plan_of(bundle: Path, beside: Collection[str]) -> bytes:
    """The names in a bundle, in order, and the texts of files that are not stored beside it."""
    with zipfile.ZipFile(bundle) as archive:
        entries = [(name, None if name in beside else archive.read(name).decode()) for name in archive.namelist()]
    return json.dumps(entries).encode()


def opened(stored: StoredFile) -> IO[bytes]:
    """A stored file's content, from its start; the same bundle as was made, byte for byte. Raises OSError."""
    if not stored.file.name.endswith(PLAN):
        return stored.file.open("rb")
    with stored.file.open("rb") as file:
        entries = json.load(file)
    beside = {each.name: each for each in stored.siblings()}
    whole = tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR)  # noqa: SIM115  the response closes it
    try:
        write_zip(whole, ((name, _content(beside, name) if text is None else text.encode()) for name, text in entries))
    except BaseException:
        whole.close()
        raise
    whole.seek(0)
    return whole


def _content(beside: dict[str, StoredFile], name: str) -> bytes:
    if name not in beside:
        raise FileNotFoundError(name)
    with beside[name].file.open("rb") as file:
        return file.read()
