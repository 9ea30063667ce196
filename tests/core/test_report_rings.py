"""Particles as polygons, against shapely and against the pixels themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_mask

from segmentation.core.report import rings
from segmentation.core.report.cracks import find_cracks
from segmentation.core.report.exports.coco import _run_lengths

shapely = pytest.importorskip("shapely")
MASKS = arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9)))


def drawn(shape):
    return [shapely.Polygon(polygon.outer, polygon.holes) for polygon in shape]


@settings(max_examples=150, deadline=None)
@given(MASKS)
def test_polygons_are_valid_and_cover_exactly_the_pixels(mask):
    shape = rings.polygons(mask.astype(np.int32), 1)[0]
    found = drawn(shape)
    assert all(each.is_valid for each in found)
    assert sum(each.area for each in found) == mask.sum()
    whole = shapely.MultiPolygon(found)
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]] + 0.5
    np.testing.assert_array_equal(shapely.contains_xy(whole, x, y), mask)


@settings(max_examples=150, deadline=None)
@given(MASKS)
def test_outer_rings_run_one_way_and_holes_the_other(mask):
    for polygon in rings.polygons(mask.astype(np.int32), 1)[0]:
        assert rings.area(polygon.outer) > 0
        assert all(rings.area(hole) < 0 for hole in polygon.holes)


@settings(max_examples=150, deadline=None)
@given(MASKS.filter(lambda mask: mask.any()))
def test_run_lengths_are_those_of_coco(mask):
    runs = _run_lengths(rings.polygons(mask.astype(np.int32), 1)[0], mask.shape)
    decoded = coco_mask.decode(coco_mask.frPyObjects(runs, *mask.shape))
    np.testing.assert_array_equal(decoded.astype(bool), mask)


@settings(max_examples=60, deadline=None)
@given(arrays(np.int32, st.tuples(st.integers(1, 8), st.integers(1, 8)), elements=st.integers(0, 3)))
def test_known_cracks_give_the_same_polygons(labels):
    anew, known = rings.polygons(labels, 3), rings.polygons(labels, 3, find_cracks(labels))
    for one, other in zip(anew, known, strict=True):
        assert [each.outer.tolist() for each in one] == [each.outer.tolist() for each in other]


def test_an_island_in_a_hole_is_a_piece_of_its_own():
    mask = np.ones((9, 9), np.int32)
    mask[2:7, 2:7] = 0
    mask[4, 4] = 1
    shape = rings.polygons(mask, 1)[0]
    assert [len(polygon.holes) for polygon in shape] == [1, 0]
    assert [abs(rings.area(polygon.outer)) for polygon in shape] == [81, 1]
