"""Clipping of hot and cold pixels, and the preview."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from segmentation.core.micrograph.contrast import clip_outliers, preview
from segmentation.core.micrograph.reader import read
from segmentation.core.micrograph.types import Calibration, Micrograph
from tests.hostile import image


def micrograph(pixels: np.ndarray) -> Micrograph:
    return Micrograph(pixels, "a.tif", "0" * 64, Calibration.absent())


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_percentiles_become_zero_and_one(dtype: Any) -> None:
    pixels = np.arange(10_000).reshape(100, 100).astype(np.float64) * (0.02 if dtype == np.uint8 else 1)
    clipped = clip_outliers(pixels.astype(dtype), 1, 99)
    assert clipped.dtype == np.float32
    assert clipped.min() == 0
    assert clipped.max() == 1
    low, high = np.percentile(pixels.astype(dtype), (1, 99))
    expected = ((pixels.astype(dtype) - low) / (high - low)).clip(0, 1)
    np.testing.assert_allclose(clipped, expected, atol=0.012 if dtype == np.uint8 else 2e-3)


def test_hot_and_cold_pixels_do_not_set_the_scale() -> None:
    pixels = image(200, 200, np.uint16, 1000)
    hot = pixels.copy()
    hot[::40, ::40] = 65535
    np.testing.assert_allclose(clip_outliers(hot)[1::40], clip_outliers(pixels)[1::40], atol=0.02)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_constant_is_zero(dtype: Any) -> None:
    assert not clip_outliers(np.full((20, 30), 77, dtype)).any()


def test_few_bright_pixels_on_black_are_not_lost() -> None:
    pixels = np.zeros((200, 200), np.uint8)
    pixels[5, 5] = 200
    assert clip_outliers(pixels)[5, 5] == 1


@pytest.mark.parametrize("values", [(-3e38, 3e38), (1e-45, 3e-45), (1e8, 1e8 + 8), (-1e-30, 1e-30)])
def test_extreme_floats_stay_between_zero_and_one(values: tuple[float, float]) -> None:
    pixels = np.where(image() > 128, values[1], values[0]).astype(np.float32)
    clipped = clip_outliers(pixels)
    assert set(np.unique(clipped)) == {0.0, 1.0}


def test_the_input_is_left_alone() -> None:
    pixels = image(dtype=np.float32, top=1.0)
    before = pixels.copy()
    clip_outliers(pixels)
    preview(micrograph(pixels))
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_memory_beside_the_result_is_bounded(dtype: Any) -> None:
    pixels = np.tile(image(64, 64, dtype, 200), (48, 48))
    tracemalloc.start()
    clip_outliers(pixels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * pixels.size + (80 << 20)


@pytest.mark.parametrize("shape", [(1000, 2000), (2000, 1000), (641, 640), (700, 20), (100, 90), (16, 6400)])
def test_preview_fits_and_keeps_the_aspect(shape: tuple[int, int]) -> None:
    small = preview(micrograph(np.resize(image(), shape)))
    assert small.dtype == np.uint8
    assert max(small.shape) == min(640, max(shape))
    ratio = min(1.0, 640 / max(shape))
    assert abs(small.shape[0] - shape[0] * ratio) <= 1
    assert abs(small.shape[1] - shape[1] * ratio) <= 1


def test_preview_averages_by_area() -> None:
    stripes = np.zeros((1280, 1280), np.uint8)
    stripes[:, ::2] = 255
    small = preview(micrograph(stripes))
    assert small.shape == (640, 640)
    assert 126 <= small.min() <= small.max() <= 129


def _rgb(share_of_colour):
    picture = np.repeat(np.random.default_rng(0).integers(40, 200, (60, 80, 1)), 3, axis=2).astype(np.uint8)
    columns = round(80 * share_of_colour)
    picture[:, :columns, 0] = 250
    picture[:, :columns, 2] = 20
    return picture


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
@pytest.mark.parametrize(("share", "noted"), [(0.0, False), (0.2, False), (0.6, True)])
def test_a_picture_in_colour_all_over_is_noted(tmp_path, suffix, share, noted):
    file = tmp_path / f"photo.{suffix}"
    if suffix == "tif":
        tifffile.imwrite(file, _rgb(share), photometric="rgb")
    else:
        Image.fromarray(_rgb(share)).save(file)
    assert any("in colour" in note for note in read(file).notes) == noted


@pytest.mark.parametrize(
    ("grey", "kind"), [(128, np.uint8), (30_000, np.uint16), (0.4, np.float32), (-3.0, np.float32)]
)
def test_an_image_of_one_grey_is_shown_grey(grey: float, kind: type[np.generic]) -> None:
    pixels = np.full((60, 80), grey, kind)
    assert 32 < preview(micrograph(pixels)).mean() < 224
    pixels[3, 3] = pixels[3, 3] + kind(1)
    assert preview(micrograph(pixels)).mean() > 32 or grey < 0
