"""What waits for a look, and which objects are shown as examples."""

from __future__ import annotations

import numpy as np
import pytest

from segmentation.core.labels.segmentation import Cut
from segmentation.core.measure.review.doubts import Candidates, PossibleCut, doubts
from segmentation.core.measure.review.examples import examples_of, extremes, sure_ones
from segmentation.core.measure.review.possible_pieces import pieces_of
from segmentation.core.measure.shape.cut_out_tables import table_and_part_counts
from segmentation.core.measure.sizes.distribution import WeightedSizes
from tests.core.measure.particle_tables import table_of

SIZES = [50.0, 100.0, 300.0, 60.0, 70.0]
CUTS = [
    PossibleCut(0, 1, 0.6, [40.0, 40.0]),
    PossibleCut(1, 3, 0.6, [20.0, 30.0]),
    PossibleCut(2, 3, 0.1, []),
]


def asked(cuts=CUTS, decided=(), whole=True, scale=None, **changes):
    ids = np.arange(1, 6)
    confidence = changes.get("confidence", np.where(ids == 2, 0.35, 0.95))
    objects = Candidates(ids, ~np.isin(ids, decided), np.full(5, whole), np.array(SIZES), np.array(confidence, float))
    sizes = WeightedSizes.of(table_of(SIZES, nm_per_pixel=scale), edge="exclude")
    return [(doubt.id, doubt.cut) for doubt in doubts(objects, cuts, sizes)]


def test_a_cut_that_makes_small_ones_of_a_large_one_comes_before_an_outline_and_a_cut_as_doubtful():
    assert asked() == [(3, 1), (2, None), (1, 0)]
    assert asked(decided=[3]) == [(2, None), (1, 0)], "what somebody checked is not asked"
    assert asked(decided=[1, 2, 3]) == []
    assert asked(whole=False) == [(3, 1), (1, 0)], "an outline that the frame cuts has no size that could be wrong"
    assert asked(confidence=[np.nan] * 5) == [(3, 1), (1, 0)]


def test_a_cut_of_unknown_pieces_moves_nothing_and_the_limit_of_100_nm_counts():
    unknown = [cut._replace(pieces=None) for cut in CUTS]
    assert asked(unknown) == [(2, None), (1, 0), (3, 1)]
    equal = [PossibleCut(0, 1, 0.6, [45.0, 45.0]), PossibleCut(1, 3, 0.6, [150.0, 150.0])]
    assert asked(equal) == [(2, None), (1, 0), (3, 1)]
    # Two more of 150 nm move the fraction from 1 to 100 nm more than anything else.
    assert asked(equal, scale=1.0) == [(3, 1), (2, None), (1, 0)]


def test_the_smallest_the_one_nearest_to_the_median_and_the_largest_are_shown_of_a_few_each():
    sizes, every = np.array([50.0, 20, 90, 40, 31, 41, 42, 43, 30, 29]), np.ones(10, bool)
    assert [sizes[at] for at, _ in examples_of(sizes, every, 40.5)] == [20, 40, 90]
    assert [sizes[at] for at, _ in examples_of(sizes[:4], every[:4], 45.0)] == [20, 40, 50, 90]
    assert [sizes[at] for at, _ in examples_of(sizes, sizes > 25, 42.0)] == [29, 42, 90]
    assert examples_of(sizes, sizes > 45, 40.0) == [] and extremes(sizes, sizes > 45, 40.0) is None
    assert {title for _, title in examples_of(sizes[:4], every[:4], 45.0)} == {""}


def test_what_is_asked_about_is_no_example():
    """The largest outline may be two particles, and a person is asked whether it is cut."""
    table = table_of(SIZES).with_measures(confidence=np.array([0.95, 0.6, 0.95, 0.95, np.nan]))
    assert sure_ones(table).tolist() == [True, False, True, True, True]
    cut = table.with_measures(chance=np.array([1.0, 1.0, 0.5, 0.9, np.nan]))
    assert sure_ones(cut).tolist() == [True, False, False, True, True]
    confirmed = cut.with_measures(by_hand=np.array([0.0, 1.0, 0.0, 0.0, 0.0]))
    assert sure_ones(confirmed)[1]


def test_the_pieces_of_a_cut_are_those_that_it_makes_with_the_cuts_at_which_it_ends():
    dense = np.zeros((40, 80), np.int32)
    dense[10:30, 10:50], dense[10:30, 60:70] = 1, 2
    cuts = (
        Cut(0.9, [[30.0, 8.0], [30.0, 32.0]], [], [28, 20, 31, 20]),
        Cut(0.7, [[30.0, 20.0], [52.0, 20.0]], [0], [40, 18, 40, 22]),
        Cut(0.6, [[65.0, 3.0], [65.0, 5.0]], [], [64, 20, 66, 20]),
        Cut(0.5, [[55.0, 8.0], [55.0, 32.0]], [], [45, 20, 65, 20]),
    )
    pieces = pieces_of(dense, cuts, [0, 1, 3])
    assert [len(pieces[place]) for place in pieces] == [2, 3] and list(pieces) == [0, 1]
    table, _ = table_and_part_counts(pieces[1], None, dense.shape)
    assert sorted(table.length("area")) == pytest.approx([200, 200, 400], abs=30) and table.length("area").sum() == 800
