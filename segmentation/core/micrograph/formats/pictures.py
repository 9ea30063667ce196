"""The formats PNG, JPEG and BMP."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..whole import end_of_bmp, end_of_jpeg, end_of_png
from .base import Format

if TYPE_CHECKING:
    from ..decoded import Decoded


def read(name: str, path: Path, max_pixels: int, page: int) -> Decoded:
    """The function `read` of the Format; it imports the reader only when it is called."""
    from ..readers.picture import read_picture

    return read_picture(path, name, max_pixels)


ENTRIES = (
    ("PNG", (".png",), b"\x89PNG\r\n\x1a\n", end_of_png),
    ("JPEG", (".jpg", ".jpeg"), b"\xff\xd8\xff", end_of_jpeg),
    ("BMP", (".bmp",), b"BM", end_of_bmp),
)
FORMATS = tuple(
    Format(
        name,
        suffixes,
        (magic,),
        partial(read, name),
        imports=("segmentation.core.micrograph.readers.picture",),
        place=10 + place,
        end=end,
        is_picture=True,
    )
    for place, (name, suffixes, magic, end) in enumerate(ENTRIES)
)
