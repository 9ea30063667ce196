"""Checks compressed strips of a TIFF before they are decoded: the size that a strip declares, the scans of a JPEG.

Decoders of JPEG, JPEG 2000, JPEG XL, PNG and WebP decode the size that the strip declares, even if it is larger than
the size in the TIFF. So do decoders of the NOT_CHECKED compressions, of which this module cannot read the sizes.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from mmap import mmap

from tifffile import COMPRESSION

from ..types import UnreadableImage

STRIP_HEAD_BYTES = 1 << 16  # first bytes of a strip, in which its size is
MOST_SCANS = 100  # of a JPEG: programs write about 10, and a decoder goes through the whole picture for each
Size = tuple[int, int]  # columns, rows
# JPEG XL: ratios of width to height, and numbers of bits of a length.
_JXL_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_JXL_BITS = (9, 13, 18, 30)
_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])")  # of JPEG, before a length, or the end marker
_SCAN, _END = 0xDA, 0xD9  # markers of JPEG
SCANS = "The JPEG goes over its picture more than {most} times, so it takes too long to read: save it as TIFF or PNG."
_NO_FRAME = (0xC4, 0xC8, 0xCC)  # markers between C0 and CF that begin no frame
JPEG = (COMPRESSION.JPEG, COMPRESSION.ALT_JPEG)
NOT_CHECKED = {
    COMPRESSION.JPEGXR,
    COMPRESSION.JPEGXR_NDPI,
    COMPRESSION.LERC,
    COMPRESSION.JPEG_LOSSY,
    COMPRESSION.JETRAW,
}


def declares_size(compression: int) -> bool:
    """Whether strips compressed this way declare a size that `declared_size` finds."""
    return compression in _READERS


def check_scans(stream: bytes | mmap) -> None:
    """Raises UnreadableImage if a JPEG stream has more than MOST_SCANS scans."""
    count, offset = 0, 2
    while (marker := _MARKER.search(stream, offset)) and marker[1][0] != _END:
        count += marker[1][0] == _SCAN
        if count > MOST_SCANS:
            raise UnreadableImage(SCANS.format(most=MOST_SCANS))
        offset = marker.end() + int.from_bytes(stream[marker.end() : marker.end() + 2], "big")


def declared_size(compression: int, head: bytes) -> Size | None:
    """Columns and rows that a strip declares in its first STRIP_HEAD_BYTES; None if they are not found.

    compression: one for which `declares_size` is true."""
    try:
        return _READERS[compression](head)
    except (struct.error, IndexError):
        return None


def _jpeg(head: bytes) -> Size | None:
    offset = 2
    while head[offset] == 0xFF:
        marker = head[offset + 1]
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME:
            rows, columns = struct.unpack_from(">HH", head, offset + 5)
            return columns, rows
        offset += 2 + struct.unpack_from(">H", head, offset + 2)[0]
    return None


def _jpeg_2000(head: bytes) -> Size | None:
    start = head.find(b"\xff\x4f\xff\x51")
    if start < 0:
        return None
    right, bottom, left, top = struct.unpack_from(">4I", head, start + 8)
    return right - left, bottom - top


def _png(head: bytes) -> Size | None:
    columns, rows = struct.unpack_from(">II", head, 16)
    return (columns, rows) if head[12:16] == b"IHDR" else None


def _webp(head: bytes) -> Size | None:
    kind = head[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", head, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        columns, rows = struct.unpack_from("<HH", head, 26)
        return columns & 0x3FFF, rows & 0x3FFF
    return None


def _jpeg_xl(head: bytes) -> Size | None:
    """The header is a sequence of bits, the lowest of a byte first: whether the image is small, its rows, and a ratio
    or its columns."""
    start = 0 if head.startswith(b"\xff\x0a") else head.find(b"\xff\x0a")
    if start < 0:
        return None
    bits, used = int.from_bytes(head[start + 2 : start + 14], "little"), 0

    def take(count: int) -> int:
        nonlocal used
        used += count
        return bits >> (used - count) & ((1 << count) - 1)

    is_small = take(1)

    def length() -> int:
        return 8 * (take(5) + 1) if is_small else 1 + take(_JXL_BITS[take(2)])

    rows, ratio = length(), take(3)
    across, down = _JXL_RATIOS[ratio - 1] if ratio else (1, 1)
    return (rows * across // down if ratio else length()), rows


_READERS: dict[int, Callable[[bytes], Size | None]] = {
    **dict.fromkeys(JPEG, _jpeg),
    **dict.fromkeys(
        (
            COMPRESSION.JPEG2000,
            COMPRESSION.JPEG_2000_LOSSY,
            COMPRESSION.APERIO_JP2000_YCBC,
            COMPRESSION.APERIO_JP2000_RGB,
        ),
        _jpeg_2000,
    ),
    **dict.fromkeys((COMPRESSION.JPEGXL, COMPRESSION.JPEGXL_DNG), _jpeg_xl),
    **dict.fromkeys((COMPRESSION.WEBP, COMPRESSION.WEBP_DEPRECATED), _webp),
    COMPRESSION.PNG: _png,
}
