"""Pictures and maps at another scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def resize(picture: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """(H, W) float32 at `scale` times the size: averaged over areas when smaller, bicubic when larger."""
    rows, columns = (max(1, round(n * scale)) for n in picture.shape)
    how = Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC
    out: NDArray[np.float32] = np.asarray(Image.fromarray(picture).resize((columns, rows), how))
    return out.clip(0, 1)


def resize_map(values: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """(H, W) uint8 map brought to `shape` by interpolation (area-weighted when it shrinks)."""
    if values.shape == shape:
        return values
    resized = Image.fromarray(values).resize((shape[1], shape[0]), Image.Resampling.BILINEAR)
    return np.asarray(resized)
