"""Cuts the free rims of objects at their concave points into arcs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .contours import Contours
from .rims import Rims

ARM_SHARE, LEAST_ARM, MOST_ARM = 0.12, 4, 12  # points on both sides of a point that show how the rim turns there
LEAST_TURN = np.radians(25)  # inwards, at a concave point
BESIDE = 2  # points beside a concave one that belong to no arc: they are rounded

Ints = NDArray[np.int64]


def arcs_of(lines: Contours, rims: Rims) -> Ints:
    """(k,) the number of the arc of each point, from 0 on, -1 for points of none: covered ones, concave ones, and those
    beside them."""
    length = np.diff(lines.bounds)
    turn, arm = _turns(lines, length)
    is_open = ~rims.is_sure
    for offset in range(-BESIDE, BESIDE + 1):
        is_open |= _is_concave(lines, turn, arm)[_along(lines, offset)]
    first = lines.bounds[:-1]
    number = np.cumsum(np.insert(is_open[1:] != is_open[:-1], 0, True))
    begins = np.zeros(len(is_open), np.int64)
    begins[first[1:]] = 1
    number += np.cumsum(begins)
    # The last stretch of a closed line goes on in its first.
    last = lines.bounds[1:] - 1
    goes_on = ~is_open[first] & ~is_open[last]
    rename = np.arange(number.max(initial=0) + 1)
    rename[number[last[goes_on]]] = number[first[goes_on]]
    numbers = rename[number]
    numbers[is_open] = -1
    used, index = np.unique(numbers, return_inverse=True)
    return np.asarray(index - int(len(used) > 0 and used[0] < 0), np.int64)


def _along(lines: Contours, offset: Ints | int) -> Ints:
    length = np.repeat(np.diff(lines.bounds), np.diff(lines.bounds))
    start = np.repeat(lines.bounds[:-1], np.diff(lines.bounds))
    return np.asarray(start + (np.arange(len(start)) - start + offset) % length, np.int64)


def _turns(lines: Contours, length: Ints) -> tuple[NDArray[np.float64], Ints]:
    """(k,) by how much each line turns inwards at each point, radians, and how many points apart this is measured."""
    arm = np.clip(np.round(ARM_SHARE * length / np.pi), LEAST_ARM, MOST_ARM).astype(np.int64)
    arm = np.repeat(arm, length)
    before = lines.points - lines.points[_along(lines, -arm)]
    after = lines.points[_along(lines, arm)] - lines.points
    cross = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    return -np.arctan2(cross, (before * after).sum(1)), arm


def _is_concave(lines: Contours, turn: NDArray[np.float64], arm: Ints) -> NDArray[np.bool_]:
    """(k,) whether a line turns inwards at a point, and more than at the points around."""
    peak = turn > LEAST_TURN
    for offset in range(1, 4):
        peak &= (turn >= turn[_along(lines, offset)]) & (turn >= turn[_along(lines, -offset)])
    return np.asarray(peak)
