"""Nested analyses of variance: by the formulas of the standard, by projections, by published
results, by simulation."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from scipy import stats

from segmentation.core.quality.study import WITHIN, nested_study

# Strength of a paste: two analyses of each of three casks of each of ten deliveries (Davies and Goldsmith 1972; the
# data set Pastes of the package lme4).
PASTES = """62.8 62.6 60.1 62.3 62.7 63.1  60.0 61.4 57.5 56.9 61.1 58.9  58.7 57.5 63.9 63.1 65.4 63.7
57.1 56.4 56.9 58.6 64.7 64.5  55.1 55.1 54.7 54.2 58.8 57.5  63.4 64.9 59.3 58.1 60.5 60.0
62.5 62.6 61.0 58.7 56.9 57.7  59.2 59.4 65.2 66.0 64.8 64.1  54.8 54.8 64.0 64.0 57.7 56.8
58.3 59.3 59.2 59.2 58.9 56.6"""


def test_a_published_study_has_its_published_components():
    values = [float(word) for word in PASTES.split()]
    delivery = [str(at // 6) for at in range(60)]
    cask = [str(at // 2 % 3) for at in range(60)]
    study = nested_study(values, {"delivery": delivery, "cask": cask})
    outer, inner, within = study.components
    # As lme4 fits them; of balanced data with positive components its estimates are those of the squares.
    assert study.mean == pytest.approx(60.0533, abs=5e-5)
    assert outer.variance == pytest.approx(1.657, abs=1e-3)
    assert inner.variance == pytest.approx(8.434, abs=1e-3)
    assert within.variance == pytest.approx(0.678, abs=1e-3)
    assert study.is_balanced and [component.free for component in study.components] == [9, 20, 30]


def days(rng, counts, between, within):
    """Values by day; counts: results of each day."""
    label = np.repeat(np.arange(len(counts)), counts)
    values = 100 + between * rng.normal(size=len(counts))[label] + within * rng.normal(size=len(label))
    return values.tolist(), [f"day {number}" for number in label]


def test_two_levels_follow_the_formulas_of_the_standard():
    """ISO 5725-2: s_r² is the mean square within, s_L² = (MS between - s_r²) / n."""
    values, day = days(np.random.default_rng(3), [4] * 8, 3.0, 1.5)
    study = nested_study(values, {"day": day})
    table = np.reshape(values, (8, 4))
    within = table.var(axis=1, ddof=1).mean()
    between = (4 * table.mean(axis=1).var(ddof=1) - within) / 4
    assert [c.variance for c in study.components] == pytest.approx([between, within])
    f, _ = stats.f_oneway(*table)
    assert study.components[0].mean_square / study.components[1].mean_square == pytest.approx(f)
    ends = [sqrt(24 * within / stats.chi2.ppf(p, 24)) for p in (0.975, 0.025)]
    repeatability = study.repeatability
    assert (repeatability.sd, repeatability.low, repeatability.high) == pytest.approx((sqrt(within), *ends))
    # The sum is MS/4 of between and 3/4 of within; Satterthwaite's degrees of freedom by hand.
    parts = study.components[0].mean_square / 4, within * 3 / 4
    free = sum(parts) ** 2 / (parts[0] ** 2 / 7 + parts[1] ** 2 / 24)
    total = between + within
    ends = [sqrt(free * total / stats.chi2.ppf(p, free)) for p in (0.975, 0.025)]
    intermediate = study.intermediate
    assert (intermediate.sd, intermediate.low, intermediate.high) == pytest.approx((sqrt(total), *ends))
    assert intermediate.free == pytest.approx(free)
    assert study.relative_intermediate == pytest.approx(sqrt(total) / np.mean(values))


def test_two_unlike_levels_have_the_known_number_for_a_day():
    """ISO 5725-2: n is (N - sum of squares / N) / (p - 1) where days have unlike numbers of
    results."""
    counts = np.array([2, 5, 3, 7, 2, 4])
    values, day = days(np.random.default_rng(4), counts, 3.0, 1.5)
    study = nested_study(values, {"day": day})
    between, within = study.components
    n = (counts.sum() - (counts**2).sum() / counts.sum()) / (len(counts) - 1)
    assert not study.is_balanced
    assert between.variance == pytest.approx((between.mean_square - within.mean_square) / n)


def unlike(seed):
    """Results of three nested conditions with unlike numbers, in shuffled order."""
    rng = np.random.default_rng(seed)
    rows = [
        (f"d{day}", f"o{operator}", f"p{preparation}")
        for day in range(5)
        for operator in range(rng.integers(1, 4))
        for preparation in range(rng.integers(1, 4))
        for _ in range(rng.integers(1, 4))
    ]
    rng.shuffle(rows)
    labels = dict(zip(("day", "operator", "preparation"), zip(*map(tuple, rows), strict=True), strict=True))
    return rng.normal(50, 4, len(rows)).tolist(), labels


@pytest.mark.parametrize("seed", range(5))
def test_any_design_agrees_with_the_traces_of_its_projections(seed):
    """E(y' Q y) is the trace of Q V, so each mean square's expectation follows from matrices
    alone."""
    values, labels = unlike(seed)
    study, y = nested_study(values, labels), np.array(values)
    paths = [list(zip(*list(labels.values())[: depth + 1], strict=True)) for depth in range(3)]
    designs = [
        np.array([[path == other for other in dict.fromkeys(level)] for path in level], float) for level in paths
    ]
    designs.append(np.eye(len(y)))
    before, squares, expected = np.full((len(y), len(y)), 1 / len(y)), [], []
    for design in designs:
        projection = design @ np.linalg.pinv(design)
        q = (projection - before) / round(np.trace(projection - before))
        squares.append(y @ q @ y)
        expected.append([np.trace(q @ z @ z.T) for z in designs])
        before = projection
    raw = np.linalg.solve(np.array(expected), np.array(squares))
    assert [c.mean_square for c in study.components] == pytest.approx(squares)
    assert [c.variance for c in study.components] == pytest.approx(np.maximum(raw, 0).tolist(), abs=1e-9)
    assert [c.was_negative for c in study.components] == (raw < 0).tolist()
    assert study.components[-1].name == WITHIN


def test_a_negative_component_is_zero_and_said():
    study = nested_study([1.0, 9.0, 2.0, 8.0, 1.0, 9.0], {"day": ["a", "a", "b", "b", "c", "c"]})
    assert study.components[0].variance == 0 and study.components[0].was_negative
    assert study.intermediate == study.repeatability  # nothing else is left, with the same degrees of freedom
    assert "The variance of day came out negative and is set to 0" in study.sentences("nm")[-1]


def test_the_sentences_name_what_changed_and_how_the_intervals_are_made():
    labels = {
        "day": [str(at // 4) for at in range(24)],
        "operator": [str(at // 2 % 2) for at in range(24)],
    }
    values = (100 + np.random.default_rng(0).normal(size=24) + 3 * np.repeat(np.arange(6), 4) % 7).tolist()
    repeatability, intermediate, *_ = nested_study(values, labels).sentences("nm")
    assert repeatability.startswith("Repeatability: ") and "(chi-squared interval)" in repeatability
    assert intermediate.startswith("Intermediate precision, with another day and operator: ")
    assert "nm (" in intermediate and "% of the mean (interval after Satterthwaite)." in intermediate


def test_the_intervals_hold_the_truth_as_often_as_they_say():
    rng, hits = np.random.default_rng(11), np.zeros(2)
    for _ in range(400):
        values, day = days(rng, [3] * 12, 2.0, 1.0)
        study = nested_study(values, {"day": day})
        hits += [
            precision.low <= truth <= precision.high
            for precision, truth in ((study.repeatability, 1.0), (study.intermediate, sqrt(5)))
        ]
    assert (hits / 400 >= 0.92).all() and (hits / 400 <= 0.98).all()


@pytest.mark.parametrize(
    ("values", "labels", "why"),
    [
        ([1.0, 2.0], {}, "names at least one condition"),
        ([1.0, 2.0], {"day": ["a", "a"]}, "All results are of one day"),
        (
            [1.0, 2.0, 3.0],
            {"day": ["a", "b", "b"], "operator": ["x", "y", "y"]},
            "Each day has only one operator",
        ),
        ([1.0, 2.0], {"day": ["a", "b"]}, "Nothing was measured twice"),
        ([1.0, 2.0], {"day": ["a"]}, "one label"),
        ([1.0, float("inf")], {"day": ["a", "b"]}, "finite"),
    ],
)
def test_a_study_that_cannot_tell_says_why(values, labels, why):
    with pytest.raises(ValueError, match=why):
        nested_study(values, labels)


def test_results_that_are_all_alike_have_no_spread():
    study = nested_study([5.0] * 6, {"day": ["a", "a", "b", "b", "c", "c"]})
    assert study.repeatability.sd == 0 and study.intermediate.sd == 0
