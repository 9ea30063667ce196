"""The edges that a picture shows within outlines: kept with a result as a map, they say where an object is split.

Where the network joined two particles, its distance map hardly has a valley between them, but the picture often has an
edge there (figures: docs/development/experiments.md, "Split by two clicks").
"""

from __future__ import annotations

from math import ceil, hypot

import numpy as np
from numpy.typing import NDArray

from .geometry import Labels, Mask, flooded

EDGES = "edges"  # name of the map; results of versions before 1.1 have none
SMOOTHED = 1.0  # px: SD of the smoothing
REACH = 4  # px beside a pixel that decide its edge, four SD
GAIN = 32  # times the root of the grey levels per px: weak edges differ, and the strongest fit into a byte
STEP = 16  # of the levels that are stored: the file is smaller, and objects are split as well
FAINT = 64  # of 255: where the map of objects is lower, there is no outline to split
BAND = 512  # rows that are looked at together
STRONG = 95  # percentile of the edges in an object that counts as a full one
# The radius of the disc that stands for a click: at most these shares of the distance to the rim and to the next click.
OF_REACH, OF_GAP = 0.5, 0.4


def edge_map(grey: NDArray[np.uint8], foreground: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W) uint8: how steep the grey (H, W) is, in STEPs; 0 where `foreground` (H, W), the network's map of objects,
    is FAINT."""
    from scipy import ndimage

    edges = np.zeros(grey.shape, np.uint8)
    for top in range(0, len(grey), BAND):
        low = max(0, top - REACH)
        rows = grey[low : top + BAND + REACH].astype(np.float32)
        steep = ndimage.gaussian_gradient_magnitude(rows, SMOOTHED)[top - low :][:BAND]
        levels = np.minimum(GAIN * np.sqrt(steep), 255).astype(np.uint8)
        edges[top : top + BAND] = np.where(foreground[top : top + BAND] < FAINT, 0, levels // STEP * STEP)
    return edges


def parted_along_edges(seeds: Labels, inside: Mask, distance: NDArray[np.uint8], edges: NDArray[np.uint8]) -> Labels:
    """Parts (h, w) int32 of an object around clicks, the pixels 1..n of `seeds` (h, w): they meet along the edges of
    the picture and the valleys of the network's distance map (h, w), which count alike."""
    strong = max(float(np.percentile(edges[inside], STRONG)), 1.0)
    height = distance.astype(np.float32) / 255 - np.minimum(edges.astype(np.float32) / strong, 1)
    low, high = float(height[inside].min()), float(height[inside].max())
    height = np.clip((height - low) / max(high - low, 1e-6), 0, 1)
    return flooded(_discs(seeds, inside), (255 * height).astype(np.uint8), inside)


def _discs(seeds: Labels, inside: Mask) -> Labels:
    """The clicks as discs, so that an edge within a particle, right beside its click, does not end it there."""
    grown, places = seeds.copy(), np.argwhere(seeds > 0)
    for row, column in places.tolist():
        gap = min(hypot(row - y, column - x) for y, x in places.tolist() if (y, x) != (row, column))
        far = ceil(gap)
        top, left = max(0, row - far), max(0, column - far)
        window = np.s_[top : row + far + 1, left : column + far + 1]
        rows, columns = np.ogrid[: inside[window].shape[0], : inside[window].shape[1]]
        away = np.hypot(rows + top - row, columns + left - column)
        rim = min(row, column, inside.shape[0] - 1 - row, inside.shape[1] - 1 - column) + 1
        reach = min(float(away[~inside[window]].min(initial=far)), rim)
        grown[window][away <= min(OF_REACH * reach, OF_GAP * gap)] = seeds[row, column]
    return grown
