"""Image and label files of every kind that people have, as arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from ..core.micrograph.reader import read
from ..core.micrograph.types import UnreadableImage

KINDS = (".png", ".tif", ".tiff", ".npy", ".jpg", ".jpeg", ".bmp")
TIFF = (".tif", ".tiff")


class BadDataset(ValueError):
    """A data source cannot be used; the message says which file and why."""


def is_picture(file: Path) -> bool:
    """Whether a file's name says that it holds an image or labels."""
    return file.suffix.lower() in KINDS and not file.name.startswith(".")


def read_grey(file: Path) -> NDArray[np.uint8]:
    """(H, W) uint8 grey of an image file; other depths are stretched from percentile 0.1 to 99.9.

    Raises BadDataset, one sentence with the file's name.
    """
    try:
        pixels = np.load(file, allow_pickle=False) if file.suffix.lower() == ".npy" else _decoded(file)
    except (OSError, ValueError, EOFError) as error:
        reason = str(error) if isinstance(error, UnreadableImage) else "The file is damaged or no image."
        raise BadDataset(f"{file}: {reason}") from error
    if pixels.ndim != 2 or not pixels.size or pixels.dtype.kind not in "buif":
        raise BadDataset(f"{file} is no grey image: its array has shape {pixels.shape} and type {pixels.dtype}.")
    return pixels if pixels.dtype == np.uint8 else _stretched(pixels)


def _decoded(file: Path) -> NDArray[np.generic]:
    if file.suffix.lower() not in TIFF:
        with Image.open(file) as image:
            if image.mode in ("L", "RGB", "RGBA", "P"):
                return np.asarray(image.convert("L"))
    return read(file).pixels


def _stretched(pixels: NDArray[np.generic]) -> NDArray[np.uint8]:
    values = np.nan_to_num(pixels.astype(np.float32))
    low, high = np.percentile(values, [0.1, 99.9])
    return (255 * np.clip((values - low) / max(high - low, 1e-6), 0, 1)).astype(np.uint8)


def read_labels(file: Path, background: int = 0) -> NDArray[np.int32]:
    """(H, W) int32 labels, 0 for `background`; every other value of the file is a label of its own.

    Raises BadDataset for a file that cannot be read, for colours, and for values that are no whole numbers.
    """
    raw = read_raw_labels(file)
    labels = raw.astype(np.int32)
    if not background:
        return labels
    return np.where(labels == background, 0, labels + (labels < background)).astype(np.int32)


def read_raw_labels(file: Path) -> NDArray[np.int64]:
    """(H, W) int64 values of a labels file as they are; raises BadDataset."""
    try:
        values = _label_array(file)
    except BadDataset:
        raise
    except (OSError, ValueError, EOFError, tifffile.TiffFileError) as error:
        raise BadDataset(f"{file}: the labels cannot be read; the file is damaged or of another kind.") from error
    if values.ndim == 3 and values.shape[2] in (2, 3, 4):
        values = _one_channel(values, file)
    if values.ndim != 2 or not values.size:
        raise BadDataset(f"{file}: labels are one plane of numbers, this file's shape is {values.shape}.")
    if values.dtype.kind == "f" and not (np.isfinite(values).all() and (values == np.round(values)).all()):
        raise BadDataset(f"{file}: labels are whole numbers, this file has fractions.")
    if values.dtype.kind not in "buif" or values.min() < 0 or values.max() >= 2**31:
        raise BadDataset(f"{file}: labels are whole numbers from 0 to 2147483647, this file has others.")
    return values.astype(np.int64)


def _label_array(file: Path) -> NDArray[np.generic]:
    if file.suffix.lower() in (".jpg", ".jpeg"):
        raise BadDataset(f"{file}: JPEG alters labels; save them as PNG, TIFF or npy.")
    if file.suffix.lower() == ".npy":
        return np.load(file, allow_pickle=False)
    if file.suffix.lower() in TIFF:
        return np.squeeze(tifffile.imread(file))
    with Image.open(file) as image:
        return np.asarray(image)


def _one_channel(values: NDArray[np.generic], file: Path) -> NDArray[np.generic]:
    """The plane of a grey file that was saved in colour (without its opacity)."""
    colours = values[..., : 1 if values.shape[2] == 2 else 3]
    if (colours != colours[..., :1]).any():
        raise BadDataset(f"{file}: the labels are drawn in colours; save one whole number per particle instead.")
    return colours[..., 0]
