"""EMD, two formats inside HDF5."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .base import Format

if TYPE_CHECKING:
    from ..decoded import Decoded


def read(path: Path, max_pixels: int, page: int) -> Decoded:
    from ..emd import read_emd

    return read_emd(path, max_pixels, page)


FORMATS = (
    Format(
        "EMD",
        (".emd",),
        (b"\x89HDF\r\n\x1a\n",),
        read,
        title="EMD (Velox, Berkeley)",
        imports=("segmentation.core.micrograph.emd", "h5py"),
        place=60,
    ),
)
