"""On how many outlines the fraction from 1 to 100 nm rests: the counts, and when and how they are said."""

from __future__ import annotations

import numpy as np
import pytest

from segmentation.core.measure.nano.fraction_outlines import FEW_OUTLINES, fraction_outlines, fraction_words
from segmentation.core.measure.pooling import pool
from segmentation.core.measure.results import Statistics
from segmentation.core.measure.statistics import summarise
from segmentation.core.measure.uncertainty.budget import Conditions
from segmentation.core.micrograph.types import Calibration
from segmentation.core.report.summary import Summary
from tests.core.measure.particle_tables import table_of

SURE = Calibration(1.0, "metadata", relative_uncertainty=0.01)


def named(sizes, **measures):
    return table_of(sizes, label=np.arange(1, len(sizes) + 1) * 10, **measures)


def words_of(statistics):
    """As people read it: of the numbers that result.json holds."""
    stored = Statistics.from_dict(statistics.as_dict())
    headlines = Summary(stored, {}, "particle", "particles").headlines
    return next(entry.outlines_note for entry in headlines if entry.name == "fraction_100nm")


def said(sizes, **measures):
    return words_of(summarise(named(sizes, **measures), Conditions(calibration=SURE)))


def test_a_share_of_few_outlines_says_how_many_and_what_it_is_without_the_doubtful_one():
    sizes, confidence = [60.0, 90.0, *np.linspace(200, 300, 17)], [0.4, *[0.9] * 18]
    assert said(sizes) == "2 of 19"
    assert said(sizes, confidence=confidence) == "2 of 19; 6 % without the doubtful one"
    assert said(sizes, confidence=[0.4, 0.4, *[0.9] * 17]) == "2 of 19; 0 % without the 2 doubtful ones"


def test_an_outline_that_a_person_confirmed_is_not_doubtful_but_counts():
    sizes = [60.0, *np.linspace(200, 300, 18)]
    by_hand = [1.0, *[0.0] * 18]
    assert said(sizes, confidence=[0.4, *[0.9] * 18], by_hand=by_hand) == "1 of 19"


def test_large_doubtful_outlines_move_the_share_too_and_of_many_the_count_is_not_said():
    sizes = [*np.linspace(50, 90, 60), *np.linspace(200, 300, 60)]
    assert said(sizes) == ""
    assert said(sizes, confidence=[*[0.9] * 80, *[0.3] * 40]) == "75.0 % without the 40 doubtful ones"


def test_a_share_that_reads_the_same_without_them_says_nothing_of_them():
    sizes = [*np.linspace(50, 90, 100), *np.linspace(200, 300, 100)]
    assert said(sizes, confidence=[0.3, *[0.9] * 198, 0.3]) == ""


@pytest.mark.parametrize(
    ("small", "large", "is_said"),
    [
        (FEW_OUTLINES, 400, True),
        (FEW_OUTLINES + 1, 400, False),
        (400, FEW_OUTLINES, True),
        (14, 15, True),
        (15, 15, False),
        (0, 12, False),
    ],
)
def test_the_count_is_said_where_each_outline_matters(small, large, is_said):
    sizes = [*np.linspace(50, 90, small), *np.linspace(200, 300, large)]
    assert said(sizes) == (f"{small} of {small + large}" if is_said else "")


def test_of_no_outline_and_of_those_on_one_side_nothing_is_said():
    none = fraction_outlines([named([60.0, 70.0], reasons=np.array(["odd shape"] * 2))])
    assert none == {"small": 0, "total": 0, "doubtful": 0, "ids": []}
    assert fraction_words(none, "", "") == ""
    assert summarise(named([], confidence=[]), Conditions(calibration=SURE)).fraction_outlines is None
    assert said(np.linspace(50, 90, 12)) == said(np.linspace(200, 300, 12)) == ""


def test_all_outlines_doubtful_leave_no_other_share():
    sizes = [60.0, *np.linspace(200, 300, 18)]
    assert said(sizes, confidence=[0.3] * 19) == "1 of 19"


def test_few_small_ones_of_one_image_have_labels():
    sizes = [300.0, 60.0, 250.0, 90.0, *np.linspace(200, 300, 12)]
    assert fraction_outlines([named(sizes)])["ids"] == [20, 40]
    assert fraction_outlines([named(sizes)] * 2)["ids"] == []
    assert fraction_outlines([named([*sizes, *[50.0] * FEW_OUTLINES])])["ids"] == []


def test_hidden_particles_count_by_their_probabilities():
    table = named([60.0, *[300.0] * 19], chance=[0.5, *[1.0] * 19], confidence=[0.3, *[0.9] * 19])
    parts = table_of([50.0] * 3, chance=[0.5] * 3)
    assert fraction_outlines([table], [parts]) == {"small": 2, "total": 21, "doubtful": 0, "ids": [10]}


def test_a_sample_counts_the_outlines_of_all_its_images():
    images = [named([60.0, *np.linspace(200 + shift, 300, 20)]) for shift in range(3)]
    assert words_of(pool(images, Conditions(calibration=SURE))) == "3 of 63"
