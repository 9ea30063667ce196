"""Compares the sizes of drawn particles that lie on each other, as in a transmission microscope, with their true sizes:

    python -m tools.accuracy overlaps

The grey of a pixel is what all particles there let through, so their optical densities add up. Half of the particles
of `bands` have a dark band across, as a crystal in Bragg position has. The table has, for each picture, number, D10,
median and D90 of the minimum Feret diameter of whole particles, in per cent of their true values.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import pi

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.micrograph.types import ABSENT, Micrograph
from segmentation.core.network.runtime import Runtime
from segmentation.core.pipeline import analyse

from .edges import Drawing

SIDE, MOST, MOST_COVERED = 512, 90, 0.35  # px; particles; share of a particle that may lie on others
SIZES = {"discs": 30.0, "ellipses": 30.0, "bands": 30.0, "rods": 18.0, "squares": 28.0}  # px, median
SPREAD, DENSITY, BLUR, NOISE = 0.07, 0.9, 0.8, 0.02


def heap(name: str, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The picture (H, W), and the minimum Feret diameters of its whole particles, px. name: of SIZES."""
    rng, density, count = np.random.default_rng([seed, len(name)]), np.zeros((SIDE, SIDE)), np.zeros((SIDE, SIDE), int)
    shape, sizes = "discs" if name == "bands" else name, list[float]()
    kind = "flat" if shape == "squares" else "sphere"
    places = ndimage.gaussian_filter(rng.normal(size=density.shape), SIDE / 9)
    places = np.argwhere(places > np.quantile(places, 0.45))
    for _ in range(20 * MOST):
        size = SIZES[name] * np.exp(rng.normal(0, SPREAD))
        y, x = np.mgrid[:SIDE, :SIDE] + 0.5 - (places[rng.integers(len(places))] + rng.random(2))[:, None, None]
        angle = rng.uniform(0, pi)
        across, along = y * np.cos(angle) - x * np.sin(angle), x * np.cos(angle) + y * np.sin(angle)
        thick = Drawing(shape, kind, size, 0).particle(across, along)
        mask = thick > 0
        if not mask.any() or (count[mask] > 0).mean() > MOST_COVERED:
            continue
        if name == "bands" and rng.random() < 0.5:
            thick = thick * (1 + 1.2 * np.exp(-((along / size - rng.uniform(-0.2, 0.2)) ** 2) / 0.01))
        density, count = density + DENSITY * thick * np.exp(rng.normal(0, 0.15)), count + mask
        is_whole = not (mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())
        sizes += [size] if is_whole else []
        if len(sizes) == MOST or (count > 0).mean() > 0.4:
            break
    support = 1 + 0.08 * ndimage.gaussian_filter(rng.normal(size=density.shape), 2)
    grey = ndimage.gaussian_filter(0.85 * support * np.exp(-density), BLUR) + rng.normal(0, NOISE, density.shape)
    return (255 * np.clip(grey, 0, 1)).astype(np.uint8), np.array(sizes)


def lines(seeds: tuple[int, ...] = (1, 2, 3)) -> Iterator[str]:
    """The table in Markdown."""
    runtime = Runtime()
    yield "| particles | seed | true | number | D10 | median | D90 |"
    yield "|---|---|---|---|---|---|---|"
    for name in SIZES:
        for seed in seeds:
            picture, truth = heap(name, seed)
            micrograph = Micrograph(picture, "drawn.png", "0" * 64, ABSENT)
            table = analyse(micrograph, AnalysisSettings.of(), runtime=runtime).table
            found = table.length("min_feret")[table.whole]
            ratios = [
                len(found) / len(truth),
                *(np.quantile(found, [0.1, 0.5, 0.9]) / np.quantile(truth, [0.1, 0.5, 0.9])),
            ]
            yield f"| {name} | {seed} | {len(truth)} | {' | '.join(f'{100 * (ratio - 1):+.1f}' for ratio in ratios)} |"
