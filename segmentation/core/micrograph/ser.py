"""FEI / Thermo TIA `.ser`: a series of images or spectra, of which the first image is read.

Layout after the description by P. Ercius and others (ER-C and openNCEM): little-endian, offsets of 32 bits up to
version 0x0210 and of 64 from 0x0220 on. Rows are stored from the bottom up.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .decoded import Decoded
from .grey import to_grey
from .raw import AGAIN, plane, words
from .types import UnreadableImage
from .vendors.facts import Facts, kept
from .vendors.units import FLOAT64

IMAGES, SPECTRA = 0x4122, 0x4120
_HEAD = struct.Struct("<HHHIIII")
_ELEMENT = struct.Struct("<ddiddihii")
_TYPES = {1: "u1", 2: "u2", 3: "u4", 4: "i1", 5: "i2", 6: "i4", 7: "f4", 8: "f8", 9: "c8", 10: "c16"}


def read_ser(path: Path, max_pixels: int) -> Decoded:
    """The first image of the series; sizes are checked before anything is read."""
    with path.open("rb") as file:
        total, valid, where, step = _header(file)
        first = _offset(file, where, step)
        across, down, kind, columns, rows = _element(file, first)
        date = _date(file, where + total * step, step)
    if kind not in _TYPES:
        raise UnreadableImage("The image's pixels are of a kind that cannot be read: export it as a TIFF.")
    dtype = np.dtype("<" + _TYPES[kind])
    pixels, notes = to_grey(plane(path, first + _ELEMENT.size, dtype, columns, rows, max_pixels)[::-1])
    series = [f"The file is a series of {valid} images; the first is used."] if valid > 1 else []
    header = Facts(
        nm_per_pixel=across * 1e9,
        detail="TIA SER, calibration of the image",
        relative_uncertainty=FLOAT64,
        height_nm=down * 1e9,
        columns=columns,
        stored_rows=rows,
        metadata=kept(date=date),
    )
    return Decoded(pixels, f"SER, {words(dtype)}", (*series, *notes), header.checked())


def _header(file: BinaryIO) -> tuple[int, int, int, int]:
    """Elements in the series, those that are there, the place of their offsets, and the bytes of one offset."""
    _, _, version, kind, _, total, valid = _HEAD.unpack(file.read(_HEAD.size))
    if kind == SPECTRA:
        raise UnreadableImage("The file holds spectra, not an image: upload the micrograph.")
    step = 8 if version >= 0x220 else 4
    if kind != IMAGES or valid < 1 or total < 1:
        raise UnreadableImage(f"The SER file holds no image: {AGAIN}.")
    (where,) = struct.unpack("<Q" if step == 8 else "<I", file.read(step))
    return int(total), int(valid), int(where), step


def _offset(file: BinaryIO, where: int, step: int) -> int:
    file.seek(where)
    (offset,) = struct.unpack("<Q" if step == 8 else "<I", file.read(step))
    return int(offset)


def _element(file: BinaryIO, first: int) -> tuple[float, float, int, int, int]:
    """Metres per pixel across and down, the type of the numbers, columns and rows."""
    file.seek(first)
    _, across, _, _, down, _, kind, columns, rows = _ELEMENT.unpack(file.read(_ELEMENT.size))
    return across, down, kind, columns, rows


def _date(file: BinaryIO, where: int, step: int) -> str | None:
    """The time in the first element's tag, None where there is none."""
    try:
        file.seek(_offset(file, where, step))
        _, seconds = struct.unpack("<HxxI", file.read(8))
    except (struct.error, OSError, OverflowError):
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if seconds else None
