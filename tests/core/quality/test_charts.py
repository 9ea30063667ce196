"""Control charts: limits by hand and by an independent computation, and each test at its edge."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import signal, stats

from segmentation.core.quality.control_limits import (
    D4,
    EWMA_WEIGHT,
    EWMA_WIDTH,
    Chart,
    Level,
    ewma_chart,
    individuals_chart,
    level_of,
)

UNIT = Level(0.0, 1.0)


def points_of(chart: Chart, rule: int) -> list[int]:
    return [alarm.point for alarm in chart.alarms if alarm.rule == rule]


def test_the_limits_of_twenty_points_are_those_by_hand():
    values = [10.0, 12.0] * 10 + [11.0, 25.0]  # the mean range is 2
    level = level_of(values)
    assert level and (level.centre, level.sigma) == (11.0, 2 / 1.128)
    chart = individuals_chart(values, rules=(1,))
    assert chart.upper.tolist() == pytest.approx([11 + 2.66 * 2] * 22, abs=2e-3)  # E2 of the table is 2.660
    assert chart.lower.tolist() == pytest.approx([11 - 2.66 * 2] * 22, abs=2e-3)
    assert chart.greatest_range == pytest.approx(D4 * 2)
    assert [(alarm.point, alarm.rule) for alarm in chart.alarms] == [(21, 1), (21, 9)]
    assert chart.ranges.tolist() == [2.0] * 19 + [1.0, 14.0]
    assert chart.sentence.startswith("The last point is out of control. Point 22 lies beyond three")


def test_fewer_points_have_no_limits_unless_these_are_given():
    chart = individuals_chart([1.0] * 18 + [50.0])
    assert chart.level is None and not chart.alarms and np.isnan(chart.upper).all()
    assert chart.sentence == "There are no limits yet: they need 1 more point."
    assert ewma_chart([1.0, 2.0]).level is None
    assert individuals_chart([0.5], UNIT).sentence == "The last point is in control."
    with pytest.raises(ValueError, match="all equal"):
        level_of([3.0] * 20)
    with pytest.raises(ValueError, match="finite"):
        individuals_chart([1.0, float("nan")])


@pytest.mark.parametrize(
    ("rule", "pattern", "near"),
    [
        (1, [3.01], [3.0]),
        (2, [0.1] * 9, [0.1] * 8 + [0.0]),
        (2, [-0.1] * 9, [-0.1] * 8),
        (3, [-2.0, -1.5, -0.6, 0.0, 0.7, 1.5], [-2.0, -1.5, -0.6, 0.0, 0.7, 0.7]),
        (3, [1.6, 1.5, 0.6, 0.0, -0.7, -1.5], [1.6, 1.5, 0.6, 0.0, -0.7]),
        (4, [0.5, -0.5] * 7, [0.5, -0.5] * 6 + [0.5]),
        (5, [2.1, 0.0, 2.2], [2.1, 0.0, -2.2]),
        (5, [-2.1, -2.2], [2.1, 0.0, 0.1, 2.2]),
        (6, [1.1, 1.2, 0.0, 1.1, 1.3], [1.1, 1.2, 0.0, 0.1, 1.3]),
        (7, [0.9, -0.9, 0.1] * 5, [0.9, -0.9, 0.1] * 4 + [0.9, -0.9, 1.0]),
        (8, [1.1, -1.2] * 4, [1.1, -1.2] * 3 + [1.1, -1.0]),
        (8, [1.1] * 7 + [-1.1], [1.1] * 8),  # one-sided runs are test 2's
        (8, [-1.5] * 7 + [1.5], [-1.5] * 8),
    ],
)
def test_each_test_speaks_at_the_point_that_completes_its_pattern_and_not_before(rule, pattern, near):
    # A quiet point that breaks any run of the same sort stands before.
    before = {7: [1.5], 3: [0.0, 0.0], 4: [0.5]}.get(rule, [0.0])
    chart = individuals_chart([*before, *pattern], UNIT)
    assert points_of(chart, rule) == [len(before) + len(pattern) - 1]
    assert points_of(individuals_chart([*before, *near], UNIT), rule) == []
    (alarm,) = (alarm for alarm in chart.alarms if alarm.rule == rule)
    assert alarm.sentence.startswith(f"Point {alarm.point + 1} ") and f"(test {rule})" in alarm.sentence
    # The whole pattern; where two of three points are neighbours, the quiet one before them is in it.
    assert alarm.point - alarm.start + 1 == {1: 1, 2: 9, 3: 6, 4: 14, 5: 3, 6: 5, 7: 15, 8: 8}[rule]


def brute(rule: int, z: list[float], at: int) -> bool:
    """The same tests, written window by window."""

    def window(length: int) -> list[float]:
        return z[at - length + 1 : at + 1] if at >= length - 1 else []

    def sides(test):
        return any(test([side * value for value in z]) for side in (1, -1))

    def many(least: int, length: int, limit: float) -> bool:
        near = slice(max(0, at - length + 1), at + 1)
        return sides(lambda w: w[at] > limit and sum(value > limit for value in w[near]) >= least)

    steps = np.diff(window({3: 6, 4: 14}.get(rule, 1))).tolist()
    return {
        1: lambda: abs(z[at]) > 3,
        2: lambda: len(window(9)) == 9 and sides(lambda w: min(w[at - 8 : at + 1]) > 0),
        3: lambda: len(steps) == 5 and (min(steps) > 0 or max(steps) < 0),
        4: lambda: len(steps) == 13 and all(a * b < 0 for a, b in pairwise(steps)),
        5: lambda: many(2, 3, 2.0),
        6: lambda: many(4, 5, 1.0),
        7: lambda: len(window(15)) == 15 and max(map(abs, window(15))) < 1,
        8: lambda: len(window(8)) == 8 and min(map(abs, window(8))) > 1 and min(window(8)) < 0 < max(window(8)),
    }[rule]()


@pytest.mark.parametrize("seed", range(6))
def test_all_tests_agree_with_tests_window_by_window(seed):
    rng = np.random.default_rng(seed)
    z = rng.normal(0.6 * (seed % 2), (0.4, 1.0, 2.2)[seed % 3], 400).tolist()
    chart = individuals_chart(z, UNIT)
    for rule in range(1, 9):
        assert points_of(chart, rule) == [at for at in range(len(z)) if brute(rule, z, at)]


def test_the_weighted_average_is_the_filter_of_scipy_with_exact_limits():
    values = np.random.default_rng(1).normal(50, 2, 60)
    chart = ewma_chart(values.tolist(), Level(50.0, 2.0), 0.3, 2.7)
    filtered, _ = signal.lfilter([0.3], [1, -0.7], values, zi=[0.7 * 50.0])
    assert chart.values.tolist() == pytest.approx(filtered.tolist())
    # The variance of the average, summed weight by weight.
    for point in (0, 1, 5, 59):
        weights = [0.3 * 0.7**age for age in range(point + 1)]
        half = 2.7 * 2.0 * float(np.sqrt(np.square(weights).sum()))
        assert (chart.lower[point], chart.upper[point]) == pytest.approx((50 - half, 50 + half))
    with pytest.raises(ValueError, match="over 0"):
        ewma_chart([1.0], UNIT, weight=0.0)


def run_length(weight: float, width: float, states: int = 401) -> float:
    """The average run length of an EWMA with steady limits by the Markov chain of Brook and Evans
    (1972)."""
    limit = width * np.sqrt(weight / (2 - weight))
    step = 2 * limit / states
    middle = -limit + step * (np.arange(states) + 0.5)
    mean = (1 - weight) * middle[:, None]
    ends = middle[None, :] + step / 2
    chances = stats.norm.cdf((ends - mean) / weight) - stats.norm.cdf((ends - step - mean) / weight)
    return float(np.linalg.solve(np.eye(states) - chances, np.ones(states))[states // 2])


def test_the_usual_average_gives_one_false_alarm_in_five_hundred_points():
    assert run_length(EWMA_WEIGHT, EWMA_WIDTH) == pytest.approx(500, rel=0.01)


def test_a_shift_of_one_and_a_half_sigma_is_found_by_the_average_and_by_the_run():
    level = Level(100.0, 4.0)
    values = 100 + 4 * np.random.default_rng(7).normal(0, 1, 80)
    values[40:] += 4 * 1.5
    weighted, single = ewma_chart(values.tolist(), level), individuals_chart(values.tolist(), level)
    after = [alarm.point for alarm in weighted.alarms]
    assert after and min(after) >= 40
    assert any(alarm.point >= 40 and alarm.rule in (2, 5, 6) for alarm in single.alarms)
    assert "so the mean has probably shifted" in weighted.alarms[0].sentence


@pytest.mark.parametrize("level", [(float("nan"), 1.0), (0.0, 0.0)])
def test_a_level_without_spread_is_refused(level):
    with pytest.raises(ValueError, match="above 0"):
        Level(*level)


def test_there_is_no_ninth_test():
    with pytest.raises(ValueError, match="1 to 8"):
        individuals_chart([0.0], UNIT, rules=(9,))
