"""Measuring against an independent implementation, and what must not change a measure."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull
from skimage.measure import label, regionprops

from segmentation.core.measure.outlines.polygons import ObjectOutlines
from segmentation.core.measure.pixels import runs
from segmentation.core.measure.shape.descriptors import DESCRIPTORS
from segmentation.core.measure.shape.shapes import measure
from tests.core.builders import disc_labels, grey_of

SHAPES = ("area", "ecd", "min_feret", "max_feret", "perimeter", "circularity", "aspect_ratio", "solidity")


def measured(labels, nm_per_pixel=None, pixels=None):
    pixels = grey_of(labels) if pixels is None else pixels
    confidence = np.ones(int(labels.max(initial=0)), np.float32)
    return measure(labels, pixels, confidence, nm_per_pixel, labels.shape[0])


def blobs(seed, shape=(90, 110), share=0.35):
    """(H, W) int32 labels of ragged, touching and concave particles, some of them with holes."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=shape)
    for axis in (0, 1):
        noise = sum(np.roll(noise, k, axis) for k in range(-3, 4))
    labels = label(noise > np.quantile(noise, 1 - share), connectivity=1).astype(np.int32)
    split = labels + (labels > 0) * (np.arange(shape[1]) // 40 * (labels.max() + 1)).astype(np.int32)
    return np.unique(split, return_inverse=True)[1].reshape(shape).astype(np.int32)


def points_of(mask):
    """The points of the outline of `mask`, a label image of its own."""
    return ObjectOutlines(mask.astype(np.int32)).along_pixels.points


def widths(mask, angles):
    """The width of the outline of `mask` in every direction, by brute force."""
    across = points_of(mask) @ np.stack([np.cos(angles), np.sin(angles)])
    return across.max(0) - across.min(0)


@pytest.mark.parametrize("seed", range(4))
def test_same_as_regionprops(seed):
    labels = blobs(seed)
    pixels = grey_of(labels, seed)
    table = measured(labels, pixels=pixels)
    for i, region in enumerate(regionprops(labels, pixels)):
        assert table["area_px2"][i] == region.area
        assert table["ecd_px"][i] == pytest.approx(region.equivalent_diameter_area)
        assert (table["centroid_y_px"][i], table["centroid_x_px"][i]) == pytest.approx(region.centroid)
        assert table["mean_grey"][i] == pytest.approx(region.intensity_mean)
        box = tuple(int(table[f"bbox_{side}_px"][i]) for side in ("top", "left", "bottom", "right"))
        assert box == region.bbox


@pytest.mark.parametrize("seed", range(4))
def test_ferets_are_the_extreme_widths_over_all_angles(seed):
    labels = blobs(seed)
    table = measured(labels)
    angles = np.linspace(0, np.pi, 3601)
    for i in range(len(table)):
        diameters = widths(labels == i + 1, angles)
        longest = diameters.max()
        assert table["min_feret_px"][i] == pytest.approx(diameters.min(), rel=1e-3)
        assert table["min_feret_px"][i] <= diameters.min() + 1e-9
        assert table["max_feret_px"][i] == pytest.approx(longest, rel=1e-3)
        assert table["max_feret_px"][i] >= longest - 1e-9


@pytest.mark.parametrize("seed", range(3))
def test_hull_area_is_that_of_scipy(seed):
    labels = blobs(seed)
    table = measured(labels)
    for i in range(len(table)):
        area = np.count_nonzero(labels == i + 1)
        assert table["solidity"][i] == pytest.approx(min(area / ConvexHull(points_of(labels == i + 1)).volume, 1))


def test_one_pixel():
    labels = np.zeros((5, 7), np.int32)
    labels[2, 3] = 1
    table = measured(labels)
    assert 0.7 < table["min_feret_px"][0] <= table["max_feret_px"][0] < 1.2
    assert table["area_px2"][0] == 1
    assert table["solidity"][0] == 1
    assert (table["centroid_x_px"][0], table["centroid_y_px"][0]) == (3, 2)
    assert table["circularity"][0] <= 1


def test_no_particles():
    table = measured(np.zeros((5, 7), np.int32), 2.0)
    assert len(table) == 0
    assert table.unit == "nm"
    assert table.length("min_feret").shape == (0,)


def test_a_label_in_two_pieces_is_one_particle():
    labels = np.zeros((9, 9), np.int32)
    labels[1, 1] = labels[7, 7] = 1
    table = measured(labels)
    assert table["area_px2"][0] == 2
    assert table["max_feret_px"][0] == pytest.approx(6.5 * 2**0.5, abs=0.5)


def test_missing_label_is_refused():
    labels = np.array([[1, 0, 3]], np.int32)
    with pytest.raises(ValueError, match="none missing"):
        measured(labels)


def test_frame_of_the_analysed_area():
    labels = np.zeros((10, 10), np.int32)
    for value, (y, x) in enumerate([(0, 5), (5, 0), (5, 9), (7, 5), (4, 4), (1, 1)], start=1):
        labels[y, x] = value
    table = measure(labels, grey_of(labels), np.ones(6, np.float32), None, rows=8)
    assert table["touches_frame"].tolist() == [True, True, True, True, False, False]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["turn", "flip", "flop", "transpose"]))
def test_turning_and_flipping_changes_no_measure(seed, how):
    labels = blobs(seed, (40, 50))
    ways = {"turn": np.rot90, "flip": np.flipud, "flop": np.fliplr, "transpose": np.transpose}
    before, after = measured(labels), measured(np.ascontiguousarray(ways[how](labels)))
    for name in (*SHAPES, *DESCRIPTORS, "edge_weight", "group"):
        first, second = before.length(name), after.length(name)
        if name == "elongation":  # a shape on the edge of having one may lose it by the last digit of its perimeter
            both = np.isfinite(first) & np.isfinite(second)
            first, second = first[both], second[both]
        np.testing.assert_allclose(second, first, rtol=1e-5, err_msg=name)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 9), st.integers(0, 9))
def test_moving_changes_no_measure_but_the_position(seed, down, right):
    labels = blobs(seed, (40, 50))
    before = measured(np.pad(labels, ((0, 9), (0, 9))))
    after = measured(np.pad(labels, ((down, 9 - down), (right, 9 - right))))
    for name in SHAPES:
        np.testing.assert_allclose(after.length(name), before.length(name), rtol=1e-12, err_msg=name)
    np.testing.assert_allclose(after["centroid_x_px"], before["centroid_x_px"] + right)
    np.testing.assert_allclose(after["bbox_bottom_px"], before["bbox_bottom_px"] + down)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_order_of_labels_changes_no_measure(seed):
    labels = blobs(seed, (40, 50))
    n = int(labels.max())
    other = np.r_[0, 1 + np.random.default_rng(seed).permutation(n)].astype(np.int32)
    before, after = measured(labels), measured(other[labels])
    for name in (*SHAPES, "mean_grey", "touches_frame"):
        np.testing.assert_allclose(after.length(name)[other[1:] - 1], before.length(name), err_msg=name)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 1e4))
def test_calibration_scales_lengths_and_areas_and_nothing_else(seed, k):
    labels = blobs(seed, (40, 50))
    before, after = measured(labels, 3.0), measured(labels, 3.0 * k)
    for name in ("min_feret", "max_feret", "ecd", "perimeter"):
        np.testing.assert_allclose(after.length(name), before.length(name) * k, rtol=1e-12)
    np.testing.assert_allclose(after.length("area"), before.length("area") * k * k, rtol=1e-12)
    for name in ("circularity", "aspect_ratio", "solidity", "centroid_x_px", "mean_grey"):
        np.testing.assert_array_equal(after[name], before[name])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_ratios_stay_within_their_bounds(seed):
    table = measured(blobs(seed, (40, 50)))
    for name in DESCRIPTORS:  # there is not for each outline a rectangle of its area and perimeter
        values = table[name][~np.isnan(table[name])] if name == "elongation" else table[name]
        assert (values > 0).all() and (values <= 1 + 1e-12).all(), name


def test_blocks_give_what_one_piece_gives(monkeypatch):
    labels = blobs(7)
    whole = measured(labels)
    monkeypatch.setattr(runs, "BLOCK_PIXELS", 110 * 3)
    pieces = measured(labels)
    for name in whole.columns:
        if whole[name].dtype.kind == "f":
            np.testing.assert_allclose(pieces[name], whole[name], rtol=1e-12, err_msg=name)
        else:
            np.testing.assert_array_equal(pieces[name], whole[name], err_msg=name)


def test_rescaling_is_measuring_again():
    labels = disc_labels(9, (80, 90))
    nm, px = measured(labels, 7.25), measured(labels)
    assert list(nm.columns)[3:7] == ["min_feret_nm", "max_feret_nm", "ecd_nm", "area_nm2"]
    assert list(px.columns)[3:7] == ["min_feret_px", "max_feret_px", "ecd_px", "area_px2"]
    assert len(nm.columns) == 20 + len(DESCRIPTORS)
    for other, goal in ((px.rescaled(7.25), nm), (nm.rescaled(None), px), (nm.rescaled(1.5), measured(labels, 1.5))):
        assert other.unit == goal.unit
        for name in goal.columns:
            if goal[name].dtype.kind == "f":
                np.testing.assert_allclose(other[name], goal[name], rtol=1e-12)
            else:
                np.testing.assert_array_equal(other[name], goal[name])
