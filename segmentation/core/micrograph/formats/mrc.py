"""The format MRC, to which CCP4 maps belong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .base import Format

if TYPE_CHECKING:
    from ..decoded import Decoded


def read(path: Path, max_pixels: int, page: int) -> Decoded:
    """The function `read` of the Format; it imports the reader only when it is called."""
    from ..readers.mrc import read_mrc

    return read_mrc(path, max_pixels, page)


FORMATS = (
    Format(
        "MRC",
        (".mrc", ".map", ".st"),
        ({208: b"MAP "},),
        read,
        imports=("segmentation.core.micrograph.readers.mrc",),
        place=50,
    ),
)
