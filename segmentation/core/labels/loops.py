"""Finds dislocation loops in a network's map, and measures the long axis of each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import h_maxima
from skimage.segmentation import watershed

from .lines import inner_depth
from .separate import fill_holes, renumber

SMALLEST_PX = 5  # px of a loop
NARROWING = 0.25  # share of the half width by which a piece must be narrower between two loops


def find_loops(levels: NDArray[np.uint8], threshold: float = 0.5) -> NDArray[np.int32]:
    """(H, W) int32 1..n, 0 background: the loops in a map (H, W) uint8, 0..255 for 0..1, that reach the threshold.

    Rings are filled. A connected piece is split by a watershed of the distance to its edge (Vincent and Soille 1991)
    where this distance is smaller, by more than the share NARROWING, than at two maxima.
    """
    pieces, _ = ndimage.label(levels >= max(1, round(threshold * 255)))
    inside = fill_holes(pieces.astype(np.int32)) > 0
    depth = ndimage.gaussian_filter(inner_depth(inside), 0.7)
    # On a logarithmic scale a difference is a share of the width, for small and large loops.
    cores, _ = ndimage.label(h_maxima(np.log(np.maximum(depth, 0.1)), -np.log1p(-NARROWING)) > 0, np.ones((3, 3)))
    labels = watershed(-depth, np.where(inside, cores, 0), mask=inside).astype(np.int32)
    labels[np.bincount(labels.ravel())[labels] < SMALLEST_PX] = 0
    return renumber(labels)


def long_axes(labels: NDArray[np.int32]) -> NDArray[np.float64]:
    """(n,) px: the long axis of the ellipse with the same second moments as each loop 1..n of labels (H, W).

    A circular loop seen at an angle is an ellipse whose long axis is the loop's diameter. A pixel counts as a square of
    1 px, with a second moment of 1 / 12.
    """
    lengths = []
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        pixels = np.argwhere(labels[box] == number)
        moments = np.cov(pixels.T, bias=True) + np.eye(2) / 12 if len(pixels) > 1 else np.eye(2) / 12
        lengths.append(4 * np.sqrt(np.linalg.eigvalsh(moments)[-1]))
    return np.array(lengths, float)
