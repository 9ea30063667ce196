"""Area fractions, boundaries and intercepts: drawn cases with known answers, and intervals that hold."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from segmentation.core.measure.kinds.areas import (
    ClassRegions,
    Counts,
    boundary_density,
    count,
    fractions,
    mean_intercept,
    values_with_intervals,
)


def discs(side: int, radius: float, step: int) -> np.ndarray:
    """Classes 0 and 1 (side, side): discs on a grid."""
    rows, columns = np.indices((side, side)) % step - step / 2 + 0.5
    return (np.hypot(rows, columns) < radius).astype(np.int32)


def test_discs_have_the_fraction_boundary_and_intercept_of_discs():
    counts = count(discs(400, 12, 40), 2)
    share, rim = np.pi * 144 / 1600, 2 * np.pi * 12 / 1600
    assert fractions(counts)[1] == pytest.approx(share, rel=0.01)
    np.testing.assert_allclose(boundary_density(counts), rim, rtol=0.02)
    # Tomkeieff: a disc's mean chord is pi / 2 radii.
    assert mean_intercept(counts)[1] == pytest.approx(np.pi / 2 * 12, rel=0.02)


def test_blocks_together_count_what_the_image_has():
    classes = np.random.default_rng(0).integers(0, 3, (37, 53)).astype(np.int32)
    classes[:5, :7] = -1
    counts = count(classes, 3)
    assert counts.pixels.sum() == (classes >= 0).sum()
    across = (classes[:, 1:] >= 0) & (classes[:, :-1] >= 0)
    assert counts.length[:, 0].sum() == across.sum()
    passed = across & (classes[:, 1:] != classes[:, :-1])
    assert counts.crossings[:, 0].sum() == 2 * passed.sum()
    falling = (classes[1:, :-1] >= 0) & (classes[:-1, 1:] >= 0)
    assert counts.length[:, 3].sum() == pytest.approx(np.sqrt(2) * falling.sum())


def test_equal_blocks_have_no_spread_and_unequal_ones_have_that_of_their_fractions():
    even = values_with_intervals(fractions, count(np.tile([[0, 1], [1, 0]], (32, 32)).astype(np.int32), 2), 1.0)
    assert (even[0].value, even[0].low, even[0].high) == (0.5, None, None)
    shares = np.array([0.1, 0.2, 0.3, 0.6])
    counts = Counts(np.stack([1 - shares, shares], 1) * 100, np.zeros((4, 4, 2)), np.ones((4, 4)))
    fraction = values_with_intervals(fractions, counts, 1.0)[1]
    error = 3.182446 * shares.std(ddof=1) / 2  # ASTM E562: t s / sqrt(n)
    assert fraction.value == pytest.approx(0.3) and fraction.high == pytest.approx(0.3 + error) and fraction.low == 0.0


def test_intervals_hold_the_truth_of_random_microstructures():
    """Nineteen in twenty are asked for; structures much smaller than a block come near it."""
    rng, held = np.random.default_rng(3), 0
    for _ in range(60):
        field = ndimage.gaussian_filter(rng.normal(size=(176, 176)), 5, mode="wrap")[8:-8, 8:-8]
        limit = 0.5244 * 1 / np.sqrt(4 * np.pi * 25)  # of a normal field of this spread 30 % lie above
        (_, fraction) = values_with_intervals(fractions, count((field > limit).astype(np.int32), 2), 1.0)
        held += fraction.low <= 0.3 <= fraction.high
    assert held >= 51


def test_an_image_too_small_for_blocks_has_no_interval():
    for shape in ((1, 1), (1, 7), (7, 1), (6, 6)):
        (fraction, _) = values_with_intervals(fractions, count(np.zeros(shape, np.int32), 2), 1.0)
        assert (fraction.value, fraction.low, fraction.high) == (1.0, None, None)


def test_pieces_share_sides_and_those_at_the_frame_have_no_size():
    inside = np.zeros((20, 20), bool)
    inside[2:6, 2:6] = inside[6:8, 6:8] = inside[10:20, 0:3] = inside[15, 15] = True
    pieces = ClassRegions.of(inside)
    assert pieces.number == 3
    np.testing.assert_allclose(np.sort(pieces.diameters), np.sqrt(4 * np.array([4, 16]) / np.pi))
    assert np.isnan(ClassRegions.of(np.zeros((4, 4), bool)).quantile(0.5))
