"""The common result of the file readers, from which a Micrograph is made, and functions that several readers share."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .grey import Array, check_size
from .types import UnreadableImage
from .vendors.facts import Facts

AGAIN = "copy or export it again"


@dataclass(frozen=True, eq=False)
class Decoded:
    """One image out of a file: grey pixels (H, W), its kind in words, sentences for the user, header facts.

    was_turned: whether `pixels` were turned or mirrored, so that rows of the header are not their rows.
    stored: rows and columns before any turning; () for the shape of `pixels`.
    pages: how many images of a stack the file holds, of which this is one.
    marks: (H, W) where coloured marks were drawn on it (`marks.coloured`); None where there are none.
    """

    pixels: Array
    kind: str
    notes: tuple[str, ...] = ()
    header: Facts = field(default_factory=Facts)
    was_turned: bool = False
    stored: tuple[int, ...] = ()
    pages: int = 1
    marks: NDArray[np.bool_] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows as the file stores them."""
        rows, columns = self.stored or self.pixels.shape
        return columns, rows


def page_index(page: int, pages: int) -> int:
    """Where a page of a stack lies, from 0; page 0 is the first. Raises UnreadableImage where it is not there."""
    if page > max(pages, 1):
        several = f"{pages} pages, so there is no page {page}: choose one from 1 to {pages}"
        raise UnreadableImage(f"The file has {several if pages > 1 else f'one page, so there is no page {page}'}.")
    return max(page - 1, 0)


def turned(pixels: Array, orientation: int) -> tuple[Array, list[str]]:
    """Pixels turned or mirrored by the Exif/TIFF orientation 2..8, and a note; any other changes nothing."""
    turns = {
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.T,
        6: lambda a: np.rot90(a, -1),
        7: lambda a: a[::-1, ::-1].T,
        8: lambda a: np.rot90(a, 1),
    }
    turn = turns.get(orientation)
    if turn is None:
        return pixels, []
    return np.ascontiguousarray(turn(pixels)), ["The image is shown turned or mirrored, as its file asks for."]


def plane(path: Path, offset: int, dtype: np.dtype[Any], columns: int, rows: int, max_pixels: int) -> Array:
    """The (rows, columns) numbers from byte `offset`; an impossible size or too short a file is refused first."""
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
