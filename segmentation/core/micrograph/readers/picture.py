"""Reads PNG, JPEG and BMP files, by Pillow."""

from __future__ import annotations

from mmap import ACCESS_READ, mmap
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from ..decoded import Decoded, apply_orientation
from ..drawn.marks import coloured_marks
from ..grey import Array, check_size, is_grey_ramp, luminance, palette_colours, palette_grey, to_grey
from ..vendors import facts_or_none, jeol
from ..vendors.facts import Facts
from .codestream import check_scans

# Pillow's limit is not needed: the declared size is checked against `max_pixels` before decoding.
Image.MAX_IMAGE_PIXELS = None


def read_picture(path: Path, kind: str, max_pixels: int) -> Decoded:
    """The first frame of a PNG, JPEG or BMP (`kind`); the declared size is checked before decoding."""
    with Image.open(path, formats=[kind]) as image:
        check_size(image.width, image.height, max_pixels)
        if kind == "JPEG":
            with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as stream:
                check_scans(stream)
        frames = int(getattr(image, "n_frames", 1))
        bits = _bits(image)
        image.seek(0)
        image.load()
        exif = image.getexif()
        orientation = int(exif.get(ExifTags.Base.Orientation, 1) or 1)
        maker_note = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.MakerNote)
        pixels, notes = to_grey(_plane(image))
        colours = _colours(image)
        marks = None if colours is None else coloured_marks(colours)
    frames_note = [f"The file has {frames} frames; the first is used."] if frames > 1 else []
    stored = pixels.shape
    header = (isinstance(maker_note, bytes) and facts_or_none(jeol.read_note, maker_note)) or Facts()
    pixels, orientation_note = apply_orientation(pixels, orientation)
    every_note = (*frames_note, *notes, *orientation_note)
    colours, marks = (None if array is None else apply_orientation(array, orientation)[0] for array in (colours, marks))
    return Decoded(pixels, f"{kind}, {bits}", every_note, header, orientation, stored, 1, colours, marks)


def _bits(image: Image.Image) -> str:
    """The type of the pixels as text, such as "8 bit, RGB"."""
    mode = image.mode
    if mode == "1":
        return "1 bit"
    if mode.startswith("I;16"):
        return "16 bit"
    colour = {"P": "8 bit, palette", "CMYK": "8 bit, CMYK", "I": "32 bit", "F": "32 bit float"}
    return colour.get(mode, "8 bit" if mode in ("L", "LA") else "8 bit, RGB")


def _palette(image: Image.Image) -> Array | None:
    """(3, N) uint8: the palette of an image; None where it has none."""
    colours = image.getpalette("RGB") if image.mode == "P" else None
    return np.asarray(colours, np.uint8).reshape(-1, 3).T if colours else None


def _colours(image: Image.Image) -> Array | None:
    """(H, W, 3 or 4) uint8: the colours of an image; None for a grey image, even if its palette colours the data
    bar."""
    if image.mode in ("RGB", "RGBA"):
        return np.asarray(image)
    palette = _palette(image)
    return None if palette is None or is_grey_ramp(palette) else palette_colours(np.asarray(image), palette)


def _plane(image: Image.Image) -> Array:
    """(H, W): the image as one plane of grey values."""
    mode = image.mode
    palette = _palette(image)
    if palette is not None:
        return palette_grey(np.asarray(image), palette)
    if mode in ("1", "L", "I", "F") or mode.startswith("I;16"):
        return np.asarray(image)
    if mode == "LA":
        return np.asarray(image.getchannel("L"))
    return luminance(np.asarray(image if mode in ("RGB", "RGBA") else image.convert("RGB")))
