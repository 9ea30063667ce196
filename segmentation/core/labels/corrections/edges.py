"""A map of the edges that a picture shows within outlines. It is stored with a result; when a person clicks on the
parts of an object, the object is split along these edges.

If the network joined two particles, its distance map hardly has a valley between them, but the picture often has an
edge there (measured in docs/development/experiments.md, "Split by two clicks").
"""

from __future__ import annotations

from math import ceil, hypot

import numpy as np
from numpy.typing import NDArray

from .geometry import Labels, Mask, watershed_parts

EDGES = "edges"  # name of the stored map; results of versions before 2.0 have none
SMOOTHING_SD_PX = 1.0  # px: SD of the smoothing
REACH = 4  # px, four SD: a pixel's edge depends on pixels up to here
GAIN = 32  # times the square root of the gradient (grey levels per px): weak edges differ, strong ones fit into a byte
STEP = 16  # of 255: the map is rounded to steps, for a smaller file; objects are split just as well
FAINT = 64  # of 255: where the foreground is lower, there is no outline to split
BAND = 512  # rows that are calculated together
STRONG = 95  # percentile of the edges in an object: such an edge has as much weight as a full valley
# Radius of the disc that replaces a click: at most these shares of the distances to the rim and to the next click.
RIM_SHARE, CLICK_SHARE = 0.5, 0.4


def edge_map(grey: NDArray[np.uint8], foreground: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W) uint8: how steep the grey (H, W) is, rounded down to multiples of STEP; 0 where the foreground (H, W), the
    network's map of objects, is below FAINT."""
    from scipy import ndimage

    edges = np.zeros(grey.shape, np.uint8)
    for top in range(0, len(grey), BAND):
        low = max(0, top - REACH)
        rows = grey[low : top + BAND + REACH].astype(np.float32)
        steep = ndimage.gaussian_gradient_magnitude(rows, SMOOTHING_SD_PX)[top - low :][:BAND]
        levels = np.minimum(GAIN * np.sqrt(steep), 255).astype(np.uint8)
        edges[top : top + BAND] = np.where(foreground[top : top + BAND] < FAINT, 0, levels // STEP * STEP)
    return edges


def split_along_edges(seeds: Labels, inside: Mask, distance: NDArray[np.uint8], edges: NDArray[np.uint8]) -> Labels:
    """Parts (h, w) int32 1..n of an object. They grow from clicks, and meet along edges of the picture and valleys of
    the network's distance map, which have equal weight.

    seeds: (h, w), the pixel of each click is 1..n. inside: (h, w) the object. distance, edges: (h, w) maps.
    """
    strong = max(float(np.percentile(edges[inside], STRONG)), 1.0)
    height = distance.astype(np.float32) / 255 - np.minimum(edges.astype(np.float32) / strong, 1)
    low, high = float(height[inside].min()), float(height[inside].max())
    height = np.clip((height - low) / max(high - low, 1e-6), 0, 1)
    return watershed_parts(_discs(seeds, inside), (255 * height).astype(np.uint8), inside)


def _discs(seeds: Labels, inside: Mask) -> Labels:
    """The seeds (h, w) with each click enlarged to a disc, so that an edge within a particle, right beside the click,
    is not taken as the particle's border."""
    discs, places = seeds.copy(), np.argwhere(seeds > 0)
    for row, column in places.tolist():
        gap = min(hypot(row - y, column - x) for y, x in places.tolist() if (y, x) != (row, column))
        far = ceil(gap)
        top, left = max(0, row - far), max(0, column - far)
        window = np.s_[top : row + far + 1, left : column + far + 1]
        rows, columns = np.ogrid[: inside[window].shape[0], : inside[window].shape[1]]
        away = np.hypot(rows + top - row, columns + left - column)
        rim = min(row, column, inside.shape[0] - 1 - row, inside.shape[1] - 1 - column) + 1
        to_rim = min(float(away[~inside[window]].min(initial=far)), rim)
        discs[window][away <= min(RIM_SHARE * to_rim, CLICK_SHARE * gap)] = seeds[row, column]
    return discs
