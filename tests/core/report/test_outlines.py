"""Traced outlines enclose the pixels that they outline; polygons, against shapely and against the pixels themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_mask
from skimage.draw import polygon2mask

from segmentation.core.measure.outlines.borders import find_pixel_borders
from segmentation.core.report.exports.coco import _run_lengths
from segmentation.core.report.outlines import (
    polygons,
    signed_area,
    smooth_outlines,
    smooth_rings,
    thin_outline,
)
from tests.core.builders import disc_labels

shapely = pytest.importorskip("shapely")
MASKS = arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9)))


def trace(labels, n):
    return smooth_outlines(find_pixel_borders(labels), n)


def enclosed(outline, shape):
    """The pixels whose centres lie inside an outline in pixel-corner coordinates."""
    return polygon2mask(shape, outline[:, ::-1] - 0.5)


def area(outline):
    x, y = outline.T
    return (x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2


@pytest.mark.parametrize(
    ("parts", "box", "pixels", "corners"),
    [
        pytest.param({(1, 4, 2, 7): 1}, [2, 1, 7, 4], 15, 8, id="a rectangle"),
        pytest.param({(1, 8, 1, 8): 1, (3, 6, 3, 6): 0}, [1, 1, 8, 8], 49, 8, id="holes are not traced"),
        pytest.param({(1, 2, 1, 2): 1, (2, 3, 2, 3): 1}, [1, 1, 3, 3], 2, 4, id="two that meet at a corner are one"),
        pytest.param({(1, 2, 1, 2): 1, (4, 7, 4, 7): 1}, [4, 4, 7, 7], 9, 8, id="of two pieces the larger"),
    ],
)
def test_rectangles(parts, box, pixels, corners):
    """Half a pixel is cut off at the corners."""
    labels = np.zeros((9, 9), np.int32)
    for (top, bottom, left, right), number in parts.items():
        labels[top:bottom, left:right] = number
    (outline,) = trace(labels, 1)
    assert [*outline.min(0), *outline.max(0)] == box
    assert len(outline) == corners and area(outline) == pixels - 4 / 8
    np.testing.assert_array_equal(thin_outline(outline, 5.0), outline)  # short ones are left alone


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


def test_no_particles():
    assert trace(np.zeros((3, 4), np.int32), 0) == []


def test_thinned_outlines_stay_true():
    labels = disc_labels(12, (300, 400))
    for outline in trace(labels, 12):
        fewer = thin_outline(outline, 0.6)
        assert 8 <= len(fewer) < 0.8 * len(outline)
        assert area(fewer) == pytest.approx(area(outline), rel=0.03)


def test_all_pieces_and_holes_of_a_class_have_rings():
    labels = np.ones((30, 40), np.int32)
    labels[4:14, 4:14] = 2  # a large piece with a hole
    labels[8:10, 8:10] = 1
    for column in range(20, 36, 4):  # and four small ones
        labels[20:22, column : column + 2] = 2
    matrix, pieces = smooth_rings(find_pixel_borders(labels), 2)
    assert len(matrix) == 1 + 1 + 5, "its outline, the piece in the hole, and the holes that the others make"
    assert [round(abs(area(ring))) for ring in pieces] == [100, 4, 4, 4, 4, 4]
    for label, rings in enumerate((matrix, pieces), 1):
        assert sum(area(ring) for ring in rings) == pytest.approx((labels == label).sum(), abs=0.5 * len(rings))


def drawn(shape):
    return [shapely.Polygon(polygon.outer, polygon.holes) for polygon in shape]


@settings(max_examples=150, deadline=None)
@given(MASKS)
def test_polygons_are_valid_and_cover_exactly_the_pixels(mask):
    shape = polygons(mask.astype(np.int32), 1)[0]
    outlines = drawn(shape)
    assert all(outline.is_valid for outline in outlines)
    assert sum(outline.area for outline in outlines) == mask.sum()
    whole = shapely.MultiPolygon(outlines)
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]] + 0.5
    np.testing.assert_array_equal(shapely.contains_xy(whole, x, y), mask)


@settings(max_examples=150, deadline=None)
@given(MASKS)
def test_outer_rings_run_one_way_and_holes_the_other(mask):
    for polygon in polygons(mask.astype(np.int32), 1)[0]:
        assert signed_area(polygon.outer) > 0
        assert all(signed_area(hole) < 0 for hole in polygon.holes)


@settings(max_examples=150, deadline=None)
@given(MASKS.filter(lambda mask: mask.any()))
def test_run_lengths_are_those_of_coco(mask):
    runs = _run_lengths(polygons(mask.astype(np.int32), 1)[0], mask.shape)
    decoded = coco_mask.decode(coco_mask.frPyObjects(runs, *mask.shape))
    np.testing.assert_array_equal(decoded.astype(bool), mask)


@settings(max_examples=60, deadline=None)
@given(arrays(np.int32, st.tuples(st.integers(1, 8), st.integers(1, 8)), elements=st.integers(0, 3)))
def test_known_cracks_give_the_same_polygons(labels):
    anew, from_borders = polygons(labels, 3), polygons(labels, 3, find_pixel_borders(labels))
    for pieces, other in zip(anew, from_borders, strict=True):
        assert [piece.outer.tolist() for piece in pieces] == [piece.outer.tolist() for piece in other]


def test_an_island_in_a_hole_is_a_piece_of_its_own():
    mask = np.ones((9, 9), np.int32)
    mask[2:7, 2:7] = 0
    mask[4, 4] = 1
    shape = polygons(mask, 1)[0]
    assert [len(polygon.holes) for polygon in shape] == [1, 0]
    assert [abs(signed_area(polygon.outer)) for polygon in shape] == [81, 1]
