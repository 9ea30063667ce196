"""Reproducible ZIP files: the same entries give the same bytes, because dates and owners are left out."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

COMPRESSION_LEVEL = 3  # from 0 to 9
# Suffixes of files that are not compressed: they are already, or hold weights of an ONNX network (.data), which
# hardly become smaller.
STORED_AS_IS = {".png", ".zip", ".pdf", ".xlsx", ".tif", ".npz", ".data"}
EARLIEST = (1980, 1, 1, 0, 0, 0)  # the earliest date that ZIP can store; every entry has it
FILE_FOR_ALL_TO_READ = 0o100644 << 16  # file mode, in the upper half of `external_attr`
UNIX = 3  # number of the system that `external_attr` is meant for


def write_zip(file: Path | BinaryIO, entries: Iterable[tuple[str, bytes]], comment: str = "") -> None:
    """Write entries (name, content) in their order. comment: text stored with the archive."""
    with zipfile.ZipFile(file, "w") as archive:
        archive.comment = comment.encode()
        for name, content in entries:
            _add(archive, name, content)


def streamed_zip(entries: Iterable[tuple[str, bytes | Iterable[bytes]]]) -> Iterator[bytes]:
    """The bytes of a ZIP file, part by part. If the content of an entry is an iterable of pieces, only one piece is in
    memory at a time."""
    file = _PassThrough()
    with zipfile.ZipFile(file, "w") as archive:  # type: ignore[call-overload]
        for name, content in entries:
            if isinstance(content, bytes):
                _add(archive, name, content)
            else:
                with archive.open(_entry(name), "w") as part:
                    for piece in content:
                        part.write(piece)
                        yield file.take()
            yield file.take()
    yield file.take()


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    archive.writestr(_entry(name), content, compresslevel=COMPRESSION_LEVEL)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, EARLIEST)
    entry.external_attr, entry.create_system = FILE_FOR_ALL_TO_READ, UNIX
    is_stored_as_is = PurePosixPath(name).suffix in STORED_AS_IS
    entry.compress_type = zipfile.ZIP_STORED if is_stored_as_is else zipfile.ZIP_DEFLATED
    return entry


class _PassThrough:
    """A write-only file in memory; `take` returns and forgets what was written since the last call."""

    def __init__(self) -> None:
        self.written = bytearray()

    def write(self, data: bytes) -> int:
        self.written += data
        return len(data)

    def flush(self) -> None:
        """Do nothing, because nothing is buffered."""

    def take(self) -> bytes:
        content, self.written = bytes(self.written), bytearray()
        return content
