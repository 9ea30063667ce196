"""How noisy a picture is, and how many counts a pixel of a counting detector has."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .types import Micrograph

SIDE = 512  # px of the middle that is looked at
BLUR = 4.0  # px, sigma by which contrast is told from noise
# Noise, as a share of the contrast, from which on a smoothed copy is read: of 278 micrographs 3 have more, of particles
# one. The mean F1 of 3 EMPS micrographs drawn with 2 and with 4 counts a pixel rises from 0.77 to 0.87 and from 0.84
# to 0.92.
NOISY = 1.0
SMOOTH = 1.5  # px, sigma
LEVELS = 24  # different values of a picture of single counts, at most


def noise_of(picture: NDArray[Any]) -> float:
    """The standard deviation of the noise in the middle of a picture (H, W), from pixel to pixel, divided by that of
    what is left of it when it is blurred; 0 of an even one."""
    from scipy import ndimage

    rows, columns = (slice(max(0, (n - SIDE) // 2), (n + SIDE) // 2) for n in picture.shape)
    middle = picture[rows, columns].astype(np.float32)
    # The difference of differences leaves out slopes in either direction; its spread is twice that of the noise.
    crossed = middle[1:, 1:] - middle[1:, :-1] - middle[:-1, 1:] + middle[:-1, :-1]
    noise = float(np.median(np.abs(crossed))) / 0.6745 / 2
    contrast = float(ndimage.gaussian_filter(middle, BLUR).std())
    return noise / contrast if contrast else 0.0


def counts_a_pixel(micrograph: Micrograph) -> float | None:
    """The mean number of counts, where the values of the pixels are few and evenly spaced from 0; else None."""
    values, frequency = np.unique(micrograph.pixels, return_counts=True)
    if not 2 < len(values) <= LEVELS or values[0] != 0:
        return None
    common = values[frequency >= frequency.max() / 100].astype(float)
    steps = np.diff(common)
    step = float(np.median(steps)) if len(steps) else 0.0
    if len(steps) < 2 or np.abs(steps - step).max() > 1:
        return None
    return float(np.average(values.astype(float), weights=frequency)) / step
