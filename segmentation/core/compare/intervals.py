"""Intervals of differences that follow from the intervals of both numbers; needs numpy alone."""

from __future__ import annotations

from math import hypot, sqrt

from ..measure.drawn import Z95
from ..measure.quantities import Value

Limits = tuple[float, float]


def of_difference(first: Value, second: Value) -> Limits | None:
    """The 95 % interval of second - first of two independent numbers, from the interval of each.

    Newcombe (1998), method 10, for fractions; Zou and Donner (2008) for any number: the distance of each limit from its
    number adds in quadrature. None unless both have an interval.
    """
    ends = (first.value, first.low, first.high, second.value, second.low, second.high)
    if None in ends:
        return None
    a, a_low, a_high, b, b_low, b_high = (float(end) for end in ends if end is not None)
    return b - a - hypot(b - b_low, a_high - a), b - a + hypot(b_high - b, a - a_low)


def counted(n: int) -> Value:
    """A number of independent events with its 95 % interval after Poisson, by Byar's approximation (Breslow and Day
    1987, p. 69)."""
    low = n * (1 - 1 / (9 * n) - Z95 / (3 * sqrt(n))) ** 3 if n else 0.0
    more = n + 1
    return Value(n, low, more * (1 - 1 / (9 * more) + Z95 / (3 * sqrt(more))) ** 3)
