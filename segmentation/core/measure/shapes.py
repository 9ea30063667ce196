"""A label image measured: one row per particle.

Area, ECD, Feret diameters, aspect ratio (minimum by maximum Feret) and solidity (area by area of the convex
hull) are those of the union of the particle's pixels as unit squares, as ISO 9276-6 defines them. No shape
has a shorter perimeter than the circle of its area, so an estimate below it is raised to it, and
circularity 4 pi A / P^2 never exceeds 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..micrograph.types import GreyImage
from .hulls import areas, ferets, find_hulls
from .perimeter import perimeters
from .runs import Runs, blocks, find_runs, first_of_each
from .table import REASON_TYPE, ParticleTable

Measures = dict[str, NDArray[Any]]


def measure(
    labels: NDArray[np.int32],
    pixels: GreyImage,
    confidence: NDArray[np.float32],
    nm_per_pixel: float | None,
    rows: int,
) -> ParticleTable:
    """Measure particles 1..n of `labels` (H, W), all of them kept.

    pixels: (H, W) grey, for the mean grey value. confidence: (n,). nm_per_pixel: None measures in pixels.
    rows: rows analysed; a particle in the first or last of them, or in the first or last column, touches the
    frame. Raises ValueError where the shapes disagree or a label of 1..n has no pixel.
    """
    n = len(confidence)
    if labels.shape != pixels.shape:
        raise ValueError(f"labels are {labels.shape}, pixels {pixels.shape}")
    runs = find_runs(labels)
    found = runs.particle[first_of_each(runs.particle)]
    if not np.array_equal(found, np.arange(n)):
        raise ValueError(f"labels must be 1 to {n} with none missing; {len(found)} were found")
    measures = {
        "label": np.arange(1, n + 1),
        "kept": np.ones(n, bool),
        "reason": np.zeros(n, REASON_TYPE),
        "confidence": confidence.astype(np.float64),
        "mean_grey": _mean_grey(labels, pixels, n),
        **_position(runs, n),
    }
    measures |= _shape(labels, runs, n)
    measures["touches_frame"] = (
        (measures["bbox_left_px"] <= 0)
        | (measures["bbox_top_px"] <= 0)
        | (measures["bbox_right_px"] >= labels.shape[1])
        | (measures["bbox_bottom_px"] >= rows)
    )
    return ParticleTable.of_pixels(measures, nm_per_pixel)


def _shape(labels: NDArray[np.int32], runs: Runs, n: int) -> Measures:
    area = np.bincount(runs.particle, runs.length, n)
    hulls = find_hulls(runs)
    smallest, largest = ferets(hulls)
    perimeter = np.maximum(perimeters(labels, n), np.sqrt(4 * np.pi * area))
    return {
        "area": area,
        "ecd": np.sqrt(4 * area / np.pi),
        "min_feret": smallest,
        "max_feret": largest,
        "perimeter": perimeter,
        "circularity": np.minimum(4 * np.pi * area / perimeter**2, 1.0),
        "aspect_ratio": smallest / largest,
        "solidity": area / areas(hulls),
    }


def _position(runs: Runs, n: int) -> Measures:
    area = np.bincount(runs.particle, runs.length, n)
    middle = (runs.start + runs.stop - 1) / 2
    first = first_of_each(runs.particle)
    empty = np.zeros(0, np.int64)
    return {
        "centroid_x_px": np.bincount(runs.particle, runs.length * middle, n) / area,
        "centroid_y_px": np.bincount(runs.particle, runs.length * runs.row, n) / area,
        "bbox_left_px": np.minimum.reduceat(runs.start, first) if n else empty,
        "bbox_top_px": np.minimum.reduceat(runs.row, first) if n else empty,
        "bbox_right_px": np.maximum.reduceat(runs.stop, first) if n else empty,
        "bbox_bottom_px": np.maximum.reduceat(runs.row, first) + 1 if n else empty,
    }


def _mean_grey(labels: NDArray[np.int32], pixels: GreyImage, n: int) -> NDArray[np.float64]:
    total, count = np.zeros(n + 1), np.zeros(n + 1)
    for block in blocks(labels.shape):
        inside = labels[block] > 0
        label = labels[block][inside]
        total += np.bincount(label, pixels[block][inside], n + 1)
        count += np.bincount(label, minlength=n + 1)
    return total[1:] / count[1:]
