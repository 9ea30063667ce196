"""Chances of conformity against scipy, and the two decision rules at their limits."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from scipy import stats

from segmentation.core.measure.quantities import Value
from segmentation.core.measure.uncertainty.figure_draws import Z95
from segmentation.core.quality.conformity import OUT_OF_REACH, Limit, decide, decide_all
from segmentation.core.quality.spread import Spread, spread_of

U = 5.0  # nm, standard


def total(value: float, u: float = U) -> Value:
    return Value(value, value - u, value + u, "nm", (value - 2 * u, value + 2 * u))


def counted(value: float, below: float, above: float, unit: str = "nm") -> Value:
    return Value(value, value - Z95 * below, value + Z95 * above, unit)


@pytest.mark.parametrize("value", [70.0, 80.0, 93.0, 100.0, 119.0, 131.0])
def test_the_chance_between_two_limits_is_that_of_the_normal_law(value):
    probability = decide(Limit(quantity="median", lower=80.0, upper=120.0), total(value)).probability
    assert probability == pytest.approx(stats.norm.cdf(120, value, U) - stats.norm.cdf(80, value, U), abs=1e-12)


@pytest.mark.parametrize(
    ("deviate", "probability"), [(0.84, 0.80), (1.28, 0.90), (1.64, 0.95), (2.33, 0.99), (3.09, 0.999)]
)
def test_the_chance_at_one_limit_is_that_of_printed_tables_of_the_normal_law(deviate, probability):
    far = deviate * U
    assert decide(Limit(quantity="median", upper=100.0 + far), total(100.0)).probability == pytest.approx(
        probability, abs=1e-3
    )
    assert decide(Limit(quantity="median", lower=100.0 - far), total(100.0)).probability == pytest.approx(
        probability, abs=1e-3
    )


@pytest.mark.parametrize(("end", "u"), [(92.0, 3.0), (110.0, 6.0), (100.0, 6.0)])
def test_a_lopsided_interval_has_the_standard_uncertainty_of_the_side_of_the_limit(end, u):
    value = counted(100.0, 3.0, 6.0)
    assert spread_of(value) == pytest.approx((3.0, 6.0))
    assert decide(Limit(quantity="d90", upper=end), value).probability == pytest.approx(stats.norm.cdf(end, 100.0, u))
    assert decide(Limit(quantity="d90", lower=end), value).probability == pytest.approx(stats.norm.sf(end, 100.0, u))


def test_the_ends_of_the_interval_leave_a_fortieth_on_each_side():
    value = counted(100.0, 3.0, 6.0)
    for limit, end in (({"lower": value.low}, value.low), ({"upper": value.high}, value.high)):
        assert end and decide(Limit(quantity="d10", **limit), value).probability == pytest.approx(0.975)


@pytest.mark.parametrize(
    ("value", "simple", "guarded"),
    [
        (69.9, "fails", "fails"),  # 80 less U of 10
        (70.1, "fails", "undecided"),
        (80.0, "passes", "undecided"),
        (89.9, "passes", "undecided"),
        (90.0, "passes", "passes"),
        (110.0, "passes", "passes"),
        (110.1, "passes", "undecided"),
        (129.9, "fails", "undecided"),
        (130.0, "fails", "fails"),
    ],
)
def test_a_guard_band_of_the_expanded_uncertainty_decides_only_beyond_it(value, simple, guarded):
    limits = {"quantity": "median", "lower": 80.0, "upper": 120.0}
    assert decide(Limit(**limits, rule="simple"), total(value)).verdict == simple
    decision = decide(Limit(**limits), total(value))
    assert decision.verdict == guarded and decision.accepted == pytest.approx((90.0, 110.0))
    assert decide(Limit(**limits, factor=0.0), total(value)).verdict == simple


def test_limits_that_are_nearer_than_their_guard_bands_accept_nothing():
    decision = decide(Limit(quantity="median", lower=95.0, upper=105.0), total(100.0))
    assert decision.verdict == "undecided" and decision.accepted is None
    assert decision.sentence.startswith("Asked: median 95 to 105 nm. Measured: 100 nm (90 to 110). The probability")
    assert "is 68.3 %" in decision.sentence and "nearer than the guard band" in decision.sentence


def test_a_share_a_count_and_what_is_not_known():
    share = decide(Limit(quantity="fraction_100nm", upper=0.1), Value(0.04, 0.02, 0.09))
    assert share.verdict == "passes"  # U is 0.051 on this side
    assert share.accepted == pytest.approx((-float("inf"), 0.1 - 2 * 0.05 / Z95))
    wider = decide(Limit(quantity="fraction_100nm", upper=0.1, factor=1.5), Value(0.04, 0.02, 0.09))
    assert wider.verdict == "undecided"
    assert share.probability == pytest.approx(stats.norm.cdf(0.06 / (0.05 / Z95)))
    assert "at most 10 %. Measured: 4.0 % (2.0 to 9.0)" in share.sentence
    enough = decide(Limit(quantity="n_kept", lower=500), Value(500.0))
    assert (enough.verdict, enough.probability) == (
        "passes",
        1.0,
    ) and "Counted: 500; it passes" in enough.sentence
    assert decide(Limit(quantity="n_kept", lower=500), Value(499.0)).verdict == "fails"
    for value, why in ((Value(None), "has no median"), (Value(9.0, unit="nm"), "not known")):
        decision = decide(Limit(quantity="median", upper=10.0, rule="simple"), value)
        assert (decision.verdict, decision.probability) == (
            "undecided",
            None,
        ) and why in decision.sentence
    in_pixels = decide(Limit(quantity="median", upper=10.0), Value(5.0, 4.0, 6.0, "px"))
    assert in_pixels.verdict == "undecided" and "give the image a scale" in in_pixels.sentence


def test_a_specification_is_as_good_as_its_worst_requirement():
    median = Limit(quantity="median", lower=80.0, upper=120.0)
    tail = Limit(quantity="d90", upper=150.0)
    values = {"median": total(100.0), "d90": total(132.0)}
    whole = decide_all([median, tail], values)
    probabilities = [stats.norm.cdf(4) - stats.norm.cdf(-4), stats.norm.cdf(18 / 5)]
    assert whole.verdict == "passes" and whole.at_least == pytest.approx(sum(probabilities) - 1)
    assert decide_all([median, tail], {**values, "d90": total(145.0)}).verdict == "undecided"
    assert decide_all([median, tail], {"median": total(140.0)}).verdict == "fails"
    missing = decide_all([median, tail], {"median": total(100.0)})
    assert (missing.verdict, missing.at_least) == ("undecided", None)
    with pytest.raises(ValueError, match="at least one requirement"):
        decide_all([], values)


@pytest.mark.parametrize(
    "limits",
    [
        {},
        {"quantity": "cheese", "upper": 1.0},
        {"lower": 5.0, "upper": 5.0},
        {"upper": float("inf")},
    ],
)
def test_a_requirement_without_limits_that_make_sense_is_refused(limits):
    with pytest.raises(ValidationError):
        Limit(**{"quantity": "median", **limits})


def test_bad_numbers_are_refused():
    with pytest.raises(ValueError, match="not inside its interval"):
        spread_of(Value(5.0, 6.0, 7.0))
    assert Spread(0.0, 0.0).share_below(0.0) == 1.0 and Spread(0.0, 0.0).share_below(-1e-9) == 0.0


# Shares whose interval ends at 0 or 1


SHARE = Value(0.456, 0.2, 0.7, "", (0.0, 1.0), 0.31)


def test_where_an_interval_is_cut_off_the_standard_uncertainty_is_that_of_the_budget():
    assert spread_of(SHARE) == (0.31, 0.31)  # 0.456 / 2 = 0.228 without the budget
    assert spread_of(Value(0.2, 0.1, 0.3, "", (0.0, 0.5), 0.15)) == pytest.approx((0.15, 0.15))
    assert spread_of(Value(0.5, 0.4, 0.6, "", (0.3, 0.7), 0.31)) == pytest.approx((0.1, 0.1)), "it is not cut off"
    assert spread_of(Value(0.456, 0.2, 0.7, "", (0.0, 1.0))) == pytest.approx((0.228, 0.272)), "no budget"
    decision = decide(Limit(quantity="fraction_100nm", lower=0.1, rule="simple"), SHARE)
    assert decision.probability == pytest.approx(stats.norm.sf(0.1, 0.456, 0.31))


@pytest.mark.parametrize(
    ("limit", "value", "is_out"),
    [
        ({"quantity": "fraction_100nm", "upper": 0.1}, SHARE, True),  # 0.1 less U of 0.62 is below 0
        ({"quantity": "fraction_100nm", "lower": 0.9}, SHARE, True),
        ({"quantity": "fraction_100nm", "upper": 0.1, "rule": "simple"}, SHARE, False),
        ({"quantity": "fraction_100nm", "lower": 1.5, "rule": "simple"}, SHARE, True),
        ({"quantity": "median", "lower": 95.0, "upper": 105.0}, total(100.0), True),
        ({"quantity": "median", "upper": 9.0}, total(100.0), True),
        ({"quantity": "median", "upper": 11.0}, total(100.0), False),
    ],
)
def test_limits_that_no_number_can_meet_are_said(limit, value, is_out):
    decision = decide(Limit(**limit), value)
    assert decision.is_out_of_reach is is_out
    assert decision.sentence.endswith(OUT_OF_REACH) is is_out


def test_a_number_without_uncertainty_known_is_not_called_out_of_reach():
    assert not decide(Limit(quantity="median", upper=9.0), Value(100.0, unit="nm")).is_out_of_reach
