"""Hulls, convex outlines and shape descriptors against geometry by another hand, and the groups that touch."""

from __future__ import annotations

from math import pi, sqrt

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.measure import regionprops

from segmentation.core.measure.pixels.hulls import convex_hulls, find_hulls, hull_areas, hull_perimeters
from segmentation.core.measure.pixels.runs import find_runs
from segmentation.core.measure.shape.shapes import measure, touching_groups
from segmentation.core.measure.table import Table
from tests.core.measure.test_shapes import blobs, measured


def corner_hull(mask):
    y, x = np.nonzero(mask)
    corners = np.concatenate([np.c_[x + i, y + j] for i in (0, 1) for j in (0, 1)])
    return shapely.MultiPoint(corners).convex_hull


@pytest.mark.parametrize("seed", range(3))
def test_hulls_are_those_of_shapely(seed):
    labels = blobs(seed)
    hulls = find_hulls(find_runs(labels))
    for i, (area, length) in enumerate(zip(hull_areas(hulls), hull_perimeters(hulls), strict=True)):
        expected = corner_hull(labels == i + 1)
        assert (area, length) == pytest.approx((expected.area, expected.length))


@pytest.mark.parametrize("seed", range(3))
def test_hulls_of_points_are_those_of_shapely(seed):
    rng = np.random.default_rng(seed)
    owner = rng.permutation(np.repeat(np.arange(40), rng.integers(3, 60, 40)))
    points = 10 * rng.normal(size=(len(owner), 2))
    hulls = convex_hulls(points, owner)
    for i, (area, length) in enumerate(zip(hull_areas(hulls), hull_perimeters(hulls), strict=True)):
        expected = shapely.MultiPoint(points[owner == i]).convex_hull
        assert (area, length) == pytest.approx((expected.area, expected.length))


@pytest.mark.parametrize(("height", "width"), [(6, 6), (4, 9), (40, 40)])
def test_upright_rectangles_are_as_wide_and_as_large_as_they_are(height, width):
    labels = np.zeros((height + 2, width + 2), np.int32)
    labels[1:-1, 1:-1] = 1
    table = measured(labels)
    assert table["min_feret_px"][0] == pytest.approx(min(height, width), abs=0.2)
    assert table["area_px2"][0] == height * width
    assert table["perimeter_px"][0] == pytest.approx(2 * (height + width), abs=2.5), "its corners are rounded"


@pytest.mark.parametrize("seed", range(4))
def test_ellipse_ratio_is_that_of_skimage(seed):
    labels = blobs(seed)
    table = measured(labels)
    for i, region in enumerate(regionprops(labels)):
        # skimage's pixels are points, ours unit squares, whose own moment is 1 / 12; the outline has no corners.
        largest, smallest = (value + 1 / 12 for value in region.inertia_tensor_eigvals)
        assert table["ellipse_ratio"][i] == pytest.approx(sqrt(smallest / largest), abs=0.03 + 0.6 / region.area**0.5)


@pytest.mark.parametrize("seed", range(4))
def test_descriptors_follow_their_formulas(seed):
    table = measured(blobs(seed))
    area, short, long = table["area_px2"], table["min_feret_px"], table["max_feret_px"]
    np.testing.assert_allclose(table["compactness"], np.minimum(np.sqrt(4 * area / pi) / long, 1))
    np.testing.assert_allclose(table["extent"], np.minimum(area / (short * long), 1))
    np.testing.assert_allclose(table["circularity"], np.minimum(4 * pi * area / table["perimeter_px"] ** 2, 1))


def test_elongation_of_a_bar_is_its_width_by_its_length():
    labels = np.zeros((14, 104), np.int32)
    labels[2:12, 2:102] = 1
    assert measured(labels)["elongation"][0] == pytest.approx(0.1, abs=0.003)
    labels = np.zeros((60, 60), np.int32)
    y, x = np.mgrid[:60, :60]
    labels[np.hypot(y - 30, x - 30) < 20] = 1
    assert np.isnan(measured(labels)["elongation"][0]), "no rectangle is so compact"


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_diameters_are_in_order(seed):
    """No shape is narrower than its minimum Feret, nor has a circle of its area a larger one than its maximum; and the
    circle of the hull's area is not narrower than the hull."""
    labels = blobs(seed, (40, 50))
    table = measured(labels)
    table = table.judged(np.where(table["area_px2"] >= 9, "", "a slip"))
    table = Table({name: values[table.kept] for name, values in table.columns.items()})
    hull = 2 * np.sqrt(table["area_px2"] / table["solidity"] / pi)
    assert (table["min_feret_px"] <= table["max_feret_px"] + 1e-9).all()
    assert (table["ecd_px"] <= table["max_feret_px"] + 0.1).all()
    assert (table["min_feret_px"] <= hull * sqrt(pi * sqrt(3) / 4) + 1e-9).all()
    assert (table["perimeter_px"] >= pi * table["ecd_px"] - 1e-9).all()


@pytest.mark.parametrize("seed", range(5))
def test_groups_are_the_components_of_everything_that_is_particle(seed):
    labels = blobs(seed)
    groups = touching_groups(labels)
    components, count = ndimage.label(labels > 0)
    # A particle in two pieces ties its components together, so every component lies within one group.
    for component in range(1, count + 1):
        members = np.unique(labels[components == component])
        assert len(set(groups[members - 1].tolist())) == 1
    assert groups.max() <= count and groups[0] == 1


def test_groups_of_a_chain_and_of_a_diagonal():
    labels = np.array([[1, 2, 0, 4], [0, 3, 0, 4], [5, 0, 6, 0]], np.int32)
    assert touching_groups(labels).tolist() == [1, 1, 1, 2, 3, 4]


def test_a_long_chain_is_one_group():
    rng = np.random.default_rng(0)
    labels = np.repeat(rng.permutation(500) + 1, 2)[None].astype(np.int32)
    assert set(touching_groups(labels).tolist()) == {1}


@pytest.mark.parametrize("rows", [100, 50])
def test_edge_weight_is_miles_and_lantuejouls_of_the_analysed_rows(rows):
    labels = np.zeros((100, 200), np.int32)
    labels[10:30, 50:90], labels[0:5, 5:9], labels[40:42, 100:110] = 1, 2, 3
    weights = measure(labels, np.zeros(labels.shape, np.uint8), np.ones(3, np.float32), None, rows)["edge_weight"]
    assert weights[[0, 2]] == pytest.approx([rows * 200 / ((rows - 21) * 159), rows * 200 / ((rows - 3) * 189)])
    assert np.isnan(weights[1])


def test_edge_weight_is_the_inverse_of_the_share_of_places_that_touch_no_edge():
    """Every place of a 3 x 2 px box whose corner lies in a frame of 8 x 9 px is tried."""
    free = sum(top > 0 and top + 3 < 8 and left > 0 and left + 2 < 9 for top in range(8) for left in range(9))
    labels = np.zeros((8, 9), np.int32)
    labels[2:5, 4:6] = 1
    assert measured(labels)["edge_weight"][0] == pytest.approx(8 * 9 / free)
