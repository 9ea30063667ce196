"""Random placement without overlap: the chance that an arrangement is compared with.

Objects have a size, so that centres can never lie as near each other as points of a Poisson process do. The objects of
the picture, each as a rod with round ends of its own length, width and area, are therefore placed one after another,
the largest first, at random places and in random directions, each where it overlaps none before it (random sequential
adsorption, Feder 1980).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .distribution import Floats
from .hulls import cross

Floats32 = NDArray[np.float32]
ROUND = 1.2  # times as long as wide: up to there an object is a disc
TRIES = 300  # places that are tried for one object, in the mean, before the picture counts as too full
MOST_AT_ONCE = 12  # places tried at once for one object


def rods(area: Floats, width: Floats, length: Floats) -> tuple[Floats, Floats]:
    """(n,) radius and (n,) half the straight part of rods of these areas, as long beside their width as the objects."""
    ratio = np.where(length < ROUND * width, 1.0, length / width)
    radius = np.sqrt(area / (np.pi + 4 * (ratio - 1)))
    return radius, radius * (ratio - 1)


def place(
    radius: Floats, half: Floats, frame: tuple[float, float], times: int, rng: np.random.Generator
) -> Floats | None:
    """Centres (times, n, 2) of n rods in a frame (width, height), placed so many times; None if there is no room."""
    order = np.argsort(-(radius + half), kind="stable")
    radius, half = radius[order], half[order]
    x, y, turn = np.zeros((3, len(radius), times), np.float32)
    accepted = 1.0  # share of the places tried for the object before: as many as are needed are tried at once
    for k in range(len(radius)):
        waiting, tried = np.arange(times), 0
        while len(waiting) and tried < TRIES * times:
            at_once = int(np.ceil(min(1 / accepted, MOST_AT_ONCE) * times / len(waiting)))
            each = np.repeat(waiting, at_once)
            new = rng.random((3, len(each)), np.float32) * np.array([[frame[0]], [frame[1]], [np.pi]], np.float32)
            earlier = x[:k, each], y[:k, each], turn[:k, each]
            free = ~_hits(new, *earlier, radius[: k + 1], half[: k + 1]).reshape(-1, at_once)
            tried, placed = tried + len(each), free.any(1)
            first = np.flatnonzero(placed) * at_once + free[placed].argmax(1)
            x[k, waiting[placed]], y[k, waiting[placed]], turn[k, waiting[placed]] = new[:, first]
            waiting = waiting[~placed]
        if len(waiting):
            return None
        accepted = times / tried
    return np.stack([x.T, y.T], axis=2).astype(np.float64)


def _hits(new: Floats32, x: Floats32, y: Floats32, turn: Floats32, radius: Floats, half: Floats) -> NDArray[np.bool_]:
    """(m,) whether a new rod, the last of k + 1 by radius and half, overlaps one of the k (k, m) before it. new: (3, m)
    its places and directions."""
    k = len(x)
    across, down = x - new[0], y - new[1]
    square = across * across
    square += down * down
    touching = (radius[:k] + radius[k]).astype(np.float32)
    hit = (square < (touching**2)[:, None]).any(0)
    if hit.all() or not half.any():
        return np.asarray(hit)
    near = square < ((touching + half[:k] + half[k]) ** 2).astype(np.float32)[:, None]
    other, which = np.nonzero(near & ~hit)
    if len(which):
        away = np.stack([across[other, which], down[other, which]], axis=1)
        one, two = (np.stack([np.cos(way), np.sin(way)], axis=1) for way in (new[2, which], turn[other, which]))
        hit[which[_apart(away, one, float(half[k]), two, half[other]) < touching[other]]] = True
    return np.asarray(hit)


def _apart(away: Floats, one: Floats, half_one: float, two: Floats, half_two: Floats) -> Floats:
    """(p,) distance of two straight pieces: the first around 0 along `one`, the second around `away` along `two`."""
    ends = []
    for sign in (-1, 1):
        for from_middle, other, long in (
            (sign * half_one * one - away, two, half_two),
            (away + sign * half_two[:, None] * two, one, half_one),
        ):
            at = np.clip((from_middle * other).sum(1), -long, long)
            ends.append(((from_middle - at[:, None] * other) ** 2).sum(1))
    turn = cross(one, two)
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = (np.abs(cross(away, two) / turn) <= half_one) & (np.abs(cross(away, one) / turn) <= half_two)
    return np.where(crossing, 0.0, np.sqrt(np.min(ends, axis=0)))
