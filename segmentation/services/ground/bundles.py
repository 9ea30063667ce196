"""Compact storage of the files of results: texts are compressed, and a ZIP archive is stored as a plan.

The plan lists the entries of the archive, because most of the files in it are stored on their own.
`open_file` returns each file with the bytes that it had when it was made.
"""

from __future__ import annotations

import gzip
import io
import json
import tempfile
import zipfile
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from typing import IO, Any

from django.conf import settings
from django.core.files.storage import Storage

from ...core.archive import write_zip
from ...core.report.file_options import MICROGRAPH, NOTEBOOK
from ...models import StoredFile

BUNDLE_FILE = "bundle.zip"
SEGMENTATION_FILE = "segmentation.npz"
ARCHIVE_FILES = (BUNDLE_FILE, NOTEBOOK)  # archives that are put together from a plan when they are read
PLAN_SUFFIX = "bundle.json"  # end of the name of a stored plan
TEXT_SUFFIXES = (".csv", ".json", ".geojson", ".svg")  # suffixes of the files that are stored compressed
COMPRESSED_SUFFIX = ".gz"  # end of the name of a compressed text
GZIP_LEVEL = 4  # of zlib: it takes 0.45 of the time of level 6, and files are 12 % larger


def compressed(content: bytes) -> bytes:
    """A text compressed by gzip; equal texts give equal bytes."""
    return gzip.compress(content, GZIP_LEVEL, mtime=0)


def plan_of(bundle: Path, stored_names: Collection[str]) -> bytes:
    """The plan of an archive, as JSON: a list of (name of the entry, its text), in the archive's
    order.

    The text is null for a file that is also stored on its own: one of `stored_names`, or the
    uploaded image.
    """
    with zipfile.ZipFile(bundle) as archive:
        entries = [
            (name, None if _file_name(name) in stored_names or _is_image(name) else archive.read(name).decode())
            for name in archive.namelist()
        ]
    return json.dumps(entries).encode()


def _file_name(entry: str) -> str:
    """The name of the file that an entry of an archive holds."""
    return PurePosixPath(entry).name


def open_file(row: StoredFile) -> IO[bytes]:
    """A stored file, open for reading, with the bytes that it had when it was made. Raises OSError.

    If a newer file has replaced it since the row was read, the newer file is opened.
    """
    try:
        return _open_row(row)
    except FileNotFoundError:
        newer = row.siblings().filter(name=row.name).exclude(pk=row.pk).first()
        if newer is None:
            raise
        return _open_row(newer)


def _open_row(row: StoredFile) -> IO[bytes]:
    """A stored file: a compressed text is unpacked, and an archive is put together from its
    plan."""
    if row.file.name.endswith(COMPRESSED_SUFFIX):
        return open_compressed(row.file.storage, row.file.name)
    if not row.file.name.endswith(PLAN_SUFFIX):
        return row.file.open("rb")
    with row.file.open("rb") as file:
        entries = json.load(file)
    siblings = {sibling.name: sibling for sibling in row.siblings()}
    content = (
        (name, _content(row, siblings, _file_name(name)) if text is None else text.encode()) for name, text in entries
    )
    archive: Any = tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR)  # noqa: SIM115
    try:
        write_zip(archive, content)
    except BaseException:
        archive.close()
        raise
    archive.seek(0)
    return archive


def open_compressed(storage: Storage, name: str) -> IO[bytes]:
    """The content of a compressed text, open for reading. name: the path of its stored file."""
    with storage.open(name, "rb") as file:
        return io.BytesIO(gzip.decompress(file.read()))


def _is_image(entry: str) -> bool:
    """Whether an entry is the uploaded image, which is stored once, with its `Micrograph`."""
    return PurePosixPath(entry).stem == MICROGRAPH


def _content(row: StoredFile, siblings: dict[str, StoredFile], name: str) -> bytes:
    """The bytes of one file of an archive. row: the archive. siblings: the stored files of the same
    result, by name."""
    if _is_image(name):
        with row.job.micrograph.file.open("rb") as file:
            return file.read()
    if name not in siblings:
        raise FileNotFoundError(name)
    with open_file(siblings[name]) as file:
        return file.read()
