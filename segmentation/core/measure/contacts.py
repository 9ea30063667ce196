"""How far each object touches another one."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

BAND = 1024  # rows that are looked at together


def longest_contacts(labels: NDArray[np.int32], n: int) -> NDArray[np.float64]:
    """(n,) the share of the border of each of the objects 1..n of `labels` (H, W) that the one neighbour has which
    shares most of it, from 0 to 1; 0 where there is no border within the image."""
    borders, shared = np.zeros(n + 1, np.int64), dict[int, int]()
    tops = [*range(0, len(labels), BAND), len(labels)]
    for top, end in pairwise(tops):
        rows = labels[top : end + 1]  # with the first row of the next band
        for one, other in ((rows[:-1], rows[1:]), (labels[top:end, :-1], labels[top:end, 1:])):
            is_edge = one != other
            sides = np.stack([one[is_edge], other[is_edge]])
            for mine, its in (sides, sides[::-1]):
                borders += np.bincount(mine, minlength=n + 1)
                is_shared = (mine > 0) & (its > 0)
                pairs, counts = np.unique(
                    mine[is_shared].astype(np.int64) * (n + 1) + its[is_shared], return_counts=True
                )
                for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
                    shared[pair] = shared.get(pair, 0) + count
    longest = np.zeros(n + 1, np.int64)
    np.maximum.at(longest, np.array([*shared], np.int64) // (n + 1), np.array([*shared.values()], np.int64))
    return longest[1:] / np.maximum(borders[1:], 1)
