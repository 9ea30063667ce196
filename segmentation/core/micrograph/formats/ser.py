"""The format SER, files of TIA (FEI, Thermo Fisher)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .base import Format

if TYPE_CHECKING:
    from ..decoded import Decoded


def read(path: Path, max_pixels: int, page: int) -> Decoded:
    """The function `read` of the Format; it imports the reader only when it is called."""
    from ..readers.ser import read_ser

    return read_ser(path, max_pixels, page)


FORMATS = (
    Format(
        "SER",
        (".ser",),
        (b"II\x97\x01",),
        read,
        imports=("segmentation.core.micrograph.readers.ser",),
        place=40,
    ),
)
