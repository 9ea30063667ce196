"""Opens a stored segmentation for corrections. Its file is read in strips of rows, so no whole image is in memory."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from threading import Lock
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..segmentation import (
    FOREIGN,
    MAP,
    Provenance,
    UnusableSegmentation,
    check_objects,
    names_of,
    objects_in_file,
    open_arrays,
)
from .geometry import Box
from .runs import Strip
from .working import STRIP_ROWS, WorkingLabels, objects_of

ROWS_PER_BLOCK = 64  # of a map, compressed together
Opener = Callable[[], BinaryIO]


def open_outlines(open_file: Opener, origin: Provenance) -> WorkingLabels:
    """The outlines in a file.

    open_file: opens the file; it is called again when a map is first needed. origin: the provenance that the caller
    expects. Raises UnusableSegmentation as `Segmentation.load` does.
    """
    with open_arrays(open_file) as data:
        head = objects_in_file(data)
        strips = list[Strip]()
        with data.zip.open("labels.npy") as member:
            shape = _shape(member, np.dtype(np.int32))
            for part in _parts(member, shape, np.dtype(np.int32), STRIP_ROWS):
                strips.append(Strip.of(part, strips[-1].end if strips else 0))
        check_objects(head, shape[0], np.unique(np.concatenate([strip.ids for strip in strips])))
        maps = {name: StoredMap(open_file, f"{MAP}{name}", shape) for name in names_of(data, MAP)}
    if head.provenance.micrograph != origin.micrograph:
        raise UnusableSegmentation(FOREIGN)
    return WorkingLabels(
        shape, head.rows, head.class_names, tuple(strips), objects_of(head), head.next_id, head.used, maps
    )


def _shape(member: BinaryIO, dtype: np.dtype[Any]) -> tuple[int, int]:
    """Height and width from the header of an array; raises ValueError unless it is a two-dimensional array in row order
    with this dtype, as Segmentation.save writes."""
    np.lib.format.read_magic(member)
    shape, columns_first, kind = np.lib.format.read_array_header_1_0(member)
    if len(shape) != 2 or not all(shape) or columns_first or kind != dtype:
        raise ValueError("no image of ours")
    return shape[0], shape[1]


def _parts(member: BinaryIO, shape: tuple[int, int], dtype: np.dtype[Any], rows: int) -> Iterator[NDArray[Any]]:
    """The array, `rows` rows (h, W) at a time. member: the open file, after the array's header."""
    for top in range(0, shape[0], rows):
        tall = min(rows, shape[0] - top)
        yield np.frombuffer(member.read(tall * shape[1] * dtype.itemsize), dtype).reshape(tall, shape[1])
    if member.read(1):
        raise ValueError("the array is too long")


class StoredMap:
    """A map of the network in a file. It is read when a part of it is first needed, or earlier by `read`, and is then
    kept compressed in memory. Calling it with a box gives the map's part (h, w) there."""

    def __init__(self, open_file: Opener, name: str, shape: tuple[int, int]) -> None:
        self._open_file, self._name, self._shape = open_file, name, shape
        self._packed, self._lock = list[bytes](), Lock()

    def read(self) -> list[bytes]:
        """The compressed map, in blocks of ROWS_PER_BLOCK rows. If two threads call this at once, the second one waits.
        Raises UnusableSegmentation as `open_outlines` does."""
        with self._lock:
            if not self._packed:
                with open_arrays(self._open_file) as data, data.zip.open(f"{self._name}.npy") as member:
                    if _shape(member, np.dtype(np.uint8)) != self._shape:
                        raise ValueError("the map is not one of the labels")
                    self._packed = [
                        _packed(part) for part in _parts(member, self._shape, np.dtype(np.uint8), ROWS_PER_BLOCK)
                    ]
        return self._packed

    def __call__(self, box: Box) -> NDArray[np.uint8]:
        packed = self.read()
        top, left, bottom, right = box
        start = top // ROWS_PER_BLOCK
        raw = b"".join(zlib.decompress(block) for block in packed[start : -(-bottom // ROWS_PER_BLOCK)])
        rows = np.frombuffer(raw, np.uint8).reshape(-1, self._shape[1])
        return rows[top - start * ROWS_PER_BLOCK : bottom - start * ROWS_PER_BLOCK, left:right]


def _packed(part: NDArray[np.uint8]) -> bytes:
    """Compressed rows of a map. Real maps then take a third of a byte per pixel; the usual strategy of zlib needs the
    same space and twice the time."""
    packer = zlib.compressobj(1, strategy=zlib.Z_RLE)
    return packer.compress(part.tobytes()) + packer.flush()
