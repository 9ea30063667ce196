"""Regions between lines of a map that may have gaps: a watershed joins basins that no line separates."""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import h_minima
from skimage.segmentation import watershed

Labels = NDArray[np.int32]
SMOOTH = 1.0  # px, sigma
MIDDLE = 128  # of 255, from which a pixel surely lies on a line
SLOPE, FAR = 3.0, 40.0  # of 255 a px from the nearest line, and the px up to which it goes on
DEPTH = 15  # of 255; a shallower basin is noise of the map


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
    roots = _joined(_borders(basins, smooth), int(basins.max(initial=0)), 255 * threshold)
    regions: Labels = np.unique(roots, return_inverse=True)[1].astype(np.int32)[basins]
    return regions


def edges(labels: Labels) -> NDArray[np.bool_]:
    """(H, W): the pixels on one side of every border between two labels."""
    edge = np.zeros(labels.shape, bool)
    edge[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    edge[:-1] |= labels[:-1] != labels[1:]
    return edge


def _borders(labels: Labels, values: NDArray[np.float32]) -> list[dict[int, tuple[float, int]]]:
    """For each label its neighbours, and for each common border the sum of the values along it and its length."""
    pairs, along = [], []
    for one, other in (
        ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),
        (slice(None, -1), slice(1, None)),
    ):
        here, there = labels[one], labels[other]
        apart = here != there
        pairs.append(np.sort(np.stack([here[apart], there[apart]], axis=1), axis=1))
        along.append(np.maximum(values[one][apart], values[other][apart]))
    border, border_of = np.unique(np.concatenate(pairs), axis=0, return_inverse=True)
    lengths = np.bincount(border_of.ravel(), minlength=len(border))
    sums = np.bincount(border_of.ravel(), np.concatenate(along), len(border))
    neighbours: list[dict[int, tuple[float, int]]] = [{} for _ in range(int(labels.max(initial=0)) + 1)]
    for (one_label, other_label), total, length in zip(border.tolist(), sums.tolist(), lengths.tolist(), strict=True):
        neighbours[one_label][other_label] = neighbours[other_label][one_label] = (total, length)
    return neighbours


def _joined(borders: list[dict[int, tuple[float, int]]], count: int, least: float) -> NDArray[np.int32]:
    """(count + 1,): the new label of each label after borders weaker than `least` are opened, the weakest first."""
    into = np.arange(count + 1, dtype=np.int32)
    waiting = [(total / length, a, b) for a, row in enumerate(borders) for b, (total, length) in row.items() if a < b]
    heapq.heapify(waiting)
    while waiting:
        strength, stays, gone = heapq.heappop(waiting)
        if strength >= least:
            break
        total, length = borders[stays].get(gone, (0.0, 0))
        if not length or total / length != strength:  # joined, or another border by now
            continue
        into[gone] = stays
        for other, (more, longer) in borders[gone].items():
            del borders[other][gone]
            if other != stays:
                sum_there, long = borders[stays].get(other, (0.0, 0))
                borders[stays][other] = borders[other][stays] = (sum_there + more, long + longer)
                heapq.heappush(waiting, ((sum_there + more) / (long + longer), min(stays, other), max(stays, other)))
        borders[gone] = {}
    while not np.array_equal(into, into[into]):
        into = into[into]
    return into
