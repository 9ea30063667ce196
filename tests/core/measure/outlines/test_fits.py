from __future__ import annotations

import numpy as np
import pytest

from segmentation.core.measure.outlines.fits import BOX, ELLIPSE, Fits, fitted

N, POINTS = 60, 48
SHAPES = {
    "disc": (ELLIPSE, (16.0, 16.0), 0.0),
    "ellipse": (ELLIPSE, (19.0, 13.0), 0.0),
    "rod": (BOX, (26.0, 9.0), 9.0),
    "square": (BOX, (14.0, 14.0), 1.0),
    "rectangle": (BOX, (24.0, 10.0), 1.0),
}


def outlines(name, n=N):
    """n outlines of one shape at any place and angle."""
    family, half, corner = SHAPES[name]
    rng = np.random.default_rng(1)
    centre, angle = rng.uniform(50, 200, (n, 2)), rng.uniform(0, np.pi, n)
    nothing = np.zeros(n)
    return Fits(np.full(n, family), centre, np.tile(half, (n, 1)), angle, np.full(n, corner), nothing, nothing, nothing)


def arcs(true, share, noise=0.2):
    """Noisy points (n, POINTS, 2) on a share of each outline, from any place of it on."""
    rng = np.random.default_rng(2)
    around = true.polygons(400)
    index = rng.integers(0, 400, len(true))[:, None] + np.linspace(0, share * 400, POINTS).astype(int)
    points = np.take_along_axis(around, index[..., None] % 400, 1)
    return points + rng.normal(0, noise, points.shape)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("share", [0.65, 0.95])
def test_sizes_of_outlines_follow_from_a_part(name, share):
    true = outlines(name)
    found = fitted(arcs(true, share), np.ones((N, POINTS)))
    sure = found.determined
    assert sure.mean() > 0.5
    assert abs(np.median(found.widths[sure]) / true.widths[0] - 1) < 0.01
    # The told standard errors hold nearly all true errors.
    assert (abs(found.widths - true.widths) < 2.5 * found.width_error)[sure].mean() >= 0.85
    assert (found.family == true.family).mean() > 0.9


def test_half_hidden_boxes_are_squares_where_the_others_are():
    squares, rectangles = outlines("square", 12), outlines("rectangle", 12)
    for true in (squares, rectangles):
        half = arcs(true, 0.55)
        half[:8] = arcs(true, 1.0)[:8]
        found = fitted(half, np.ones((12, POINTS)))
        assert found.determined[:8].all()
        sure = found.determined
        assert found.widths[sure] == pytest.approx(true.widths[sure], rel=0.08)
    assert fitted(arcs(squares, 0.55), np.ones((12, POINTS)), squares=True).determined.mean() > 0.8


def test_a_short_arc_says_nothing_of_the_size():
    true = outlines("ellipse")
    found = fitted(arcs(true, 0.15), np.ones((N, POINTS)))
    assert found.determined.mean() < 0.15


def test_one_far_point_in_ten_changes_little():
    true = outlines("disc")
    points = arcs(true, 0.7)
    points[:, ::10] += 2.5
    found = fitted(points, np.ones((N, POINTS)))
    assert abs(np.median(found.widths) / true.widths[0] - 1) < 0.02


@pytest.mark.parametrize("name", SHAPES)
def test_polygons_lie_on_their_outlines(name):
    true = outlines(name, 5)
    polygons = true.polygons()
    assert abs(true.distances(polygons)).max() < 1e-6
    after = np.roll(polygons, -1, axis=1)
    areas = (polygons[..., 0] * after[..., 1] - polygons[..., 1] * after[..., 0]).sum(1) / 2
    assert areas == pytest.approx(true.areas, rel=0.02)
    assert (true.distances(true.centre[:, None]) < 0).all()


def test_weights_of_zero_are_no_points():
    true = outlines("disc")
    points, weights = arcs(true, 0.9), np.ones((N, POINTS))
    points[:, 30:], weights[:, 30:] = 0, 0
    short = fitted(points[:, :30], weights[:, :30])
    assert fitted(points, weights).widths == pytest.approx(short.widths, rel=1e-6)


def test_fits_are_the_same_turned_and_doubled():
    points = arcs(outlines("rod"), 0.9)
    once = fitted(points, np.ones((N, POINTS)))
    turned = fitted(points[..., ::-1] * [1, -1], np.ones((N, POINTS)))
    assert turned.widths == pytest.approx(once.widths, rel=0.01)
    doubled = fitted(2 * points, np.ones((N, POINTS)))
    assert np.median(doubled.widths / once.widths) == pytest.approx(2, rel=0.005)


def test_objects_without_points_have_no_good_fit():
    found = fitted(np.zeros((2, POINTS, 2)), np.zeros((2, POINTS)))
    assert not found.determined.any()
