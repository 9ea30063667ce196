"""Grains, bubbles and lines in drawn maps with known counts and sizes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from segmentation.core.labels import grains
from segmentation.core.labels.bubbles import discs, find_circles
from segmentation.core.labels.grains import are_convex, at_frame, closed_regions, crossings, find_grains, mean_intercept
from segmentation.core.labels.lines import box_diagonals, find_lines, skeleton_lengths
from tests.core.labels.test_separate import label_discs


def hexagons(side: int = 240, apart: float = 40.0) -> np.ndarray:
    """(side, side) uint8 boundaries, 5 px wide, of hexagonal cells whose centres are `apart` px from each other."""
    rows, columns = np.mgrid[:side, :side].astype(float)
    lines = np.arange(-1, side / (apart * 0.866) + 2)
    seeds = [(r * apart * 0.866, (c + 0.5 * (r % 2)) * apart) for r in lines for c in np.arange(-1, side / apart + 2)]
    nearest = np.argmin([np.hypot(rows - r, columns - c) for r, c in seeds], axis=0)
    edge = ndimage.maximum_filter(nearest, 3) != ndimage.minimum_filter(nearest, 3)
    return np.where(ndimage.distance_transform_edt(~edge) <= 1.5, 255, 0).astype(np.uint8)


def drawn(shape, circles):
    return np.where(label_discs(*circles, shape=shape) > 0, 255, 0).astype(np.uint8)


def bar(angle, length, width, side, shift):
    rows, columns = np.mgrid[:side, :side] - side / 2 - np.reshape(shift, (2, 1, 1))
    turn = np.deg2rad(angle)
    along, across = columns * np.cos(turn) + rows * np.sin(turn), rows * np.cos(turn) - columns * np.sin(turn)
    inside = (np.abs(along) <= length / 2) & (np.abs(across) <= width / 2)
    return np.where(inside, 255, 0).astype(np.uint8)


class TestGrains:
    def test_hexagons_are_counted_and_measured(self):
        boundary = hexagons()
        labels = find_grains(boundary)
        count = ndimage.label(boundary == 0)[1]
        assert labels.max() == count
        inner = ~at_frame(labels)
        assert are_convex(labels)[inner].all()
        diameters = np.sqrt(4 * np.bincount(labels.ravel())[1:] / np.pi)[inner]
        # A hexagon of 40 px between opposite sides has 1386 px; boundaries take 5 px.
        assert np.median(diameters) == pytest.approx(35 * np.sqrt(2 * np.sqrt(3) / np.pi), rel=0.03)

    def test_a_gap_is_closed_and_a_loose_end_parts_nothing(self):
        boundary = np.zeros((60, 120), np.uint8)
        boundary[[0, 1, 58, 59]] = boundary[:, [0, 1, 118, 119]] = 255
        boundary[:, 58:62] = 255
        boundary[26:34, 58:62] = 0  # a gap of 8 px in a line of 56 px
        assert find_grains(boundary, 0.5).max() == 2
        boundary[20:, 58:62] = 0  # a third of the line is left
        assert find_grains(boundary, 0.5).max() == 1

    def test_the_threshold_decides_on_faint_boundaries(self):
        lines = np.where(hexagons() > 0, 100, 0).astype(np.uint8)
        parted = closed_regions(lines, 0.3).max()
        assert parted > 20 and closed_regions(lines, 0.6).max() == 1

    def test_joined_grains_are_not_convex(self):
        shape = np.zeros((80, 80), np.int32)
        shape[10:70, 10:30] = shape[50:70, 10:70] = 1  # an L
        assert not are_convex(shape)[0]
        shape[10:70, 10:70] = 1
        assert are_convex(shape)[0]

    def test_intercepts_of_stripes(self):
        labels = np.zeros((100, 100), np.int32)
        for number, left in enumerate(range(0, 100, 20), start=1):
            labels[:, left : left + 17] = number
        # Rows cross five stripes; the one at the left end counts half, and columns cross none.
        crossed = crossings(labels)
        assert crossed.sum(1) == pytest.approx(4.5) and mean_intercept(crossed.sum(), labels.size) == 2e4 / 450
        assert np.isnan(mean_intercept(crossings(np.ones((9, 9), np.int32)).sum(), 81))


class TestBubbles:
    CIRCLES = ((40.3, 50.2, 12.4), (40, 150, 5), (120.5, 60.1, 8), (200, 200, 20.2), (200, 60, 4), (150, 150, 15))

    def test_circles_are_found_to_a_fraction_of_a_pixel(self):
        circles = find_circles(drawn((256, 256), self.CIRCLES))
        true = np.array(sorted(self.CIRCLES, key=lambda c: (round(c[0]), c[1])))
        assert len(circles) == len(true)
        for circle in true:
            nearest = circles[np.argmin(np.hypot(*(circles[:, :2] - circle[:2]).T))]
            assert np.hypot(*(nearest[:2] - circle[:2])) < 0.3
            assert nearest[2] == pytest.approx(circle[2], abs=0.4)

    def test_bubbles_that_overlap_are_parted(self):
        pairs = [(40, 40, 9), (40, 55, 9), (100, 40, 12), (100, 58, 7), (40, 120, 8), (54, 120, 8), (47, 132, 8)]
        mask = drawn((140, 160), pairs)
        assert ndimage.label(mask)[1] == 3
        assert len(find_circles(mask)) == len(pairs)

    def test_a_soft_edge_lies_where_it_crosses_the_threshold(self):
        rows, columns = np.mgrid[:80, :80]
        soft = 255 / (1 + np.exp(np.hypot(rows - 40, columns - 40) - 14))
        (circle,) = find_circles(soft.round().astype(np.uint8))
        assert circle == pytest.approx([40, 40, 14], abs=0.2)

    def test_a_bubble_at_the_frame_is_one(self):
        assert len(find_circles(drawn((100, 100), [(2, 50, 10), (50, 50, 10)]))) == 2

    def test_discs_share_what_both_cover(self):
        labels = discs(np.array([[20.0, 20, 8], [20, 32, 8]]), (40, 52))
        areas = np.bincount(labels.ravel())[1:]
        assert areas[0] == pytest.approx(areas[1], rel=0.08) and areas.sum() < 2 * np.pi * 64

    @pytest.mark.parametrize("picture", [np.zeros((30, 30)), np.full((1, 1), 255), np.full((3, 200), 255)])
    def test_nothing_round_breaks_nothing(self, picture):
        circles = find_circles(picture.astype(np.uint8))
        assert circles.shape[1] == 3


class TestLines:
    def test_lines_are_counted(self):
        picture = np.zeros((100, 100), np.uint8)
        picture[10:13, 10:60] = picture[30:80, 50:53] = picture[90, 3:9] = 255
        labels = find_lines(picture)
        assert labels.max() == 2  # the third is a speck
        assert sorted(skeleton_lengths(labels)) == pytest.approx([50, 50], abs=3)

    @pytest.mark.parametrize("width", [1.5, 2, 3, 4, 5, 7, 9, 12, 15])
    def test_lengths_hold_for_every_width_and_direction(self, width):
        """Bars of 40 px at 90 angles, each at a place of its own within a pixel."""
        shift = np.random.default_rng(0).uniform(-0.5, 0.5, (90, 2))
        labels = [find_lines(bar(angle, 40, width, 64, at)) for angle, at in zip(range(0, 180, 2), shift, strict=True)]
        lengths = np.concatenate([skeleton_lengths(image) for image in labels])
        assert lengths.shape == (90,)
        assert np.abs(lengths / 40 - 1).max() <= 0.03

    def test_round_ends_are_ends(self):
        rows, columns = np.mgrid[:60, :90]
        inside = np.hypot(np.maximum(np.abs(columns - 45) - 25, 0), rows - 30) <= 5
        (length,) = skeleton_lengths(inside.astype(np.int32))
        assert length == pytest.approx(60, rel=0.03)

    @pytest.mark.parametrize("width", [2, 5, 9])
    def test_arcs_and_rings(self, width):
        rows, columns = np.mgrid[:140, :140] - 70
        ring = np.abs(np.hypot(rows, columns) - 50) <= width / 2
        assert skeleton_lengths(ring.astype(np.int32))[0] == pytest.approx(100 * np.pi, rel=0.03)
        arc = ring & (rows > 0)
        assert skeleton_lengths(arc.astype(np.int32))[0] == pytest.approx(50 * np.pi, rel=0.03)

    def test_branches_count_and_corners_do_not(self):
        shape = np.zeros((120, 120), np.int32)
        shape[58:63, 10:110] = 1
        assert skeleton_lengths(shape)[0] == pytest.approx(100, abs=1.5)
        shape[10:60, 58:63] = 1  # a third arm of 50 px from the middle of the line
        assert skeleton_lengths(shape)[0] == pytest.approx(150, rel=0.03)

    def test_any_shape_has_a_length(self):
        rng = np.random.default_rng(0)
        shapes = [np.ones((1, 9), np.int32), np.ones((3, 3), np.int32), np.ones((40, 40), np.int32)]
        for shape in (*shapes, *(find_lines(rng.integers(0, 256, (60, 60)).astype(np.uint8)) for _ in range(4))):
            lengths = skeleton_lengths(shape)
            assert len(lengths) == shape.max() and np.isfinite(lengths).all() and (lengths > 0).all()

    def test_the_box_of_a_bent_line_is_shorter_than_its_skeleton(self):
        picture = np.zeros((80, 80), np.uint8)
        picture[10:13, 10:60] = picture[10:60, 57:60] = 255
        labels = find_lines(picture)
        assert box_diagonals(labels)[0] == pytest.approx(np.hypot(50, 50))
        assert skeleton_lengths(labels)[0] == pytest.approx(97, rel=0.07)


def test_a_grain_with_a_faint_boundary_or_one_within_it_is_doubtful():
    """Of five cells one lacks a side, and a faint boundary crosses another."""
    boundary = np.zeros((60, 170), np.uint8)
    for middle in (11, 48):
        boundary[middle - 2 : middle + 3] = 255
    for middle in (11, 41, 71, 101, 131, 158):
        boundary[:, middle - 2 : middle + 3] = 255
    boundary[14:46, 38:44] = 40  # between the first two
    boundary[14:46, 114:117] = 110  # within the fourth
    labels = np.zeros(boundary.shape, np.int32)
    for number, left in enumerate((14, 44, 74, 104, 134), start=1):
        labels[14:46, left : min(left + 24, 156)] = number
    probability = grains.probabilities(boundary, labels)
    assert probability.shape == (5,) and min(probability[[2, 4]]) > 0.85
    assert (
        probability[0] < probability[2] - 0.1
        and probability[1] < probability[2] - 0.1
        and probability[3] < probability[2]
    )
    turned = grains.probabilities(np.rot90(boundary), np.rot90(labels))
    assert turned == pytest.approx(probability, abs=0.02)
