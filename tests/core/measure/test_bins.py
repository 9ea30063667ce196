"""The one rule of the histogram's bins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from segmentation.core.measure.sizes.bins import (
    FEWEST_BINS,
    MOST_BINS,
    MOST_TYPED_BINS,
    auto_edges,
    histogram,
    log_edges,
    ratio_edges,
    typed_edges,
)

SIZES = st.lists(st.floats(0.1, 1e5), min_size=1, max_size=200).map(np.array)


@example(np.array([2.0, 1.9]), 0.0)
@given(SIZES, st.sampled_from([0.0, 0.5, 7.34375]))
def test_automatic_bins_hold_every_size(sizes, pixel_size):
    edges = auto_edges(sizes, "nm", pixel_size)
    assert histogram(sizes, np.ones(len(sizes)), edges).counts.sum() == len(sizes)
    assert (np.diff(edges) > 0).all()
    assert FEWEST_BINS <= len(edges) - 1 <= MOST_BINS
    assert 100 in edges or not sizes.min() < 100 < sizes.max()


@pytest.mark.parametrize(
    ("unit", "pixel_size", "first", "width"),
    [("px", 1.0, 20, 5), ("nm", 7.3, 150, 50), ("nm", 5.0, 100, 25), ("nm", 0.0, 150, 50), ("nm", 11.0, 200, 50)],
)
def test_edges_are_round_and_bins_hold_about_as_many_pixels_each(unit, pixel_size, first, width):
    sizes = np.random.default_rng(0).normal(100, 20, 500).round() * (pixel_size or 7.3)
    edges = auto_edges(sizes, unit, pixel_size)
    assert (edges[0] % width, edges[0] >= first) == (0, True)
    assert np.diff(edges) == pytest.approx(width)


def test_many_sizes_show_a_comb_that_few_hide():
    sizes = np.random.default_rng(0).normal(60, 12, 2000).round() * 7.3
    assert [np.diff(auto_edges(part, "nm", 7.3))[0] for part in (sizes[:300], sizes)] == pytest.approx([25, 50])


def test_of_sizes_far_beyond_100_nm_the_first_bin_ends_there():
    edges = auto_edges(np.random.default_rng(0).lognormal(7, 1.2, 2000), "nm", 7.0)
    assert edges[:3].tolist() == [0, 100, 1100]


def test_typed_width_gives_whole_multiples():
    assert typed_edges(np.array([12.0, 31.0]), 10).tolist() == [10, 20, 30, 40]
    assert typed_edges(np.array([1.0, 1e6]), 1) is None
    assert typed_edges(np.array([1.0]), 0) is None
    assert typed_edges(np.array([1.0]), float("nan")) is None


def test_ratio_bins_divide_decades():
    edges = ratio_edges(np.array([3.0, 50.0]), 2)
    assert edges == pytest.approx(10.0 ** np.array([0, 0.5, 1, 1.5, 2]))
    assert ratio_edges(np.array([1.0]), -1) is None


@given(SIZES, st.floats(1e-3, 1e6))
def test_chosen_bins_hold_every_size_or_are_too_many(sizes, number):
    for edges in (typed_edges(sizes, number), ratio_edges(sizes, number)):
        if edges is None or not np.isfinite(edges).all():
            continue
        assert len(edges) <= MOST_TYPED_BINS + 1
        assert histogram(sizes, np.ones(len(sizes)), edges).counts.sum() == len(sizes)


@pytest.mark.parametrize("number", [5e-324, 1e-300, 1e300, float("inf")])
@pytest.mark.parametrize("choose", [typed_edges, ratio_edges])
def test_any_number_may_be_typed(choose, number):
    edges = choose(np.array([0.3, 12.5]), number)
    assert edges is None or len(edges) <= MOST_TYPED_BINS + 1


@given(st.lists(st.floats(1e-3, 1e5), min_size=1, max_size=200).map(np.array))
def test_bins_of_the_log_axis_hold_every_size(sizes):
    edges = log_edges(sizes)
    assert histogram(sizes, np.ones(len(sizes)), edges).counts.sum() == len(sizes)
    assert (np.diff(edges) > 0).all()
    assert FEWEST_BINS <= len(edges) - 1 <= MOST_BINS
    assert np.log(edges[2:-1] / edges[1:-2]) == pytest.approx(np.log(edges[2] / edges[1]), rel=1e-3)


def test_shares_are_of_all_weights():
    bars = histogram(np.array([1.0, 2.0, 9.0]), np.array([1.0, 1.0, 2.0]), np.array([0.0, 1.5, 3.0]))
    assert bars.counts.tolist() == [1, 1]
    assert bars.shares.tolist() == [0.25, 0.25]
    assert bars.cumulative.tolist() == [0.25, 0.5]
