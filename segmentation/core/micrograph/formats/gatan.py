"""The formats DM3 and DM4, files of Gatan's DigitalMicrograph."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .base import Format

if TYPE_CHECKING:
    from ..decoded import Decoded


def read(path: Path, max_pixels: int, page: int) -> Decoded:
    """The function `read` of the Format; it imports the reader only when it is called."""
    from ..readers.gatan import read_gatan

    return read_gatan(path, max_pixels, page)


# Signature: the version (4 bytes), a length (4 bytes in DM3, 8 in DM4), then the byte order (4 bytes), 0 or 1.
FORMATS = tuple(
    Format(
        f"DM{version}",
        (f".dm{version}",),
        tuple({0: bytes((0, 0, 0, version)), order_offset: bytes((0, 0, 0, order))} for order in (0, 1)),
        read,
        title=f"Gatan DM{version}",
        imports=("segmentation.core.micrograph.readers.gatan",),
        place=20 + version,
    )
    for version, order_offset in ((3, 8), (4, 12))
)
