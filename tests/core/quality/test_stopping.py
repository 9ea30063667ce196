"""When a sample is large enough: the prediction against Student's t of scipy, and its sentences."""

from __future__ import annotations

from math import ceil, sqrt

import pytest
from pydantic import ValidationError
from scipy import stats

from segmentation.core.measure.quantities import Value
from segmentation.core.quality.stopping import StoppingRule, sample_progress

MEDIAN = StoppingRule(half_width=0.05)
SHARE = StoppingRule(quantity="fraction_100nm", half_width=0.03)


def t(images):
    return stats.t.ppf(0.975, images - 1) / sqrt(images)


def test_the_interval_says_how_many_more_images_it_takes():
    value = Value(182.0, 171.0, 193.0, "nm")  # ±11 of 182 is 6.04 %
    state = sample_progress(MEDIAN, value, 7, 812)
    enough = next(n for n in range(7, 50) if 11 / 182 * t(n) / t(7) <= 0.05)
    assert (state.is_enough, state.more) == (False, enough - 7) == (False, 3)
    assert state.sentence == (
        "7 images, 812 objects: 182 nm (171 to 193); about 3 more images would bring the median to ±5 %."
    )
    done = sample_progress(MEDIAN, Value(182.0, 174.0, 190.0, "nm"), 9, 1050)
    assert done.is_enough and done.sentence.endswith("; these images are enough for the median to ±5 %.")


def test_what_more_images_do_not_reduce_stays():
    counting, reach, u = 0.07, 0.09, 0.01
    value = Value(100.0, 93.0, 107.0, "nm", (91.0, 109.0))
    fixed = sqrt(reach**2 - counting**2 + (1.959964 * u) ** 2)
    assert fixed > 0.05
    state = sample_progress(MEDIAN, value, 8, 900, uncertainty=u)
    assert state.more is None and "more images alone cannot bring the median to ±5 %; better: look at" in state.sentence
    better = sample_progress(MEDIAN, value, 8, 900, uncertainty=u, remedy="Correct the outlines.")
    assert better.sentence.endswith("better: Correct the outlines.")
    wider = sample_progress(StoppingRule(half_width=0.08), value, 8, 900, uncertainty=u)
    spread = sqrt(reach**2 - fixed**2)
    assert wider.more == next(n for n in range(8, 99) if sqrt((spread * t(n) / t(8)) ** 2 + fixed**2) <= 0.08) - 8
    scale = sample_progress(MEDIAN, value, 8, 900, uncertainty=0.04)
    assert "because the scale is less certain" in scale.sentence


def test_a_share_is_held_to_percentage_points():
    state = sample_progress(SHARE, Value(0.41, 0.37, 0.46), 6, 700, uncertainty=0.05)
    assert state.more == next(n for n in range(6, 50) if 0.05 * t(n) / t(6) <= 0.03) - 6
    assert state.sentence.startswith("6 images, 700 objects: 41.0 % (37.0 to 46.0); about ")
    assert state.sentence.endswith("more images would bring the share 1–100 nm to ±3 percentage points.")


def test_least_numbers_come_first():
    value = Value(182.0, 181.0, 183.0, "nm")
    state = sample_progress(MEDIAN, value, 4, 300, (6, 1000))
    assert (state.is_enough, state.more) == (False, ceil(700 / 75))
    assert "the method asks for 6 images, 2 more; it asks for 1,000 objects." in state.sentence
    assert sample_progress(None, value, 6, 1000, (6, 1000)).sentence == "6 images, 1,000 objects; these are enough."
    assert sample_progress(None, value, 0, 0, (1, 10)).more is None


def test_a_few_images_cannot_predict_and_a_number_without_interval_is_never_enough():
    state = sample_progress(MEDIAN, Value(182.0, 150.0, 220.0, "nm"), 1, 30)
    assert (state.is_enough, state.more) == (False, None)
    assert state.sentence == "1 image, 30 objects: 182 nm (150 to 220); 2 more images will show how much images differ."
    alone = sample_progress(MEDIAN, Value(182.0, unit="nm"), 5, 30)
    assert not alone.is_enough and alone.sentence.endswith("the median has no interval yet.")


@pytest.mark.parametrize("fields", [{"half_width": 0.0}, {"half_width": 0.1, "quantity": "cheese"}])
def test_a_rule_that_never_ends_is_refused(fields):
    with pytest.raises(ValidationError):
        StoppingRule(**fields)
