"""Reads TIFF files, by tifffile. A page is checked before it is decoded, so that no file takes all memory."""

from __future__ import annotations

import logging
import math
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tifffile import COMPRESSION, EXTRASAMPLE, PHOTOMETRIC, TiffFile, TiffPage

from .. import vendors
from ..decoded import COPY_AGAIN, Decoded, apply_orientation, page_index
from ..drawn.marks import coloured_marks
from ..grey import Array, check_size, invert, is_grey_ramp, luminance, palette_colours, palette_grey, to_grey
from ..types import UnreadableImage
from ..vendors.facts import Facts
from . import codestream

# tifffile's messages about broken files are not shown; the exceptions below are.
logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)

MOST_PAGES = 10_000
MOST_SEGMENTS = 4_000_000  # strips or tiles of a page
NOT_READ = "The TIFF is compressed in a way that is not read here: save it uncompressed or with LZW."
TOO_MANY_BYTES = (
    "The image takes {megabytes:,.0f} MB when it is unpacked, which is too much: export one plane as a grey TIFF"
    " of 8 or 16 bits."
)
SMALLEST_TILE_LIMIT = 1 << 24  # px: a tile of this size is always allowed, as tiles may be larger than a small image
BYTES_PER_PIXEL = 6  # three colours of 16 bits
BLOCK = 16  # px: encoders may round the size of a strip up to whole blocks
LARGEST_TAG = 1 << 26  # bytes
EXIF = 34665  # tag that points to the Exif directory
MOST_HEADERS = 2  # the tags of so many first pages are read in addition to those of the chosen page
# Number of a tag's type -> bytes of one value; 1 for types that are not here.
_TYPE_BYTES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}


def read_tiff(path: Path, max_pixels: int, page: int = 0) -> Decoded:
    """The page `page` (from 1; 0: the first) of a TIFF. Raises UnreadableImage before decoding if the page is too
    large, incomplete or damaged."""
    with TiffFile(path) as file:
        if not file.pages:
            raise UnreadableImage(f"The TIFF holds no image, its beginning is damaged: {COPY_AGAIN}.")
        pages, is_complete = count_pages(file)
        # In a coloured image `page` means a channel of a map of elements, which `reader` takes.
        has_channels = pages == 1 and _is_coloured(file.pages[0])
        index = 0 if has_channels else page_index(page, pages)
        chosen = file.pages[index]
        notes = []
        if pages > 1 and not page:
            notes.append(f"The file has {pages}{'' if is_complete else ' or more'} pages; the first is used.")
        if not is_complete and pages < MOST_PAGES and not page:
            notes.append("The file's list of pages breaks off; the first page is used.")
        if index and chosen.is_reduced:
            raise UnreadableImage(f"Page {page} is a small copy of another page (a thumbnail): choose another page.")
        _check_page(chosen, max_pixels)
        samples, stack_notes = _samples(chosen.asarray(maxworkers=1), chosen.axes)
        plane, plane_notes = _plane(samples, chosen)
        pixels, grey_notes = to_grey(plane)
        colours = _colours(samples, chosen)
        marks = None if colours is None else coloured_marks(colours)
        header = _header(chosen, [file.pages[number] for number in range(min(pages, MOST_HEADERS))])
        orientation = value if isinstance(value := chosen.tags.valueof(274, 1), int) else 1
        kind = _kind(chosen)
    stored = pixels.shape
    pixels, orientation_note = apply_orientation(pixels, orientation)
    notes += [*stack_notes, *plane_notes, *grey_notes, *orientation_note]
    colours, marks = (None if array is None else apply_orientation(array, orientation)[0] for array in (colours, marks))
    return Decoded(pixels, kind, tuple(notes), header, orientation, stored, pages, colours, marks)


def _header(page: TiffPage, others: Sequence[TiffPage]) -> Facts:
    """The facts in the tags of a page. If they have no scale, those of another page of the same size are taken: in many
    stacks only the first page has a scale, in files of SIS only the second."""
    header, size = vendors.facts_of_tags(PageTags(page)), (page.imagewidth, page.imagelength)
    same_size = (other for other in others if (other.imagewidth, other.imagelength) == size)
    if header.nm_per_pixel:
        return header
    other_headers = (vendors.facts_of_tags(PageTags(other)) for other in same_size)
    return next((facts for facts in other_headers if facts.nm_per_pixel), header)


class PageTags:
    """The tags of a page as bytes: `vendors.facts.Tags` for the vendors' readers."""

    def __init__(self, page: TiffPage) -> None:
        self._page = page
        self.columns = int(page.imagewidth)
        self.rows = int(page.imagelength)
        self.little_endian = page.parent.byteorder == "<"

    def raw(self, code: int) -> bytes | None:
        """The bytes of tag `code`; None if the page has no such tag."""
        tag = self._page.tags.get(code)
        if tag is None:
            return None
        # A small value is in the entry itself. For tags that are pointers, tifffile gives the target as `valueoffset`.
        entry, word = (12, 8) if self._page.parent.is_bigtiff else (8, 4)
        is_in_entry = tag.valuebytecount <= word
        return self.at(tag.offset + entry if is_in_entry else tag.valueoffset, tag.valuebytecount)

    def at(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes of the file from `offset`, LARGEST_TAG at most."""
        file = self._page.parent.filehandle
        file.seek(offset)
        return bytes(file.read(min(count, LARGEST_TAG)))

    def exif(self, code: int) -> bytes | None:
        """The bytes of tag `code` in the Exif directory of a classic TIFF; None if there is none."""
        tag = self._page.tags.get(EXIF)
        if tag is None or self._page.parent.is_bigtiff:
            return None
        order = "<" if self.little_endian else ">"
        offset = int(tag.valueoffset)  # tifffile follows the pointer: this is where the directory begins
        (count,) = struct.unpack(order + "H", self.at(offset, 2))
        for number, kind, values, value in struct.iter_unpack(order + "HHII", self.at(offset + 2, 12 * count)):
            if number == code:
                size = values * _TYPE_BYTES.get(kind, 1)
                return self.at(value, size) if size > 4 else struct.pack(order + "I", value)[:size]
        return None


def count_pages(file: TiffFile) -> tuple[int, bool]:
    """(number of pages, MOST_PAGES at most; whether the list of pages ends correctly). Raises UnreadableImage if the
    list runs in a circle.

    tifffile looks for circles only once, at the hundredth page.
    """
    tiff, handle = file.tiff, file.filehandle
    offsets: set[int] = set()
    offset = int(file.pages.first.offset)
    while offset and len(offsets) < MOST_PAGES:
        if offset in offsets:
            raise UnreadableImage(f"The TIFF is damaged, its list of pages runs in a circle: {COPY_AGAIN}.")
        handle.seek(offset)
        try:
            (tags,) = struct.unpack(tiff.tagnoformat, handle.read(tiff.tagnosize))
            handle.seek(offset + tiff.tagnosize + tags * tiff.tagsize)
            (following,) = struct.unpack(tiff.offsetformat, handle.read(tiff.offsetsize))
        except (struct.error, OSError, OverflowError):
            return max(1, len(offsets)), False
        offsets.add(offset)
        offset = int(following)
    return len(offsets), offset == 0


def _check_page(page: TiffPage, max_pixels: int) -> None:
    """Raises UnreadableImage for a page that cannot be decoded or would take too much memory."""
    columns, rows = int(page.imagewidth), int(page.imagelength)
    if columns <= 0 or rows <= 0 or page.dtype is None:
        raise UnreadableImage(f"The TIFF does not say how large its image is or how it is stored: {COPY_AGAIN}.")
    check_size(columns, rows, max_pixels)
    if page.nbytes > BYTES_PER_PIXEL * max_pixels:
        raise UnreadableImage(TOO_MANY_BYTES.format(megabytes=page.nbytes / 1e6))
    if page.compression in codestream.NOT_CHECKED:
        raise UnreadableImage(NOT_READ)
    tile = int(page.tilewidth) * int(page.tilelength) if page.is_tiled else 0
    if tile * math.prod(page.chunked) > max(4 * columns * rows * page.samplesperpixel, SMALLEST_TILE_LIMIT):
        raise UnreadableImage(f"The TIFF is damaged, its tiles are far larger than its image: {COPY_AGAIN}.")
    _check_data(page)


def _check_data(page: TiffPage) -> None:
    """Raises UnreadableImage if pixels of a page are missing in the file; tifffile would fill some gaps with black."""
    size = page.parent.filehandle.size
    offsets, counts = page.dataoffsets, page.databytecounts
    if not offsets or not counts or len(offsets) > MOST_SEGMENTS:
        raise UnreadableImage(f"The TIFF holds no image data: {COPY_AGAIN}.")
    if page.is_contiguous:
        is_missing = offsets[0] + page.nbytes > size
    else:
        is_missing = any(count <= 0 or start + count > size for start, count in zip(offsets, counts, strict=False))
        is_missing = is_missing or len(offsets) < math.prod(page.chunked) or len(counts) < math.prod(page.chunked)
    if is_missing or min(offsets) <= 0:
        raise UnreadableImage(f"The file is incomplete, part of the image is missing: {COPY_AGAIN}.")
    if codestream.declares_size(page.compression):
        _check_strips(page)


def _check_strips(page: TiffPage) -> None:
    """Raises UnreadableImage if a strip or tile declares a larger size than the page; it would be decoded in full."""
    columns, rows = int(page.imagewidth), min(int(page.rowsperstrip), int(page.imagelength))
    if page.is_tiled:
        columns, rows = int(page.tilewidth), int(page.tilelength)
    file = page.parent.filehandle
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False):
        file.seek(offset)
        is_jpeg = page.compression in codestream.JPEG
        strip = file.read(count if is_jpeg else min(count, codestream.STRIP_HEAD_BYTES))
        if is_jpeg:
            codestream.check_scans(strip)
        size = codestream.declared_size(page.compression, strip[: codestream.STRIP_HEAD_BYTES])
        if size is None or size[0] >= columns + BLOCK or size[1] >= rows + BLOCK:
            raise UnreadableImage(f"The TIFF is damaged, its strips are larger than its image: {COPY_AGAIN}.")


def _samples(image: Array, axes: str) -> tuple[Array, list[str]]:
    """(H, W, samples) of an image with tifffile's axes, and notes; if it is a volume, the first plane."""
    notes = []
    for position in reversed([i for i, axis in enumerate(axes) if axis not in "YXS"]):
        if image.shape[position] > 1:
            notes.append(f"The image is a stack of {image.shape[position]} planes; the first is used.")
        image = image.take(0, axis=position)
    axes = "".join(axis for axis in axes if axis in "YXS")
    if "S" not in axes:
        return image[..., np.newaxis], notes
    return np.moveaxis(image, axes.index("S"), -1), notes


def _has_palette(samples: Array, page: TiffPage) -> bool:
    """Whether the samples are indices into a palette."""
    is_palette = page.photometric == PHOTOMETRIC.PALETTE and page.colormap is not None
    return is_palette and samples.dtype.kind == "u"


def _is_coloured(page: TiffPage) -> bool:
    """Whether the samples of a page are red, green and blue when they are decoded."""
    is_jpeg = page.photometric == PHOTOMETRIC.YCBCR and page.compression in _JPEG
    return page.photometric == PHOTOMETRIC.RGB or is_jpeg


def _is_rgb(samples: Array, page: TiffPage) -> bool:
    """Whether the decoded samples begin with red, green and blue."""
    return _is_coloured(page) and samples.shape[-1] >= 3


def _colours(samples: Array, page: TiffPage) -> Array | None:
    """(H, W, 3 or more) red, green and blue; None for a grey page, even if its palette colours the data bar."""
    if _has_palette(samples, page) and not is_grey_ramp(page.colormap):
        return palette_colours(samples[..., 0], page.colormap)
    return samples if _is_rgb(samples, page) else None


def _plane(samples: Array, page: TiffPage) -> tuple[Array, list[str]]:
    """(H, W) grey of the samples (H, W, samples), by the page's photometric interpretation, and notes."""
    photometric, count = page.photometric, samples.shape[-1]
    if _has_palette(samples, page):
        return palette_grey(samples[..., 0], page.colormap), []
    if photometric == PHOTOMETRIC.YCBCR and page.compression not in _JPEG and count >= 3:
        return samples[..., 0], []  # the first sample is the luminance
    if _is_rgb(samples, page):
        return luminance(samples), []
    if photometric == PHOTOMETRIC.SEPARATED and count >= 4:
        paper = float(np.iinfo(samples.dtype).max) if samples.dtype.kind == "u" else 1.0
        black = paper - samples[..., 3].astype(np.float32)
        colours = (paper - samples[..., :3].astype(np.float32)) * (black / paper)[..., np.newaxis]
        return np.asarray(np.rint(luminance(colours))).astype(samples.dtype), []
    if photometric == PHOTOMETRIC.MINISWHITE:
        return invert(samples[..., 0], int(page.bitspersample)), []
    alpha = (EXTRASAMPLE.ASSOCALPHA, EXTRASAMPLE.UNASSALPHA)
    channels = count - sum(kind in alpha for kind in page.extrasamples)
    return samples[..., 0], [f"The image has {channels} channels; the first is used."] if channels > 1 else []


_JPEG = (COMPRESSION.JPEG, COMPRESSION.OJPEG)


def _kind(page: TiffPage) -> str:
    """The kind of a page in words, such as "TIFF, 16 bit"."""
    name = "BigTIFF" if page.parent.is_bigtiff else "TIFF"
    number = {"f": " float", "i": " signed"}.get(page.dtype.kind if page.dtype is not None else "", "")
    colour = {PHOTOMETRIC.PALETTE: ", palette", PHOTOMETRIC.RGB: ", RGB"}.get(page.photometric, "")
    bits = page.bitspersample if isinstance(page.bitspersample, int) else page.bitspersample[0]
    return f"{name}, {bits} bit{number}{colour}"
