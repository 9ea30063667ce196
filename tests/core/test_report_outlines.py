"""Traced outlines enclose the pixels that they outline."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.draw import polygon2mask

from segmentation.core.report.cracks import find_cracks
from segmentation.core.report.outlines import smooth_rings, thinned, trace

from .builders import disc_labels


def enclosed(outline, shape):
    """The pixels whose centres lie inside an outline in pixel-corner coordinates."""
    return polygon2mask(shape, outline[:, ::-1] - 0.5)


def area(outline):
    x, y = outline.T
    return (x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2


def test_a_rectangle():
    labels = np.zeros((6, 8), np.int32)
    labels[1:4, 2:7] = 1
    (outline,) = trace(labels, 1)
    assert len(outline) == 8
    assert outline.min(0).tolist() == [2, 1] and outline.max(0).tolist() == [7, 4]
    assert area(outline) == 15 - 4 / 8


def test_every_disc_is_enclosed_by_its_own_outline():
    labels = disc_labels(30, (150, 200))
    for i, outline in enumerate(trace(labels, 30)):
        np.testing.assert_array_equal(enclosed(outline, labels.shape), labels == i + 1)


@pytest.mark.parametrize("seed", range(5))
def test_touching_particles_and_the_frame(seed):
    rng = np.random.default_rng(seed)
    seeds = rng.uniform(0, 60, (12, 2))
    y, x = np.mgrid[:60, :60]
    labels = 1 + np.argmin((y[..., None] - seeds[:, 0]) ** 2 + (x[..., None] - seeds[:, 1]) ** 2, axis=-1)
    outlines = trace(labels.astype(np.int32), 12)
    for i, outline in enumerate(outlines):
        assert area(outline) == pytest.approx((labels == i + 1).sum(), rel=0.05)
        assert outline.min() >= 0 and outline.max() <= 60


def test_holes_are_not_traced():
    labels = np.zeros((9, 9), np.int32)
    labels[1:8, 1:8] = 1
    labels[3:6, 3:6] = 0
    (outline,) = trace(labels, 1)
    assert area(outline) == 49 - 0.5


def test_pixels_that_meet_at_a_corner_have_one_outline():
    labels = np.zeros((4, 4), np.int32)
    labels[1, 1] = labels[2, 2] = 1
    (outline,) = trace(labels, 1)
    assert outline.min(0).tolist() == [1, 1] and outline.max(0).tolist() == [3, 3]


def test_of_two_pieces_the_larger_is_traced():
    labels = np.zeros((9, 9), np.int32)
    labels[1, 1] = 1
    labels[4:7, 4:7] = 1
    (outline,) = trace(labels, 1)
    assert outline.min() == 4


def test_no_particles():
    assert trace(np.zeros((3, 4), np.int32), 0) == []


def test_thinned_outlines_stay_true():
    labels = disc_labels(12, (300, 400))
    for outline in trace(labels, 12):
        fewer = thinned(outline, 0.6)
        assert 8 <= len(fewer) < 0.8 * len(outline)
        assert area(fewer) == pytest.approx(area(outline), rel=0.03)


def test_short_outlines_are_left_alone():
    labels = np.zeros((6, 8), np.int32)
    labels[1:4, 2:7] = 1
    (outline,) = trace(labels, 1)
    np.testing.assert_array_equal(thinned(outline, 5.0), outline)


def test_all_pieces_and_holes_of_a_class_have_rings():
    labels = np.ones((30, 40), np.int32)
    labels[4:14, 4:14] = 2  # a large piece with a hole
    labels[8:10, 8:10] = 1
    for place in range(20, 36, 4):  # and four small ones
        labels[20:22, place : place + 2] = 2
    matrix, pieces = smooth_rings(find_cracks(labels), 2)
    assert len(matrix) == 1 + 1 + 5, "its outline, the piece in the hole, and the holes that the others make"
    assert [round(abs(area(ring))) for ring in pieces] == [100, 4, 4, 4, 4, 4]
    for label, rings in enumerate((matrix, pieces), 1):
        assert sum(area(ring) for ring in rings) == pytest.approx((labels == label).sum(), abs=0.5 * len(rings))
