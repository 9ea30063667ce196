"""Resamples pictures and maps, and cuts out the middle of a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

BAND_PX = 2**25  # pixels of a result that are made at once, because Pillow copies the picture that it resizes


def resize(picture: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """A picture (H, W) or (C, H, W) float32 at `scale` times its size, clipped to 0..1: by area means if it becomes
    smaller, else bicubic."""
    if picture.ndim == 3:
        return np.stack([resize(channel, scale) for channel in picture])
    rows, columns = (max(1, round(n * scale)) for n in picture.shape)
    method = Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC
    image, out = Image.fromarray(picture), np.empty((rows, columns), np.float32)
    step = max(1, BAND_PX // columns)
    for top in range(0, rows, step):
        bottom = min(rows, top + step)
        # Pillow's filter also uses pixels outside of the box, so that no seams appear between bands.
        box = 0, top * picture.shape[0] / rows, picture.shape[1], bottom * picture.shape[0] / rows
        np.clip(np.asarray(image.resize((columns, bottom - top), method, box)), 0, 1, out=out[top:bottom])
    return out


def middle(shape: Sequence[int], side: int) -> tuple[slice, ...]:
    """The window in the middle of a picture of this shape, with sides of at most `side` px."""
    starts = (max(0, length - side) // 2 for length in shape)
    return tuple(slice(start, start + side) for start in starts)


def resize_map(values: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """A map (H, W) uint8 resampled to `shape` by interpolation (area-weighted if it becomes smaller)."""
    if values.shape == shape:
        return values
    return np.asarray(Image.fromarray(values).resize((shape[1], shape[0]), Image.Resampling.BILINEAR))
