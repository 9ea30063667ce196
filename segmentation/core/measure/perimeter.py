"""The perimeter of every particle, by the chain-code estimator of Vossepoel and Smeulders (1982).

The chain runs through the middles of the pixel edges between a particle and what is not the
particle: half a step at each end of an edge, straight on (length weight 0.980 a whole step) or across a
corner (1.406 a diagonal of two halves), and -0.091 wherever the two alternate. Chains through the centres of
border pixels, as in ImageJ or skimage's `perimeter`, come out a pixel too narrow; these do not. Every edge
can be weighed alone, so all particles are done in one pass.

Measured on analytic shapes at random angles and sub-pixel shifts, mean error (standard deviation): discs and
2:1 ellipses of 20 px -0.1 % (0.5 %), of 50 px and more 0.0 % (0.2 %); squares and 3:1 rectangles, whose
corners are cut, of 20 px -2 % (1.6 %), 50 px -0.7 % (0.8 %), 200 px 0.0 % (0.6 %). Beside it, Crofton's
formula in four directions is as good on discs and three times as scattered on squares (2.1 %), and skimage's
`perimeter` is 4 to 5 % too long from 50 px on. An edge exactly along the axes comes out 2 % short.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .runs import blocks

EVEN, ODD, CORNER = 0.980, 1.406, -0.091
# By the number of ends of an edge at which the outline runs straight on: 0, 1 or 2.
WEIGHTS = np.array([ODD / 2, (EVEN + ODD / 2) / 2 + CORNER, EVEN])

Labels = NDArray[np.int32]


def perimeters(labels: Labels, n: int) -> NDArray[np.float64]:
    """Perimeter (n,) in px of particles 1..n of `labels` (H, W), the rims of holes included."""
    total = np.zeros(n + 1)
    height = labels.shape[0]
    for block in blocks(labels.shape):
        above, below = min(block.start, 1), min(height - block.stop, 1)
        rows = labels[block.start - above : block.stop + below]
        padded = np.pad(rows, ((1 - above, 1 - below), (1, 1)))
        level = padded if block.stop == height else padded[:-1]
        total += _edges_above(level, n) + _edges_above(padded.T, n)
    return total[1:]


def _edges_above(labels: Labels, n: int) -> NDArray[np.float64]:
    """Weights by label of the pixel edges between each row but the first and the row above it; the first and
    last column are margin."""
    y, x = np.nonzero(labels[1:, 1:-1] != labels[:-1, 1:-1])
    y, x = y + 1, x + 1
    below = [labels[y, x + side] for side in (0, -1, 1)]
    above = [labels[y - 1, x + side] for side in (0, -1, 1)]
    return _weigh(below, above, n) + _weigh(above, below, n)


def _weigh(inside: list[Labels], outside: list[Labels], n: int) -> NDArray[np.float64]:
    label = inside[0]
    ends = np.zeros(len(label), np.intp)
    for near, far in zip(inside[1:], outside[1:], strict=True):
        ends += (near == label) & (far != label)
    weights = np.where(label > 0, WEIGHTS[ends], 0.0)
    return np.asarray(np.bincount(label, weights, n + 1), np.float64)
