"""Random fields for substrates, layouts and charging."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def smooth_field(shape: tuple[int, int], period: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """(H, W) float32 field of zero mean and unit SD that varies over about `period` px."""
    rows, columns = (max(4, int(np.ceil(n / period)) + 3) for n in shape)
    coarse = rng.normal(size=(rows, columns)).astype(np.float32)
    zoom = (shape[0] / (rows - 2), shape[1] / (columns - 2))
    field = ndimage.zoom(coarse, zoom, order=3, prefilter=False)[: shape[0], : shape[1]]
    field -= field.mean()
    return field / max(float(field.std()), 1e-6)


def fractal_field(
    shape: tuple[int, int], longest: float, shortest: float, roughness: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Octaves of `smooth_field` from `longest` down to `shortest` px; each halving weighs `roughness`."""
    total = np.zeros(shape, np.float32)
    weight, period = 1.0, longest
    while period >= shortest:
        total += weight * smooth_field(shape, period, rng)
        weight *= roughness
        period /= 2
    return total / max(float(total.std()), 1e-6)
