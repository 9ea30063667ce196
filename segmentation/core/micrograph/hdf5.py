"""HDF5 files of strangers, through h5py: they can point to other files, and their filters can unpack without end.

So only members of the file itself are opened, and an array is checked before anything of it is read. h5py is imported
when it is needed: the web process reads no image.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from itertools import product
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

from .decoded import COPY_AGAIN
from .types import UnreadableImage

DEFLATE, SHUFFLE, CHECKSUM = 1, 2, 3  # numbers of filters
UNDONE: list[list[int]] = [[], [SHUFFLE], [DEFLATE], [SHUFFLE, DEFLATE]]  # before or after a checksum
MOST_CHUNKS = 1_000_000
LONGEST_ATTRIBUTE = 4096  # bytes
HEAP, MOST_OBJECTS = b"GCOL\1", 100_000
CHECKSUM_BYTES, PACKING_BYTES = 4, 64  # that filters add
ELSEWHERE = "The HDF5 file keeps its pixels in another file: export the image as TIFF."
PACKED = "The HDF5 file is compressed in a way that is not read here: save it with gzip or without compression."
TOO_LARGE = "The HDF5 file stores its image in pieces that are too large: export the image as TIFF."
INCOMPLETE = f"The file is incomplete, part of the image is missing: {COPY_AGAIN}."
DAMAGED = f"The HDF5 file is damaged, its pieces are not as large as it says: {COPY_AGAIN}."


def opened(path: Path) -> Any:
    """The h5py.File, for reading. Raises OSError for what is no HDF5."""
    import h5py

    return h5py.File(path, "r", locking=False)


def member(group: Any, *names: str) -> Any:
    """The group or array at a path of names; None where there is none, or only a soft or external link."""
    import h5py

    for name in names:
        if not isinstance(group, h5py.Group) or not isinstance(group.get(name, getlink=True), h5py.HardLink):
            return None
        group = group[name]
    return group


def attribute(item: Any, name: str) -> str:
    """A text that belongs to a group or array; "" where it has none, or one that is too long or damaged."""
    if name not in item.attrs or item.attrs.get_id(name).get_storage_size() > LONGEST_ATTRIBUTE:
        return ""
    with Path(item.file.filename).open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        if not _heaps_end(content):
            return ""
    value = item.attrs[name]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value if isinstance(value, str) else ""


def _heaps_end(content: mmap) -> bool:
    """Whether each global heap of a file, where texts lie, is a chain of objects up to its end, with sizes of 8 bytes.

    The library (HDF5 2.0.0) goes round for ever at an object of no size. Layout: File Format Specification 4.0, III.E.
    """
    version = content[8]
    if content[13:15] != b"\x08\x08" if version < 2 else content[9:11] != b"\x08\x08":  # bytes of addresses and sizes
        return False
    heap, steps = content.find(HEAP), 0
    while heap >= 0:
        at, end = heap + 16, heap + int.from_bytes(content[heap + 8 : heap + 16], "little")
        while at + 16 <= end:
            index, size = (int.from_bytes(content[at + a : at + b], "little") for a, b in ((0, 2), (8, 16)))
            at, before = at + (16 + (size + 7) // 8 * 8 if index else size), at
            steps += 1
            if not before + 16 <= at <= min(end, len(content)) or steps > MOST_OBJECTS:
                return False
        heap = content.find(HEAP, heap + 1)
    return True


def check_stored(dataset: Any, part: Sequence[slice], most_bytes: int) -> None:
    """Raises UnreadableImage unless this part, with a start and a stop along each axis, is in this file as a whole and
    takes no more than `most_bytes` at once to unpack."""
    if dataset.external or dataset.is_virtual:
        raise UnreadableImage(ELSEWHERE)
    settings = dataset.id.get_create_plist()
    filters = [settings.get_filter(index)[0] for index in range(settings.get_nfilters())]
    if [kind for kind in filters if kind != CHECKSUM] not in UNDONE or filters.count(CHECKSUM) > 1:
        raise UnreadableImage(PACKED)
    item_bytes = dataset.id.get_type().get_size()  # in the file: numpy may have none as short
    if dataset.chunks is None:
        if dataset.id.get_storage_size() < dataset.size * item_bytes:
            raise UnreadableImage(INCOMPLETE)
        return
    chunk_bytes = math.prod(dataset.chunks) * item_bytes
    along = zip(part, dataset.chunks, strict=True)
    places = [range(side.start // step * step, side.stop, step) for side, step in along]
    if chunk_bytes > most_bytes or math.prod(map(len, places)) > MOST_CHUNKS:
        raise UnreadableImage(TOO_LARGE)
    for chunk in _chunks(dataset, places):
        if _unpacked_length(dataset, chunk, filters, chunk_bytes) != chunk_bytes:
            raise UnreadableImage(DAMAGED)


def _chunks(dataset: Any, places: Sequence[range]) -> list[Any]:
    """The stored chunks that begin at `places` along each axis; raises UnreadableImage unless each is there once."""
    wanted = list(product(*places))
    chunks: list[Any] = []

    def keep(chunk: Any) -> bool | None:
        if all(place.start <= start < place.stop for start, place in zip(chunk.chunk_offset, places, strict=True)):
            chunks.append(chunk)
        return True if len(chunks) > len(wanted) else None  # ends the walk

    dataset.id.chunk_iter(keep)
    if sorted(chunk.chunk_offset for chunk in chunks) != wanted:
        raise UnreadableImage(INCOMPLETE)
    return chunks


def _unpacked_length(dataset: Any, chunk: Any, filters: Sequence[int], chunk_bytes: int) -> int:
    """Bytes of a chunk after its filters, undone from the last to the first; no more are unpacked than show that there
    are more than `chunk_bytes`.

    HDF5 (2.0.0) trusts this length: behind a shorter chunk it shows other memory, a longer one fills the memory."""
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
