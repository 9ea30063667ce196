"""A second, small renderer of fibres, which shares nothing with that of the training: exact arcs and bars, painted one
over the other on a grid three times as fine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

FINE = 3


@dataclass(frozen=True, eq=False)
class Mat:
    """grey: (H, W) uint8. labels: (H, W) int32, of the fibre on top. diameters: (n,) px."""

    grey: NDArray[np.uint8]
    labels: NDArray[np.int32]
    diameters: NDArray[np.float64]


def mat(
    shape: tuple[int, int],
    diameter: float,
    cover: float,
    rng: np.random.Generator,
    *,
    noise: float = 6.0,
    blur: float = 0.8,
    rim: float = 0.4,
    dark: bool = False,
    spread: float = 0.1,
) -> Mat:
    """Fibres that go through the whole picture. rim: how much brighter their edges are; noise, of 255."""
    tall, wide = shape
    y, x = (np.mgrid[: tall * FINE, : wide * FINE] + 0.5) / FINE - 0.5
    ground = 60 + 25 * ndimage.zoom(rng.normal(0, 0.4, (5, 5)), (tall * FINE / 5, wide * FINE / 5), order=1)
    picture, owner = ground[: tall * FINE, : wide * FINE].copy(), np.zeros(y.shape, np.int32)
    diameters: list[float] = []
    while not diameters or (np.array(diameters).sum() * 0.9 * max(shape) < cover * tall * wide):
        size = float(diameter * np.exp(rng.normal(0, spread)))
        angle, radius = rng.uniform(0, 2 * np.pi), max(shape) * np.exp(rng.uniform(np.log(2), np.log(40)))
        through = rng.uniform(0.1, 0.9, 2) * shape
        centre = through + radius * np.array([np.sin(angle), np.cos(angle)])
        off = np.abs(np.hypot(y - centre[0], x - centre[1]) - radius) / (size / 2)
        inside = off < 1
        diameters.append(size)
        level = rng.uniform(140, 190)
        picture[inside] = level * (1 - rim + rim * np.sqrt(1 / np.maximum(1.15 - off[inside] ** 2, 0.15)).clip(0, 2))
        owner[inside] = len(diameters)
    coarse = picture.reshape(tall, FINE, wide, FINE).mean((1, 3))
    grey = ndimage.gaussian_filter(coarse, blur) + rng.normal(0, noise, shape)
    grey = np.clip(255 - grey if dark else grey, 0, 255).round().astype(np.uint8)
    return Mat(grey, owner[FINE // 2 :: FINE, FINE // 2 :: FINE], np.array(diameters))


def true_of(mat: Mat, labels: NDArray[np.int32]) -> NDArray[np.float64]:
    """(n,) the true diameter under most of the pixels of each label 1..n; NaN where there is none."""
    count, fibres = int(labels.max(initial=0)), len(mat.diameters)
    both = np.bincount((labels * (fibres + 1) + mat.labels).ravel(), minlength=(count + 1) * (fibres + 1))
    table = both.reshape(count + 1, fibres + 1)[1:]
    return np.where(table.argmax(1) > 0, np.r_[np.nan, mat.diameters][table.argmax(1)], np.nan)


def needles(
    shape: tuple[int, int], width: float, length: float, count: int, rng: np.random.Generator, *, crossing: bool = True
) -> NDArray[np.uint8]:
    """(H, W) uint8 with straight bright bars that lie over each other in all directions, or side by side."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    grey, step = np.full(shape, 60.0), shape[0] / count
    for number in range(count):
        row, column, turn = rng.uniform(0, shape[0]), rng.uniform(0, shape[1]), rng.uniform(0, np.pi)
        if not crossing:
            row, column, turn = (number + 0.5) * step, shape[1] / 2 + rng.uniform(-20, 20), 0.02
        along = (columns - column) * np.cos(turn) + (rows - row) * np.sin(turn)
        across = (columns - column) * np.sin(turn) - (rows - row) * np.cos(turn)
        cover = np.clip(width / 2 - abs(across) + 0.5, 0, 1) * np.clip(length / 2 - abs(along) + 0.5, 0, 1)
        grey = grey * (1 - cover) + rng.uniform(150, 185) * cover
    return np.clip(ndimage.gaussian_filter(grey, 0.9) + rng.normal(0, 6, shape), 0, 255).round().astype(np.uint8)
