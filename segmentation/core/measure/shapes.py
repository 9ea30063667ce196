"""A label image measured: one row per particle.

Area, ECD and Feret diameters are those of the union of the particle's pixels as unit squares, as ISO 9276-6 defines
them; the descriptors of shape follow from them (`descriptors`). The perimeter is
that along the outline (`perimeter`), unless that of the convex outline (`straight`) is longer by more than CUT_PX: no
shape has a shorter outline than its convex hull, and an outline's corners or sides along the axes came out too short.
Nor is any shorter than the circle of its area, to which an estimate is raised, so that circularity 4 pi A / P^2 never
exceeds 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..micrograph.types import GreyImage
from .descriptors import DESCRIPTORS, Outlines
from .groups import touching_groups
from .hulls import areas, ferets, find_hulls, lengths
from .perimeter import perimeters
from .runs import Runs, blocks, find_runs, first_of_each
from .straight import convex_outlines
from .table import REASON_TYPE, Table

CUT_PX = 1.0  # the error of either perimeter of a round particle; within it, the traced one is the better

Measures = dict[str, NDArray[Any]]


def measure(
    labels: NDArray[np.int32],
    pixels: GreyImage,
    confidence: NDArray[np.float32],
    nm_per_pixel: float | None,
    rows: int,
) -> Table:
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
        **_shape(labels, runs, n),
        **_position(runs, n),
        "mean_grey": _mean_grey(labels, pixels, n),
        "confidence": confidence.astype(np.float64),
    }
    measures["touches_frame"] = (
        (measures["bbox_left_px"] <= 0)
        | (measures["bbox_top_px"] <= 0)
        | (measures["bbox_right_px"] >= labels.shape[1])
        | (measures["bbox_bottom_px"] >= rows)
    )
    measures["group"] = touching_groups(labels, n)
    measures["edge_weight"] = _edge_weight(measures, (rows, labels.shape[1]))
    return Table.of_pixels(measures, nm_per_pixel)


def _edge_weight(measures: Measures, frame: tuple[int, int]) -> NDArray[np.float64]:
    """H W / ((H - h) (W - w)) (n,): the inverse of the chance that a particle h x w px large lies wholly within
    a frame of H x W px (Miles 1974, Lantuejoul 1978)."""
    height = measures["bbox_bottom_px"] - measures["bbox_top_px"]
    width = measures["bbox_right_px"] - measures["bbox_left_px"]
    inside = ~measures["touches_frame"]
    weight = np.full(len(height), np.nan)
    weight[inside] = frame[0] * frame[1] / ((frame[0] - height[inside]) * (frame[1] - width[inside]))
    return weight


def _shape(labels: NDArray[np.int32], runs: Runs, n: int) -> Measures:
    area = np.asarray(np.bincount(runs.particle, runs.length, n), np.float64)
    hulls = find_hulls(runs)
    smallest, largest = ferets(hulls)
    traced, around = perimeters(labels, n), lengths(convex_outlines(hulls))
    perimeter = np.maximum(np.where(around > traced + CUT_PX, around, traced), np.sqrt(4 * np.pi * area))
    outlines = Outlines(area, np.sqrt(4 * area / np.pi), smallest, largest, perimeter, areas(hulls), around, runs)
    sizes = {name: getattr(outlines, name) for name in ("min_feret", "max_feret", "ecd", "area", "perimeter")}
    return sizes | {name: measured(outlines) for name, measured in DESCRIPTORS.items()}


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
