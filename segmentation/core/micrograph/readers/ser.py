"""Reads `.ser` files of TIA (FEI, Thermo Fisher), each a series of images or spectra.

Layout after the description by P. Ercius and others (ER-C and openNCEM): little-endian, offsets of 32 bits up to
version 0x0210 and of 64 from 0x0220 on. Rows are stored from the bottom up.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ..decoded import COPY_AGAIN, Decoded, page_index, read_plane, words
from ..grey import to_grey
from ..types import UnreadableImage
from ..vendors.facts import Facts, metadata_of
from ..vendors.units import FLOAT64

IMAGES, SPECTRA = 0x4122, 0x4120
# Byte order, format, version, contents, kind of tags, number of places, number of images.
_HEAD = struct.Struct("<HHHIIII")
# An image: offset, metres per pixel and place along x, the same along y; then type of the pixels, columns, rows.
_ELEMENT = struct.Struct("<ddiddihii")
# Types of pixels -> numpy
_TYPES = {1: "u1", 2: "u2", 3: "u4", 4: "i1", 5: "i2", 6: "i4", 7: "f4", 8: "f8", 9: "c8", 10: "c16"}


def read_ser(path: Path, max_pixels: int, page: int = 0) -> Decoded:
    """The image `page` (from 1; 0: the first) of a series. Sizes are checked before pixels are read."""
    with path.open("rb") as file:

        def read_at(offset: int, layout: struct.Struct) -> tuple[Any, ...]:
            file.seek(offset)
            return layout.unpack(file.read(layout.size))

        _, _, version, contents, _, places, count = read_at(0, _HEAD)
        if contents == SPECTRA:
            raise UnreadableImage("The file holds spectra, not an image: upload the micrograph.")
        if contents != IMAGES or count < 1 or places < 1:
            raise UnreadableImage(f"The SER file holds no image: {COPY_AGAIN}.")
        pointer = struct.Struct("<Q" if version >= 0x220 else "<I")
        (offsets,) = read_at(_HEAD.size, pointer)
        index = page_index(page, count)
        (start,) = read_at(offsets + index * pointer.size, pointer)
        _, across, _, _, down, _, kind, columns, rows = read_at(start, _ELEMENT)
        try:  # the offsets of the tags follow those of the images
            (tag,) = read_at(offsets + (places + index) * pointer.size, pointer)
            _, seconds = read_at(tag, struct.Struct("<HxxI"))
        except (struct.error, OSError, OverflowError):
            seconds = 0
    if kind not in _TYPES:
        raise UnreadableImage("The image's pixels are of a kind that cannot be read: export it as a TIFF.")
    dtype = np.dtype("<" + _TYPES[kind])
    pixels, notes = to_grey(read_plane(path, start + _ELEMENT.size, dtype, columns, rows, max_pixels)[::-1])
    stack = [f"The file is a series of {count} images; the first is used."] if count > 1 and not page else []
    date = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if seconds else None
    header = Facts(
        nm_per_pixel=across * 1e9,
        detail="TIA SER, calibration of the image",
        relative_uncertainty=FLOAT64,
        height_nm=down * 1e9,
        columns=columns,
        stored_rows=rows,
        metadata=metadata_of(date=date),
    )
    return Decoded(pixels, f"SER, {words(dtype)}", (*stack, *notes), header.checked(), pages=count)
