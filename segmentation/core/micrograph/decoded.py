"""The common result of the file readers, from which a Micrograph is made, and functions that several readers share."""

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

AGAIN = "copy or export it again"
TURNS: dict[int, Callable[[Array], Array]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}
ON_ITS_SIDE = 5  # from this orientation on


@dataclass(frozen=True, eq=False)
class Decoded:
    """One image out of a file: grey pixels (H, W), its kind in words, sentences for the user, header facts.

    orientation: by which `pixels` were turned or mirrored (`turned`); 1 if they were not.
    stored: rows and columns before any turning; () for the shape of `pixels`.
    pages: how many images of a stack the file holds, of which this is one.
    colours: red, green and blue (H, W, 3 or more) that `pixels` are the luminance of; None of a grey image.
    marks: (H, W) where coloured marks were drawn on it (`marks.coloured`); None where there are none.
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
    def was_turned(self) -> bool:
        """Whether rows of the header are not those of `pixels`."""
        return self.orientation in TURNS

    @property
    def is_on_its_side(self) -> bool:
        """Whether rows of the header are columns of `pixels`."""
        return self.was_turned and self.orientation >= ON_ITS_SIDE

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows as the file stores them."""
        rows, columns = self.stored or self.pixels.shape
        return columns, rows


def as_image(answer: object, max_pixels: int) -> Decoded:
    """What a reader returned, with finite pixels of a size that is allowed and a plausible pixel size.

    A reader of another wheel may return anything: TypeError is raised for what is no image, UnreadableImage for an
    image that is too large or too small, or has no valid pixel.
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
    """Where a page of a stack lies, from 0; page 0 is the first. Raises UnreadableImage where it is not there."""
    if page > max(pages, 1):
        several = f"{pages} pages, so there is no page {page}: choose one from 1 to {pages}"
        raise UnreadableImage(f"The file has {several if pages > 1 else f'one page, so there is no page {page}'}.")
    return max(page - 1, 0)


def turned(pixels: Array, orientation: int) -> tuple[Array, list[str]]:
    """Pixels (H, W, ...) turned or mirrored by the Exif/TIFF orientation 2..8, and a note; another changes nothing."""
    turn = TURNS.get(orientation)
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
