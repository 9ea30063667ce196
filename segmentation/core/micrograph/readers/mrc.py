"""Reads MRC and CCP4 files: a header of 1024 bytes, an extended header, then sections (images of a stack).

The layout of both headers comes from mrcfile. The readers of mrcfile are not used: they take up to 2 GB
for an extended header before its size can be checked, and refuse files without a byte order mark.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from mrcfile.dtypes import HEADER_DTYPE, get_ext_header_dtype
from mrcfile.utils import dtype_from_mode

from ..decoded import COPY_AGAIN, Decoded, page_index, read_plane, words
from ..grey import to_grey
from ..types import UnreadableImage
from ..vendors.facts import Facts, metadata_of, scaled
from ..vendors.units import FLOAT32, FLOAT64, plausible_pixel

IMOD = 1146047817  # stamp of files by the program IMOD
FEI = b"FEI1"  # type of extended header; FEI2 begins with the same fields
OLD_FEI = 1024 * 128  # bytes of FEI's older extended header, which has no type
PLACEHOLDER = (
    "The file gives 1 ångström per pixel, or for the whole image, which many programs write when they do not know: it"
    " is not used, so type the image width, also where that is right."
)


def read_mrc(path: Path, max_pixels: int, page: int = 0) -> Decoded:
    """The section `page` (from 1; 0: the first) of an MRC file. Sizes are checked before pixels are read."""
    with path.open("rb") as file:
        raw = file.read(HEADER_DTYPE.itemsize)
        if len(raw) < HEADER_DTYPE.itemsize:
            raise UnreadableImage(f"The MRC file is incomplete: {COPY_AGAIN}.")
        order = ">" if raw[212:214] == b"\x11\x11" else "<"
        head = np.frombuffer(raw, HEADER_DTYPE.newbyteorder(order))[0]
        extended_bytes = max(int(head["nsymbt"]), 0)
        extended_header = file.read(min(extended_bytes, get_ext_header_dtype(FEI).itemsize))
    try:
        dtype = dtype_from_mode(int(head["mode"])).newbyteorder(order)
    except ValueError:
        raise UnreadableImage("The MRC file's pixels are of a kind that cannot be read: export it as a TIFF.") from None
    stamp, flags = np.frombuffer(raw, order + "i4", 2, offset=152)
    if dtype == np.int8 and stamp == IMOD and not flags & 1:  # in the standard bytes are signed, by IMOD they are not
        dtype = np.dtype(np.uint8)
    columns, rows, sections = (int(head[name]) for name in ("nx", "ny", "nz"))
    offset = len(raw) + extended_bytes + page_index(page, sections) * max(columns * rows, 0) * dtype.itemsize
    pixels, notes = to_grey(read_plane(path, offset, dtype, columns, rows, max_pixels))
    stack = [f"The file is a stack of {sections} sections; the first is used."] if sections > 1 and not page else []
    header = (_thermo(head, extended_header, extended_bytes, order) or _standard(head)).checked()
    return Decoded(pixels, f"MRC, {words(dtype)}", (*stack, *notes), header, pages=sections)


def _standard(head: Any) -> Facts:
    """The facts in the standard header: the pixel size is the length of the cell over its intervals, in ångströms."""
    sizes = [(float(head["cella"][axis]), int(head[f"m{axis}"])) for axis in "xy"]
    across, down = (cell / intervals / 10 if cell > 0 and intervals > 0 else None for cell, intervals in sizes)
    if across is not None and (abs(across - 0.1) < 1e-7 or sizes[0][0] == 1.0):
        return Facts(notes=(PLACEHOLDER,))
    return Facts(across, "MRC, cell length", FLOAT32, height_nm=down)


def _thermo(head: Any, extended_header: bytes, extended_bytes: int, order: str) -> Facts | None:
    """The facts in the extended header of a Thermo Fisher microscope; None if it has no pixel size."""
    layout = get_ext_header_dtype(FEI, order)
    if head["exttyp"] in (FEI, b"FEI2") and len(extended_header) >= layout.itemsize:
        fields = np.frombuffer(extended_header, layout, 1)[0]
        across, volts, magnification = (float(fields[name]) for name in ("Pixel size X", "HT", "Magnification"))
        metadata = metadata_of(
            instrument=fields["Microscope type"].split(b"\0")[0].decode("cp1252", "replace"),
            voltage_kv=scaled(volts, 1e-3) if 0 < volts < 1e7 else None,
            magnification=magnification if 0 < magnification < 1e8 else None,
        )
        detail, down = "MRC, extended header of Thermo Fisher", float(fields["Pixel size Y"]) * 1e9
        facts = Facts(across * 1e9, detail, FLOAT64, height_nm=down, metadata=metadata)
    elif head["exttyp"] in (b"", b"    ") and extended_bytes == OLD_FEI:
        metres = float(np.frombuffer(extended_header, order + "f4", 1, offset=44)[0])
        facts = Facts(metres * 1e9, "MRC, extended header of FEI", FLOAT32)
    else:
        return None
    return facts if plausible_pixel(facts.nm_per_pixel) else None
