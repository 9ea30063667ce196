"""Resamples images whose pixels are not square by their header, so that all other code gets square pixels.

One direction is resampled to the finer of the two pixel sizes, so that nothing is lost. If that gives too many pixels,
the other direction is resampled to the coarser one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..decoded import Decoded
from ..grey import BAND_PX, Array, check_size
from ..vendors.facts import Facts

SQUARE_TOLERANCE = 0.005  # relative, of the sides of a pixel that count as equal
MOST_SIDE_RATIO = 10.0  # ratio of the sides: no scan has more; such a header is wrong, or of a spectrum image
ROWS, COLUMNS = "file_rows", "file_columns"  # keys of metadata: size of the image in its file, before resampling
SIDES = "The pixels of the file are {width} nm wide and {height} nm high."
RESAMPLED = (
    f"{SIDES} The image was resampled to square pixels of {{size}} nm: it has {{columns:,}} × {{rows:,}} px, the file"
    " {file_columns:,} × {file_rows:,}. Outlines, positions and files are in the pixels of the resampled image."
)
COARSER = " This is the coarser of the two sizes, because the finer one gives too many pixels."
IMPOSSIBLE = f"{SIDES} No micrograph has such pixels, so neither is used: type the image width."
PERHAPS_NOT_SQUARE = (
    "By the file's header, pixels were {width} nm wide and {height} nm high. If they still are, lengths in the two"
    " directions differ."
)
Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True, eq=False)
class SquareImage:
    """An image with square pixels.

    pixels: (H, W). header: facts with the size of these pixels, and with notes. row_factor: its number of rows divided
    by the number of rows in the file. metadata: the image's size in the file, under ROWS and COLUMNS, if it was
    resampled.
    """

    pixels: Array
    header: Facts
    row_factor: float = 1.0
    metadata: Mapping[str, float] | None = None


def are_square(width: float | None, height: float | None) -> bool:
    """Whether the sides of a pixel are equal, or one of them is not known."""
    return not width or not height or abs(width / height - 1) <= SQUARE_TOLERANCE


def make_square(decoded: Decoded, header: Facts, max_pixels: int) -> SquareImage:
    """The image, resampled if its pixels are not square. header: its facts, from `header.checked_against_pixels`.
    Raises UnreadableImage if the resampled image is too long and narrow."""
    width, height = header.nm_per_pixel, header.height_nm
    if not width or not height or are_square(width, height):
        return SquareImage(decoded.pixels, replace(header, height_nm=None))
    if decoded.is_transposed:
        width, height = height, width
    sides = {"width": f"{width:.4g}", "height": f"{height:.4g}"}
    if max(width / height, height / width) > MOST_SIDE_RATIO:
        note = IMPOSSIBLE.format(**sides)
        unsized = replace(header, nm_per_pixel=None, detail="", relative_uncertainty=None, height_nm=None)
        return SquareImage(decoded.pixels, replace(unsized, notes=(*header.notes, note)))
    rows, columns = decoded.pixels.shape
    size = min(width, height)
    is_coarser = rows * columns * (width / size) * (height / size) > max_pixels
    if is_coarser:
        size = max(width, height)
    shape = _resampled_count(rows, height / size), _resampled_count(columns, width / size)
    check_size(shape[1], shape[0], max_pixels)
    note = RESAMPLED.format(
        **sides, size=f"{size:.4g}", columns=shape[1], rows=shape[0], file_columns=columns, file_rows=rows
    )
    return SquareImage(
        resample_pixels(decoded.pixels, shape, (size / height, size / width)),
        replace(
            header,
            nm_per_pixel=size,
            height_nm=None,
            notes=(*header.notes, note + (COARSER if is_coarser else "")),
        ),
        height / size,
        {COLUMNS: float(columns), ROWS: float(rows)},
    )


def _resampled_count(pixels: int, times: float) -> int:
    """The number of whole pixels along a side after resampling. pixels: number before. times: the factor."""
    return int(pixels * times + 1e-6)


def resample_pixels(pixels: Array, shape: tuple[int, int], steps: tuple[float, float]) -> Array:
    """Grey pixels (H, W) resampled to `shape`, by cubic interpolation (Catmull-Rom), or by means over larger pixels.

    steps: old pixels per new one, down and across. No value lies outside the range of the image."""
    low, high = pixels.min(), pixels.max()
    is_byte = pixels.dtype == np.uint8
    out = np.empty(shape, pixels.dtype)
    down, across = steps
    resamples_rows = shape[0] != pixels.shape[0] or down != 1
    for old, new in _strips(pixels, out, resamples_rows):
        image = Image.fromarray(np.ascontiguousarray(old if is_byte else old.astype(np.float32)))
        box = (0.0, 0.0, min(new.shape[1] * across, old.shape[1]), min(new.shape[0] * down, old.shape[0]))
        part = np.asarray(image.resize((new.shape[1], new.shape[0]), Image.Resampling.BICUBIC, box))
        part = np.clip(part, low, high)
        new[:] = part if pixels.dtype.kind == "f" or is_byte else np.rint(part)
    return out


def _strips(old: Array, new: Array, resamples_rows: bool) -> Iterator[tuple[Array, Array]]:
    """Pairs of parts of the old and the new image that are resampled one by one, each of about BAND pixels: columns if
    rows are resampled (resamples_rows), else rows."""
    longest = max(old.shape[0], new.shape[0]) if resamples_rows else max(old.shape[1], new.shape[1])
    width = max(1, BAND_PX // longest)
    for start in range(0, old.shape[1 if resamples_rows else 0], width):
        part = slice(start, start + width)
        yield (old[:, part], new[:, part]) if resamples_rows else (old[part], new[part])


def stored_shape(facts: Mapping[str, Any]) -> tuple[int, int] | None:
    """(rows, columns) of the image in its file if it was resampled to square pixels, else None. facts: its metadata."""
    return (int(facts[ROWS]), int(facts[COLUMNS])) if {ROWS, COLUMNS} <= facts.keys() else None


def resample_labels(values: NDArray[Number], shape: tuple[int, int], stored: tuple[int, int] | None) -> NDArray[Number]:
    """Labels (H, W) or (H, W, channels), resampled to `shape` (by nearest neighbour) if they have the shape `stored`.

    For labels that were drawn on the image as its file stores it, before it was resampled. stored: from `stored_shape`.
    Labels of any other shape are returned unchanged."""
    if values.shape[:2] != stored:
        return values
    # The resampled image may be up to a pixel shorter than the image in the file.
    rows, columns = (((np.arange(new) + 0.5) * old / new).astype(int) for new, old in zip(shape, stored, strict=True))
    out: NDArray[Number] = values[rows[:, None], columns]
    return out
