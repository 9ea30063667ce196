"""Cuts the free rims of objects at their concave points into arcs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..pixels.hulls import cross
from .contours import Contours
from .rims import Rims

ARM_SHARE, LEAST_ARM, MOST_ARM = 0.12, 4, 12  # points on both sides of a point that show how the rim turns there
LEAST_TURN = np.radians(25)  # inwards, at a concave point
BESIDE = 2  # points beside a concave one that belong to no arc: they are rounded

Ints = NDArray[np.int64]


def arcs_of(lines: Contours, rims: Rims) -> Ints:
    """(k,) the number of the arc of each point, from 0 on, -1 for points of none: covered ones, concave ones, and those
    beside them."""
    is_open, is_concave = ~rims.is_sure, concave_points(lines)
    for offset in range(-BESIDE, BESIDE + 1):
        is_open |= is_concave[_along(lines, offset)]
    begin = lines.bounds[:-1]
    number = np.cumsum(np.insert(is_open[1:] != is_open[:-1], 0, True))
    begins = np.zeros(len(is_open), np.int64)
    begins[begin[1:]] = 1
    number += np.cumsum(begins)
    # The last stretch of a closed line goes on in its first.
    last = lines.bounds[1:] - 1
    goes_on = ~is_open[begin] & ~is_open[last]
    rename = np.arange(number.max(initial=0) + 1)
    rename[number[last[goes_on]]] = number[begin[goes_on]]
    numbers = rename[number]
    numbers[is_open] = -1
    used, index = np.unique(numbers, return_inverse=True)
    return np.asarray(index - int(len(used) > 0 and used[0] < 0), np.int64)


def _along(lines: Contours, offset: Ints | int) -> Ints:
    length = np.repeat(np.diff(lines.bounds), np.diff(lines.bounds))
    start = np.repeat(lines.bounds[:-1], np.diff(lines.bounds))
    return np.asarray(start + (np.arange(len(start)) - start + offset) % length, np.int64)


def concave_points(lines: Contours) -> NDArray[np.bool_]:
    """(k,) whether a line turns inwards at a point, and more than at the points around."""
    length = np.diff(lines.bounds)
    arm = np.clip(np.round(ARM_SHARE * length / np.pi), LEAST_ARM, MOST_ARM).astype(np.int64)
    arm = np.repeat(arm, length)
    before = lines.points - lines.points[_along(lines, -arm)]
    after = lines.points[_along(lines, arm)] - lines.points
    turn = -np.arctan2(cross(before, after), (before * after).sum(1))
    peak = turn > LEAST_TURN
    for offset in range(1, 4):
        peak &= (turn >= turn[_along(lines, offset)]) & (turn >= turn[_along(lines, -offset)])
    return np.asarray(peak)
