"""The format EMD: HDF5 files by Velox (Thermo Fisher) or in the layout of Berkeley."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .base import Format

if TYPE_CHECKING:
    from ..decoded import Decoded


def read(path: Path, max_pixels: int, page: int) -> Decoded:
    """The function `read` of the Format; it imports the reader only when it is called."""
    from ..readers.emd import read_emd

    return read_emd(path, max_pixels, page)


FORMATS = (
    Format(
        "EMD",
        (".emd",),
        (b"\x89HDF\r\n\x1a\n",),
        read,
        title="EMD (Velox, Berkeley)",
        imports=("segmentation.core.micrograph.readers.emd", "h5py"),
        place=60,
    ),
)
