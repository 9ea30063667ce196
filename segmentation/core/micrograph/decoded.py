"""The type that every reader of a file format returns (`Decoded`), and functions that several readers share.

`reader.read` makes a Micrograph from a Decoded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .grey import Array, check_size, is_grey, to_grey
from .types import UnreadableImage
from .vendors.facts import Facts

COPY_AGAIN = "copy or export it again"
# Exif/TIFF orientation -> the function that makes stored pixels upright; 1 changes nothing.
ORIENTATIONS: dict[int, Callable[[Array], Array]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}
FIRST_TRANSPOSED = 5  # in orientations 5 to 8 stored rows become columns


@dataclass(frozen=True, eq=False)
class Decoded:
    """One image of a file.

    pixels: (H, W) grey, as `grey.to_grey` makes them.
    kind: the kind of file in words, such as "TIFF, 16 bit".
    notes: sentences for the user about what was changed or left out.
    header: the facts in the file's header.
    orientation: the Exif/TIFF orientation by which `pixels` were rotated or mirrored; 1 if they were not.
    stored: rows and columns before the rotation; () if they are those of `pixels`.
    pages: number of images in the file, if it is a stack.
    colours: (H, W, 3 or more) red, green and blue, from which `pixels` were made; None for a grey image.
    marks: (H, W) where coloured marks were drawn on the image (`marks.coloured_marks`); None if there are none.
    """

    pixels: Array
    kind: str
    notes: tuple[str, ...] = ()
    header: Facts = field(default_factory=Facts)
    orientation: int = 1
    stored: tuple[int, ...] = ()
    pages: int = 1
    colours: Array | None = None
    marks: NDArray[np.bool_] | None = None

    @property
    def is_reoriented(self) -> bool:
        """Whether `pixels` were rotated or mirrored after decoding."""
        return self.orientation in ORIENTATIONS

    @property
    def is_transposed(self) -> bool:
        """Whether the rows of the header are columns of `pixels`."""
        return self.is_reoriented and self.orientation >= FIRST_TRANSPOSED

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows as the file stores them."""
        rows, columns = self.stored or self.pixels.shape
        return columns, rows


def as_image(answer: object, max_pixels: int) -> Decoded:
    """The checked answer of a reader: its pixels are finite, and implausible pixel sizes are removed.

    A reader of a plug-in may return anything. Raises TypeError for an answer that is no image, UnreadableImage for an
    image that is too large or too small, or that has no valid pixel.
    """
    if not isinstance(answer, Decoded) or not isinstance(answer.pixels, np.ndarray) or not is_grey(answer.pixels):
        raise TypeError("a reader's pixels are (H, W) of 8 or 16 bits or float32")
    rows, columns = answer.pixels.shape
    check_size(columns, rows, max_pixels)
    colours, marks = answer.colours, answer.marks
    if colours is not None and (colours.ndim != 3 or colours.shape[:2] != (rows, columns) or colours.shape[2] < 3):
        raise TypeError("a reader's colours are (H, W, 3 or more)")
    if marks is not None and (marks.shape != (rows, columns) or marks.dtype != np.bool_):
        raise TypeError("a reader's marks are (H, W) of truth values")
    texts = (answer.kind, *answer.notes)
    if not all(isinstance(text, str) for text in texts) or not isinstance(answer.pages, int):
        raise TypeError("a reader's kind and notes are texts, and its pages a whole number")
    pixels, notes = to_grey(answer.pixels)
    return replace(answer, pixels=pixels, notes=(*answer.notes, *notes), header=answer.header.checked())


def page_index(page: int, pages: int) -> int:
    """The index from 0 of a page from 1; page 0 is the first one. Raises UnreadableImage if there is no such page."""
    if page > max(pages, 1):
        if pages > 1:
            problem = f"{pages} pages, so there is no page {page}: choose one from 1 to {pages}"
        else:
            problem = f"one page, so there is no page {page}"
        raise UnreadableImage(f"The file has {problem}.")
    return max(page - 1, 0)


def apply_orientation(pixels: Array, orientation: int) -> tuple[Array, list[str]]:
    """Pixels (H, W, ...) rotated or mirrored by the Exif/TIFF orientation 2..8, and a note; else unchanged."""
    reorient = ORIENTATIONS.get(orientation)
    if reorient is None:
        return pixels, []
    return np.ascontiguousarray(reorient(pixels)), ["The image is shown turned or mirrored, as its file asks for."]


def read_plane(path: Path, offset: int, dtype: np.dtype[Any], columns: int, rows: int, max_pixels: int) -> Array:
    """(rows, columns) of `dtype`: the numbers from byte `offset` of a file on; raises UnreadableImage for a bad size
    or a file that is too short."""
    if columns <= 0 or rows <= 0:
        raise UnreadableImage(f"The file does not say how large its image is: {COPY_AGAIN}.")
    check_size(columns, rows, max_pixels)
    if offset < 0 or offset + columns * rows * dtype.itemsize > path.stat().st_size:
        raise UnreadableImage(f"The file is incomplete, part of the image is missing: {COPY_AGAIN}.")
    numbers: Array = np.fromfile(path, dtype, columns * rows, offset=offset)
    return numbers.reshape(rows, columns)


def words(dtype: np.dtype[Any]) -> str:
    """A type of numbers as text for people, such as "16 bit signed"."""
    kind = {"f": " float", "i": " signed", "c": " complex"}.get(dtype.kind, "")
    return f"{8 * dtype.itemsize} bit{kind}"
