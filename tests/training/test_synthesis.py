"""The renderer: exact labels, all families, the same picture for the same seed."""

import numpy as np
import pytest
from scipy import ndimage

from segmentation.training.synthesis.bodies import FAMILIES, ellipsoid, make_body
from segmentation.training.synthesis.noise import fractal_field, smooth_field
from segmentation.training.synthesis.render import render, render_blank
from segmentation.training.synthesis.sample import BAR_ROWS, SHAPE, draw_sample, write_sample
from segmentation.training.synthesis.scene import split_pieces, visible_labels


@pytest.mark.parametrize("family", FAMILIES)
def test_bodies_are_convex_in_outline_and_have_a_thickness(family):
    body = make_body(family, 40.0, np.random.default_rng(4))
    inside = np.isfinite(body.top)
    assert (body.top[inside] >= body.bottom[inside]).all()
    _, pieces = ndimage.label(inside)
    assert pieces == 1
    rows = [np.flatnonzero(row) for row in inside if row.any()]
    assert all(len(row) == row[-1] - row[0] + 1 for row in rows), "a row of a convex outline has no gap"


def test_a_sphere_has_the_volume_of_a_sphere():
    body = ellipsoid(np.array([20.0, 20.0, 20.0]), np.eye(3))
    volume = float(np.nansum(body.top - body.bottom))
    assert volume == pytest.approx(4 / 3 * np.pi * 20**3, rel=0.01)
    assert np.isfinite(body.top).sum() == pytest.approx(np.pi * 20**2, rel=0.02)


def test_the_typical_diameter_is_kept():
    rng = np.random.default_rng(0)
    areas = [np.isfinite(make_body("facetted", 50.0, rng).top).sum() for _ in range(40)]
    assert 40 < np.sqrt(4 * np.median(areas) / np.pi) < 65


def test_a_render_is_the_same_for_the_same_seed_and_labels_count_up():
    first, labels = render((128, 160), np.random.default_rng(11))
    second, again = render((128, 160), np.random.default_rng(11))
    assert np.array_equal(first, second) and np.array_equal(labels, again)
    assert first.shape == labels.shape == (128, 160) and first.dtype == np.uint8
    assert np.array_equal(np.unique(labels[labels > 0]), np.arange(1, labels.max() + 1))


def test_rendered_particles_are_brighter_than_their_surroundings():
    rng = np.random.default_rng(5)
    brighter = []
    for _ in range(12):
        grey, labels = render((128, 128), rng, diameter=24)
        if (labels > 0).any() and (labels == 0).any():
            brighter.append(grey[labels > 0].mean() > grey[labels == 0].mean())
    assert np.mean(brighter) > 0.9


def test_every_visible_label_is_one_piece_and_no_sliver():
    owner = np.zeros((30, 30), np.int32)
    owner[2:12, 2:28] = 1
    owner[2:12, 14:17] = 2  # cuts particle 1 in two
    owner[20, 20] = 3  # a sliver
    labels = visible_labels(owner, smallest=12)
    assert labels.max() == 3 and labels[20, 20] == 0
    assert labels[5, 5] != labels[5, 25]


def test_split_pieces_counts_pieces_of_equal_label():
    labels = np.array([[1, 0, 1], [2, 2, 0]], np.int32)
    assert split_pieces(labels).tolist() == [[1, 0, 2], [3, 3, 0]]


def test_fields_are_standardised():
    rng = np.random.default_rng(1)
    for field in (smooth_field((100, 80), 20, rng), fractal_field((100, 80), 40, 4, 0.7, rng)):
        assert field.shape == (100, 80)
        assert float(field.std()) == pytest.approx(1, abs=1e-3)


def test_blank_substrates_vary():
    rng = np.random.default_rng(2)
    assert render_blank((64, 64), rng).std() > 0


def test_the_sample_has_a_bar_and_a_calibration(tmp_path):
    from segmentation.core.micrograph import find_data_bar, read

    picture = draw_sample()
    assert picture.shape == (SHAPE[0] + BAR_ROWS, SHAPE[1])
    tiff, png = write_sample(tmp_path)
    micrograph = read(tiff)
    assert micrograph.calibration.nm_per_pixel == pytest.approx(5.0)
    assert find_data_bar(micrograph.pixels) == SHAPE[0]
    assert np.array_equal(read(png).pixels, picture)
