"""Grains, enclosed by a map of boundaries, and which of them are convex."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import approximate_polygon, find_contours

from .basins import closed_regions, edges
from .separate import areas_of, relabel, renumber

SMALLEST = 9  # px; less is a gap within a boundary
REACH, BLUR = 2.5, 2.0  # px: half the width of a boundary, as annotators draw it, and sigma by which it is smoothed
TOLERANCE = 0.02  # of the outline's length by which its polygon may leave it, as CHAC has it
BLOCK = np.ones((3, 3), bool)


def find_grains(boundary: NDArray[np.uint8], threshold: float = 0.5) -> NDArray[np.int32]:
    """(H, W) int32 1..n, 0 on boundaries: the grains between boundaries, (H, W) uint8 0..255 for 0..1.

    threshold: least mean probability along a border that separates two grains. So gaps in a partly visible boundary
    are closed, and a piece of boundary with a loose end separates nothing. Regions are opened with a square of
    3 px, as in CHAC (Xu et al., J. Nucl. Mater. 588, 154813, 2024). Grains at the frame stay.
    """
    regions = closed_regions(boundary, threshold)
    # Along a straight border the blurred one has this value at REACH; a jagged one is straightened by it.
    level = np.exp(-(REACH**2) / (2 * BLUR**2)) / (BLUR * np.sqrt(2 * np.pi))
    inside = ndimage.gaussian_filter(edges(regions).astype(np.float32), BLUR) < level
    labels, count = ndimage.label(ndimage.binary_opening(inside, BLOCK))
    labels = labels.astype(np.int32, copy=False)
    large = areas_of(labels, count) >= SMALLEST
    return renumber(relabel(labels, np.where(large, np.arange(count + 1), 0)))


def are_convex(labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    """(n,): whether each grain 1..n is convex by the definition of CHAC.

    The polygon of Douglas and Peucker (1973), with a tolerance of TOLERANCE times the outline's length, must be convex.
    A grain that bends inwards is probably several grains with an undetected boundary.
    """
    boxes = ndimage.find_objects(labels)
    return np.array([_is_convex(labels[box] == number) for number, box in enumerate(boxes, start=1)], bool)


def at_frame(labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    """(n,): whether each grain 1..n has a pixel in the first or last row or column."""
    touching = np.zeros(int(labels.max(initial=0)) + 1, bool)
    touching[np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])] = True
    return touching[1:]


def _is_convex(shape: NDArray[np.bool_]) -> bool:
    outline = max(find_contours(np.pad(shape, 1).astype(float), 0.5), key=len)
    length = float(np.hypot(*np.diff(outline, axis=0).T).sum())
    polygon = approximate_polygon(outline, TOLERANCE * length)
    sides = np.diff(np.concatenate([polygon, polygon[1:2]]), axis=0)
    turns = sides[:-1, 0] * sides[1:, 1] - sides[:-1, 1] * sides[1:, 0]
    return bool((turns >= 0).all() or (turns <= 0).all())


def crossings(labels: NDArray[np.int32]) -> NDArray[np.float64]:
    """(H, W): how many grains of labels (H, W) the rows and columns cross (ASTM E112). Entering and leaving a grain
    count half each, so a grain at one end of a line counts half."""
    crossed = np.zeros(labels.shape)
    for lines, counts in ((labels, crossed), (labels.T, crossed.T)):
        passed = lines[:, 1:] != lines[:, :-1]
        counts[:, 1:] += (passed & (lines[:, 1:] > 0)) / 2
        counts[:, :-1] += (passed & (lines[:, :-1] > 0)) / 2
    return crossed


def mean_intercept(crossed: float, pixels: float) -> float:
    """Mean lineal intercept in px: the total length of rows and columns of an area given in px, divided by the number
    of grains that they cross; NaN if no line leaves its grain."""
    return 2 * pixels / crossed if crossed > 0 else float("nan")
