"""Checks whether an image file is complete, by the few bytes that tell where its pixels lie.

Nothing is decoded, so the web process can refuse an incomplete file at the upload. The functions `end_of_...` are
`Format.end` of their formats: each returns an offset in bytes.
"""

from __future__ import annotations

import struct
from typing import IO, TYPE_CHECKING

from .decoded import COPY_AGAIN
from .types import UnreadableImage

if TYPE_CHECKING:
    from .formats.base import Format

INCOMPLETE = f"The file is incomplete, part of the image is missing: {COPY_AGAIN}."
MOST_ENTRIES, MOST_PARTS = 2000, 10**6  # entries of a TIFF's directory; strips or tiles of its image
TAIL_BYTES = 2**16  # last bytes of a JPEG, in which its end marker lies
# Codes of TIFF tags: size and type of the image; offsets and lengths of its strips or tiles.
WIDTH, HEIGHT, BITS, COMPRESSION, SAMPLES = 256, 257, 258, 259, 277
STRIPS, STRIP_BYTES, TILES, TILE_BYTES = 273, 279, 324, 325
LETTERS = {3: "H", 4: "I", 16: "Q"}  # type of a tag -> letter of struct


def check_complete(file: IO[bytes], file_format: Format, size: int) -> None:
    """Raises UnreadableImage if the image needs more than the `size` bytes of the file.

    Formats without `Format.end` are not checked. The file is at its start afterwards.
    """
    if file_format.end is None:
        return
    try:
        file.seek(0)
        end = file_format.end(file, size)
    except (struct.error, ValueError, OverflowError):
        end = 0  # other damage is found and explained by the reader
    finally:
        file.seek(0)
    if end > size:
        raise UnreadableImage(INCOMPLETE)


def end_of_png(file: IO[bytes], size: int) -> int:
    """The end of the chunk IEND; without it the end of the last chunk that begins in the file."""
    offset = 8
    while offset < size:
        file.seek(offset)
        length, name = struct.unpack(">I4s", file.read(8))
        offset += 12 + length
        if name == b"IEND":
            break
    return offset


def end_of_bmp(file: IO[bytes], size: int) -> int:
    """The end of the pixels; 0 (so nothing is checked) for a compressed BMP."""
    head = file.read(54)
    (start,), (columns, rows) = struct.unpack_from("<I", head, 10), struct.unpack_from("<ii", head, 18)
    (bits, compression) = struct.unpack_from("<HI", head, 28)
    return start + (columns * bits + 31) // 32 * 4 * abs(rows) if compression == 0 and columns > 0 else 0


def end_of_jpeg(file: IO[bytes], size: int) -> int:
    """More than `size` if the end marker is missing, else 0. Some programs write a few bytes after the marker."""
    file.seek(max(size - TAIL_BYTES, 0))
    return 0 if b"\xff\xd9" in file.read(TAIL_BYTES) else size + 1


def end_of_tiff(file: IO[bytes], size: int) -> int:
    """The end of the strips or tiles of the first page."""
    head = file.read(16)
    order, is_big = "<" if head[:2] == b"II" else ">", head[2:4] in (b"+\0", b"\0+")
    directory = struct.unpack_from(order + ("Q" if is_big else "I"), head, 8 if is_big else 4)[0]
    if directory + 2 > size:
        return size + 1
    file.seek(directory)
    entries = struct.unpack(order + ("Q" if is_big else "H"), file.read(8 if is_big else 2))[0]
    if entries > MOST_ENTRIES:
        return 0
    entry_bytes = 20 if is_big else 12
    table = file.read(entries * entry_bytes)
    if len(table) < entries * entry_bytes:
        return size + 1
    tags: dict[int, tuple[int, ...]] = {}
    for start in range(0, len(table), entry_bytes):
        tag, kind, count = struct.unpack_from(order + ("HHQ" if is_big else "HHI"), table, start)
        letter = LETTERS.get(kind)
        if tag not in _TAGS or letter is None or count > MOST_PARTS:
            continue
        field, layout = start + (12 if is_big else 8), f"{order}{count}{letter}"
        if struct.calcsize(layout) <= (8 if is_big else 4):
            tags[tag] = struct.unpack_from(layout, table, field)
            continue
        place = struct.unpack_from(order + ("Q" if is_big else "I"), table, field)[0]
        if place + struct.calcsize(layout) > size:
            return size + 1
        file.seek(place)
        tags[tag] = struct.unpack(layout, file.read(struct.calcsize(layout)))
    offsets = tags.get(STRIPS) or tags.get(TILES) or ()
    counts = tags.get(STRIP_BYTES) or tags.get(TILE_BYTES) or ()
    if not offsets or len(offsets) != len(counts):
        return max(offsets, default=0)
    if len(offsets) == 1 and tags.get(COMPRESSION, (1,))[0] == 1:  # programs write different lengths for a single strip
        pixels = tags[WIDTH][0] * tags[HEIGHT][0] if {WIDTH, HEIGHT} <= tags.keys() else 0
        expected = pixels * sum(tags.get(BITS, (1,))) // 8
        counts = (min(counts[0], expected),)
    return max(offset + count for offset, count in zip(offsets, counts, strict=True))


_TAGS = {WIDTH, HEIGHT, BITS, COMPRESSION, SAMPLES, STRIPS, STRIP_BYTES, TILES, TILE_BYTES}
