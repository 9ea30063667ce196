"""Pictures and maps at another scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

BAND = 2**25  # px that are resized at once; for more, Pillow's own copies would take gigabytes


def resize(picture: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """(H, W) or (C, H, W) float32 at `scale` times the size, cut to 0..1: area means when smaller, else bicubic."""
    if picture.ndim == 3:
        return np.stack([resize(channel, scale) for channel in picture])
    rows, columns = (max(1, round(n * scale)) for n in picture.shape)
    how = Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC
    image, out = Image.fromarray(picture), np.empty((rows, columns), np.float32)
    step = max(1, BAND // columns)
    for top in range(0, rows, step):
        bottom = min(rows, top + step)
        # Pillow looks beyond the box where its filter reaches, so that bands leave no seam.
        box = 0, top * picture.shape[0] / rows, picture.shape[1], bottom * picture.shape[0] / rows
        np.clip(np.asarray(image.resize((columns, bottom - top), how, box)), 0, 1, out=out[top:bottom])
    return out


def middle(shape: Sequence[int], side: int) -> tuple[slice, ...]:
    """The window of at most `side` px a side in the middle of a picture."""
    firsts = (max(0, length - side) // 2 for length in shape)
    return tuple(slice(start, start + side) for start in firsts)


def resize_map(values: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """(H, W) uint8 map brought to `shape` by interpolation (area-weighted when it shrinks)."""
    if values.shape == shape:
        return values
    return np.asarray(Image.fromarray(values).resize((shape[1], shape[0]), Image.Resampling.BILINEAR))
