"""Random placement without overlap: the chance that an arrangement is compared with.

Objects have a size, so that centres can never lie as near each other as points of a Poisson process do. The objects of
the picture, each as a rod with round ends of its own length, width and area, are therefore placed one after another,
the largest first, at random places and in random directions, each where it overlaps none before it (random sequential
adsorption, Feder 1980).
"""

from __future__ import annotations

from functools import reduce

import numpy as np
from numpy.typing import NDArray

from .distribution import Floats
from .hulls import cross

Floats32 = NDArray[np.float32]
Ints = NDArray[np.int64]
ROUND = 1.2  # times as long as wide: up to there an object is a disc
TRIES = 300  # places that are tried for one object, in the mean, before the picture counts as too full
# Places tried at once in each of the random pictures, in the mean: when few pictures wait, they get the others' too.
MOST_AT_ONCE = 12
MOST_CELLS = 64  # along a side of the frame


def as_rods(area: Floats, width: Floats, length: Floats) -> tuple[Floats, Floats]:
    """(n,) radius and (n,) half the straight part of rods of these areas, as long beside their width as the objects."""
    ratio = np.where(length < ROUND * width, 1.0, length / width)
    radius = np.sqrt(area / (np.pi + 4 * (ratio - 1)))
    return radius, radius * (ratio - 1)


def place(
    radius: Floats, half: Floats, frame: tuple[float, float], times: int, rng: np.random.Generator
) -> Floats | None:
    """Centres (times, n, 2) of n rods, the largest first, in a frame (width, height), placed so many times; None if
    there is no room."""
    order = np.argsort(-(radius + half), kind="stable")
    radius, half = radius[order], half[order]
    placed = _Placed(radius, half, frame, times)
    accepted = 1.0  # placed rods for each place tried, of the rod before: so many places as it says are tried at once
    for k in range(len(radius)):
        waiting, tried = np.arange(times), 0
        while len(waiting) and tried < TRIES * times:
            at_once = int(np.ceil(min(1 / accepted, MOST_AT_ONCE) * times / len(waiting)))
            numbers = np.repeat(waiting, at_once)
            new = rng.random((3, len(numbers)), np.float32) * np.array([[frame[0]], [frame[1]], [np.pi]], np.float32)
            free = ~placed.hits(k, numbers, new).reshape(-1, at_once)
            tried, is_placed = tried + len(numbers), free.any(1)
            column = np.flatnonzero(is_placed) * at_once + free[is_placed].argmax(1)
            placed.where[:, waiting[is_placed], k] = new[:, column]
            waiting = waiting[~is_placed]
        if len(waiting):
            return None
        placed.enter(k)
        accepted = times / tried
    return placed.where[:2].transpose(1, 2, 0).astype(np.float64, "C")


class _Placed:
    """The rods placed so far, the largest first, in so many random pictures. The frame is parted into cells. Each cell
    lists the rods that a later one may touch if its middle is in the cell: it is no larger than they are.

    where: (3, times, n) places and directions.
    """

    def __init__(self, radius: Floats, half: Floats, frame: tuple[float, float], times: int) -> None:
        self.radius, self.half = radius, half
        self.where = np.zeros((3, times, len(radius)), np.float32)
        self._along = np.zeros((2, times, len(radius)), np.float32)  # the directions of those placed, of length 1
        self._side = max(float(np.median(radius + half)), max(frame) / MOST_CELLS)
        self._last = [int(length // self._side) for length in frame]
        cells = times * (self._last[0] + 1) * (self._last[1] + 1)
        self._count, self._listed = np.zeros(cells, np.int64), np.zeros((cells, 4), np.int64)

    def _cells(self, time: Ints, x: Floats32, y: Floats32) -> Ints:
        column, row = (
            np.minimum(np.maximum(at // self._side, 0), end).astype(int)
            for at, end in zip((x, y), self._last, strict=True)
        )
        return np.asarray((time * (self._last[1] + 1) + row) * (self._last[0] + 1) + column)

    def enter(self, k: int) -> None:
        """List the rod k, which is placed, in all cells around it."""
        turn = np.ascontiguousarray(self.where[2, :, k])
        self._along[:, :, k] = np.cos(turn), np.sin(turn)
        # The largest rod still to come is k + 1, so none can touch k from farther; 1.001 and 0.99 are for rounding.
        # Beyond the frame cells repeat: each is then written twice with the same values.
        reach = 1.001 * (self.radius + self.half)[k : k + 2].sum()
        x, y = self.where[:2, :, k, None] + np.append(np.arange(-reach, reach, 0.99 * self._side), reach)
        cells = self._cells(np.arange(len(x))[:, None, None], x[:, None], y[:, :, None]).ravel()
        count = self._count[cells]
        if count.max() >= self._listed.shape[1]:
            self._listed = np.pad(self._listed, ((0, 0), (0, count.max())))
        self._listed[cells, count] = k
        self._count[cells] = count + 1

    def hits(self, k: int, time: Ints, new: Floats32) -> NDArray[np.bool_]:
        """(m,) whether the rod k overlaps an earlier one at the places and in the directions (3, m) `new`."""
        cells, hit = self._cells(time, new[0], new[1]), np.zeros(len(time), bool)
        count = self._count[cells]
        # (which, other): each new place with each rod that its cell lists; at: the place of `other` in its picture.
        which = np.repeat(np.arange(len(time)), count)
        begin = np.repeat(cells * self._listed.shape[1] - np.cumsum(count) + count, count)
        other = self._listed.ravel().take(begin + np.arange(len(which)))
        touching = (self.radius + self.radius[k]).astype(np.float32)
        farthest = ((touching + self.half + self.half[k]) ** 2).astype(np.float32)
        at = time[which] * len(touching) + other
        away = self.where.reshape(3, -1)[:2].take(at, 1) - new[:2].take(which, 1)
        square = away[0] * away[0] + away[1] * away[1]
        near = np.flatnonzero(square < farthest[other])
        hit[which[near[square[near] < touching[other[near]] ** 2]]] = True
        near = near[~hit[which[near]]]
        if len(near) and self.half.any():
            which, other = which[near], other[near]
            turn = new[2, which]
            one, two = np.stack([np.cos(turn), np.sin(turn)]), self._along.reshape(2, -1).take(at[near], 1)
            hit[which[_gaps(away[:, near], one, float(self.half[k]), two, self.half[other]) < touching[other]]] = True
        return hit


def _gaps(away: Floats32, one: Floats32, half_one: float, two: Floats32, half_two: Floats) -> Floats:
    """(p,) distance of two straight pieces: the first around 0 along `one`, the second around `away` along `two`, all
    (2, p)."""
    squares = []
    for sign in (-1, 1):
        for from_middle, other, long in (
            (sign * half_one * one - away, two, half_two),
            (away + sign * half_two * two, one, half_one),
        ):
            at = np.minimum(np.maximum(from_middle[0] * other[0] + from_middle[1] * other[1], -long), long)
            x, y = from_middle - at * other
            squares.append(x * x + y * y)
    turn = cross(one.T, two.T)
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = np.abs(cross(away.T, two.T) / turn) <= half_one
        crossing &= np.abs(cross(away.T, one.T) / turn) <= half_two
    return np.where(crossing, 0.0, np.sqrt(reduce(np.minimum, squares)))
