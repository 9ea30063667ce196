"""Reproducible ZIP files: the same entries give the same bytes, because dates and owners are left out."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

LEVEL = 3
# Already compressed, or weights of an ONNX network (.data): packing them would cost time and save next to nothing.
STORED_AS_IS = {".png", ".zip", ".pdf", ".xlsx", ".tif", ".npz", ".data"}
EARLIEST = (1980, 1, 1, 0, 0, 0)
FILE_FOR_ALL_TO_READ = 0o100644 << 16
UNIX = 3


def write_zip(file: Path | BinaryIO, entries: Iterable[tuple[str, bytes]], comment: str = "") -> None:
    """Write entries (name, content) in their order. comment: of the archive."""
    with zipfile.ZipFile(file, "w") as archive:
        archive.comment = comment.encode()
        for name, content in entries:
            _add(archive, name, content)


def streamed_zip(entries: Iterable[tuple[str, bytes | Iterable[bytes]]]) -> Iterator[bytes]:
    """The bytes of such a ZIP file, entry by entry; of an entry in pieces one piece at a time is in memory."""
    file = _Passed()
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
    archive.writestr(_entry(name), content, compresslevel=LEVEL)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, EARLIEST)
    entry.external_attr, entry.create_system = FILE_FOR_ALL_TO_READ, UNIX
    packed = PurePosixPath(name).suffix in STORED_AS_IS
    entry.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
    return entry


class _Passed:
    """A write-only file that passes its bytes on."""

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
