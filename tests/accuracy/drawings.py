"""Drawn pictures, as no real data lies in the repository: python -m tests.accuracy.drawings FOLDER."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage, spatial

SIDE = 1024
Floats = NDArray[np.float64]


def grains(count: int = 170) -> Floats:
    """Cells of random points, each of its own grey, with bent dark boundaries."""
    rng = np.random.default_rng(0)
    points = rng.uniform(0, SIDE, (count, 2))
    bent = [axis + 6 * _field(rng, 25) for axis in np.mgrid[:SIDE, :SIDE]]
    distance, nearest = spatial.cKDTree(points).query(np.stack(bent, axis=-1), k=2)
    grey = rng.normal(125, 26, count)[nearest[..., 0]] + 8 * _field(rng, 18) + 5 * _field(rng, 4)
    grey -= 38 * np.exp(-(((distance[..., 1] - distance[..., 0]) / 5) ** 2))
    return ndimage.gaussian_filter(grey, 1.2) + rng.normal(0, 7, grey.shape)


def bubbles(count: int = 260) -> Floats:
    """Bright discs with a dark ring, none of which touch."""
    rng = np.random.default_rng(0)
    grey = 118 + 9 * _field(rng, 60) + 2.5 * _field(rng, 1)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    placed: list[tuple[float, float, float]] = []
    while len(placed) < count:
        (row, column), radius = rng.uniform(10, SIDE - 10, 2), float(np.clip(rng.lognormal(2.4, 0.3), 5, 26))
        if all(np.hypot(row - r, column - c) > radius + other + 5 for r, c, other in placed):
            placed.append((row, column, radius))
    for row, column, radius in placed:
        beyond = np.clip(np.hypot(rows - row, columns - column) - radius, -30, 30)
        grey += 32 / (1 + np.exp(beyond)) - 30 * np.exp(-(((beyond - 1.5) / 1.8) ** 2))
    return ndimage.gaussian_filter(grey, 0.8) + rng.normal(0, 5, grey.shape)


def _field(rng: np.random.Generator, reach: float) -> Floats:
    smooth = ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)), reach)
    return np.asarray((smooth - smooth.mean()) / smooth.std())


if __name__ == "__main__":
    for draw in (grains, bubbles):
        grey = np.clip(draw(), 0, 255).astype(np.uint8)
        Image.fromarray(grey).save(Path(sys.argv[1]) / f"drawn-{draw.__name__}.png")
