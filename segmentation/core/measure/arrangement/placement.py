"""Makes random pictures: the objects of a picture are placed again at random without overlap.
`arrangement` compares the real picture with them, to see whether its order is more than chance.

Objects have a size, so their centres cannot lie as near each other as points of a Poisson process.
Therefore each object is replaced by a rod with round ends that has its area, and its ratio of length and
width. The rods are placed one after another, the largest first, at random places and in random
directions where they overlap no earlier rod (random sequential adsorption, Feder 1980).
"""

from __future__ import annotations

from functools import reduce

import numpy as np
from numpy.typing import NDArray

from ..pixels.hulls import cross
from ..sizes.distribution import Floats

Floats32 = NDArray[np.float32]
Ints = NDArray[np.int64]
DISC_RATIO = 1.2  # length / width, up to which an object is taken as a disc
TRIES = 300  # mean number of places tried for one object in a picture, before there is no room
# Mean number of places tried at once in a random picture. When few pictures still lack the object,
# more places are tried in each.
MOST_TRIES_AT_ONCE = 12
MOST_CELLS = 64  # along a side of the frame, see `_PlacedRods`


def as_rods(area: Floats, width: Floats, length: Floats) -> tuple[Floats, Floats]:
    """The rods for n objects with these areas, widths and lengths (n,): (n,) the radius of their
    round ends, and (n,) half the length of their straight part. Units are those of the
    arguments."""
    ratio = np.where(length < DISC_RATIO * width, 1.0, length / width)
    radius = np.sqrt(area / (np.pi + 4 * (ratio - 1)))
    return radius, radius * (ratio - 1)


def place_rods(
    radius: Floats, half: Floats, frame: tuple[float, float], times: int, rng: np.random.Generator
) -> Floats | None:
    """Centres (times, n, 2) of n rods, the largest first, in so many random pictures; None if there
    is no room.

    radius, half: (n,) see `as_rods`. frame: width and height.
    """
    order = np.argsort(-(radius + half), kind="stable")
    radius, half = radius[order], half[order]
    placed = _PlacedRods(radius, half, frame, times)
    success_rate = 1.0  # of the places tried for the rod before; it decides how many are tried at once
    for k in range(len(radius)):
        waiting, tried = np.arange(times), 0  # pictures without the rod k
        while len(waiting) and tried < TRIES * times:
            at_once = int(np.ceil(min(1 / success_rate, MOST_TRIES_AT_ONCE) * times / len(waiting)))
            numbers = np.repeat(waiting, at_once)
            new = rng.random((3, len(numbers)), np.float32) * np.array([[frame[0]], [frame[1]], [np.pi]], np.float32)
            is_free = ~placed.hits(k, numbers, new).reshape(-1, at_once)
            tried, is_placed = tried + len(numbers), is_free.any(1)
            column = np.flatnonzero(is_placed) * at_once + is_free[is_placed].argmax(1)
            placed.poses[:, waiting[is_placed], k] = new[:, column]
            waiting = waiting[~is_placed]
        if len(waiting):
            return None
        placed.enter(k)
        success_rate = times / tried
    return placed.poses[:2].transpose(1, 2, 0).astype(np.float64, "C")


class _PlacedRods:
    """The rods placed so far, the largest first, in `times` random pictures.

    The frame is divided into cells. Each cell lists the rods that a later rod may touch if its
    centre is in the cell; a later rod is never larger.

    poses: (3, times, n) x, y and direction in rad of each rod.
    """

    def __init__(self, radius: Floats, half: Floats, frame: tuple[float, float], times: int) -> None:
        self.radius, self.half = radius, half
        self.poses = np.zeros((3, times, len(radius)), np.float32)
        self._along = np.zeros((2, times, len(radius)), np.float32)  # unit vectors along the rods
        self._side = max(float(np.median(radius + half)), max(frame) / MOST_CELLS)
        self._last = [int(length // self._side) for length in frame]
        cells = times * (self._last[0] + 1) * (self._last[1] + 1)
        self._count, self._listed = np.zeros(cells, np.int64), np.zeros((cells, 4), np.int64)

    def _cells(self, picture: Ints, x: Floats32, y: Floats32) -> Ints:
        """The numbers of the cells in which these places of these pictures lie."""
        column, row = (
            np.minimum(np.maximum(place // self._side, 0), end).astype(int)
            for place, end in zip((x, y), self._last, strict=True)
        )
        return np.asarray((picture * (self._last[1] + 1) + row) * (self._last[0] + 1) + column)

    def enter(self, k: int) -> None:
        """List the rod k, which has a pose in every picture, in all cells around it."""
        angle = np.ascontiguousarray(self.poses[2, :, k])
        self._along[:, :, k] = np.cos(angle), np.sin(angle)
        # The next rod, k + 1, is the largest that can still touch k; 1.001 and 0.99 allow for
        # rounding. Places beyond the frame are in cells at its edge, which are then written twice
        # with equal values.
        reach = 1.001 * (self.radius + self.half)[k : k + 2].sum()
        x, y = self.poses[:2, :, k, None] + np.append(np.arange(-reach, reach, 0.99 * self._side), reach)
        cells = self._cells(np.arange(len(x))[:, None, None], x[:, None], y[:, :, None]).ravel()
        count = self._count[cells]
        if count.max() >= self._listed.shape[1]:
            self._listed = np.pad(self._listed, ((0, 0), (0, count.max())))
        self._listed[cells, count] = k
        self._count[cells] = count + 1

    def hits(self, k: int, picture: Ints, new: Floats32) -> NDArray[np.bool_]:
        """(m,) whether the rod k with the pose `new` (3, m) in each picture (m,) overlaps an
        earlier rod."""
        cells, is_hit = self._cells(picture, new[0], new[1]), np.zeros(len(picture), bool)
        count = self._count[cells]
        # Pairs (which, other): each new pose with each rod that its cell lists.
        which = np.repeat(np.arange(len(picture)), count)
        begin = np.repeat(cells * self._listed.shape[1] - np.cumsum(count) + count, count)
        other = self._listed.ravel().take(begin + np.arange(len(which)))
        touching = (self.radius + self.radius[k]).astype(np.float32)
        farthest = ((touching + self.half + self.half[k]) ** 2).astype(np.float32)
        index = picture[which] * len(touching) + other  # of the other rod among all poses
        away = self.poses.reshape(3, -1)[:2].take(index, 1) - new[:2].take(which, 1)
        square = away[0] * away[0] + away[1] * away[1]
        near = np.flatnonzero(square < farthest[other])
        is_hit[which[near[square[near] < touching[other[near]] ** 2]]] = True
        near = near[~is_hit[which[near]]]
        if len(near) and self.half.any():
            which, other = which[near], other[near]
            angle = new[2, which]
            along_new = np.stack([np.cos(angle), np.sin(angle)])
            along_other = self._along.reshape(2, -1).take(index[near], 1)
            gaps = _gaps(away[:, near], along_new, float(self.half[k]), along_other, self.half[other])
            is_hit[which[gaps < touching[other]]] = True
        return is_hit


def _gaps(away: Floats32, one: Floats32, half_one: float, two: Floats32, half_two: Floats) -> Floats:
    """(p,) the distances of pairs of straight segments. The first has its middle at 0, the unit
    vector `one` and the half length `half_one`; the second its middle at `away`, `two` and
    `half_two`. Vectors are (2, p)."""
    squares = []
    for sign in (-1, 1):
        for from_middle, other, long in (
            (sign * half_one * one - away, two, half_two),
            (away + sign * half_two * two, one, half_one),
        ):
            along = np.minimum(np.maximum(from_middle[0] * other[0] + from_middle[1] * other[1], -long), long)
            x, y = from_middle - along * other
            squares.append(x * x + y * y)
    sine = cross(one.T, two.T)
    with np.errstate(divide="ignore", invalid="ignore"):
        is_crossing = np.abs(cross(away.T, two.T) / sine) <= half_one
        is_crossing &= np.abs(cross(away.T, one.T) / sine) <= half_two
    return np.where(is_crossing, 0.0, np.sqrt(reduce(np.minimum, squares)))
