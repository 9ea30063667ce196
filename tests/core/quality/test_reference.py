"""Bias, agreement and En number of measurements of a reference material, by hand."""

from __future__ import annotations

from math import sqrt

import pytest
from pydantic import ValidationError

from segmentation.core.measure.quantities import Value
from segmentation.core.quality.reference import ReferenceMaterial, compare_with_certificate

# Made up: no certificate of this number exists.
TRIAL = ReferenceMaterial(
    name="Trial spheres 1",
    quantity="median",
    value=100.0,
    expanded=3.0,
    k=2.0,
    measurand="median diameter by number, SEM",
    certificate="trial",
)


def measured(value: float, below: float, above: float) -> Value:
    return Value(value, value - below, value + above, "nm", (value - 2 * below, value + 2 * above))


@pytest.mark.parametrize(("value", "agrees"), [(104.99, True), (105.01, False), (95.01, True), (94.99, False)])
def test_a_result_agrees_up_to_twice_the_standard_uncertainty_of_the_bias(value, agrees):
    result = compare_with_certificate(TRIAL, measured(value, 2.0, 2.0))  # u = sqrt(2² + 1.5²) = 2.5 nm
    assert result.standard == pytest.approx(2.5) and result.agrees is agrees
    assert result.bias == pytest.approx(value - 100) and result.relative_bias == pytest.approx((value - 100) / 100)
    assert result.en == pytest.approx((value - 100) / sqrt(4.0**2 + 3.0**2))
    assert (abs(result.en) <= 1) is agrees


def test_the_side_of_the_certified_value_counts_and_a_certificate_may_have_another_k():
    above = compare_with_certificate(TRIAL, measured(104.0, 1.0, 4.0))
    assert above.standard == pytest.approx(sqrt(1 + 2.25)) and not above.agrees
    below = compare_with_certificate(TRIAL, measured(96.0, 1.0, 4.0))
    assert below.standard == pytest.approx(sqrt(16 + 2.25)) and below.agrees
    other = compare_with_certificate(TRIAL.replaced(k=2.5), measured(104.0, 1.0, 4.0))
    assert other.standard == pytest.approx(sqrt(1 + 1.2**2))
    assert other.en == pytest.approx(4 / sqrt(4 + 9)) == above.en  # the certificate's U as it stands


def test_the_sentence_says_all_of_it():
    assert compare_with_certificate(TRIAL, measured(94.0, 2.0, 2.0)).sentence == (
        "Trial spheres 1: measured 94.0 nm (90.0 to 98.0), certified 100 ± 3 nm (k = 2). The bias of −6.00 nm is"
        " larger than its expanded uncertainty of 5.00 nm, so the result does not agree with the certificate;"
        " En = −1.20."
    )


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (Value(5.0, unit="nm"), "uncertainty"),
        (Value(5.0, 4.0, 6.0, "px"), "scale"),
        (Value(None, unit="nm"), "no known"),
    ],
)
def test_what_cannot_be_compared_is_said(value, why):
    with pytest.raises(ValueError, match=why):
        compare_with_certificate(TRIAL, value)


def test_a_certificate_without_uncertainty_is_refused():
    with pytest.raises(ValidationError):
        TRIAL.replaced(expanded=0.0)


def test_a_certified_share_is_written_in_per_cent():
    share = TRIAL.replaced(quantity="fraction_100nm", value=0.5, expanded=0.02)
    sentence = compare_with_certificate(share, Value(0.53, 0.5, 0.56, total=(0.49, 0.57))).sentence
    assert "certified 50 ± 2 % (k = 2). The bias of +3.00 points is no larger" in sentence
