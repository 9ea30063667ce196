"""Makes a Micrograph from an array (`micrograph_of`), for programs that have read the file themselves."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..names import file_name
from .colours import COLOURS, MAP, colours_of
from .drawn.marks import coloured_marks, regions_of, regions_text
from .grey import check_size, luminance, to_grey
from .reader import MAX_PIXELS
from .types import Calibration, Micrograph, UnreadableImage
from .vendors.facts import MARKS

# Sentences for the user.
_SHAPE = (
    "An array of shape {shape} is no picture: give one of rows and columns (H, W), or of red, green and blue (H, W, 3)."
)
_TYPE = "An array of {dtype} values is no picture: give whole numbers or floating-point numbers."
_CHANNELS = "The array looks like a map of elements: give one of its channels, such as array[..., 0]."


def micrograph_of(array: ArrayLike, *, name: str = "array", max_pixels: int = MAX_PIXELS) -> Micrograph:
    """The Micrograph of an array, with its grey values as they are and no calibration.

    array: (H, W) grey, or (H, W, 3 or 4) red, green and blue (a fourth channel is ignored), of
        bool, whole or floating-point numbers; axes of length 1 are dropped. Values that are not
        finite become the smallest valid one, with a note. Colours become grey by their luminance;
        coloured marks are found as in a PNG. The `sha256` is made from shape, type and values.
    Raises UnreadableImage with one sentence for any other array.
    """
    values = _picture(array)
    check_size(values.shape[1], values.shape[0], max_pixels)
    metadata: dict[str, Any] = {"kind": f"array, {values.dtype}"}
    notes: list[str] = []
    if values.ndim == 3:
        colours = _eight_bits(values)
        if colour := colours_of(colours):
            metadata[COLOURS] = colour.kind
            notes.append(_CHANNELS if colour.kind == MAP else colour.note)
        marks = coloured_marks(colours)
        if marks is not None:
            metadata[MARKS] = regions_text(regions_of(marks))
    pixels, changes = to_grey(luminance(values) if values.ndim == 3 else values)
    head = f"{values.shape} {values.dtype.str} ".encode()
    sha256 = hashlib.sha256(head + np.ascontiguousarray(values).tobytes()).hexdigest()
    all_notes = (*changes, *notes)
    return Micrograph(pixels, file_name(name), sha256, Calibration.absent(), metadata, all_notes)


def _picture(array: ArrayLike) -> NDArray[Any]:
    """The array as (H, W) or (H, W, 3) numbers; raises UnreadableImage if it is neither."""
    try:
        values = np.asarray(array)
    except ValueError:  # rows of several lengths
        raise UnreadableImage(_SHAPE.format(shape="several lengths")) from None
    if values.dtype.kind not in "buifc":
        raise UnreadableImage(_TYPE.format(dtype=values.dtype))
    if values.ndim > 2 and 1 in values.shape:
        values = values.squeeze()
    if values.ndim == 3 and values.shape[2] in (3, 4) and values.dtype.kind in "uif":
        return values[..., :3]
    if values.ndim != 2:
        shape = " × ".join(map(str, values.shape)) or "a single number"
        raise UnreadableImage(_SHAPE.format(shape=shape))
    return values


def _eight_bits(colours: NDArray[Any]) -> NDArray[np.uint8]:
    """(H, W, 3) colours as bytes: unchanged if they are bytes already, else scaled so that the brightest is 255."""
    if colours.dtype == np.uint8:
        return colours
    values = np.nan_to_num(colours.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0).clip(0)
    return np.rint(values * (255 / max(float(values.max()), 1e-30))).astype(np.uint8)
