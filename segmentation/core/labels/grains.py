"""Finds grains as the areas that a network's map of boundaries encloses. Also tells of each grain whether it is convex
or at the frame, and how probably it is right.

The boundaries of a map may have gaps. So a watershed first divides the image into too many regions; then regions whose
common border is weak in the map are joined.
"""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import approximate_polygon, find_contours
from skimage.morphology import h_minima
from skimage.segmentation import watershed

from .separate import Labels, areas_of, relabel, renumber

SMOOTH = 1.0  # px, sigma by which the map is smoothed
MIDDLE = 128  # of 255; a pixel with a higher value surely lies on a boundary
SLOPE, FAR_PX = 3.0, 40.0  # the height for the watershed falls by SLOPE (of 255) per px from a boundary, up to FAR px
DEPTH = 15  # of 255; a shallower basin is noise of the map
SMALLEST = 9  # px; a smaller region is a gap within a boundary
REACH, BLUR = 2.5, 2.0  # px: half the width of a boundary, as annotators draw it, and sigma by which it is smoothed
# Weights of the log-odds that a grain is right: a constant, the boundary map (0..1) just outside the grain, the map's
# mean within it, and the logarithm of its area in px. Fitted to the 7 films of 11 annotated ones that the network
# learnt from: 5,153 outlines, 70 % right at IoU 0.5.
WEIGHTS = -11.52, 11.49, -5.22, 0.42
RIM_PX, WITHIN_PX = (
    1.5,
    2.0,
)  # px: the boundary is read up to RIM_PX outside a grain; its inside begins WITHIN_PX from its edge
TOLERANCE = 0.02  # share of the outline's length by which the simplified polygon may differ from it, as in CHAC
SQUARE = np.ones((3, 3), bool)


def find_grains(boundary: NDArray[np.uint8], threshold: float = 0.5) -> NDArray[np.int32]:
    """(H, W) int32: the grains 1..n; 0 on boundaries.

    boundary: (H, W) uint8, the network's map, 0..255 for 0..1. threshold: least mean probability along a border that
    separates two grains. So gaps in a partly visible boundary are closed, and a piece of boundary with a loose end
    separates nothing. Grains are opened with a square of 3 px, as in CHAC (Xu et al., J. Nucl. Mater. 588, 154813,
    2024). Grains at the frame are included.
    """
    regions = closed_regions(boundary, threshold)
    # A border is one pixel wide. It is blurred, and all above the value that a straight border has at REACH becomes
    # boundary. This gives borders their width, and smooths jagged ones.
    level = np.exp(-(REACH**2) / (2 * BLUR**2)) / (BLUR * np.sqrt(2 * np.pi))
    inside = ndimage.gaussian_filter(edges(regions).astype(np.float32), BLUR) < level
    labels, count = ndimage.label(ndimage.binary_opening(inside, SQUARE))
    labels = labels.astype(np.int32, copy=False)
    return renumber(relabel(labels, np.where(areas_of(labels, count) >= SMALLEST, np.arange(count + 1), 0)))


def closed_regions(lines: NDArray[np.uint8], threshold: float) -> Labels:
    """(H, W) int32 1..n: the regions that lines separate, without gaps between regions.

    lines: (H, W) uint8, 0..255 for 0..1. Regions are joined, those with the weakest common border first, as long as the
    mean of the map along it is below the threshold. Their borders to a common neighbour then become one border, with
    the mean of both.
    """
    smooth = ndimage.gaussian_filter(lines.astype(np.float32), SMOOTH)
    clear = smooth < MIDDLE
    distance = ndimage.distance_transform_edt(clear) if not clear.all() else np.zeros(smooth.shape)
    height = np.rint(smooth - SLOPE * np.minimum(distance, FAR_PX)).astype(np.int16)
    minima = h_minima(height, DEPTH) if np.ptp(height) > DEPTH else np.ones(height.shape, np.uint8)
    basins = np.asarray(watershed(height, ndimage.label(minima)[0]), np.int32)
    roots = _joined_labels(_borders(basins, smooth), int(basins.max(initial=0)), 255 * threshold)
    regions: Labels = np.unique(roots, return_inverse=True)[1].astype(np.int32)[basins]
    return regions


def edges(labels: Labels) -> NDArray[np.bool_]:
    """(H, W) bool: the pixels to the left of or above every border between two labels."""
    edge = np.zeros(labels.shape, bool)
    edge[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    edge[:-1] |= labels[:-1] != labels[1:]
    return edge


def _borders(labels: Labels, values: NDArray[np.float32]) -> list[dict[int, tuple[float, int]]]:
    """For each label, by the neighbour's label, the sum of the values (H, W) along their common border, and its length
    in px."""
    pairs, values_along = [], []
    for one_side, next_side in (
        ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),
        (slice(None, -1), slice(1, None)),
    ):
        pixels, next_pixels = labels[one_side], labels[next_side]
        is_border = pixels != next_pixels
        pairs.append(np.sort(np.stack([pixels[is_border], next_pixels[is_border]], axis=1), axis=1))
        highest = np.maximum(values[one_side], values[next_side])  # of the two pixels at a border
        values_along.append(highest[is_border])
    border, border_of = np.unique(np.concatenate(pairs), axis=0, return_inverse=True)
    lengths = np.bincount(border_of.ravel(), minlength=len(border))
    sums = np.bincount(border_of.ravel(), np.concatenate(values_along), len(border))
    neighbours: list[dict[int, tuple[float, int]]] = [{} for _ in range(int(labels.max(initial=0)) + 1)]
    for (one_label, other_label), total, length in zip(border.tolist(), sums.tolist(), lengths.tolist(), strict=True):
        neighbours[one_label][other_label] = neighbours[other_label][one_label] = (total, length)
    return neighbours


def _joined_labels(borders: list[dict[int, tuple[float, int]]], count: int, least: float) -> NDArray[np.int32]:
    """(count + 1,): the new label of each label, after regions with borders weaker than `least` were joined, the
    weakest first."""
    target = np.arange(count + 1, dtype=np.int32)
    queue = [(total / length, a, b) for a, row in enumerate(borders) for b, (total, length) in row.items() if a < b]
    heapq.heapify(queue)
    while queue:
        strength, stays, absorbed = heapq.heappop(queue)
        if strength >= least:
            break
        total, length = borders[stays].get(absorbed, (0.0, 0))
        if not length or total / length != strength:  # the border has gone or changed since it was put into the queue
            continue
        target[absorbed] = stays
        for neighbour, (total, length) in borders[absorbed].items():
            del borders[neighbour][absorbed]
            if neighbour != stays:
                total_before, length_before = borders[stays].get(neighbour, (0.0, 0))
                total, length = total + total_before, length + length_before
                borders[stays][neighbour] = borders[neighbour][stays] = (total, length)
                heapq.heappush(queue, (total / length, min(stays, neighbour), max(stays, neighbour)))
        borders[absorbed] = {}
    while not np.array_equal(target, target[target]):
        target = target[target]
    return target


def are_convex(labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    """(n,) bool: whether each grain 1..n of labels (H, W) is convex by the definition of CHAC: its outline, simplified
    by Douglas and Peucker (1973) with a tolerance of TOLERANCE times its length, is a convex polygon.

    A grain that is not convex is probably several grains with an undetected boundary.
    """
    boxes = ndimage.find_objects(labels)
    return np.array([_is_convex(labels[box] == number) for number, box in enumerate(boxes, start=1)], bool)


def probabilities(boundary: NDArray[np.uint8], labels: Labels) -> NDArray[np.float32]:
    """(n,) float32: the probability that each grain 1..n of labels (H, W) is right, by the network's map of boundaries
    (H, W) uint8.

    A grain is doubtful if the map hardly shows a boundary around it, or shows one within it. On the four films that the
    network did not learn from, the area under the ROC curve is 0.82, and the probabilities are calibrated
    (docs/development/experiments.md).
    """
    probability = np.zeros(int(labels.max(initial=0)), np.float32)
    smooth = ndimage.gaussian_filter(boundary.astype(np.float32) / 255, SMOOTH)
    crest, margin = ndimage.maximum_filter(smooth, 2 * round(REACH) + 1), 3
    is_known = np.zeros(labels.shape, bool)  # near the frame the boundary may lie outside of the image
    is_known[margin:-margin, margin:-margin] = True
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        window = tuple(slice(max(0, side.start - margin), side.stop + margin) for side in box)
        body = labels[window] == number
        outside, inside = (ndimage.distance_transform_edt(shape) for shape in (~body, np.pad(body, 1)))
        rim = (outside > 0) & (outside <= RIM_PX) & is_known[window]
        core = inside[1:-1, 1:-1] > WITHIN_PX
        around = float(crest[window][rim].mean()) if rim.any() else 0.5
        within = float(smooth[window][core].mean()) if core.any() else 0.0
        values = 1.0, around, within, float(np.log(body.sum()))
        odds = sum(weight * value for weight, value in zip(WEIGHTS, values, strict=True))
        probability[number - 1] = 1 / (1 + np.exp(-odds))
    return probability


def at_frame(labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    """(n,) bool: whether each grain 1..n has a pixel in the first or last row or column."""
    is_at_frame = np.zeros(int(labels.max(initial=0)) + 1, bool)
    is_at_frame[np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])] = True
    return is_at_frame[1:]


def _is_convex(shape: NDArray[np.bool_]) -> bool:
    """Whether one grain (h, w) is convex, see `are_convex`."""
    outline = max(find_contours(np.pad(shape, 1).astype(float), 0.5), key=len)
    length = float(np.hypot(*np.diff(outline, axis=0).T).sum())
    polygon = approximate_polygon(outline, TOLERANCE * length)
    sides = np.diff(np.concatenate([polygon, polygon[1:2]]), axis=0)
    turns = sides[:-1, 0] * sides[1:, 1] - sides[:-1, 1] * sides[1:, 0]
    return bool((turns >= 0).all() or (turns <= 0).all())


def crossings(labels: NDArray[np.int32]) -> NDArray[np.float64]:
    """(H, W): grains of labels (H, W) that the image's rows and columns, taken as test lines, cross at each pixel (ASTM
    E112). Entering and leaving a grain count half each, so that a grain at the end of a line counts half. The sum over
    an area is the number of grains that the lines in it cross."""
    crossed = np.zeros(labels.shape)
    for lines, counts in ((labels, crossed), (labels.T, crossed.T)):
        is_change = lines[:, 1:] != lines[:, :-1]
        counts[:, 1:] += (is_change & (lines[:, 1:] > 0)) / 2
        counts[:, :-1] += (is_change & (lines[:, :-1] > 0)) / 2
    return crossed


def mean_intercept(crossed: float, pixels: float) -> float:
    """Mean lineal intercept in px: the length of all rows and columns in an area, divided by the number of grains that
    they cross; NaN if they cross none.

    crossed: the sum of `crossings` over the area. pixels: the area in px.
    """
    return 2 * pixels / crossed if crossed > 0 else float("nan")
