"""The step between sizes that are measured in whole steps, such as those of small particles in an image's pixels."""

from __future__ import annotations

import numpy as np

from .distribution import SAME, Floats

COMMON = 10  # a size is no neighbour of one that more than so many times as many particles share


def half_steps(size: Floats) -> Floats:
    """(n,): half the step from each of n >= 1 sorted sizes to the next, 0 where no two particles share a size.

    The next is the nearer of the two neighbours that at least a tenth as many particles share; rarer sizes come from
    odd shapes and say nothing of the step. It is no more than the smallest size: a particle has a pixel at least.
    """
    first = np.concatenate([[True], np.diff(size) > SAME * size[1:]])
    distinct, group = size[first], np.cumsum(first) - 1
    members = np.bincount(group)
    shared = members > 1
    if not shared.any():
        return np.zeros(len(size))
    step = np.zeros(len(distinct))
    for least in np.unique(members[shared] // COMMON):
        mine = shared & (members // COMMON == least)
        step[mine] = _nearest(distinct[mine], distinct[members >= least])
    alone = np.isinf(step)
    step[alone] = _nearest(distinct[alone], distinct)
    return np.asarray(np.minimum(step, distinct[0])[group] / 2, np.float64)


def _nearest(values: Floats, among: Floats) -> Floats:
    """The distance of each of `values`, which are in sorted `among`, to the nearest other one there; inf without."""
    padded = np.concatenate([[-np.inf], among, [np.inf]])
    at = np.searchsorted(among, values) + 1
    return np.asarray(np.minimum(values - padded[at - 1], padded[at + 1] - values), np.float64)
