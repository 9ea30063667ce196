"""Hulls, convex outlines and shape descriptors against geometry by another hand, and the groups that touch."""

from __future__ import annotations

from math import cos, hypot, pi, sin, sqrt

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial import ConvexHull
from skimage.measure import regionprops

from segmentation.core.measure.convex_outline import convex_outlines
from segmentation.core.measure.hulls import feret_diameters, find_hulls, hull_areas, hull_perimeters
from segmentation.core.measure.runs import find_runs
from segmentation.core.measure.shapes import measure, touching_groups
from tests.core.measure.test_shapes import blobs, measured


def corner_hull(mask):
    y, x = np.nonzero(mask)
    corners = np.concatenate([np.c_[x + i, y + j] for i in (0, 1) for j in (0, 1)])
    return shapely.MultiPoint(corners).convex_hull


def moved_out(mask):
    """The perimeter of the convex outline, edge by edge with shapely; None for a line of pixels."""
    y, x = np.nonzero(mask)
    points = np.c_[x, y]
    if len(points) < 3 or np.linalg.matrix_rank(points - points[0]) < 2:
        return None
    hull = points[ConvexHull(points).vertices]
    piece = shapely.box(x.min() - 9, y.min() - 9, x.max() + 9, y.max() + 9)
    for a, b in zip(hull, np.roll(hull, -1, 0), strict=True):
        along = (b - a) / np.linalg.norm(b - a)
        out = np.array([along[1], -along[0]])
        apart = np.gcd(*abs(b - a)) / np.linalg.norm(b - a)
        at = a + out * apart / 2
        corners = [at - 999 * along, at + 999 * along, at + 999 * along - 999 * out, at - 999 * along - 999 * out]
        piece = piece.intersection(shapely.Polygon(corners))
    return piece.length


@pytest.mark.parametrize("seed", range(3))
def test_hulls_are_those_of_shapely(seed):
    labels = blobs(seed)
    hulls = find_hulls(find_runs(labels))
    for i, (area, length) in enumerate(zip(hull_areas(hulls), hull_perimeters(hulls), strict=True)):
        expected = corner_hull(labels == i + 1)
        assert (area, length) == pytest.approx((expected.area, expected.length))


@pytest.mark.parametrize("seed", range(3))
def test_convex_outline_is_what_lies_inside_all_moved_edges(seed):
    labels = blobs(seed)
    perimeters = hull_perimeters(convex_outlines(find_hulls(find_runs(labels))))
    for i, length in enumerate(perimeters):
        expected = moved_out(labels == i + 1)
        assert expected is None or length == pytest.approx(expected), i


@pytest.mark.parametrize("size", [20, 30, 50])
def test_convex_outlines_of_oblique_squares_and_ellipses_are_not_too_wide(size):
    """The corner hull is 4 to 6 % too wide at 20 px (tests/tools/accuracy/shapes.py)."""
    rng = np.random.default_rng(size)
    for inside in (lambda u, v: max(abs(u), abs(v)) <= size / 2, lambda u, v: hypot(u, v / 2) <= size / 2):
        error = []
        for angle in rng.uniform(0, pi, 24):
            y, x = np.mgrid[: 3 * size, : 3 * size] - 1.5 * size + rng.uniform(-0.5, 0.5, 2)[:, None, None]
            u, v = x * cos(angle) + y * sin(angle), y * cos(angle) - x * sin(angle)
            labels = np.vectorize(inside)(u, v).astype(np.int32)
            error.append(feret_diameters(convex_outlines(find_hulls(find_runs(labels))))[0][0] / size - 1)
        assert abs(np.mean(error)) < 0.01


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 7), (5, 1), (4, 9), (40, 40)])
def test_convex_outline_of_upright_rectangles_is_exact(height, width):
    labels = np.zeros((height + 2, width + 2), np.int32)
    labels[1:-1, 1:-1] = 1
    assert hull_perimeters(convex_outlines(find_hulls(find_runs(labels))))[0] == pytest.approx(2 * (height + width))
    if min(height, width) > 1:
        assert measured(labels)["perimeter_px"][0] == pytest.approx(2 * (height + width))


def test_no_particles_have_no_outline():
    assert len(convex_outlines(find_hulls(find_runs(np.zeros((4, 4), np.int32)))).count) == 0


@pytest.mark.parametrize("seed", range(4))
def test_ellipse_ratio_is_that_of_skimage(seed):
    labels = blobs(seed)
    table = measured(labels)
    for i, region in enumerate(regionprops(labels)):
        # skimage's pixels are points, ours unit squares, whose own moment is 1 / 12.
        largest, smallest = (value + 1 / 12 for value in region.inertia_tensor_eigvals)
        assert table["ellipse_ratio"][i] == pytest.approx(sqrt(smallest / largest))


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
    assert measured(labels)["elongation"][0] == pytest.approx(0.1)
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
    hull = 2 * np.sqrt(hull_areas(find_hulls(find_runs(labels))) / pi)
    assert (table["min_feret_px"] <= table["max_feret_px"] + 1e-9).all()
    assert (table["ecd_px"] <= table["max_feret_px"] + 1e-9).all()
    assert (table["min_feret_px"] <= hull * sqrt(pi * sqrt(3) / 4) + 1e-9).all()
    assert (table["perimeter_px"] >= pi * table["ecd_px"] - 1e-9).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 4))
def test_finer_pixels_scale_lengths(seed, k):
    """Each pixel split into k x k: areas and Feret diameters are k times as long in pixels, exactly."""
    labels = blobs(seed, (30, 40))
    before, after = measured(labels), measured(np.kron(labels, np.ones((k, k), np.int32)))
    np.testing.assert_allclose(after["area_px2"], before["area_px2"] * k * k)
    for name in ("ecd", "min_feret", "max_feret"):
        np.testing.assert_allclose(after.length(name), before.length(name) * k, rtol=1e-9, err_msg=name)
    for name in ("solidity", "aspect_ratio", "compactness", "extent"):
        np.testing.assert_allclose(after[name], before[name], rtol=1e-9, err_msg=name)


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
