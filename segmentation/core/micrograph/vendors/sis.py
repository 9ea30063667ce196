"""Reads Olympus SIS' tag (33560): a binary block that points to another one with the pixel size.

There is no published description; the layout is the one that tifffile reads (`read_sis`, BSD-3-Clause). Tag 33471,
which such files may have too, lists bands, heights and times but no pixel size.
"""

from __future__ import annotations

import struct

from .facts import Facts, Tags, metadata_of, tag_bytes
from .units import FLOAT64

TAG = 33560
MOST_BLOCKS = 256  # that the first block points to
_HEAD = struct.Struct("<4s6xhhhhh6x32sH")
_BLOCK = struct.Struct("<hhI")
_GENERAL = struct.Struct("<10xhdd8xd2x34s32s")


def read(tags: Tags) -> Facts | None:
    """The facts in the SIS block; None without one."""
    raw = tag_bytes(tags, TAG, _HEAD.size + MOST_BLOCKS * _BLOCK.size)
    if raw is None or len(raw) < _HEAD.size or raw[:4] != b"SIS0":
        return None
    _, minute, hour, day, month, year, _, blocks = _HEAD.unpack_from(raw)
    date = f"{1900 + year:04d}-{month + 1:02d}-{day:02d} {hour:02d}:{minute:02d}" if 1 <= day <= 31 else None
    count = min(blocks, MOST_BLOCKS, (len(raw) - _HEAD.size) // _BLOCK.size)
    for kind, _, offset in _BLOCK.iter_unpack(raw[_HEAD.size : _HEAD.size + count * _BLOCK.size]):
        if kind == 1:
            return _general(tags.at(offset, _GENERAL.size), date)
    return Facts(metadata=metadata_of(date=date))


def _general(raw: bytes, date: str | None) -> Facts:
    """The facts in the general block, of kind 1; its unit of length is 10^exponent m."""
    exponent, width, height, magnification, camera, _ = _GENERAL.unpack(raw)
    nm_per_unit = 1e9 * 10.0**exponent
    return Facts(
        nm_per_pixel=width * nm_per_unit,
        detail=f"Olympus SIS tag {TAG}, pixel size",
        relative_uncertainty=FLOAT64,
        height_nm=height * nm_per_unit,
        metadata=metadata_of(
            detector=camera.split(b"\0")[0].decode("cp1252", "replace"),
            magnification=magnification if 0 < magnification < 1e8 else None,
            date=date,
        ),
    )
