"""Draws pictures of microstructures, because the repository has no real images of them: python -m
tools.accuracy.drawn.drawings FOLDER [NAME ...]."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage, spatial

SIDE = 1024
SHAPE = 480, 640  # of pictures of phases
Floats = NDArray[np.float64]


def grains(seed: int = 0) -> Floats:
    """Cells of random points, each of its own grey, with bent dark boundaries."""
    rng = np.random.default_rng(seed)
    count = (170, 90, 300)[seed % 3]
    points = rng.uniform(0, SIDE, (count, 2))
    bent = [axis + 6 * _field(rng, 25) for axis in np.mgrid[:SIDE, :SIDE]]
    distance, nearest = spatial.cKDTree(points).query(np.stack(bent, axis=-1), k=2)
    grey = rng.normal(125, 26, count)[nearest[..., 0]] + 8 * _field(rng, 18) + 5 * _field(rng, 4)
    grey -= 38 * np.exp(-(((distance[..., 1] - distance[..., 0]) / 5) ** 2))
    return ndimage.gaussian_filter(grey, 1.2) + rng.normal(0, 7, grey.shape)


def bubbles(seed: int = 0) -> Floats:
    """Bright discs with a dark ring, none of which touch."""
    rng = np.random.default_rng(seed)
    grey = 118 + 9 * _field(rng, 60) + 2.5 * _field(rng, 1)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    placed: list[tuple[float, float, float]] = []
    while len(placed) < (260, 120, 380)[seed % 3]:
        (row, column), radius = rng.uniform(10, SIDE - 10, 2), float(np.clip(rng.lognormal(2.4, 0.3), 5, 26))
        if all(np.hypot(row - r, column - c) > radius + other + 5 for r, c, other in placed):
            placed.append((row, column, radius))
    for row, column, radius in placed:
        beyond = np.clip(np.hypot(rows - row, columns - column) - radius, -30, 30)
        grey += 32 / (1 + np.exp(beyond)) - 30 * np.exp(-(((beyond - 1.5) / 1.8) ** 2))
    return ndimage.gaussian_filter(grey, 0.8) + rng.normal(0, 5, grey.shape)


def steel(seed: int = 0) -> Floats:
    """Bright seams between prior grains (cementite network), bright blobs in fields (spheroidite), a few long laths."""
    rng = np.random.default_rng(seed)
    grid = np.mgrid[: SHAPE[0], : SHAPE[1]]
    points = rng.uniform(0, 1, (7 + 4 * (seed % 3), 2)) * SHAPE
    bent = [axis + 12 * _field(rng, 22, SHAPE) for axis in grid]
    distance, _ = spatial.cKDTree(points).query(np.stack(bent, axis=-1), k=2)
    seam = distance[..., 1] - distance[..., 0]
    bright = 1 / (1 + np.exp(seam - 7 - 3 * _field(rng, 6, SHAPE)))
    away = 1 / (1 + np.exp((45 - seam) / 4))  # spheroidite keeps off the network
    blobs = (_field(rng, 2.2, SHAPE) > 1.25) * (_field(rng, 60, SHAPE) > 0.2 - 0.4 * (seed % 3))
    for _ in range(6 * (seed % 2)):
        row, column = rng.uniform(0.15, 0.85, 2) * SHAPE
        turn, long = rng.uniform(0, np.pi), rng.uniform(40, 110)
        along = (grid[1] - column) * np.cos(turn) + (grid[0] - row) * np.sin(turn)
        across = (grid[0] - row) * np.cos(turn) - (grid[1] - column) * np.sin(turn)
        bright = np.maximum(bright, (np.abs(along) < long / 2) * (np.abs(across) < 3))
    grey = 62 + 9 * _field(rng, 30, SHAPE) + 6 * _field(rng, 1.5, SHAPE)
    bright = np.maximum(bright, blobs * away)
    return ndimage.gaussian_filter(grey + 118 * bright, 0.9) + rng.normal(0, 6, SHAPE)


def superalloy(seed: int = 0) -> Floats:
    """Large rounded dark precipitates with a bright rim, and discs of 3 to 10 px where there are none of them."""
    rng = np.random.default_rng(seed)
    count = (60, 36, 95)[seed % 3]
    grid = np.mgrid[: SHAPE[0], : SHAPE[1]]
    points = rng.uniform(0, 1, (count, 2)) * SHAPE
    bent = [axis + 5 * _field(rng, 14, SHAPE) for axis in grid]
    distance, cell = spatial.cKDTree(points).query(np.stack(bent, axis=-1), k=2)
    gap = ndimage.gaussian_filter(distance[..., 1] - distance[..., 0], 3) - 11
    gap = np.where(ndimage.grey_dilation(rng.random(count)[cell[..., 0]] < 0.25, 9), -30, gap)
    gap = ndimage.gaussian_filter(gap, 2)
    large = 1 / (1 + np.exp(-0.9 * gap))
    small = np.zeros(SHAPE)
    for row, column in rng.uniform(0, 1, (700, 2)) * SHAPE:
        if gap[int(row), int(column)] < -20:
            small = np.maximum(small, np.hypot(grid[0] - row, grid[1] - column) < rng.uniform(1.5, 5))
    rim = np.exp(-(((gap + 4) / 3.5) ** 2))
    grey = 122 + 2 * _field(rng, 60, SHAPE) + 12 * rim - 24 * np.maximum(large, 0.9 * small)
    return ndimage.gaussian_filter(grey, 1.2) + rng.normal(0, 1.2, SHAPE) + 1.5 * _field(rng, 1.5, SHAPE)


def gamma_prime(seed: int = 0) -> Floats:
    """Dark cuboids in rows and columns, bent, with bright channels between them and a few bright islands."""
    rng = np.random.default_rng(seed)
    period, wide = ((24, 6.0), (34, 8.0), (18, 5.0))[seed % 3]
    row, column = (axis + 5 * _field(rng, 30, SHAPE) for axis in np.mgrid[: SHAPE[0], : SHAPE[1]])
    edge = np.maximum(np.abs(row % period - period / 2), np.abs(column % period - period / 2)) - (period - wide) / 2
    channel = 1 / (1 + np.exp(-1.6 * edge))
    channel = np.maximum(channel, 1 / (1 + np.exp(-12 * (_field(rng, 16, SHAPE) - 1.9))))
    grey = 58 + 6 * _field(rng, 50, SHAPE) + 112 * channel
    return ndimage.gaussian_filter(grey, 0.7) + rng.normal(0, 12, SHAPE)


def _field(rng: np.random.Generator, reach: float, shape: tuple[int, int] = (SIDE, SIDE)) -> Floats:
    """A smooth random field of mean 0 and SD 1. reach: SD of the smoothing in px."""
    smooth = ndimage.gaussian_filter(rng.normal(size=shape), reach)
    return np.asarray((smooth - smooth.mean()) / smooth.std())


DRAWN = {draw.__name__.replace("_", "-"): draw for draw in (grains, bubbles, steel, superalloy, gamma_prime)}

if __name__ == "__main__":
    folder, *names = sys.argv[1:]
    for name in names or DRAWN:
        for seed in range(3):
            grey = np.clip(DRAWN[name](seed), 0, 255).astype(np.uint8)
            Image.fromarray(grey).save(Path(folder) / f"drawn-{name}{f'-{seed + 1}' if seed else ''}.png")
