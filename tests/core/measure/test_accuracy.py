"""The measures of analytic shapes against their true values, with the bounds that the docstrings state."""

from __future__ import annotations

from functools import cache

import pytest

from tools.accuracy.drawn.shapes import SHAPES, errors, truths

# Mean errors that docs/method/accuracy.md tells of, in per cent of the size above 20 px, with a margin for 24 trials.
PERIMETER = {"disc": 1.0, "ellipse 2:1": 1.0, "rectangle 3:1": 1.5, "square": 2.4, "triangle": 4.0}


@cache
def deviations(name, size, oblique):
    return errors(SHAPES[name], size, oblique=oblique, trials=24)


@pytest.mark.parametrize("size", [25, 100])
@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("oblique", [False, True])
def test_area_and_perimeter_of_analytic_shapes(name, size, oblique):
    error, truth = deviations(name, size, oblique), truths(SHAPES[name], size)
    assert abs(error["ecd"].mean()) / truth["ecd"] < 0.01
    assert abs(error["perimeter"].mean()) / truth["perimeter"] < PERIMETER[name] / 100
    assert abs(error["perimeter"]).max() / truth["perimeter"] < (0.06 if size < 50 else 0.02)
    if oblique:  # upright sides of broken length are rounded to whole pixels
        assert abs(error["ecd"]).max() < 0.5 and abs(error["ecd"].mean()) < 0.15


@pytest.mark.parametrize("size", [5, 10])
@pytest.mark.parametrize("name", SHAPES)
def test_small_shapes_are_right_to_half_a_pixel(name, size):
    error = deviations(name, size, False)
    for measure_name in ("ecd", "max_feret"):
        has_corners = name not in ("disc", "ellipse 2:1") and measure_name == "max_feret"
        assert abs(error[measure_name].mean()) < (1.3 if has_corners else 0.5)


@pytest.mark.parametrize("size", [5, 25, 100])
@pytest.mark.parametrize("name", sorted(SHAPES.keys() - {"triangle"}))
def test_widths_are_right_to_a_pixel_and_lose_corners(name, size):
    """Smoothing takes the steps of pixels, and 0.5 px of each corner."""
    error = deviations(name, size, True)
    least = {"min_feret": -1, "max_feret": -1 if name in ("disc", "ellipse 2:1") else -1.8}
    for width in ("min_feret", "max_feret"):
        assert error[width].min() > least[width] and error[width].max() < 1.1, width
        assert abs(error[width].mean()) < 1
