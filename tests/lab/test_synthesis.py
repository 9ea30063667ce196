"""The renderer's parts: bodies, compounds, reliefs, fields, and the sample image."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import ConvexHull, HalfspaceIntersection

from segmentation.lab.training.synthesis.bodies import (
    CONVEX,
    FAMILIES,
    Form,
    _lowest,
    ellipsoid,
    make_body,
    polyhedron,
    random_rotation,
    relief_field,
    round_edges,
    with_relief,
)
from segmentation.lab.training.synthesis.draw import draw_settings
from segmentation.lab.training.synthesis.noise import (
    band_field,
    blur,
    distance_to_points,
    fractal_field,
    smooth_field,
    warped,
)
from segmentation.lab.training.synthesis.settings import every_setting, options
from tests.examples.sample import SHAPE, draw_sample


@pytest.mark.parametrize("family", CONVEX)
@pytest.mark.parametrize("form", [Form(), Form(flat=1, rounding=0.5)], ids=["sharp", "flat and rounded"])
def test_bodies_are_convex_in_outline_and_have_a_thickness(family, form):
    body = make_body(family, 40.0, np.random.default_rng(4), form)
    inside = np.isfinite(body.top)
    assert (body.top[inside] > body.bottom[inside]).all()
    assert np.allclose(body.mass[inside], (body.top - body.bottom)[inside]) and not body.mass[~inside].any()
    _, pieces = ndimage.label(inside)
    assert pieces == 1
    rows = [np.flatnonzero(row) for row in inside if row.any()]
    assert all(len(row) == row[-1] - row[0] + 1 for row in rows), "a row of a convex outline has no gap"


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("diameter", [5, 24, 200])
@pytest.mark.slow
def test_every_family_fits_its_grid_at_any_size(family, diameter):
    rng = np.random.default_rng(9)
    areas = []
    for _ in range(6):
        body = make_body(family, diameter, rng, Form(flat=0.5, rounding=0.2))
        inside = np.isfinite(body.top)
        assert inside.any() and not np.concatenate([inside[0], inside[-1], inside[:, 0], inside[:, -1]]).any()
        assert body.top.dtype == body.bottom.dtype == body.mass.dtype == np.float32
        areas.append(inside.sum())
    assert 0.5 * diameter < np.sqrt(4 * np.median(areas) / np.pi) < 1.6 * diameter


def test_a_sphere_has_the_volume_of_a_sphere():
    body = ellipsoid(np.array([20.0, 20.0, 20.0]), np.eye(3))
    volume = float(np.nansum(body.top - body.bottom))
    assert volume == pytest.approx(4 / 3 * np.pi * 20**3, rel=0.01)
    assert np.isfinite(body.top).sum() == pytest.approx(np.pi * 20**2, rel=0.02)


def test_a_polyhedron_has_the_volume_of_its_half_spaces():
    rng = np.random.default_rng(3)
    normals = rng.normal(size=(20, 3))
    offsets = np.linalg.norm(normals, axis=1) * rng.uniform(40, 60, 20)
    corners = HalfspaceIntersection(np.column_stack([normals, -offsets]), np.zeros(3)).intersections
    body = polyhedron(normals, offsets, random_rotation(rng))
    assert float(body.mass.sum()) == pytest.approx(ConvexHull(corners).volume, rel=0.005)


def test_tiles_of_a_polyhedron_leave_no_plane_out():
    rng = np.random.default_rng(7)
    planes = np.column_stack([rng.uniform(20, 40, 30), rng.normal(0, 0.5, (30, 2))])
    x, y = np.arange(-70.0, 71)[None].astype(np.float32), np.arange(-50.0, 51)[:, None].astype(np.float32)
    minimum = (planes[:, 0, None, None] + planes[:, 1, None, None] * x + planes[:, 2, None, None] * y).min(axis=0)
    assert np.allclose(_lowest(planes, x, y), minimum, atol=1e-3)


def test_open_sets_of_planes_are_closed():
    body = polyhedron(np.array([[0.0, 0, 1], [0.0, 0, -1]]), np.array([5.0, 5.0]), np.eye(3))
    assert np.isfinite(body.top).any() and np.nanmax(body.top) == pytest.approx(5)


def test_the_typical_diameter_is_kept():
    rng = np.random.default_rng(0)
    areas = [np.isfinite(make_body("facetted", 50.0, rng).top).sum() for _ in range(40)]
    assert 40 < np.sqrt(4 * np.median(areas) / np.pi) < 65


def test_rounding_takes_from_edges_and_leaves_the_middle():
    sharp = make_body("cube", 60.0, np.random.default_rng(1), Form(flat=1))
    soft = round_edges(sharp, 10.0)
    volume, rounded = (float(np.nansum(b.mass)) for b in (sharp, soft))
    assert 0.6 * volume < rounded < 0.98 * volume
    middle = tuple(n // 2 for n in soft.top.shape)
    assert soft.top[middle] == pytest.approx(np.nanmax(soft.top), abs=1.5)


def test_cores_and_voids_change_the_mass_only():
    draw = {
        f: make_body(f, 40.0, np.random.default_rng(6), Form(core=0.7, density=4)) for f in ("core-shell", "hollow")
    }
    for family, body in draw.items():
        middle = tuple(n // 2 for n in body.mass.shape)
        thickness = (body.top - body.bottom)[middle]
        assert (body.mass[middle] > 1.5 * thickness) == (family == "core-shell")
        assert (body.mass >= 0).all()
    assert np.array_equal(draw["hollow"].top, draw["core-shell"].top, equal_nan=True)


@pytest.mark.parametrize("relief", options(every_setting()["relief"]))
def test_reliefs_change_the_surface_but_not_the_number(relief):
    fixed = {"relief": relief, "diameter": 80, "relief_height": 0.03, "relief_period": 0.15}
    scene = draw_settings(np.random.default_rng(0), fixed).scene
    rng = np.random.default_rng(3)
    field = relief_field(scene, 160, rng)
    if relief == "smooth":
        assert field is None
        return
    body = make_body("sphere", 80.0, rng)
    rough = with_relief(body, field, 2.4, rng, ragged=relief == "bumps")
    both = np.isfinite(rough.top)
    assert not (both & ~np.isfinite(body.top)).any()
    assert both.sum() > 0.85 * np.isfinite(body.top).sum()
    assert 0 < np.abs(rough.top - body.top)[both].max() < 12
    assert (rough.top[both] > rough.bottom[both]).all()


def test_small_particles_show_no_relief():
    scene = draw_settings(np.random.default_rng(0), {"relief": "bumps", "diameter": 8}).scene
    assert relief_field(scene, 64, np.random.default_rng(0)) is None


def test_fields_are_standardised():
    rng = np.random.default_rng(1)
    shape = (100, 80)
    fields = [smooth_field(shape, 20, rng), smooth_field(shape, 1, rng), smooth_field(shape, 900, rng)]
    fields += [fractal_field(shape, 40, 4, 0.7, rng), band_field(shape, 4, rng)]
    for field in fields:
        assert field.shape == shape and field.dtype == np.float32
        assert float(field.std()) == pytest.approx(1, abs=1e-2)
    assert band_field(shape, 40, rng).shape == shape
    assert warped(fields[0], 3, 20, rng).shape == shape


def test_a_wide_blur_keeps_the_mean_and_the_place():
    field = np.zeros((120, 200), np.float32)
    field[50:70, 90:110] = 1
    wide = blur(field, 12)
    assert float(wide.sum()) == pytest.approx(400, rel=0.03)
    assert np.allclose(ndimage.center_of_mass(wide), (59.5, 99.5), atol=0.7)
    assert np.abs(wide - ndimage.gaussian_filter(field, 12)).max() < 0.02


def test_distances_to_points_are_in_units_of_the_spacing():
    distance, nearest = distance_to_points((64, 96), 16, np.random.default_rng(0))
    assert distance.shape == nearest.shape == (64, 96)
    assert distance.min() == 0 and distance.max() < 2
    assert np.array_equal(np.unique(nearest[distance == 0]), np.unique(nearest))


def test_a_drawn_sample_is_the_same_each_time_and_has_a_bar():
    from segmentation.core.micrograph.scale_bar.databar import find_first_bar_row

    picture = draw_sample()
    assert np.array_equal(picture, draw_sample())
    assert find_first_bar_row(picture) == SHAPE[0]
