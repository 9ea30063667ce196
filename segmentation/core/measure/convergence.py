"""How the median settles as particles are counted, and how many more would do."""

from __future__ import annotations

from math import ceil
from typing import TypedDict

import numpy as np

from .bootstrap import LEAST, order_draws
from .distribution import Floats, quantile
from .nano import rounded_up

WANTED = 0.05
POINTS = 24


class Convergence(TypedDict):
    """n: numbers of particles; median, low, high: of the first n in a random order, with the 95 % interval of
    sampling alone; more: particles still to count for an interval of +-`wanted`, 0 where there are enough."""

    n: list[int]
    median: list[float]
    low: list[float]
    high: list[float]
    more: int | None
    wanted: float


def converge(size: Floats, weights: Floats, rng: np.random.Generator) -> Convergence | None:
    """The convergence of the median of sizes (n,); None for fewer particles than an interval needs."""
    n = len(size)
    if n < LEAST:
        return None
    order = rng.permutation(n)
    found = Convergence(n=[], median=[], low=[], high=[], more=None, wanted=WANTED)
    for step in np.unique(np.geomspace(LEAST, n, POINTS).round().astype(int)).tolist():
        chosen = np.sort(order[:step])
        median = quantile(size[chosen], weights[chosen], 0.5)
        draws, tails = order_draws(size[chosen], weights[chosen], 0.5, rng)
        if min(tails) < 0:  # some of the first few weigh too much for an interval
            continue
        low, high = np.exp(np.quantile(draws, (tails[0], 1 - tails[1]))).tolist()
        found["n"].append(step)
        found["median"].append(median)
        found["low"].append(low)
        found["high"].append(high)
    if not found["n"] or found["n"][-1] < n:
        return None
    found["more"] = _more(n, found["median"][-1], found["low"][-1], found["high"][-1])
    return found


def _more(n: int, median: float, low: float, high: float) -> int:
    """The half width of the interval falls with the root of the number of particles."""
    width = (high - low) / 2 / median
    more = ceil(n * (width / WANTED) ** 2) - n
    return rounded_up(more) if more > 0 else 0
