"""Gatan DigitalMicrograph, versions 3 and 4: a tree of tags, of which one holds the image.

Layout after the description by C. Boothroyd ("Gatan DM file format") and the ImageJ page on DM3. Sizes and counts are
32 bits wide in version 3 and 64 in version 4, always big-endian; values are little-endian where the header says so.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from .decoded import Decoded
from .grey import Array, luminance, to_grey
from .raw import AGAIN, plane, words
from .types import UnreadableImage
from .vendors.facts import Facts, kept, scaled
from .vendors.units import FLOAT32, nanometres

MOST_TAGS = 200_000
DEEPEST = 40
PIXELS = "Data"
LONGEST_TEXT = 4096
GROUP, DATA = 20, 21
STRUCT, STRING, ARRAY = 15, 18, 20
_SIMPLE = {2: "i2", 3: "i4", 4: "u2", 5: "u4", 6: "f4", 7: "f8", 8: "u1", 9: "i1", 10: "u1", 11: "i8", 12: "u8"}
_PIXELS = {1: "i2", 2: "f4", 3: "c8", 6: "u1", 7: "i4", 9: "i1", 10: "u2", 11: "u4", 12: "f8", 13: "c16", 14: "u1"}
COLOUR = 23  # blue, green, red, unused
Tree = dict[str, Any]


@dataclass(frozen=True)
class Block:
    """An array left in the file: where it begins, how many items it has, the type of one (None for structures)."""

    offset: int
    count: int
    kind: str | None


class _Cursor:
    """The header's file, with the widths and byte order that its first bytes tell."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        (self.version,) = struct.unpack(">I", self.bytes(4))
        self.wide = self.version == 4
        self.long()  # the file's size: not to be relied on
        (little,) = struct.unpack(">I", self.bytes(4))
        self.order = "<" if little else ">"
        self.left = MOST_TAGS

    def bytes(self, count: int) -> bytes:
        found = self.file.read(count)
        if len(found) != count:
            raise ValueError("the tags break off")
        return found

    def long(self) -> int:
        (value,) = struct.unpack(">Q" if self.wide else ">I", self.bytes(8 if self.wide else 4))
        return int(value)


def read_gatan(path: Path, max_pixels: int) -> Decoded:
    """The first image in a DM3 or DM4 file that is no thumbnail, of a stack its first plane."""
    with path.open("rb") as file:
        cursor = _Cursor(file)
        tree = _group(cursor, 0)
    image = _image(tree, cursor.version)
    data = image["ImageData"]
    dimensions = _numbers(data.get("Dimensions"))
    if len(dimensions) < 2 or dimensions[1] == 1:
        raise UnreadableImage("The file holds a spectrum or a line profile, not an image: upload the micrograph.")
    pixels, kind, notes = _pixels(path, data, dimensions, cursor.order, max_pixels)
    header, more = _facts(data, image.get("ImageTags"), dimensions)
    return Decoded(pixels, f"DM{cursor.version}, {kind}", (*notes, *more), header)


def _group(cursor: _Cursor, depth: int) -> Tree:
    """A group of tags by name; those without a name by their number."""
    if depth > DEEPEST:
        raise ValueError("the tags are nested too deeply")
    cursor.bytes(2)  # sorted, open
    found: Tree = {}
    for index in range(min(cursor.long(), MOST_TAGS + 1)):
        cursor.left -= 1
        if cursor.left < 0:
            raise ValueError("there are too many tags")
        kind, length = struct.unpack(">BH", cursor.bytes(3))
        name = cursor.bytes(length).decode("cp1252", "replace") or str(index)
        if cursor.wide:
            cursor.long()  # bytes in the entry
        if kind not in (GROUP, DATA):
            raise ValueError("this is no tag")
        found[name] = _group(cursor, depth + 1) if kind == GROUP else _value(cursor, name)
    return found


def _value(cursor: _Cursor, name: str) -> Any:
    """A number, a text, a Block, or None for structures, which nothing here needs."""
    if cursor.bytes(4) != b"%%%%":
        raise ValueError("this is no value")
    count = cursor.long()
    if not 1 <= count <= 1024:
        raise ValueError("this is no description of a value")
    info = [cursor.long() for _ in range(count)]
    if info[0] == ARRAY:
        return _array(cursor, info, name)
    if info[0] == STRING:
        raw = cursor.bytes(min(info[1], LONGEST_TEXT))
        cursor.file.seek(max(0, info[1] - LONGEST_TEXT), 1)
        return raw.decode("utf-16-le" if cursor.order == "<" else "utf-16-be", "replace")
    if info[0] == STRUCT:
        cursor.file.seek(_struct_bytes(info), 1)
        return None
    dtype = np.dtype(cursor.order + _SIMPLE[info[0]])
    return np.frombuffer(cursor.bytes(dtype.itemsize), dtype)[0].item()


def _struct_bytes(info: list[int]) -> int:
    """Bytes of one structure: 15, its name's length, the fields, then a name's length and a type for each."""
    return sum(np.dtype(_SIMPLE[kind]).itemsize for kind in info[4 : 3 + 2 * info[2] : 2])


def _array(cursor: _Cursor, info: list[int], name: str) -> Any:
    """A short array of 16-bit numbers is a text, but for the image itself; every other one is left where it is."""
    simple = info[1] in _SIMPLE
    size = np.dtype(_SIMPLE[info[1]]).itemsize if simple else _struct_bytes(info[1:])
    count, offset = info[-1], cursor.file.tell()
    if info[1] == 4 and count <= LONGEST_TEXT and name != PIXELS:
        return cursor.bytes(2 * count).decode("utf-16-le" if cursor.order == "<" else "utf-16-be", "replace")
    cursor.file.seek(count * size, 1)
    return Block(offset, count, _SIMPLE[info[1]] if simple else None)


def _image(tree: Tree, version: int) -> Tree:
    """The first image that is no thumbnail: those are in colour, and first."""
    images = [image for image in _values(tree.get("ImageList")) if isinstance(_data(image).get(PIXELS), Block)]
    if not images:
        raise UnreadableImage(f"The DM{version} file holds no image: export it as TIFF from the microscope's software.")
    grey = [image for image in images if _data(image).get("DataType") != COLOUR]
    chosen: Tree = (grey or images[-1:])[0]
    return chosen


def _data(image: Any) -> Tree:
    data = image.get("ImageData") if isinstance(image, dict) else None
    return data if isinstance(data, dict) else {}


def _values(group: Any) -> list[Any]:
    return list(group.values()) if isinstance(group, dict) else []


def _numbers(group: Any) -> list[int]:
    return [value for value in _values(group) if isinstance(value, int)]


def _pixels(path: Path, data: Tree, dimensions: list[int], order: str, max_pixels: int) -> tuple[Array, str, list[str]]:
    block, kind = data[PIXELS], data.get("DataType")
    columns, rows = dimensions[:2]
    notes = [f"The image is a stack of {dimensions[2]} planes; the first is used."] if dimensions[2:3] > [1] else []
    if kind == COLOUR:
        colours = plane(path, block.offset, np.dtype("u4"), columns, rows, max_pixels).view("u1")
        grey, more = to_grey(luminance(colours.reshape(rows, columns, 4)[..., 2::-1]))
        return grey, "8 bit, RGB", notes + more
    if kind not in _PIXELS:
        raise UnreadableImage("The image's pixels are of a kind that cannot be read: export it as a TIFF.")
    dtype = np.dtype(order + _PIXELS[kind])
    if (
        block.count * (np.dtype(block.kind).itemsize if block.kind else dtype.itemsize)
        < rows * columns * dtype.itemsize
    ):
        raise UnreadableImage(f"The file is incomplete, part of the image is missing: {AGAIN}.")
    grey, more = to_grey(plane(path, block.offset, dtype, columns, rows, max_pixels))
    return grey, words(dtype), notes + more


def _facts(data: Tree, tags: Any, dimensions: list[int]) -> tuple[Facts, list[str]]:
    across, down = (_scale(data, axis) for axis in "01")
    unit = str(_under(data, "Calibrations", "Dimension", "0", "Units") or "").strip("\0 ")
    reciprocal = unit.startswith("1/")
    notes = [f"The file's pixels are in {unit[:10]}: it is a diffraction pattern or a transform."] if reciprocal else []
    header = Facts(
        nm_per_pixel=across,
        detail="Gatan, calibration of the image",
        relative_uncertainty=FLOAT32,
        height_nm=down,
        columns=dimensions[0],
        stored_rows=dimensions[1],
        metadata=_metadata(tags),
    )
    return header.checked(), notes


def _scale(data: Tree, axis: str) -> float | None:
    found = _under(data, "Calibrations", "Dimension", axis)
    scale = found.get("Scale") if isinstance(found, dict) else None
    unit = found.get("Units") if isinstance(found, dict) else None
    factor = nanometres(unit) if isinstance(unit, str) else None
    return scale * factor if isinstance(scale, float) and factor else None


def _under(tree: Any, *names: str) -> Any:
    for name in names:
        tree = tree.get(name) if isinstance(tree, dict) else None
    return tree


def _metadata(tags: Any) -> dict[str, str | float]:
    info, bar = _under(tags, "Microscope Info"), _under(tags, "DataBar")
    volts, magnification = _under(info, "Voltage"), _under(info, "Indicated Magnification")
    instrument = _text(info, "Microscope") or _text(_under(tags, "Session Info"), "Microscope") or _text(info, "Name")
    when = f"{_text(bar, 'Acquisition Date')} {_text(bar, 'Acquisition Time')}"
    return kept(
        instrument=instrument,
        detector=_text(bar, "Device Name") or _text(_under(tags, "Acquisition", "Device"), "Name"),
        voltage_kv=scaled(volts, 1e-3) if isinstance(volts, float) and volts > 0 else None,
        magnification=magnification if isinstance(magnification, float) and magnification > 0 else None,
        date=when,
    )


def _text(group: Any, name: str) -> str:
    value = _under(group, name)
    return value.strip("\0 ") if isinstance(value, str) else ""
