"""The one rule of the histogram's bins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation.core.measure.bins import FEWEST, MOST, auto_edges, histogram, ratio_edges, typed_edges

SIZES = st.lists(st.floats(0.1, 1e5), min_size=1, max_size=200).map(np.array)


@given(SIZES, st.sampled_from([0.0, 0.5, 7.34375]))
def test_automatic_bins_hold_every_size(sizes, grain):
    edges = auto_edges(sizes, grain)
    assert histogram(sizes, np.ones(len(sizes)), edges).counts.sum() == len(sizes)
    assert (np.diff(edges) > 0).all()
    assert FEWEST <= len(edges) - 1 <= MOST + 1


def test_bins_are_whole_pixels_wide():
    sizes = np.random.default_rng(0).normal(200, 50, 500).round() * 7.3
    width = np.diff(auto_edges(sizes, 7.3))
    assert width == pytest.approx(width[0])
    assert width[0] / 7.3 == pytest.approx(round(width[0] / 7.3))


def test_typed_width_gives_whole_multiples():
    assert typed_edges(np.array([12.0, 31.0]), 10).tolist() == [10, 20, 30, 40]
    assert typed_edges(np.array([1.0, 1e6]), 1) is None
    assert typed_edges(np.array([1.0]), 0) is None
    assert typed_edges(np.array([1.0]), float("nan")) is None


def test_ratio_bins_divide_decades():
    edges = ratio_edges(np.array([3.0, 50.0]), 2)
    assert edges == pytest.approx(10.0 ** np.array([0, 0.5, 1, 1.5, 2]))
    assert ratio_edges(np.array([1.0]), -1) is None


@given(SIZES)
def test_ratio_bins_hold_every_size(sizes):
    edges = ratio_edges(sizes, 10)
    assert edges[0] <= sizes.min() * (1 + 1e-9) and sizes.max() <= edges[-1] * (1 + 1e-9)


def test_shares_are_of_all_weights():
    found = histogram(np.array([1.0, 2.0, 9.0]), np.array([1.0, 1.0, 2.0]), np.array([0.0, 1.5, 3.0]))
    assert found.counts.tolist() == [1, 1]
    assert found.shares.tolist() == [0.25, 0.25]
    assert found.cumulative.tolist() == [0.25, 0.5]
