"""Writes arrays into a compressed .npz file. The compressed bytes of images are kept in a cache (`core.remembered`), so
an unchanged image is not compressed again."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..remembered import current_memory
from .bands import whole_image


class _Packed(NamedTuple):
    """An array as compressed bytes for a ZIP archive. check: CRC-32 of the bytes before compression. size: their
    number."""

    content: bytes
    check: int
    size: int

    @classmethod
    def of(cls, array: NDArray[Any], level: int) -> _Packed:
        """The array in .npy format, compressed. level: of zlib, 0 to 9."""
        head = io.BytesIO()
        np.lib.format.write_array_header_1_0(head, np.lib.format.header_data_from_array_1_0(array))
        start, pixels = head.getvalue(), np.ascontiguousarray(array).data
        deflate = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
        content = b"".join([deflate.compress(start), deflate.compress(pixels), deflate.flush()])
        return cls(content, zlib.crc32(pixels, zlib.crc32(start)), len(start) + pixels.nbytes)


def write_npz(file: Path | BinaryIO, arrays: Mapping[str, NDArray[Any]], level: int) -> None:
    """Write arrays under their names, without pickles; the same arrays give the same bytes.

    file: a path, or an open file that can seek. level: of zlib, 0 to 9.
    """
    if isinstance(file, Path):
        with file.open("wb") as opened:
            write_npz(opened, arrays, level)
        return
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
        for name, array in arrays.items():
            if array.dtype == np.uint8 and array.ndim == 2 and current_memory() is not None:
                packed = whole_image("packed", array, lambda array=array: _Packed.of(array, level), level)  # type: ignore[misc]
                _write_packed(archive, file, f"{name}.npy", packed)
            else:
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)


def _write_packed(archive: zipfile.ZipFile, file: BinaryIO, name: str, packed: _Packed) -> None:
    """Add compressed bytes to an archive; zipfile has no function for this. They are first written like content that is
    not compressed; then the entry's header is written again, with the true values."""
    entry = zipfile.ZipInfo(name)
    with archive.open(entry, "w", force_zip64=True) as member:
        member.write(packed.content)
    entry.compress_type, entry.CRC, entry.file_size = zipfile.ZIP_DEFLATED, packed.check, packed.size
    end = file.tell()
    file.seek(entry.header_offset)
    file.write(entry.FileHeader(zip64=True))
    file.seek(end)
