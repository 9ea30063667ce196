"""Reads parts of untrusted HDF5 files safely, by h5py.

An HDF5 file can point to other files, and its filters can unpack to any size. So only members of the file itself are
opened, and an array is checked before it is read. h5py is imported only where it is needed, as the web process reads no
image.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from itertools import product
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

from ..decoded import COPY_AGAIN
from ..types import UnreadableImage

DEFLATE, SHUFFLE, CHECKSUM = 1, 2, 3  # numbers of HDF5 filters
KNOWN_FILTERS: list[list[int]] = [[], [SHUFFLE], [DEFLATE], [SHUFFLE, DEFLATE]]  # and a checksum at any place
MOST_CHUNKS = 1_000_000
LONGEST_ATTRIBUTE = 4096  # bytes
HEAP, MOST_OBJECTS = b"GCOL\1", 100_000  # signature of a global heap; objects in all heaps of a file
CHECKSUM_BYTES, PACKING_BYTES = 4, 64  # bytes that the checksum adds, and that DEFLATE may add
ELSEWHERE = "The HDF5 file keeps its pixels in another file: export the image as TIFF."
PACKED = "The HDF5 file is compressed in a way that is not read here: save it with gzip or without compression."
TOO_LARGE = "The HDF5 file stores its image in pieces that are too large: export the image as TIFF."
INCOMPLETE = f"The file is incomplete, part of the image is missing: {COPY_AGAIN}."
DAMAGED = f"The HDF5 file is damaged, its pieces are not as large as it says: {COPY_AGAIN}."


def open_hdf5(path: Path) -> Any:
    """An h5py.File that is opened for reading. Raises OSError if the file is no HDF5."""
    import h5py

    return h5py.File(path, "r", locking=False)


def member(group: Any, *names: str) -> Any:
    """The group or dataset at a path of names; None without one, and for a soft or external link."""
    import h5py

    for name in names:
        if not isinstance(group, h5py.Group) or not isinstance(group.get(name, getlink=True), h5py.HardLink):
            return None
        group = group[name]
    return group


def attribute(item: Any, name: str) -> str:
    """A text attribute of a group or dataset; "" without one, and if it is too long or damaged."""
    if name not in item.attrs or item.attrs.get_id(name).get_storage_size() > LONGEST_ATTRIBUTE:
        return ""
    with Path(item.file.filename).open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        if not _heaps_are_sound(content):
            return ""
    value = item.attrs[name]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value if isinstance(value, str) else ""


def _heaps_are_sound(content: mmap) -> bool:
    """Whether each global heap of a file, where texts lie, is a chain of objects up to its end. Sizes have 8 bytes.

    At an object of size 0 the HDF5 library (2.0.0) loops for ever. Layout: File Format Specification 4.0, III.E.
    """
    superblock_version = content[8]
    sizes_at = 13 if superblock_version < 2 else 9
    if content[sizes_at : sizes_at + 2] != b"\x08\x08":  # bytes of an address, and of a length
        return False
    heap, objects = content.find(HEAP), 0
    while heap >= 0:
        offset, end = heap + 16, heap + int.from_bytes(content[heap + 8 : heap + 16], "little")
        while offset + 16 <= end:
            index = int.from_bytes(content[offset : offset + 2], "little")
            size = int.from_bytes(content[offset + 8 : offset + 16], "little")
            start, offset = offset, offset + (16 + (size + 7) // 8 * 8 if index else size)
            objects += 1
            if not start + 16 <= offset <= min(end, len(content)) or objects > MOST_OBJECTS:
                return False
        heap = content.find(HEAP, heap + 1)
    return True


def check_stored(dataset: Any, part: Sequence[slice], most_bytes: int) -> None:
    """Raises UnreadableImage unless a part of an array can be read safely: all of it must be in this file, and no chunk
    may unpack to more than `most_bytes`. part: a slice with start and stop for each axis."""
    if dataset.external or dataset.is_virtual:
        raise UnreadableImage(ELSEWHERE)
    settings = dataset.id.get_create_plist()
    filters = [settings.get_filter(index)[0] for index in range(settings.get_nfilters())]
    if [kind for kind in filters if kind != CHECKSUM] not in KNOWN_FILTERS or filters.count(CHECKSUM) > 1:
        raise UnreadableImage(PACKED)
    item_bytes = dataset.id.get_type().get_size()  # in the file; the numpy type may be longer
    if dataset.chunks is None:
        if dataset.id.get_storage_size() < dataset.size * item_bytes:
            raise UnreadableImage(INCOMPLETE)
        return
    chunk_bytes = math.prod(dataset.chunks) * item_bytes
    sides = zip(part, dataset.chunks, strict=True)
    places = [range(side.start // step * step, side.stop, step) for side, step in sides]
    if chunk_bytes > most_bytes or math.prod(map(len, places)) > MOST_CHUNKS:
        raise UnreadableImage(TOO_LARGE)
    for chunk in _chunks(dataset, places):
        if _unpacked_length(dataset, chunk, filters, chunk_bytes) != chunk_bytes:
            raise UnreadableImage(DAMAGED)


def _chunks(dataset: Any, places: Sequence[range]) -> list[Any]:
    """The stored chunks that begin at `places` along each axis; raises UnreadableImage unless each is stored exactly
    once."""
    wanted = list(product(*places))
    chunks: list[Any] = []

    def collect(chunk: Any) -> bool | None:
        if all(place.start <= start < place.stop for start, place in zip(chunk.chunk_offset, places, strict=True)):
            chunks.append(chunk)
        return True if len(chunks) > len(wanted) else None  # True ends the iteration

    dataset.id.chunk_iter(collect)
    if sorted(chunk.chunk_offset for chunk in chunks) != wanted:
        raise UnreadableImage(INCOMPLETE)
    return chunks


def _unpacked_length(dataset: Any, chunk: Any, filters: Sequence[int], chunk_bytes: int) -> int:
    """The number of bytes of a chunk after its filters are undone. Unpacking stops just above `chunk_bytes`.

    HDF5 (2.0.0) does not check this length: for a shorter chunk it returns other memory of the process, and a longer
    one can fill the memory."""
    length, limit = int(chunk.size), chunk_bytes + CHECKSUM_BYTES
    for place, kind in reversed([*enumerate(filters)]):
        if chunk.filter_mask >> place & 1 or kind == SHUFFLE:
            continue
        if kind == CHECKSUM:
            length -= CHECKSUM_BYTES
        elif 0 < length <= 2 * limit + PACKING_BYTES:
            _, packed = dataset.id.read_direct_chunk(chunk.chunk_offset)
            length = len(zlib.decompressobj().decompress(packed[:length], limit + 1))
    return length
