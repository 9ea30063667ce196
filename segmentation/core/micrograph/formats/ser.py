"""SER, the files of TIA (FEI, Thermo Fisher)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .base import Format

if TYPE_CHECKING:
    from ..decoded import Decoded


def read(path: Path, max_pixels: int, page: int) -> Decoded:
    from ..ser import read_ser

    return read_ser(path, max_pixels, page)


FORMATS = (
    Format(
        "SER",
        (".ser",),
        (b"II\x97\x01",),
        read,
        imports=("segmentation.core.micrograph.ser",),
        place=40,
    ),
)
