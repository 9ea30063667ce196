"""The format TIFF, classic and BigTIFF."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..whole import end_of_tiff
from .base import Format

if TYPE_CHECKING:
    from ..decoded import Decoded


def read(path: Path, max_pixels: int, page: int) -> Decoded:
    """The function `read` of the Format; it imports the reader only when it is called."""
    from ..readers.tiff import read_tiff

    return read_tiff(path, max_pixels, page)


FORMATS = (
    Format(
        "TIFF",
        (".tif", ".tiff"),
        (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
        read,
        title="TIFF (8, 16 and 32 bit)",
        imports=("segmentation.core.micrograph.readers.tiff",),
        place=0,
        end=end_of_tiff,
    ),
)
