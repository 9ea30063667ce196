"""Which particles touch: the groups (agglomerates) of a label image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .runs import blocks

Ints = NDArray[np.int64]


def touching_groups(labels: NDArray[np.int32], n: int) -> Ints:
    """The group (n,) of each particle 1..n of `labels` (H, W): 1, 2, ... in the order of their first particle.

    Two particles touch where a pixel of one shares an edge with a pixel of the other, and a group is all that
    hang together so; a particle that touches none is a group of one.
    """
    pairs = _neighbours(labels, n)
    lowest = np.arange(n + 1)
    while True:
        before = lowest.copy()
        np.minimum.at(lowest, pairs[:, 0], lowest[pairs[:, 1]])
        np.minimum.at(lowest, pairs[:, 1], lowest[pairs[:, 0]])
        # A member's lowest may itself have found a lower one: jumping there halves the way each time.
        lowest = lowest[lowest]
        if np.array_equal(lowest, before):
            break
    return np.unique(lowest[1:], return_inverse=True)[1].astype(np.int64) + 1


def _neighbours(labels: NDArray[np.int32], n: int) -> Ints:
    """The pairs (p, 2) of labels that share a pixel edge, each once."""
    found = [np.zeros(0, np.int64)]
    for block in blocks(labels.shape):
        rows = labels[block.start : block.stop + 1]
        for here, there in ((rows[:, :-1], rows[:, 1:]), (rows[:-1], rows[1:])):
            differ = (here != there) & (here > 0) & (there > 0)
            one, other = here[differ].astype(np.int64), there[differ].astype(np.int64)
            found.append(np.unique(np.minimum(one, other) * (n + 1) + np.maximum(one, other)))
    return np.stack(np.divmod(np.unique(np.concatenate(found)), n + 1), axis=1)
