"""Planes of plain numbers in files, read no further than they are declared and there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .grey import Array, check_size
from .types import UnreadableImage

AGAIN = "copy or export it again"


def plane(path: Path, offset: int, dtype: np.dtype[Any], columns: int, rows: int, max_pixels: int) -> Array:
    """The (rows, columns) numbers from byte `offset`; refused before anything is read when they cannot all be there."""
    if columns <= 0 or rows <= 0:
        raise UnreadableImage(f"The file does not say how large its image is: {AGAIN}.")
    check_size(columns, rows, max_pixels)
    if offset < 0 or offset + columns * rows * dtype.itemsize > path.stat().st_size:
        raise UnreadableImage(f"The file is incomplete, part of the image is missing: {AGAIN}.")
    numbers: Array = np.fromfile(path, dtype, columns * rows, offset=offset)
    return numbers.reshape(rows, columns)


def words(dtype: np.dtype[Any]) -> str:
    """The kind of numbers for people: "16 bit signed"."""
    kind = {"f": " float", "i": " signed", "c": " complex"}.get(dtype.kind, "")
    return f"{8 * dtype.itemsize} bit{kind}"
