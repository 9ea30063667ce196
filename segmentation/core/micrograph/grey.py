"""Converts the pixels of any file to one plane of finite grey values, and checks the size of an image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .types import GreyImage, UnreadableImage

SMALLEST_SIDE = 16  # px
LONGEST_SIDE = 100  # times the shorter side: a figure of a longer strip would show nothing
LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601, as in Pillow and ImageJ's weighted conversion
BAND_PX = 1 << 22  # pixels that are processed at once, to save memory
Array = NDArray[Any]


def check_size(columns: int, rows: int, max_pixels: int) -> None:
    """Raises UnreadableImage for an image that is too large, too small, or too long and narrow. Readers call it before
    they decode."""
    if columns * rows > max_pixels:
        raise UnreadableImage(
            f"The image is too large ({columns} x {rows} px; the limit is {max_pixels / 1e6:.4g} megapixels): "
            "upload a smaller part of it."
        )
    if min(columns, rows) < SMALLEST_SIDE:
        raise UnreadableImage(
            f"The image is too small to analyse ({columns} x {rows} px): choose one with at least {SMALLEST_SIDE} px"
            " on both sides."
        )
    if max(columns, rows) > LONGEST_SIDE * min(columns, rows):
        raise UnreadableImage(
            f"The image is too long and narrow ({columns} x {rows} px): "
            f"cut it so that its longer side is at most {LONGEST_SIDE} times its shorter side."
        )


def is_grey(pixels: Array) -> bool:
    """Whether pixels have the shape (H, W) and a type that `to_grey` gives; it does not check that they are finite."""
    return pixels.ndim == 2 and pixels.dtype in (np.uint8, np.uint16, np.float32)


def luminance(colours: Array) -> Array:
    """(H, W): the luminance of red, green and blue (H, W, 3 or more), in their type; further channels are ignored.

    Equal channels keep their exact value.
    """
    red, green, blue = (colours[..., i] for i in range(3))
    if np.array_equal(red, green) and np.array_equal(red, blue):
        return np.ascontiguousarray(red)
    grey = np.empty(red.shape, colours.dtype)
    for band in bands(grey):
        weighted_sum = sum(
            np.multiply(part[band], weight, dtype=np.float64)
            for part, weight in zip((red, green, blue), LUMINANCE, strict=True)
        )
        grey[band] = np.rint(weighted_sum) if colours.dtype.kind in "ui" else weighted_sum
    return grey


def bands(image: Array) -> list[slice]:
    """Slices of rows that cover an image, each with about BAND_PX pixels."""
    step = max(1, BAND_PX // max(1, image.shape[1]))
    return [slice(row, row + step) for row in range(0, image.shape[0], step)]


def palette_grey(indices: Array, palette: Array) -> Array:
    """(H, W): the grey values of indices (H, W) into a palette (3, N) of 8 or 16-bit colours.

    For a grey ramp (`is_grey_ramp`) they are the indices. Any other palette gives 8-bit luminance.
    """
    if is_grey_ramp(palette):
        return indices
    table = _entries(palette)
    entries = table.shape[1]
    grey: Array = np.zeros(max(entries, int(indices.max(initial=0)) + 1), np.uint8)
    grey[:entries] = np.rint(np.tensordot(LUMINANCE, table, axes=1)).clip(0, 255)
    mapped: Array = grey[indices]
    return mapped


def is_grey_ramp(palette: Array) -> bool:
    """Whether a palette (3, N) has 256 entries of which three quarters or more are a grey ramp from 0 to 255.

    Microscopes write such palettes; the other entries colour the data bar."""
    table = _entries(palette)
    return table.shape[1] == 256 and bool((np.abs(table - np.arange(256)).max(axis=0) <= 1).mean() >= 0.75)


def _entries(palette: Array) -> Array:
    """(3, N) float64: the colours of a palette from 0 to 255."""
    table = np.asarray(palette, np.float64).reshape(3, -1)
    return np.floor(table / 256) if table.max(initial=0) > 255 else table


def palette_colours(indices: Array, palette: Array) -> Array:
    """(H, W, 3) uint8: the colours of indices (H, W) into a palette (3, N); black if there is no such entry."""
    table = _entries(palette).clip(0, 255).astype(np.uint8)
    colours = np.zeros((max(table.shape[1], int(indices.max(initial=0)) + 1), 3), np.uint8)
    colours[: table.shape[1]] = table.T
    picture: Array = colours[indices]
    return picture


def invert(plane: Array, bits: int) -> Array:
    """A plane in which 0 is white, inverted so that white is the largest value. bits: number of bits of an unsigned
    pixel."""
    if plane.dtype == np.bool_:
        return ~plane
    if plane.dtype.kind == "u":
        top = plane.dtype.type(min(2**bits - 1, np.iinfo(plane.dtype).max))
        return np.asarray((top if plane.max() <= top else plane.max()) - plane)
    if plane.dtype.kind == "i":
        ends = int(plane.max()) + int(plane.min())
        return (ends - plane.astype(np.int64)).astype(plane.dtype)
    finite = plane[np.isfinite(plane)]
    return np.asarray(finite.max() + finite.min() - plane) if finite.size else plane


def to_grey(plane: Array) -> tuple[GreyImage, list[str]]:
    """A plane (H, W) of any numeric type as finite uint8, uint16 or float32, and sentences about changes of values.

    Raises UnreadableImage if no pixel is valid."""
    kind, size = plane.dtype.kind, plane.dtype.itemsize
    plane = plane.astype(plane.dtype.newbyteorder("="), copy=False)
    if kind == "b":
        return plane.astype(np.uint8) * np.uint8(255), []
    if kind == "c":
        magnitude = np.empty(plane.shape, np.float32)  # by band: a double-precision plane is not held twice
        with np.errstate(over="ignore"):
            for band in bands(plane):
                magnitude[band] = np.abs(plane[band])
        grey, notes = to_grey(magnitude)
        return grey, ["The image holds complex numbers; their magnitude is used.", *notes]
    if kind == "u" and size <= 2:
        return np.ascontiguousarray(plane), []
    if kind == "i" and size <= 2:
        wide = np.dtype(f"u{size}")
        if plane.min() >= 0:
            return plane.astype(wide), []
        half = 1 << (8 * size - 1)
        shifted = np.ascontiguousarray(plane.view(wide) ^ wide.type(half))
        return shifted, [f"The pixels have negative values; {half} was added to every value to make them positive."]
    if kind in "ui":
        return plane.astype(np.float32), []
    if kind == "f":
        return _finite(plane)
    raise UnreadableImage("The image's pixels are of a kind that cannot be read: export it as an 8 or 16-bit TIFF.")


def _finite(plane: Array) -> tuple[GreyImage, list[str]]:
    """The plane as float32; values that are NaN or infinite become the smallest valid one, with a note."""
    with np.errstate(over="ignore", invalid="ignore"):
        grey = np.ascontiguousarray(plane, dtype=np.float32)
    if np.isfinite(grey.min()) and np.isfinite(grey.max()):
        return grey, []
    is_valid = np.isfinite(grey)
    if not is_valid.any():
        raise UnreadableImage("The image has no valid pixel, all are NaN, infinite or beyond 3e38: export it again.")
    lowest = grey.min(where=is_valid, initial=np.inf)
    invalid = int(is_valid.size - np.count_nonzero(is_valid))
    return np.where(is_valid, grey, lowest), [
        f"{invalid} {'pixel is' if invalid == 1 else 'pixels are'} NaN, infinite or beyond 3e38; "
        "the smallest valid value is used there."
    ]
