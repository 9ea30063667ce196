"""A gap between crystals is told from a dark crystal, and from one that lies free or at the frame."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from segmentation.core.labels.particles.enclosed_gaps import are_enclosed_gaps

SHAPE = 120, 140
CORNERS = [(30, 40), (30, 100), (90, 40), (90, 100)]


def crystals(*, gap_grey: float, missing: int = 0, apart: int = 0, shift: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Grey (H, W) and labels of four crystals around what is outlined as a fifth. apart: px of bare ground between."""
    labels = np.zeros(SHAPE, np.int32)
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    nearest = np.argmin([np.hypot(rows - row, columns - column) for row, column in CORNERS], axis=0) + 1
    away = np.hypot((rows - 60) / 12, (columns - 70) / 14)
    labels[15:105, 15:125] = nearest[15:105, 15:125]
    labels[labels > 4 - missing] = 0
    labels[away < 1 + apart / 12] = 0
    labels[away < 1] = 5
    if shift:
        labels = np.roll(labels, -shift, axis=0)
    levels = np.array([30.0, 170, 180, 165, 175, gap_grey])
    grey = ndimage.gaussian_filter(levels[labels], 1.0) + np.random.default_rng(0).normal(0, 4, SHAPE)
    numbers = np.unique(labels[labels > 0])
    dense = np.append(0, np.searchsorted(numbers, np.arange(1, 6)) + 1)
    return np.clip(grey, 0, 255).astype(np.uint8), dense[labels].astype(np.int32)


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("apart", [0, 1])
def test_a_dark_outline_ringed_by_others_is_a_gap(times, apart):
    grey, labels = (np.repeat(np.repeat(part, times, 0), times, 1) for part in crystals(gap_grey=90, apart=apart))
    expected = [False] * 4 + [True]
    assert are_enclosed_gaps(grey, labels).tolist() == expected
    assert are_enclosed_gaps(np.rot90(grey), np.rot90(labels)).tolist() == expected


@pytest.mark.parametrize(
    "how", [{"gap_grey": 160}, {"gap_grey": 230}, {"gap_grey": 90, "missing": 2}, {"gap_grey": 90, "apart": 8}]
)
def test_a_crystal_as_bright_as_one_of_them_or_not_ringed_is_none(how):
    assert not are_enclosed_gaps(*crystals(**how)).any()


def test_at_the_frame_nothing_is_known():
    assert not are_enclosed_gaps(*crystals(gap_grey=90, shift=49)).any()
    assert not len(are_enclosed_gaps(np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.int32)))
