"""What the file readers hand over, before it becomes a Micrograph."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .grey import Array
from .vendors.facts import Facts


@dataclass(frozen=True, eq=False)
class Decoded:
    """One image out of a file: grey pixels (H, W), its kind in words, sentences for the user, header facts.

    was_turned: whether the rows of `pixels` are not those that the header counts.
    stored: rows and columns before any turning, where that differs from the shape of `pixels`.
    """

    pixels: Array
    kind: str
    notes: tuple[str, ...] = ()
    header: Facts = field(default_factory=Facts)
    was_turned: bool = False
    stored: tuple[int, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows as the file stores them."""
        rows, columns = self.stored or self.pixels.shape
        return columns, rows


def turned(pixels: Array, orientation: int) -> tuple[Array, list[str]]:
    """Pixels as they are meant to be seen, from the Exif/TIFF orientation 1..8; unknown ones change nothing."""
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
