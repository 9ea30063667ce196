"""ZIP archives of every kind, made in memory."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterable, Mapping

from tests.hostile import image, tiff

Content = bytes | str
Entries = Iterable[tuple[str | zipfile.ZipInfo, Content]]


def zipped(entries: Mapping[str, Content] | Entries = (), method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive of contents by name: the same bytes each time, whatever the clock says."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in entries.items() if isinstance(entries, Mapping) else entries:
            info = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name)
            archive.writestr(info, content, method)
    return file.getvalue()


def picture(number: int = 0) -> bytes:
    """A TIFF unlike those of other numbers."""
    pixels = image()
    pixels[0, 0] = number
    return tiff(pixels)


def flagged(content: bytes, flag: int) -> bytes:
    """The same archive, every entry with a flag bit set in both of its headers."""
    changed = bytearray(content)
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := changed.find(mark, at + 1)) >= 0:
            flags = struct.unpack_from("<H", changed, at + offset)[0]
            struct.pack_into("<H", changed, at + offset, flags | flag)
    return bytes(changed)


def counted(content: bytes, entries: int, length: int | None = None) -> bytes:
    """The same archive, its end claiming so many entries."""
    changed = bytearray(content)
    end = changed.rfind(b"PK\x05\x06")
    struct.pack_into("<HH", changed, end + 8, entries, entries)
    if length is not None:
        struct.pack_into("<L", changed, end + 12, length)
    return bytes(changed)


def manifold(content: bytes, times: int) -> bytes:
    """The archive, its directory listing its only entry so many times."""
    at, end = content.find(b"PK\x01\x02"), content.rfind(b"PK\x05\x06")
    directory = times * content[at:end]
    return counted(content[:at] + directory + content[end:], times, len(directory))


def link(name: str) -> zipfile.ZipInfo:
    """An entry that is a symbolic link."""
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = 0o120777 << 16
    return info
