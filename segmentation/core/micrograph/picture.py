"""PNG, JPEG and BMP files, through Pillow."""

from __future__ import annotations

from mmap import ACCESS_READ, mmap
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from .codestream import check_scans
from .decoded import Decoded, turned
from .grey import Array, check_size, luminance, through_palette, to_grey
from .kinds import Kind
from .vendors import checked, jeol
from .vendors.facts import Facts

# our own limit on the declared size, `max_pixels`, is checked before anything is decoded
Image.MAX_IMAGE_PIXELS = None


def read_picture(path: Path, kind: Kind, max_pixels: int) -> Decoded:
    """The first frame of a PNG, JPEG or BMP; the declared size is checked before decoding."""
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
        colours = np.asarray(image) if image.mode in ("RGB", "RGBA") else None
    first = [f"The file has {frames} frames; the first is used."] if frames > 1 else []
    stored = pixels.shape
    header = (isinstance(maker_note, bytes) and checked(jeol.read_note, maker_note)) or Facts()
    pixels, turning = turned(pixels, orientation)
    every_note = (*first, *notes, *turning)
    colours = None if colours is None else turned(colours, orientation)[0]
    return Decoded(pixels, f"{kind}, {bits}", every_note, header, orientation, stored, colours=colours)


def _bits(image: Image.Image) -> str:
    mode = image.mode
    if mode == "1":
        return "1 bit"
    if mode.startswith("I;16"):
        return "16 bit"
    colour = {"P": "8 bit, palette", "CMYK": "8 bit, CMYK", "I": "32 bit", "F": "32 bit float"}
    return colour.get(mode, "8 bit" if mode in ("L", "LA") else "8 bit, RGB")


def _plane(image: Image.Image) -> Array:
    mode = image.mode
    colours = image.getpalette("RGB") if mode == "P" else None
    if colours:
        return through_palette(np.asarray(image), np.asarray(colours, np.uint8).reshape(-1, 3).T)
    if mode in ("1", "L", "I", "F") or mode.startswith("I;16"):
        return np.asarray(image)
    if mode == "LA":
        return np.asarray(image.getchannel("L"))
    return luminance(np.asarray(image if mode in ("RGB", "RGBA") else image.convert("RGB")))
