"""Control charts of single results: individuals with moving ranges, and an exponentially weighted
moving average.

- Individuals and moving ranges (Shewhart; ISO 7870-2): sigma is the mean moving range of two
  neighbours over d2 = 1.128, limits are the mean ± 3 sigma, and the upper limit of the ranges
  is D4 = 3.267 mean ranges.
- EWMA (Roberts 1959; ISO 7870-6): z_i = λ x_i + (1 - λ) z_(i-1), and z_0 is the centre. Its limits
  are the exact ones, centre ± L sigma sqrt(λ / (2 - λ) (1 - (1 - λ)^(2 i))) at point i = 1, 2, ...
  With λ = 0.2 and L = 2.962 a process in control gives an alarm every 500 points on average
  (Lucas and Saccucci 1990).
- The eight tests for special causes are those of L. S. Nelson, J. Qual. Technol. 16 (1984) 237-239,
  also in ISO 8258:1991, which ISO 7870-2 replaced. An alarm belongs to the point that completes its
  pattern. In tests 5 and 6 this point must itself be far from the centre line, so that a pattern
  gives no second alarm at a later point near the line.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from ..measure.sizes.distribution import Floats

BASELINE = 20  # number of the first points, from which the limits are calculated
D2, D4 = 1.128, 3.267  # constants of ISO 7870-2, for ranges of two neighbours
SHEWHART_WIDTH = 3.0  # distance of the limits from the centre line, in sigma
EWMA_WEIGHT, EWMA_WIDTH = 0.2, 2.962  # λ and L of the EWMA
RANGE_RULE, EWMA_RULE = 9, 10  # numbers of the alarms that are none of Nelson's tests
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Level:
    """The centre line and the standard deviation of a chart, in the unit of its points. source: where they come from,
    in words."""

    centre: float
    sigma: float
    source: str = "given"

    def __post_init__(self) -> None:
        if not (isfinite(self.centre) and isfinite(self.sigma) and self.sigma > 0):
            raise ValueError("The centre line of a control chart is a number, and its standard deviation is above 0.")


@dataclass(frozen=True)
class Alarm:
    """A test that a point fails.

    point: its number, from 0. rule: number of the test, 1 to 8 of TESTS, or RANGE_RULE or EWMA_RULE. start: number of
    the first point of the pattern. words: the pattern and its likely cause, as the end of a sentence whose subject is
    the point.
    """

    point: int
    rule: int
    start: int
    words: str

    @property
    def sentence(self) -> str:
        """The alarm in words; it counts the points from 1."""
        return f"Point {self.point + 1} {self.words}"


@dataclass(frozen=True, eq=False)
class Chart:
    """The n points of a chart with their limits, in the unit of the points.

    values: (n,) the drawn points. lower, upper: (n,) the limits at each point. ranges: (n - 1,) moving
    ranges; empty for an EWMA. greatest_range: their upper limit. level: None if there are too few
    points for limits; then lower and upper are NaN, and there are no alarms. alarms: in the order
    of the points.
    """

    values: Floats
    lower: Floats
    upper: Floats
    level: Level | None
    ranges: Floats
    greatest_range: float | None
    alarms: tuple[Alarm, ...]

    @property
    def sentence(self) -> str:
        """Whether the last point is in control, in words."""
        if self.level is None:
            missing = BASELINE - len(self.values)
            return f"There are no limits yet: they need {missing} more point{'' if missing == 1 else 's'}."
        last = [alarm.sentence for alarm in self.alarms if alarm.point == len(self.values) - 1]
        return " ".join(["The last point is out of control.", *last] if last else ["The last point is in control."])


def level_of(values: Sequence[float]) -> Level | None:
    """The level that follows from the first BASELINE points; None if there are fewer. Raises ValueError
    if they are all equal, or not finite."""
    points = _checked(values)[:BASELINE]
    if len(points) < BASELINE:
        return None
    sigma = float(np.abs(np.diff(points)).mean()) / D2
    if sigma == 0:
        raise ValueError(f"The first {BASELINE} points are all equal: give the limits.")
    return Level(float(points.mean()), sigma, f"the first {BASELINE} points")


def individuals_chart(
    values: Sequence[float], level: Level | None = None, rules: Collection[int] = range(1, 9)
) -> Chart:
    """The chart of individuals and moving ranges.

    values: (n,) in the order of time. level: None for `level_of` these values. rules:
    numbers of the tests to make. Nelson advises tests 1 to 4 always (they give less than one false
    alarm in a hundred points), 5 and 6 if an early warning is worth more false alarms, and 7 and 8
    while a chart is set up. Raises ValueError for other numbers.
    """
    points = _checked(values)
    level = level or level_of(values)
    ranges = np.abs(np.diff(points))
    if level is None:
        return _without_limits(points, ranges)
    greatest = D4 * D2 * level.sigma
    deviates = (points - level.centre) / level.sigma
    alarms = [alarm for rule in sorted(rules) for alarm in _alarms(rule, deviates)]
    alarms += [
        Alarm(index + 1, RANGE_RULE, index, "differs from the one before by more than the limit of ranges.")
        for index in np.flatnonzero(ranges > greatest).tolist()
    ]
    lower, upper = (np.full(len(points), level.centre + side * SHEWHART_WIDTH * level.sigma) for side in (-1, 1))
    return Chart(points, lower, upper, level, ranges, greatest, _sorted(alarms))


def ewma_chart(
    values: Sequence[float],
    level: Level | None = None,
    weight: float = EWMA_WEIGHT,
    width: float = EWMA_WIDTH,
) -> Chart:
    """The chart of the exponentially weighted moving average of (n,) values in the order of time.

    The chart's `values` are these averages. level: None for `level_of` the values. weight: λ, above 0 and at most 1.
    width: L, above 0. Raises ValueError for other weights and widths.
    """
    if not (0 < weight <= 1 and width > 0):
        raise ValueError("The weight of an EWMA is over 0 and up to 1, and the width of its limits is over 0.")
    points = _checked(values)
    level = level or level_of(values)
    if level is None:
        return _without_limits(points, np.zeros(0))
    averages, average = np.zeros(len(points)), level.centre
    for index, value in enumerate(points.tolist()):
        average = weight * value + (1 - weight) * average
        averages[index] = average
    number = np.arange(1, len(points) + 1)
    half_width = width * level.sigma * np.sqrt(weight / (2 - weight) * (1 - (1 - weight) ** (2 * number)))
    lower, upper = level.centre - half_width, level.centre + half_width
    alarms = [
        Alarm(
            index,
            EWMA_RULE,
            index,
            f"has a weighted average {side} its limit, so the mean has probably shifted.",
        )
        for side, is_beyond in (("below", averages < lower), ("above", averages > upper))
        for index in np.flatnonzero(is_beyond).tolist()
    ]
    return Chart(averages, lower, upper, level, np.zeros(0), None, _sorted(alarms))


def _checked(values: Sequence[float]) -> Floats:
    """The values as an array (n,); raises ValueError for anything else than finite numbers."""
    points = np.asarray(values, np.float64)
    if points.ndim != 1 or not np.isfinite(points).all():
        raise ValueError("The points of a control chart are finite numbers in one list.")
    return points


def _without_limits(points: Floats, ranges: Floats) -> Chart:
    """The chart of too few points. An EWMA, which starts at the unknown centre line, shows the points themselves."""
    unknown = np.full(len(points), np.nan)
    return Chart(points, unknown, unknown, None, ranges, None, ())


def _sorted(alarms: list[Alarm]) -> tuple[Alarm, ...]:
    return tuple(sorted(alarms, key=lambda alarm: (alarm.point, alarm.rule)))


def _run(mask: Mask, length: int) -> Mask:
    """(n,) whether a point is the last of `length` successive points for which `mask` (n,) is true."""
    ends = np.zeros(len(mask), np.bool_)
    if len(mask) >= length:
        windows = np.lib.stride_tricks.sliding_window_view(mask, length)
        ends[length - 1 :] = windows.all(axis=1)
    return ends


def _several(mask: Mask, least: int, length: int) -> Mask:
    """(n,) whether `mask` (n,) is true for a point, and for at least `least` of the `length` points that
    end with it."""
    totals = np.concatenate([np.zeros(length, np.int64), np.cumsum(mask)])
    counts = totals[length:] - totals[:-length]
    return np.asarray(mask & (counts >= least), np.bool_)


def _steps(deviates: Floats, length: int, is_alternating: bool) -> Mask:
    """(n,) whether a point is the last of `length` points that steadily rise or fall or, if
    is_alternating, alternately rise and fall."""
    signs = np.sign(np.diff(deviates))
    same = np.asarray(signs[1:] * signs[:-1] == (-1 if is_alternating else 1), np.bool_)
    return np.concatenate([np.zeros(min(2, len(deviates)), np.bool_), _run(same, length - 2)])


def _on_one_side(test: Callable[[Floats], Mask], deviates: Floats) -> Mask:
    """(n,) whether a point fails a test above the centre line, or the same test below it."""
    return np.asarray(test(deviates) | test(-deviates), np.bool_)


def _beyond(deviates: Floats, limit: float, least: int, length: int) -> Mask:
    """As `_several`, for points above the limit."""
    return _several(np.asarray(deviates > limit, np.bool_), least, length)


# Nelson's tests: number -> points of the pattern, function of the deviates (n,) in standard deviations, words.
TESTS: dict[int, tuple[int, Callable[[Floats], Mask], str]] = {
    1: (1, lambda z: np.abs(z) > SHEWHART_WIDTH, "lies beyond three standard deviations"),
    2: (
        9,
        partial(_on_one_side, lambda z: _run(z > 0, 9)),
        "ends nine points in a row on one side of the centre line, so the mean has probably shifted",
    ),
    3: (
        6,
        partial(_steps, length=6, is_alternating=False),
        "ends six points in a row that steadily rise or fall, so something probably drifts",
    ),
    4: (
        14,
        partial(_steps, length=14, is_alternating=True),
        "ends fourteen points in a row that go up and down in turn, as if two sources alternated",
    ),
    5: (
        3,
        partial(_on_one_side, partial(_beyond, limit=2.0, least=2, length=3)),
        "is one of two out of three points beyond two standard deviations on one side",
    ),
    6: (
        5,
        partial(_on_one_side, partial(_beyond, limit=1.0, least=4, length=5)),
        "is one of four out of five points beyond one standard deviation on one side",
    ),
    7: (
        15,
        lambda z: _run(np.abs(z) < 1, 15),
        "ends fifteen points in a row within one standard deviation: the limits are probably too wide",
    ),
    8: (
        8,
        lambda z: _run(np.abs(z) > 1, 8) & ~_run(z > 0, 8) & ~_run(z < 0, 8),
        "ends eight points in a row beyond one standard deviation, on both sides, as a mixture of two sources does",
    ),
}


def _alarms(rule: int, deviates: Floats) -> list[Alarm]:
    """The alarms of one test. deviates: (n,) distances of the points from the centre line in
    standard deviations."""
    if rule not in TESTS:
        raise ValueError(f"There is no test {rule} for special causes: they are 1 to 8.")
    length, test, words = TESTS[rule]
    ends = np.flatnonzero(test(deviates)).tolist()
    return [Alarm(end, rule, max(0, end - length + 1), f"{words} (test {rule}).") for end in ends]
