"""The outline of every particle, traced along the edges of its pixels, for the figure and the viewer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .cracks import STEPS, Cracks, Points, find_cracks


def trace(labels: NDArray[np.int32], n: int) -> list[Points]:
    """The outer outlines of particles 1..n of `labels` (H, W): (k, 2) float64 x and y in pixel-corner
    coordinates, the upload's top left corner being (0, 0); a straight line to the first point closes each.

    The line runs through the middles of the pixel edges, so that a slanted outline is no staircase, and has
    no point that lies on the line between its neighbours. Pixels that meet at a corner are one particle; of a
    particle in pieces the largest piece is traced.
    """
    return smooth_outlines(find_cracks(labels), n)


def smooth_outlines(cracks: Cracks, n: int) -> list[Points]:
    """The outlines as `trace` gives them, of edges that are known."""
    return [rings[0] if rings else np.zeros((0, 2)) for rings in smooth_rings(cracks, n)]


def smooth_rings(cracks: Cracks, n: int) -> list[list[Points]]:
    """Of each of the particles 1..n the lines around its pieces and its holes, the largest first."""
    middles = cracks.start + STEPS[cracks.direction] / 2
    bends = np.abs(_cross(middles - middles[cracks.before], middles[cracks.after] - middles)) > 1e-9
    owner, areas = cracks.label[cracks.bounds[:-1]], cracks.areas()
    bounds = cracks.rings()
    rings: list[list[Points]] = [[] for _ in range(n)]
    for ring in np.argsort(-np.abs(areas), kind="stable").tolist():
        begin, end = bounds[ring]
        rings[owner[ring] - 1].append(middles[begin:end][bends[begin:end]])
    return rings


def thinned(outline: Points, tolerance: float) -> Points:
    """The outline (k, 2) with fewer points: in each of three passes a point goes that lies within
    `tolerance` px of the line between its neighbours, but never two neighbours at once, down to 8 points."""
    for _ in range(3):
        if len(outline) < 16:
            break
        before, after = np.concatenate([outline[-1:], outline[:-1]]), np.concatenate([outline[1:], outline[:1]])
        along = after - before
        off = np.abs(_cross(outline - before, along)) / np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)
        goes = off < tolerance
        goes[:-1:2] = False
        goes[-1] = False
        outline = outline[~goes]
    return outline


def _cross(a: Points, b: Points) -> Points:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
