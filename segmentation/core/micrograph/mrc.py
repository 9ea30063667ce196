"""MRC and CCP4 maps (`.mrc`, `.map`, `.st`): a header of 1024 bytes, an extended one, then sections of pixels.

After the MRC2014 description (Cheng et al., J. Struct. Biol. 192, 146 (2015)) and IMOD's page on the format.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from .decoded import Decoded
from .grey import to_grey
from .raw import AGAIN, plane, words
from .types import UnreadableImage
from .vendors.facts import Facts, kept, scaled
from .vendors.units import FLOAT32, FLOAT64, plausible_pixel

HEADER = 1024
IMOD = 1146047817
_TYPES = {0: "i1", 1: "i2", 2: "f4", 4: "c8", 6: "u2", 12: "f2"}
_FEI = {"voltage": 84, "pixel": 156, "magnification": 289}  # offsets of float64 in FEI1 and FEI2
_FEI_BYTES = 768
_OLD_FEI_PIXEL = 44  # offset of a float32 in metres, in extended headers of 1024 times 128 bytes


def read_mrc(path: Path, max_pixels: int) -> Decoded:
    """The first section; sizes are checked before anything is read."""
    with path.open("rb") as file:
        head = file.read(HEADER)
        if len(head) < HEADER:
            raise UnreadableImage(f"The MRC file is incomplete: {AGAIN}.")
        order = ">" if head[212:214] == b"\x11\x11" else "<"
        columns, rows, sections, mode = struct.unpack_from(order + "4i", head)
        (extended,) = struct.unpack_from(order + "i", head, 92)
        further = file.read(min(max(extended, 0), _FEI_BYTES))
    if mode not in _TYPES:
        raise UnreadableImage("The MRC file's pixels are of a kind that cannot be read: export it as a TIFF.")
    dtype = np.dtype(order + (_unsigned(head, order) if mode == 0 else _TYPES[mode]))
    pixels, notes = to_grey(plane(path, HEADER + max(extended, 0), dtype, columns, rows, max_pixels))
    stack = [f"The file is a stack of {sections} sections; the first is used."] if sections > 1 else []
    header = _facts(head, further, order, extended)
    return Decoded(pixels, f"MRC, {words(dtype)}", (*stack, *notes), header)


def _unsigned(head: bytes, order: str) -> str:
    """IMOD writes bytes as unsigned unless a flag says otherwise; the standard has them signed."""
    stamp, flags = struct.unpack_from(order + "2i", head, 152)
    return "u1" if stamp == IMOD and not flags & 1 else "i1"


def _facts(head: bytes, further: bytes, order: str, extended: int) -> Facts:
    """The pixel size of the extended header of a Thermo microscope, else cell length over intervals, in ångströms."""
    own = _thermo(head, further, order, extended)
    if own is not None:
        return own.checked()
    across, down = _interval(head, order, 0), _interval(head, order, 1)
    notes: tuple[str, ...] = ()
    if across is not None and abs(across - 0.1) < 1e-7:
        notes = (
            "The file gives 1 ångström per pixel, which many programs write when they do not know: "
            "please check the image width.",
        )
    return Facts(
        nm_per_pixel=across,
        detail="MRC, cell length",
        relative_uncertainty=FLOAT32,
        height_nm=down,
        notes=notes,
    ).checked()


def _interval(head: bytes, order: str, axis: int) -> float | None:
    (intervals,) = struct.unpack_from(order + "i", head, 28 + 4 * axis)
    (cell,) = struct.unpack_from(order + "f", head, 40 + 4 * axis)
    return cell / intervals / 10 if intervals > 0 and cell > 0 else None


def _thermo(head: bytes, further: bytes, order: str, extended: int) -> Facts | None:
    """What the extended header says, None where it has no pixel size."""
    if head[104:108] in (b"FEI1", b"FEI2") and len(further) >= _FEI_BYTES:
        return _new_thermo(further, order)
    if head[104:108] in (b"\0\0\0\0", b"    ") and extended == 1024 * 128:
        (metres,) = struct.unpack_from(order + "f", further, _OLD_FEI_PIXEL)
        if plausible_pixel(metres * 1e9):
            return Facts(metres * 1e9, "MRC, extended header of FEI", FLOAT32)
    return None


def _new_thermo(further: bytes, order: str) -> Facts | None:
    found: dict[str, Any] = {name: struct.unpack_from(order + "d", further, at)[0] for name, at in _FEI.items()}
    (down,) = struct.unpack_from(order + "d", further, _FEI["pixel"] + 8)
    if not plausible_pixel(found["pixel"] * 1e9):
        return None
    return Facts(
        nm_per_pixel=found["pixel"] * 1e9,
        detail="MRC, extended header of Thermo Fisher",
        relative_uncertainty=FLOAT64,
        height_nm=down * 1e9,
        metadata=kept(
            instrument=further[20:36].split(b"\0")[0].decode("cp1252", "replace"),
            voltage_kv=scaled(found["voltage"], 1e-3) if 0 < found["voltage"] < 1e7 else None,
            magnification=found["magnification"] if 0 < found["magnification"] < 1e8 else None,
        ),
    )
