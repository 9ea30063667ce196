"""Regions whose objects do not count."""

from __future__ import annotations

import numpy as np
import pytest

from segmentation.core.measure.objects.filters import Reason, judge
from segmentation.core.measure.objects.regions import are_inside, largest_part, mask_of
from segmentation.core.measure.shape.shapes import measure


def test_two_corners_are_a_rectangle_and_more_a_polygon():
    assert np.argwhere(mask_of([((2, 1), (4, 3))], (5, 6))).tolist() == [[1, 2], [1, 3], [2, 2], [2, 3]]
    triangle = mask_of([((0, 0), (8, 0), (0, 8))], (8, 8))
    assert triangle.sum() == pytest.approx(32, abs=5) and triangle[0, 0] and not triangle[7, 7]
    with pytest.raises(ValueError, match="two corners"):
        mask_of([((1, 1),)], (5, 5))


def test_what_lies_in_a_region_does_not_count():
    labels = np.zeros((60, 90), np.int32)
    for number, left in enumerate((10, 40, 65), 1):
        labels[20:40, left : left + 18] = number
    table = measure(labels, labels.astype(np.uint8), np.ones(3, np.float32), None, 60)
    inside = are_inside(labels, mask_of([((36, 0), (70, 60))], (60, 90)), 3)
    assert judge(table, True, {Reason.IGNORED: inside}).reasons.tolist() == ["", Reason.IGNORED, ""]
    confirmed = table.with_measures(by_hand=np.array([False, True, False]))
    drawn = judge(confirmed, True, {Reason.IGNORED: inside})
    assert not drawn.kept.all(), "a person drew the region, whose area does not count either"
    assert judge(confirmed, True, {Reason.MARKED: inside}).kept.all()
    both = judge(table, True, {Reason.MARKED: inside, Reason.IGNORED: inside})
    assert both.reasons[1] == Reason.IGNORED, "the order of the list decides, not that of the signals"


def test_the_largest_part_without_a_region_is_a_rectangle_that_none_touches():
    assert largest_part(mask_of([((60, 0), (100, 80))], (80, 100))) == (0, 0, 80, 60)
    assert largest_part(mask_of([((30, 30), (40, 40))], (80, 100))) == (0, 40, 80, 100)
    assert largest_part(np.ones((5, 5), bool)) is None
    large = mask_of([((0, 0), (700, 3000)), ((0, 2900), (2000, 3000))], (3000, 2000))
    top, left, bottom, right = largest_part(large)
    assert not large[top:bottom, left:right].any() and (bottom - top) * (right - left) > 0.98 * (~large).sum()
