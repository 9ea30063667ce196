"""Reads the tags of TEM cameras in TIFFs: Gatan DigitalMicrograph (65003 to 65015), and TVIPS EMMENU (37706).

Neither maker publishes its tags. The names of Gatan's tags come from RosettaSciIO's documentation of DM images: unit,
origin and size of a pixel for each axis. The layout of TVIPS' TemData is the one that tifffile reads
(`read_tvips_header`, BSD-3-Clause), where all lengths are nanometres.
"""

from __future__ import annotations

import struct

from .facts import Facts, Tags, metadata_of, scaled, tag_bytes, text_of
from .units import FLOAT32, FLOAT64, nanometres

GATAN_UNIT, GATAN_NAME, GATAN_SIZES = 65003, 65012, (65009, 65010)
TVIPS = 37706
TVIPS_VERSION_2, TVIPS_MAGIC = 2, 0xAAAAAAAA
TVIPS_FIRST = 244  # bytes of the header of version 1; in version 2 more fields follow
# Offsets in the part of version 2, in bytes: pixel sizes (two float32), name of the microscope (160 bytes of UTF-16),
# its voltage in volts and its magnification (float32), and the word that ends the header.
TVIPS_SIZES, TVIPS_MICROSCOPE, TVIPS_VOLTAGE, TVIPS_MAGNIFICATION, TVIPS_END = 2724, 2868, 3028, 3292, 6064


def read_gatan(tags: Tags) -> Facts | None:
    """The facts in Gatan's tags: sizes of a pixel as float64, with a unit for each axis. None without the tags or with
    an unknown unit."""
    order, raws = "<" if tags.little_endian else ">", (tags.raw(code) or b"" for code in GATAN_SIZES)
    across, down = (struct.unpack_from(order + "d", raw)[0] if len(raw) >= 8 else 0.0 for raw in raws)
    factor, factor_down = (
        next(
            filter(None, (nanometres(text_of(tags.raw(code + axis) or b"")) for code in (GATAN_UNIT, GATAN_NAME))), None
        )
        for axis in range(2)
    )
    if not across > 0 or factor is None:
        return None
    return Facts(
        nm_per_pixel=across * factor,
        detail=f"Gatan tag {GATAN_SIZES[0]}, pixel size",
        relative_uncertainty=FLOAT64,
        height_nm=down * (factor_down or factor) if down > 0 else None,
        metadata=metadata_of(instrument="Gatan DigitalMicrograph"),
    )


def read_tvips(tags: Tags) -> Facts | None:
    """The facts in TVIPS' tag; None without version 2 of its header, which alone has the size of a pixel."""
    raw, order = tag_bytes(tags, TVIPS, TVIPS_FIRST + TVIPS_END + 4), "<" if tags.little_endian else ">"
    if raw is None or len(raw) < 4 or struct.unpack_from(order + "i", raw)[0] != TVIPS_VERSION_2:
        return None
    second = raw[TVIPS_FIRST:]
    if len(second) < TVIPS_END + 4 or struct.unpack_from(order + "I", second, TVIPS_END)[0] != TVIPS_MAGIC:
        return None
    across, down = struct.unpack_from(order + "2f", second, TVIPS_SIZES)
    voltage, magnification = (
        struct.unpack_from(order + "f", second, offset)[0] for offset in (TVIPS_VOLTAGE, TVIPS_MAGNIFICATION)
    )
    name = second[TVIPS_MICROSCOPE : TVIPS_MICROSCOPE + 160].decode("utf-16-le", "replace").partition("\0")[0]
    return Facts(
        nm_per_pixel=across,
        detail=f"TVIPS tag {TVIPS}, PixelSizeX",
        relative_uncertainty=FLOAT32,
        height_nm=down,
        metadata=metadata_of(
            instrument=name or "TVIPS camera",
            voltage_kv=scaled(voltage, 1e-3) if 0 < voltage < 1e7 else None,
            magnification=magnification if 0 < magnification < 1e8 else None,
        ),
    )
