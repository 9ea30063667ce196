"""Arrays as micrographs: the pixels of a file of them, and a sentence for what is no picture."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image

from segmentation.core.micrograph.arrays import micrograph_of
from segmentation.core.micrograph.colours import COLOURS
from segmentation.core.micrograph.reader import read
from segmentation.core.micrograph.types import UnreadableImage
from segmentation.core.micrograph.vendors.facts import MARKS

GREY = np.random.default_rng(0).integers(0, 200, (40, 60))


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "u4", "f4", "f8"])
def test_grey_values_are_those_of_a_tiff(tmp_path, dtype):
    values = (GREY - (100 if dtype == "i2" else 0)).astype(dtype)
    tifffile.imwrite(tmp_path / "grey.tif", values)
    stored, given = read(tmp_path / "grey.tif"), micrograph_of(values, name="grey.tif")
    assert given.pixels.dtype == stored.pixels.dtype
    np.testing.assert_array_equal(given.pixels, stored.pixels)
    assert given.notes == stored.notes and given.name == stored.name
    assert not given.scale.in_use.is_known


def test_colours_and_marks_are_those_of_a_png(tmp_path):
    colours = np.repeat(GREY[..., None], 3, axis=2).astype(np.uint8)
    colours[5:9, 10:30] = 255, 0, 0
    Image.fromarray(colours).save(tmp_path / "marked.png")
    stored = read(tmp_path / "marked.png")
    assert MARKS in stored.metadata
    for given in (micrograph_of(colours), micrograph_of(np.dstack([colours, colours[..., 0]]))):
        np.testing.assert_array_equal(given.pixels, stored.pixels)
        assert given.metadata[MARKS] == stored.metadata[MARKS]
    fractions = micrograph_of(colours / 255)
    assert fractions.pixels.dtype == np.float32 and MARKS in fractions.metadata


def test_false_colours_are_said():
    shades = np.stack([GREY, GREY / 3, GREY / 9], axis=2).astype(np.uint8)
    micrograph = micrograph_of(shades)
    assert COLOURS in micrograph.metadata and "brightness" in micrograph.notes[-1]


def test_values_that_are_not_finite_are_replaced_and_told():
    values = GREY.astype(float)
    values[3, 4] = np.nan
    micrograph = micrograph_of(values)
    assert np.isfinite(micrograph.pixels).all() and "1 pixel is NaN" in micrograph.notes[0]


def test_the_checksum_tells_arrays_apart():
    values = GREY.astype(np.uint8)
    other = micrograph_of(values.astype(np.uint16))
    assert micrograph_of(values).sha256 == micrograph_of(values.copy()).sha256 != other.sha256
    assert micrograph_of(values[:, ::2]).sha256 == micrograph_of(values[:, ::2].copy()).sha256


def test_axes_of_length_one_are_dropped():
    assert micrograph_of(GREY[None, :, :, None]).shape == GREY.shape


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((5, 40, 40)), "shape 5 × 40 × 40"),
        (np.zeros((40, 40, 2)), "shape 40 × 40 × 2"),
        (np.zeros(40), "shape 40 is"),
        (3, "a single number"),
        ([[1, 2], [3]], "several lengths"),
        (np.full((40, 40), "a"), "values is no picture"),
        (np.zeros((40, 8)), "too small"),
        (np.full((40, 40), np.nan), "no valid pixel"),
    ],
)
def test_what_is_no_picture_gets_a_sentence(array, words):
    with pytest.raises(UnreadableImage, match=words) as refused:
        micrograph_of(array)
    assert isinstance(refused.value, ValueError) and str(refused.value).endswith(".")
