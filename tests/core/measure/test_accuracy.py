"""The measures of analytic shapes against their true values, with the bounds that the docstrings state."""

from __future__ import annotations

from math import cos, hypot, pi, sin, sqrt

import numpy as np
import pytest
from scipy.special import ellipe

from segmentation.core.measure.shapes import measure

SIZES = (5.3, 10.7, 20.4, 30.1, 50.6, 100.2, 200.7)


def raster(inside, size):
    """The (H, W) int32 label image of the pixels whose centres are `inside`, at a random angle and shift."""
    side = int(size * 1.5) + 8
    y, x = np.mgrid[:side, :side].astype(float)
    return inside(x - side / 2, y - side / 2).astype(np.int32)


def turned(x, y, angle, shift):
    x, y = x - shift[0], y - shift[1]
    return x * cos(angle) + y * sin(angle), y * cos(angle) - x * sin(angle)


def ellipse(width, height, angle, shift):
    def inside(x, y):
        u, v = turned(x, y, angle, shift)
        return (2 * u / width) ** 2 + (2 * v / height) ** 2 <= 1

    long, short = max(width, height) / 2, min(width, height) / 2
    truth = {"area": pi * long * short, "min_feret": 2 * short, "max_feret": 2 * long}
    return inside, truth | {"perimeter": 4 * long * ellipe(1 - (short / long) ** 2)}


def rectangle(width, height, angle, shift):
    def inside(x, y):
        u, v = turned(x, y, angle, shift)
        return (abs(u) <= width / 2) & (abs(v) <= height / 2)

    truth = {"area": width * height, "min_feret": min(width, height), "max_feret": hypot(width, height)}
    return inside, truth | {"perimeter": 2 * (width + height)}


def errors(shape, size, aspect, *, oblique, trials=24):
    """Measure name -> (trials,) measured minus true, in px, over random shifts and, if oblique, angles."""
    rng = np.random.default_rng(int(size * 10))
    deviations: dict[str, list[float]] = {}
    for _ in range(trials):
        angle = rng.uniform(0, pi) if oblique else 0.0
        inside, truth = shape(size, size / aspect, angle, rng.uniform(-0.5, 0.5, 2))
        labels = raster(inside, size)
        table = measure(labels, labels.astype(np.uint8), np.ones(1, np.float32), None, len(labels))
        truth["ecd"] = sqrt(4 * truth["area"] / pi)
        for name, value in truth.items():
            deviations.setdefault(name, []).append(float(table.length(name)[0]) - value)
    return {name: np.array(values) for name, values in deviations.items()}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("aspect", [1.0, 2.0])
def test_ecd_and_area_of_discs_and_ellipses(size, aspect):
    ecd = size / sqrt(aspect)
    error = errors(ellipse, size, aspect, oblique=True)
    assert abs(error["ecd"]).max() < max(0.5, 0.01 * ecd)
    assert abs(error["ecd"].mean()) < 0.1
    if ecd > 20:
        assert abs(error["ecd"]).max() < 0.01 * ecd


@pytest.mark.parametrize("size", SIZES)
def test_ecd_of_squares_at_any_angle(size):
    error = errors(rectangle, size, 1.0, oblique=True)
    assert abs(error["ecd"]).max() < (0.5 if size < 50 else 0.01 * size)
    assert abs(error["ecd"].mean()) < 0.15


@pytest.mark.parametrize("size", SIZES)
def test_minimum_feret_of_discs_is_unbiased(size):
    """A disc has a direction along the axes, where the corner hull is as wide as the disc."""
    error = errors(ellipse, size, 1.0, oblique=False)["min_feret"]
    assert abs(error.mean()) < 0.5
    assert abs(error).max() < 1


@pytest.mark.parametrize("size", [5.0, 12.0, 20.0, 50.0, 200.0])
def test_upright_rectangles_of_whole_pixels_are_exact(size):
    error = errors(rectangle, size, 1.0, oblique=False)
    for name in ("area", "ecd", "min_feret", "max_feret"):
        assert abs(error[name]).max() < 1e-9, name


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("shape", "aspect"), [(ellipse, 1.0), (ellipse, 2.0), (rectangle, 1.0), (rectangle, 2.0)])
def test_corner_hull_is_at_most_a_pixel_diagonal_too_wide(shape, aspect, size):
    """The stated bias: an oblique width is up to sqrt(2) px too large, and never a pixel too small."""
    error = errors(shape, size, aspect, oblique=True)
    for name in ("min_feret", "max_feret"):
        assert error[name].max() < sqrt(2) + 1e-9, name
        assert error[name].min() > -1, name


def test_corner_hull_bias_of_oblique_squares_is_what_the_docstring_says():
    error = errors(rectangle, 100.2, 1.0, oblique=True)["min_feret"]
    assert 1.0 < error.mean() < 1.4


@pytest.mark.parametrize("size", [20.4, 50.6, 100.2, 200.7])
@pytest.mark.parametrize("aspect", [1.0, 2.0])
def test_perimeter_of_discs_and_ellipses(size, aspect):
    truth = ellipse(size, size / aspect, 0.0, (0, 0))[1]["perimeter"]
    error = errors(ellipse, size, aspect, oblique=True)["perimeter"] / truth
    assert abs(error.mean()) < 0.005
    assert abs(error).max() < (0.03 if size < 50 else 0.01)


@pytest.mark.parametrize("size", [20.4, 50.6, 100.2, 200.7])
def test_perimeter_of_squares_at_any_angle(size):
    error = errors(rectangle, size, 1.0, oblique=True)["perimeter"] / (4 * size)
    assert -0.025 < error.mean() < 0.005
    assert abs(error).max() < (0.05 if size < 50 else 0.025)
