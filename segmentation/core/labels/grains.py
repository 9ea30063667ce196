"""Grains, enclosed by a map of boundaries, and which of them are convex.

A map of lines may have gaps. A watershed joins basins that no line separates."""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import approximate_polygon, find_contours
from skimage.morphology import h_minima
from skimage.segmentation import watershed

from .separate import Labels, areas_of, relabel, renumber

SMOOTH = 1.0  # px, sigma
MIDDLE = 128  # of 255, from which a pixel surely lies on a line
SLOPE, FAR = 3.0, 40.0  # of 255 a px from the nearest line, and the px up to which it goes on
DEPTH = 15  # of 255; a shallower basin is noise of the map
SMALLEST = 9  # px; less is a gap within a boundary
REACH, BLUR = 2.5, 2.0  # px: half the width of a boundary, as annotators draw it, and sigma by which it is smoothed
# The probability that a grain is right, in log-odds: of the boundary map (0..1) just outside it, its mean within it,
# and the logarithm of its area in px. Fitted to the 7 taught of 11 annotated films: 5,153 outlines, 70 % right at
# IoU 0.5.
WEIGHTS = -11.52, 11.49, -5.22, 0.42
RIM, WITHIN = 1.5, 2.0  # px outside a grain up to which its boundary is looked for, and inside from which on it is none
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
    return renumber(relabel(labels, np.where(areas_of(labels, count) >= SMALLEST, np.arange(count + 1), 0)))


def closed_regions(lines: NDArray[np.uint8], threshold: float) -> Labels:
    """(H, W) int32 1..n: the regions separated by lines, (H, W) uint8 0..255 for 0..1, without gaps between regions.

    The weakest border is opened first, as long as the mean of the map along it is below the threshold. When regions
    are joined, their borders to a common neighbour become one border with the mean of both.
    """
    smooth = ndimage.gaussian_filter(lines.astype(np.float32), SMOOTH)
    clear = smooth < MIDDLE
    far = ndimage.distance_transform_edt(clear) if not clear.all() else np.zeros(smooth.shape)
    height = np.rint(smooth - SLOPE * np.minimum(far, FAR)).astype(np.int16)
    minima = h_minima(height, DEPTH) if np.ptp(height) > DEPTH else np.ones(height.shape, np.uint8)
    basins = np.asarray(watershed(height, ndimage.label(minima)[0]), np.int32)
    roots = _joined_labels(_borders(basins, smooth), int(basins.max(initial=0)), 255 * threshold)
    regions: Labels = np.unique(roots, return_inverse=True)[1].astype(np.int32)[basins]
    return regions


def edges(labels: Labels) -> NDArray[np.bool_]:
    """(H, W): the pixels left of or above every border between two labels."""
    edge = np.zeros(labels.shape, bool)
    edge[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    edge[:-1] |= labels[:-1] != labels[1:]
    return edge


def _borders(labels: Labels, values: NDArray[np.float32]) -> list[dict[int, tuple[float, int]]]:
    """For each label its neighbours, and for each common border the sum of the values along it and its length."""
    pairs, along = [], []
    for one_side, next_side in (
        ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),
        (slice(None, -1), slice(1, None)),
    ):
        pixels, next_pixels = labels[one_side], labels[next_side]
        is_border = pixels != next_pixels
        pairs.append(np.sort(np.stack([pixels[is_border], next_pixels[is_border]], axis=1), axis=1))
        highest = np.maximum(values[one_side], values[next_side])  # of the two pixels at a border
        along.append(highest[is_border])
    border, border_of = np.unique(np.concatenate(pairs), axis=0, return_inverse=True)
    lengths = np.bincount(border_of.ravel(), minlength=len(border))
    sums = np.bincount(border_of.ravel(), np.concatenate(along), len(border))
    neighbours: list[dict[int, tuple[float, int]]] = [{} for _ in range(int(labels.max(initial=0)) + 1)]
    for (one_label, other_label), total, length in zip(border.tolist(), sums.tolist(), lengths.tolist(), strict=True):
        neighbours[one_label][other_label] = neighbours[other_label][one_label] = (total, length)
    return neighbours


def _joined_labels(borders: list[dict[int, tuple[float, int]]], count: int, least: float) -> NDArray[np.int32]:
    """(count + 1,): the new label of each label after borders weaker than `least` are opened, the weakest first."""
    target = np.arange(count + 1, dtype=np.int32)
    waiting = [(total / length, a, b) for a, row in enumerate(borders) for b, (total, length) in row.items() if a < b]
    heapq.heapify(waiting)
    while waiting:
        strength, stays, absorbed = heapq.heappop(waiting)
        if strength >= least:
            break
        total, length = borders[stays].get(absorbed, (0.0, 0))
        if not length or total / length != strength:  # joined, or another border by now
            continue
        target[absorbed] = stays
        for neighbour, (total, length) in borders[absorbed].items():
            del borders[neighbour][absorbed]
            if neighbour != stays:
                total_before, length_before = borders[stays].get(neighbour, (0.0, 0))
                total, length = total + total_before, length + length_before
                borders[stays][neighbour] = borders[neighbour][stays] = (total, length)
                heapq.heappush(waiting, (total / length, min(stays, neighbour), max(stays, neighbour)))
        borders[absorbed] = {}
    while not np.array_equal(target, target[target]):
        target = target[target]
    return target


def are_convex(labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    """(n,): whether each grain 1..n is convex by the definition of CHAC.

    The polygon of Douglas and Peucker (1973), with a tolerance of TOLERANCE times the outline's length, must be convex.
    A grain that bends inwards is probably several grains with an undetected boundary.
    """
    boxes = ndimage.find_objects(labels)
    return np.array([_is_convex(labels[box] == number) for number, box in enumerate(boxes, start=1)], bool)


def probabilities(boundary: NDArray[np.uint8], labels: Labels) -> NDArray[np.float32]:
    """(n,) float32: the probability that each grain 1..n of labels (H, W) is one grain, by its boundary, (H, W) uint8.

    A grain is doubtful where the map hardly shows a boundary around it, or shows one within it. On the four films held
    out of teaching, the area under the curve is 0.82 and the probabilities are right (docs/development/experiments.md).
    """
    probability = np.zeros(int(labels.max(initial=0)), np.float32)
    smooth = ndimage.gaussian_filter(boundary.astype(np.float32) / 255, SMOOTH)
    crest, margin = ndimage.maximum_filter(smooth, 2 * round(REACH) + 1), 3
    is_known = np.zeros(labels.shape, bool)  # beyond the frame nothing is known of a boundary
    is_known[margin:-margin, margin:-margin] = True
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        window = tuple(slice(max(0, side.start - margin), side.stop + margin) for side in box)
        mine = labels[window] == number
        outside, inside = (ndimage.distance_transform_edt(shape) for shape in (~mine, np.pad(mine, 1)))
        rim = (outside > 0) & (outside <= RIM) & is_known[window]
        core = inside[1:-1, 1:-1] > WITHIN
        around = float(crest[window][rim].mean()) if rim.any() else 0.5
        within = float(smooth[window][core].mean()) if core.any() else 0.0
        values = 1.0, around, within, float(np.log(mine.sum()))
        odds = sum(weight * value for weight, value in zip(WEIGHTS, values, strict=True))
        probability[number - 1] = 1 / (1 + np.exp(-odds))
    return probability


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
