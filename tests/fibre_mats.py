"""Draws pictures of fibres with known diameters for tests: exact arcs and bars, painted one over the other on a grid
three times as fine. It shares no code with the renderer of the training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

OVERSAMPLING = 3


@dataclass(frozen=True, eq=False)
class Mat:
    """A picture of fibres. grey: (H, W) uint8. labels: (H, W) int32, of the fibre on top, 1 to n; 0 for background.
    diameters: (n,) px."""

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
    """A picture of bent fibres that cross the whole picture.

    diameter: median in px; spread: SD of its logarithm. cover: share of the area. noise: SD, of 255. blur: px. rim: how
    much brighter the edges are. dark: fibres are darker than the background.
    """
    rows, columns = shape
    y, x = (np.mgrid[: rows * OVERSAMPLING, : columns * OVERSAMPLING] + 0.5) / OVERSAMPLING - 0.5
    zoom = (rows * OVERSAMPLING / 5, columns * OVERSAMPLING / 5)
    background = 60 + 25 * ndimage.zoom(rng.normal(0, 0.4, (5, 5)), zoom, order=1)
    picture = background[: rows * OVERSAMPLING, : columns * OVERSAMPLING].copy()
    fibre_of_pixel = np.zeros(y.shape, np.int32)
    diameters: list[float] = []
    while not diameters or (np.array(diameters).sum() * 0.9 * max(shape) < cover * rows * columns):
        size = float(diameter * np.exp(rng.normal(0, spread)))
        angle, radius = rng.uniform(0, 2 * np.pi), max(shape) * np.exp(rng.uniform(np.log(2), np.log(40)))
        point_on_fibre = rng.uniform(0.1, 0.9, 2) * shape
        centre = point_on_fibre + radius * np.array([np.sin(angle), np.cos(angle)])
        from_axis = np.abs(np.hypot(y - centre[0], x - centre[1]) - radius) / (size / 2)
        inside = from_axis < 1
        diameters.append(size)
        level = rng.uniform(140, 190)
        edge = np.sqrt(1 / np.maximum(1.15 - from_axis[inside] ** 2, 0.15)).clip(0, 2)
        picture[inside] = level * (1 - rim + rim * edge)
        fibre_of_pixel[inside] = len(diameters)
    coarse = picture.reshape(rows, OVERSAMPLING, columns, OVERSAMPLING).mean((1, 3))
    grey = ndimage.gaussian_filter(coarse, blur) + rng.normal(0, noise, shape)
    grey = np.clip(255 - grey if dark else grey, 0, 255).round().astype(np.uint8)
    labels = fibre_of_pixel[OVERSAMPLING // 2 :: OVERSAMPLING, OVERSAMPLING // 2 :: OVERSAMPLING]
    return Mat(grey, labels, np.array(diameters))


def true_diameters(mat: Mat, labels: NDArray[np.int32]) -> NDArray[np.float64]:
    """(n,) for each label 1..n the true diameter (px) of the fibre at most of its pixels; NaN where there is no
    fibre."""
    count, fibres = int(labels.max(initial=0)), len(mat.diameters)
    both = np.bincount((labels * (fibres + 1) + mat.labels).ravel(), minlength=(count + 1) * (fibres + 1))
    table = both.reshape(count + 1, fibres + 1)[1:]
    return np.where(table.argmax(1) > 0, np.r_[np.nan, mat.diameters][table.argmax(1)], np.nan)


def needles(
    shape: tuple[int, int], width: float, length: float, count: int, rng: np.random.Generator, *, crossing: bool = True
) -> NDArray[np.uint8]:
    """(H, W) uint8: a picture of straight bright bars, over each other in all directions (crossing), or side by side.
    width, length: px."""
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
