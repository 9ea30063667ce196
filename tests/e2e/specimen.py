"""Micrographs whose content is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

NM_PER_PIXEL = 10.0
RADIUS = 20
COLUMNS, ROWS = 640, 480
DISCS = 20


def scene(seed: int) -> NDArray[np.uint8]:
    """(480, 640) bright discs, 40 px wide, brighter towards their edges, on a rough dark ground."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:ROWS, :COLUMNS]
    image = 60 + random.normal(0, 6, (ROWS, COLUMNS))
    for number in range(DISCS):
        centre_x, centre_y = 70 + 125 * (number % 5), 65 + 115 * (number // 5)
        distance = np.hypot(x - centre_x - random.integers(-12, 12), y - centre_y - random.integers(-12, 12))
        inside = distance < RADIUS
        image[inside] = 150 + 70 * (distance[inside] / RADIUS) ** 2 + random.normal(0, 6, inside.sum())
    return np.clip(image, 0, 255).astype(np.uint8)


def calibrated(path: Path, seed: int = 1) -> Path:
    """ImageJ's way of saying 10 nm per pixel."""
    per_micrometre = 1000 / NM_PER_PIXEL
    tifffile.imwrite(
        path, scene(seed), imagej=True, resolution=(per_micrometre, per_micrometre), metadata={"unit": "um"}
    )
    return path


def uncalibrated(path: Path) -> Path:
    Image.fromarray(scene(2)).save(path)
    return path
