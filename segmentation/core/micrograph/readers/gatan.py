"""Reads DM3 and DM4 files by Gatan DigitalMicrograph: a tree of tags, one of which contains the pixels.

Layout after the description by C. Boothroyd ("Gatan DM file format") and the ImageJ page on DM3. Sizes and counts are
32 bits wide in version 3 and 64 in version 4, always big-endian; values are little-endian where the header says so.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..decoded import COPY_AGAIN, Decoded, page_index, read_plane, words
from ..grey import Array, luminance, to_grey
from ..types import UnreadableImage
from ..vendors.facts import Facts, metadata_of, reciprocal_notes, scaled
from ..vendors.units import FLOAT32, nanometres

MOST_TAGS = 200_000  # of a file: more are damage
DEEPEST = 40  # levels of nested groups
LONGEST_TEXT = 4096  # characters
GROUP, DATA = 20, 21  # kinds of tags
STRUCT, STRING, ARRAY = 15, 18, 20  # types of values
# Simple types of values -> numpy; types of pixels -> numpy.
_SIMPLE = {2: "i2", 3: "i4", 4: "u2", 5: "u4", 6: "f4", 7: "f8", 8: "u1", 9: "i1", 10: "u1", 11: "i8", 12: "u8"}
_PIXELS = {1: "i2", 2: "f4", 3: "c8", 6: "u1", 7: "i4", 9: "i1", 10: "u2", 11: "u4", 12: "f8", 13: "c16", 14: "u1"}
COLOUR = 23  # type of pixels: blue, green, red and an unused byte
PIXELS_TAG, TYPE_TAG = ("ImageData", "Data"), ("ImageData", "DataType")
SCALES_TAG = ("ImageData", "Calibrations", "Dimension")
TagValues = dict[tuple[str, ...], Any]  # path (names of groups, then of the tag) -> value


@dataclass(frozen=True)
class Block:
    """The place of an array that was not read: offset in the file, number of items, numpy type (None for
    structures)."""

    offset: int
    count: int
    dtype: str | None


class _TagReader:
    """Reads all tags of a file into `tags`. version: 3 or 4. order: of the bytes, "<" or ">".

    A value is a number, a text, a Block, or None for a structure, which is not needed. Raises ValueError for a file
    that is no tree of tags.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        (self.version,) = struct.unpack(">I", self.read_bytes(4))
        self.read_size()  # the size of the file, which may be wrong
        (little,) = struct.unpack(">I", self.read_bytes(4))
        self.order = "<" if little else ">"
        self.tags_left = MOST_TAGS
        self.tags: TagValues = {}
        self.read_group(())

    def read_bytes(self, count: int) -> bytes:
        """The next `count` bytes."""
        raw = self.file.read(count)
        if len(raw) != count:
            raise ValueError("the tags break off")
        return raw

    def read_size(self) -> int:
        """The next size or count: 4 bytes in version 3, 8 in version 4."""
        (value,) = struct.unpack(*((">Q", self.read_bytes(8)) if self.version == 4 else (">I", self.read_bytes(4))))
        return int(value)

    def read_text(self, count: int) -> str:
        """The next `count` bytes as text."""
        return self.read_bytes(count).decode("utf-16-le" if self.order == "<" else "utf-16-be", "replace")

    def read_group(self, path: tuple[str, ...]) -> None:
        """Read the tags of the group at `path`; a tag without a name gets its number in the group as name."""
        if len(path) > DEEPEST:
            raise ValueError("the tags are nested too deeply")
        self.read_bytes(2)  # flags: sorted, open
        for index in range(min(self.read_size(), MOST_TAGS + 1)):
            self.tags_left -= 1
            if self.tags_left < 0:
                raise ValueError("there are too many tags")
            kind, length = struct.unpack(">BH", self.read_bytes(3))
            name = self.read_bytes(length).decode("cp1252", "replace") or str(index)
            if self.version == 4:
                self.read_size()  # length of the entry in bytes
            if kind == GROUP:
                self.read_group((*path, name))
            elif kind == DATA:
                self.tags[*path, name] = self.read_value(name)
            else:
                raise ValueError("this is no tag")

    def read_value(self, name: str) -> Any:
        """The next value, which belongs to the tag `name`: first its type as a list of numbers, then the value
        itself."""
        if self.read_bytes(4) != b"%%%%":
            raise ValueError("this is no value")
        count = self.read_size()
        if not 1 <= count <= 1024:
            raise ValueError("this is no description of a value")
        info = [self.read_size() for _ in range(count)]
        if info[0] == ARRAY:
            return self.read_array(info, name)
        if info[0] == STRING:
            text = self.read_text(min(info[1], LONGEST_TEXT))
            self.file.seek(max(0, info[1] - LONGEST_TEXT), 1)
            return text
        if info[0] == STRUCT:
            self.file.seek(_struct_bytes(info), 1)
            return None
        dtype = np.dtype(self.order + _SIMPLE[info[0]])
        return np.frombuffer(self.read_bytes(dtype.itemsize), dtype)[0].item()

    def read_array(self, info: list[int], name: str) -> Any:
        """The next array, which belongs to the tag `name`: a text for a short array of 16-bit numbers, else a Block.

        info: the type: ARRAY, type of an item, number of items."""
        dtype = _SIMPLE.get(info[1])
        size = np.dtype(dtype).itemsize if dtype else _struct_bytes(info[1:])
        count, offset = info[-1], self.file.tell()
        if info[1] == 4 and count <= LONGEST_TEXT and name != PIXELS_TAG[-1]:
            return self.read_text(2 * count)
        self.file.seek(count * size, 1)
        return Block(offset, count, dtype)


def _struct_bytes(info: list[int]) -> int:
    """The number of bytes of one structure. info: STRUCT, length of its name, number of fields; then for each field
    the length of its name, and its type."""
    return sum(np.dtype(_SIMPLE[kind]).itemsize for kind in info[4 : 3 + 2 * info[2] : 2])


def read_gatan(path: Path, max_pixels: int, page: int = 0) -> Decoded:
    """The first image in a DM3 or DM4 file that is no thumbnail; if it is a stack, the plane `page` (from 1; 0: the
    first)."""
    with path.open("rb") as file:
        reader = _TagReader(file)
    image = _image(reader)
    dimensions_tag = ("ImageData", "Dimensions")
    dimensions = [value for tag, value in image.items() if tag[:-1] == dimensions_tag and isinstance(value, int)]
    if len(dimensions) < 2 or dimensions[1] == 1:
        raise UnreadableImage("The file holds a spectrum or a line profile, not an image: upload the micrograph.")
    pages = dimensions[2] if len(dimensions) > 2 else 1
    index = page_index(page, pages)
    pixels, kind, notes = _pixels(path, image, (dimensions[0], dimensions[1]), index, reader.order, max_pixels)
    stack = [f"The image is a stack of {pages} planes; the first is used."] if pages > 1 and not page else []
    unit = str(image.get((*SCALES_TAG, "0", "Units")) or "").strip("\0 ")
    header = Facts(
        nm_per_pixel=_scale(image, "0"),
        detail="Gatan, calibration of the image",
        relative_uncertainty=FLOAT32,
        height_nm=_scale(image, "1"),
        columns=dimensions[0],
        stored_rows=dimensions[1],
        metadata=_metadata(image),
    )
    notes = [*stack, *notes, *reciprocal_notes(unit)]
    return Decoded(pixels, f"DM{reader.version}, {kind}", tuple(notes), header.checked(), pages=pages)


def _image(reader: _TagReader) -> TagValues:
    """The tags of the first image that is no thumbnail, else of the last image. Thumbnails are in colour and come
    first."""
    tags = reader.tags
    pixel_tags = [tag for tag in tags if tag[0] == "ImageList" and tag[2:] == PIXELS_TAG]
    images = [tag[:2] for tag in pixel_tags if isinstance(tags[tag], Block)]
    if not images:
        raise UnreadableImage(
            f"The DM{reader.version} file holds no image: export it as TIFF from the microscope's software."
        )
    chosen = next((image for image in images if tags.get((*image, *TYPE_TAG)) != COLOUR), images[-1])
    return {tag[2:]: value for tag, value in tags.items() if tag[:2] == chosen}


def _pixels(
    path: Path, image: TagValues, size: tuple[int, int], index: int, order: str, max_pixels: int
) -> tuple[Array, str, list[str]]:
    """The grey plane `index` (from 0) of an image, the type of its pixels in words, and notes.

    image: its tags. size: columns and rows. order: of the bytes, "<" or ">"."""
    block, pixel_type = image[PIXELS_TAG], image.get(TYPE_TAG)
    columns, rows = size
    if pixel_type == COLOUR:
        offset = block.offset + index * 4 * rows * columns
        colours = read_plane(path, offset, np.dtype("u4"), columns, rows, max_pixels).view("u1")
        grey, notes = to_grey(luminance(colours.reshape(rows, columns, 4)[..., 2::-1]))
        return grey, "8 bit, RGB", notes
    if pixel_type not in _PIXELS:
        raise UnreadableImage("The image's pixels are of a kind that cannot be read: export it as a TIFF.")
    dtype = np.dtype(order + _PIXELS[pixel_type])
    stored_dtype = np.dtype(block.dtype) if block.dtype else dtype
    plane_bytes = rows * columns * dtype.itemsize
    if block.count * stored_dtype.itemsize < (index + 1) * plane_bytes:
        raise UnreadableImage(f"The file is incomplete, part of the image is missing: {COPY_AGAIN}.")
    grey, notes = to_grey(read_plane(path, block.offset + index * plane_bytes, dtype, columns, rows, max_pixels))
    return grey, words(dtype), notes


def _scale(image: TagValues, axis: str) -> float | None:
    """Nanometres per pixel along an axis ("0": across, "1": down); None without a known unit."""
    scale, unit = (image.get((*SCALES_TAG, axis, name)) for name in ("Scale", "Units"))
    factor = nanometres(unit) if isinstance(unit, str) else None
    return scale * factor if isinstance(scale, float) and factor else None


def _metadata(image: TagValues) -> dict[str, str | float]:
    """The metadata of `Facts` in the tags of an image."""

    def text(*tag: str) -> str:
        value = image.get(("ImageTags", *tag))
        return value.strip("\0 ") if isinstance(value, str) else ""

    def positive(*tag: str) -> float | None:
        value = image.get(("ImageTags", *tag))
        return value if isinstance(value, float) and value > 0 else None

    info, bar = "Microscope Info", "DataBar"
    return metadata_of(
        instrument=text(info, "Microscope") or text("Session Info", "Microscope") or text(info, "Name"),
        detector=text(bar, "Device Name") or text("Acquisition", "Device", "Name"),
        voltage_kv=scaled(positive(info, "Voltage"), 1e-3),
        magnification=positive(info, "Indicated Magnification"),
        date=f"{text(bar, 'Acquisition Date')} {text(bar, 'Acquisition Time')}",
    )
