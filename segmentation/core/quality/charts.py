"""Control charts of single results: individuals with moving ranges, and an exponentially weighted
moving average.

- Individuals and moving ranges (Shewhart; ISO 7870-2): sigma is the mean moving range of two
  neighbours over d2 = 1.128, limits are the mean ± 3 sigma, and the upper limit of the ranges
  is D4 = 3.267 mean ranges.
- EWMA (Roberts 1959; ISO 7870-6): z = λ x + (1 - λ) z of the point before, from the centre on. Its
  limits are the exact ones, centre ± L sigma sqrt(λ / (2 - λ) (1 - (1 - λ)^(2 i))) at point i = 1,
  2, ... With λ = 0.2 and L = 2.962 a process in control gives an alarm every 500 points on average
  (Lucas and Saccucci 1990).
- The eight tests for special causes are those of L. S. Nelson, J. Qual. Technol. 16 (1984) 237-239,
  which ISO 8258:1991, the forerunner of ISO 7870-2, took over. An alarm stands at the point that
  completes its pattern. In tests 5 and 6 this point is one of those far out, so no pattern is told
  twice for a later point that is itself inconspicuous.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from ..measure.distribution import Floats

BASELINE = 20  # points that the limits are made of
D2, D4 = 1.128, 3.267  # of two neighbours
SHEWHART = 3.0  # sigma
WEIGHT, WIDTH = 0.2, 2.962  # λ and L
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Level:
    """What points are held against, in their unit. source: where it is from, in words."""

    centre: float
    sigma: float
    source: str = "given"

    def __post_init__(self) -> None:
        if not (isfinite(self.centre) and isfinite(self.sigma) and self.sigma > 0):
            raise ValueError("The centre line of a control chart is a number, and its standard deviation is above 0.")


@dataclass(frozen=True)
class Alarm:
    """One test that a point fails. point: from 0 on. rule: 1 to 8 of TESTS, 9 for the range, 10 for
    the average. start: the first point of its pattern. words: the pattern and what often causes
    it, as a sentence goes on after the name of the point."""

    point: int
    rule: int
    start: int
    words: str

    @property
    def sentence(self) -> str:
        """The alarm, with its point as people count."""
        return f"Point {self.point + 1} {self.words}"


@dataclass(frozen=True, eq=False)
class Chart:
    """The n points of a chart with their limits, in the unit of the points.

    values: (n,) what is drawn. lower, upper: (n,) the limits of each. ranges: (n - 1,) moving
    ranges; empty for an EWMA. greatest_range: their upper limit. level: None while there are too
    few points for limits: then lower and upper are NaN, and there are no alarms. alarms: by point.
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
        """The state at the last point."""
        if self.level is None:
            missing = BASELINE - len(self.values)
            return f"There are no limits yet: they need {missing} more point{'' if missing == 1 else 's'}."
        last = [alarm.sentence for alarm in self.alarms if alarm.point == len(self.values) - 1]
        return " ".join(["The last point is out of control.", *last] if last else ["The last point is in control."])


def level_of(values: Sequence[float]) -> Level | None:
    """The level of the first BASELINE points; None while there are fewer. Raises ValueError where
    they are all equal, or not finite."""
    points = _checked(values)[:BASELINE]
    if len(points) < BASELINE:
        return None
    sigma = float(np.abs(np.diff(points)).mean()) / D2
    if sigma == 0:
        raise ValueError(f"The first {BASELINE} points are all equal: give the limits.")
    return Level(float(points.mean()), sigma, f"the first {BASELINE} points")


def individuals(values: Sequence[float], level: Level | None = None, rules: Collection[int] = range(1, 9)) -> Chart:
    """The chart of individuals and moving ranges.

    values: (n,) in the order of time. level: None for that of the first BASELINE points. rules:
    which of the eight tests are made. Nelson advises 1 to 4 always, which give less than one false
    alarm in a hundred points, 5 and 6 where an early warning pays, and 7 and 8 while a chart is set
    up. Raises ValueError for other tests.
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
        Alarm(
            at + 1,
            9,
            at,
            "differs from the one before by more than the limit of ranges.",
        )
        for at in np.flatnonzero(ranges > greatest).tolist()
    ]
    lower, upper = (np.full(len(points), level.centre + side * SHEWHART * level.sigma) for side in (-1, 1))
    return Chart(points, lower, upper, level, ranges, greatest, _sorted(alarms))


def ewma(
    values: Sequence[float],
    level: Level | None = None,
    weight: float = WEIGHT,
    width: float = WIDTH,
) -> Chart:
    """The chart of the exponentially weighted moving average of (n,) values in the order of time;
    `values` of the chart are these averages. weight: λ, over 0 and up to 1. width: L, over 0.
    Raises ValueError for others."""
    if not (0 < weight <= 1 and width > 0):
        raise ValueError("The weight of an EWMA is over 0 and up to 1, and the width of its limits is over 0.")
    points = _checked(values)
    level = level or level_of(values)
    if level is None:
        return _without_limits(points, np.zeros(0))
    averages, average = np.zeros(len(points)), level.centre
    for at, value in enumerate(points.tolist()):
        average = weight * value + (1 - weight) * average
        averages[at] = average
    number = np.arange(1, len(points) + 1)
    half = width * level.sigma * np.sqrt(weight / (2 - weight) * (1 - (1 - weight) ** (2 * number)))
    lower, upper = level.centre - half, level.centre + half
    alarms = [
        Alarm(
            at,
            10,
            at,
            f"has a weighted average {side} its limit, so the mean has probably shifted.",
        )
        for side, is_beyond in (("below", averages < lower), ("above", averages > upper))
        for at in np.flatnonzero(is_beyond).tolist()
    ]
    return Chart(averages, lower, upper, level, np.zeros(0), None, _sorted(alarms))


def _checked(values: Sequence[float]) -> Floats:
    points = np.asarray(values, np.float64)
    if points.ndim != 1 or not np.isfinite(points).all():
        raise ValueError("The points of a control chart are finite numbers in one list.")
    return points


def _without_limits(points: Floats, ranges: Floats) -> Chart:
    unknown = np.full(len(points), np.nan)
    # An EWMA starts at the centre line, which is not known yet: the values themselves are drawn.
    return Chart(points, unknown, unknown, None, ranges, None, ())


def _sorted(alarms: list[Alarm]) -> tuple[Alarm, ...]:
    return tuple(sorted(alarms, key=lambda alarm: (alarm.point, alarm.rule)))


def _run(holds: Mask, length: int) -> Mask:
    """(n,) whether a point ends a run of so many for which `holds` (n,) is true."""
    ends = np.zeros(len(holds), np.bool_)
    if len(holds) >= length:
        windows = np.lib.stride_tricks.sliding_window_view(holds, length)
        ends[length - 1 :] = windows.all(axis=1)
    return ends


def _several(holds: Mask, least: int, length: int) -> Mask:
    """(n,) whether a point is the last of at least `least` among `length` neighbours for which
    `holds` is true. The first points have fewer neighbours."""
    before = np.concatenate([np.zeros(length, np.int64), np.cumsum(holds)])
    counts = before[length:] - before[:-length]
    return np.asarray(holds & (counts >= least), np.bool_)


def _steps(deviates: Floats, length: int, is_alternating: bool) -> Mask:
    """(n,) whether a point ends `length` points that steadily rise or fall, or that alternate."""
    signs = np.sign(np.diff(deviates))
    same = np.asarray(signs[1:] * signs[:-1] == (-1 if is_alternating else 1), np.bool_)
    return np.concatenate([np.zeros(min(2, len(deviates)), np.bool_), _run(same, length - 2)])


def _on_one_side(test: Callable[[Floats], Mask], deviates: Floats) -> Mask:
    return np.asarray(test(deviates) | test(-deviates), np.bool_)


def _beyond(deviates: Floats, limit: float, least: int, length: int) -> Mask:
    return _several(np.asarray(deviates > limit, np.bool_), least, length)


# Of each of Nelson's tests the number of its points, the test, and what it shows.
TESTS: dict[int, tuple[int, Callable[[Floats], Mask], str]] = {
    1: (1, lambda z: np.abs(z) > SHEWHART, "lies beyond three standard deviations"),
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
        "ends fourteen points in a row that go up and down by turns, as two sources by turns do",
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
        lambda z: _run(np.abs(z) > 1, 8),
        "ends eight points in a row beyond one standard deviation, on both sides, as a mixture of two sources does",
    ),
}


def _alarms(rule: int, deviates: Floats) -> list[Alarm]:
    """The points that fail a test. deviates: (n,) distances from the centre line in standard
    deviations."""
    if rule not in TESTS:
        raise ValueError(f"There is no test {rule} for special causes: they are 1 to 8.")
    length, test, words = TESTS[rule]
    ends = np.flatnonzero(test(deviates)).tolist()
    return [Alarm(at, rule, max(0, at - length + 1), f"{words} (test {rule}).") for at in ends]
