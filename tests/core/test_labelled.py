"""Masks of other tools: every way of writing labels is understood or refused in one sentence."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from PIL import Image

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.imported.labelled import analyse_mask
from segmentation.core.labels.segmentation import MASKS
from segmentation.core.masks.label_images import Mask, as_labels, read_mask
from segmentation.core.micrograph.types import Calibration, Micrograph, UnreadableImage
from segmentation.core.report.exports.labels import write_tiff

TWO = np.zeros((40, 60), np.uint8)
TWO[5:15, 5:15] = 1
TWO[20:30, 20:35] = 2


def discs(count: int, size: int = 6) -> np.ndarray:
    """So many squares of size x size px, 1 px apart, none at the frame."""
    side = int(np.ceil(np.sqrt(count)))
    labels = np.zeros((side * (size + 1) + 1,) * 2, np.int32)
    for number in range(count):
        y, x = divmod(number, side)
        labels[1 + y * (size + 1) :, 1 + x * (size + 1) :][:size, :size] = number + 1
    return labels


@pytest.mark.parametrize(
    "dtype",
    [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.uint64, np.int64, np.float16, np.float32,
     np.float64],
)  # fmt: skip
def test_whole_numbers_of_every_type(dtype):
    labels, notes = as_labels(TWO.astype(dtype))
    assert labels.dtype == np.int32 and notes == ()
    np.testing.assert_array_equal(labels, TWO)


@pytest.mark.parametrize("inside", [1, 255, True, 7, 65535, 1.0])
def test_one_number_means_a_binary_mask(inside):
    mask = np.where(TWO > 0, inside, 0).astype(np.asarray(inside).dtype)
    labels, (note,) = as_labels(mask)
    assert labels.max() == 2 and "share a side" in note


CORNER = np.kron(np.eye(2, dtype=bool), np.ones((6, 6), bool))


@pytest.mark.parametrize(
    ("values", "options", "count"),
    [(CORNER, {}, 2), (CORNER, {"corners": True}, 1), ((TWO > 0).astype(np.uint8), {"kind": "labels"}, 1),
     (np.where(TWO, TWO + 4, 0), {"kind": "binary"}, 2), (np.where(TWO, 0, 255), {"background": 255}, 2)],
)  # fmt: skip
def test_what_a_number_means_can_be_said(values, options, count):
    assert as_labels(values, **options)[0].max() == count


def test_gaps_are_closed_in_their_order():
    labels, (note,) = as_labels(np.where(TWO == 1, 900, np.where(TWO == 2, 7, 0)))
    np.testing.assert_array_equal(labels, np.where(TWO == 1, 2, np.where(TWO == 2, 1, 0)))
    assert "7 to 900" in note and "1 to 2" in note


def test_negative_labels_are_background_and_counted():
    marked = TWO.astype(np.int32)
    marked[0, :9] = -1
    labels, (note,) = as_labels(marked)
    np.testing.assert_array_equal(labels, TWO)
    assert note.startswith("9 pixels ") and "negative" in note


def test_a_label_in_pieces_stays_one_particle():
    torn = TWO.copy()
    torn[:, 25] = 0
    labels, (note,) = as_labels(torn)
    assert labels.max() == 2 and re.search(r"\b2 labels .*\b3 separate pieces", note)


@pytest.mark.parametrize("value", [np.zeros((40, 60)), np.zeros((40, 60), bool), np.full((40, 60), -1)])
def test_nothing_in_it(value):
    assert not as_labels(value)[0].any()


@pytest.mark.parametrize(
    ("values", "sentence"),
    [(TWO / 2.0, "fractions such as 0.5"), (np.where(TWO == 1, np.nan, TWO), "NaN"), (np.full((4, 4), np.inf), "NaN"),
     (TWO.astype(complex), "complex128"), (np.array([["a", "b"]]), "not labels"), (np.stack([TWO] * 7), "7 planes"),
     (np.zeros((2, 3, 4, 5), np.uint8), "one plane"), (np.zeros(7, np.uint8), "one plane"),
     (np.zeros((0, 5), np.uint8), "one plane"), (np.array(3), "one plane"),
     (np.dstack([TWO, TWO, TWO + 1]), "colour picture"), (np.full((4, 4), 1e300), "very large")],
)  # fmt: skip
def test_what_is_no_mask_is_refused_in_one_sentence(values, sentence):
    with pytest.raises(UnreadableImage, match=sentence) as refused:
        as_labels(values)
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_grey_saved_in_colour(channels):
    picture = np.repeat(TWO[..., None], channels, axis=2)
    if channels in (2, 4):
        picture[..., -1] = 255
    np.testing.assert_array_equal(as_labels(picture)[0], TWO)


def test_axes_of_length_one_are_dropped():
    np.testing.assert_array_equal(as_labels(TWO[None, None].astype(np.uint16))[0], TWO)


@pytest.fixture
def written(tmp_path):
    """Files of the same labels in every format."""
    np.save(tmp_path / "a.npy", TWO.astype(np.int64))
    tifffile.imwrite(tmp_path / "b.tif", TWO.astype(np.uint16), compression="zlib")
    Image.fromarray(TWO).save(tmp_path / "c.png")
    Image.fromarray(TWO.astype(np.uint16)).save(tmp_path / "d.png")
    palette = Image.fromarray(TWO, "P")
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    palette.save(tmp_path / "e.png")
    Image.fromarray(TWO).save(tmp_path / "f.bmp")
    return tmp_path


def test_every_format_gives_the_same(written):
    for path in sorted(written.iterdir()):
        mask = read_mask(path)
        np.testing.assert_array_equal(mask.labels, TWO, err_msg=path.name)
        assert mask.name == path.name and len(mask.sha256) == 64


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [("a.jpg", b"\xff\xd8\xff", "JPEG"), ("a.npy", b"\x93NUMPY junk", "damaged"), ("a.tif", b"II*\0junk", "damaged"),
     ("a.png", b"", "damaged"), ("a.xyz", b"text", "damaged")],
)  # fmt: skip
def test_files_that_are_no_masks(tmp_path, name, content, sentence):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadableImage, match=sentence):
        read_mask(tmp_path / name)


def test_no_pickle_is_ever_loaded(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(UnreadableImage, match="damaged"):
        read_mask(tmp_path / "a.npy")


@pytest.fixture
def mask(written):
    return read_mask(written / "b.tif")


def test_an_analysis_like_any_other(mask):
    analysis = analyse_mask(mask, AnalysisSettings.of(calibration=Calibration(2.0, "typed")))
    assert analysis.statistics.n_kept == 2 and analysis.statistics.unit == "nm"
    np.testing.assert_allclose(analysis.table.length("min_feret"), [20, 20], rtol=0.02)
    np.testing.assert_allclose(analysis.table.length("area"), [400, 600])
    assert (analysis.segmentation.provenance.model, analysis.segmentation.provenance.weights) == (MASKS, mask.sha256)
    assert analysis.micrograph.name == "b.tif"


def test_the_image_lends_its_pixels_and_its_calibration(mask):
    pixels = np.full(TWO.shape, 7, np.uint8)
    image = Micrograph(pixels, "b-image.tif", "c" * 64, Calibration(3.0, "metadata"), {"kind": "TIFF"}, ("A note.",))
    analysis = analyse_mask(mask, AnalysisSettings.of(), image=image)
    assert analysis.calibration.nm_per_pixel == 3.0
    assert analysis.table["mean_grey"].tolist() == [7, 7]
    assert analysis.micrograph.metadata["image"] == "b-image.tif" and "A note." in analysis.micrograph.notes


def test_scales_of_image_and_mask_that_contradict_each_other(mask):
    scaled = replace(mask, calibration=Calibration(10.0, "metadata"))
    image = Micrograph(np.zeros(mask.labels.shape, np.uint8), "i.png", "0" * 64, Calibration.absent())
    analysis = analyse_mask(scaled, AnalysisSettings.of(), image=image)
    assert analysis.calibration.nm_per_pixel == 10.0
    analysis = analyse_mask(
        scaled, AnalysisSettings.of(), image=replace(image, calibration=Calibration(2.5, "metadata"))
    )
    assert analysis.calibration.nm_per_pixel is None
    assert any(re.search(r"image gives 2\.5 nm.*mask 10 nm", flag.text) for flag in analysis.flags)


def test_files_for_training_name_the_image_and_not_the_mask(mask):
    image = Micrograph(np.full(TWO.shape, 7, np.uint8), "b-image.tif", "c" * 64, Calibration.absent())
    assert analyse_mask(mask, AnalysisSettings.of(), image=image).micrograph.shown_file == ("b-image.tif", "c" * 64)
    assert analyse_mask(mask, AnalysisSettings.of()).micrograph.shown_file == ("b.tif", mask.sha256)


def test_how_well_another_tool_outlined_is_not_known(mask):
    assert np.isnan(analyse_mask(mask, AnalysisSettings.of()).table["confidence"]).all()


def test_our_own_label_images_keep_their_scale(tmp_path, mask):
    analysis = analyse_mask(mask, AnalysisSettings.of(calibration=Calibration(2.0, "typed")))
    write_tiff(analysis, tmp_path / "labels.tif")
    measured = analyse_mask(read_mask(tmp_path / "labels.tif"), AnalysisSettings.of())
    assert measured.calibration.nm_per_pixel == pytest.approx(2.0)
    assert measured.statistics.median == pytest.approx(analysis.statistics.median)


def test_an_image_of_another_size(mask):
    image = Micrograph(np.zeros((40, 61), np.uint8), "x.tif", "c" * 64, Calibration.absent())
    with pytest.raises(UnreadableImage, match=r"61 × 40 .*mask 60 × 40"):
        analyse_mask(mask, AnalysisSettings.of(), image=image)


@pytest.mark.parametrize("count", [0, 1])
def test_few_particles(tmp_path, count):
    np.save(tmp_path / "few.npy", discs(max(count, 1)) * bool(count))
    statistics = analyse_mask(read_mask(tmp_path / "few.npy"), AnalysisSettings.of()).statistics
    assert statistics.n_kept == count
    assert statistics.sd is None and statistics.intervals["median"] is None


def noise(rows=80, bar=0):
    """Noise above a data bar with a light line on top of it."""
    pixels = np.random.default_rng(0).integers(60, 200, (rows, 128)).astype(np.uint8)
    if bar:
        pixels[-bar:] = 0
        pixels[-bar:][4:-4:2, 10:60:3] = 255
    return Micrograph(pixels, "a.tif", "cd" * 32, Calibration(2.0, "metadata"))


def below(rows=80):
    """Four squares: two clear of the lowest 20 rows, one that reaches into them and one in them."""
    labels = np.zeros((rows, 128), np.int32)
    for number, top in enumerate((5, 25, rows - 25, rows - 12), 1):
        labels[top : top + 10, 20 * number : 20 * number + 10] = number
    return Mask("a.tif", "ab" * 32, labels)


@pytest.mark.parametrize("bar", [20, "auto"])
def test_the_data_bar_is_left_out_and_what_it_cuts_touches_the_frame(bar):
    analysis = analyse_mask(below(), AnalysisSettings.of(data_bar=bar), image=noise(bar=20))
    assert analysis.segmentation.rows == 60
    assert analysis.table["touches_frame"].tolist() == [False, False, True]
    assert analysis.statistics.n_kept == 2 and analysis.table["label"].tolist() == [1, 2, 3]
    weighted = analysis.table["edge_weight"][:2]
    assert weighted == pytest.approx([60 * 128 / (49 * 117)] * 2)


def test_labels_keep_their_numbers_where_the_data_bar_takes_one_between_them():
    mask = below()
    turned = replace(mask, labels=np.where(mask.labels == 4, 2, np.where(mask.labels == 2, 4, mask.labels)))
    assert analyse_mask(turned, AnalysisSettings.of(data_bar=20)).table["label"].tolist() == [1, 3, 4]


def test_without_an_image_only_a_bar_that_is_told_is_left_out():
    assert analyse_mask(below(), AnalysisSettings.of()).statistics.n_kept == 4
    assert analyse_mask(below(), AnalysisSettings.of(data_bar=20)).statistics.n_kept == 2
    with pytest.raises(UnreadableImage, match="cannot take 80 rows"):
        analyse_mask(below(), AnalysisSettings.of(data_bar=80))


def test_a_mask_whose_pixels_are_not_square_is_resampled(tmp_path):
    file = tmp_path / "mask.tif"
    tifffile.imwrite(file, TWO.astype(np.uint16), imagej=True, resolution=(0.25, 0.125), metadata={"unit": "nm"})
    mask = read_mask(file)
    assert np.array_equal(mask.labels, TWO.repeat(2, 0)) and mask.calibration.nm_per_pixel == 4
    assert any("square pixels of 4 nm" in note for note in mask.notes)


def test_a_mask_of_the_file_follows_an_image_that_was_resampled():
    facts = {"file_rows": 40.0, "file_columns": 60.0}
    image = Micrograph(np.zeros((80, 60), np.uint8), "a.tif", "0" * 64, Calibration.of_pixel(4.0), facts)
    analysis = analyse_mask(Mask("m.png", "1" * 64, TWO.astype(np.int32)), AnalysisSettings.of(), image=image)
    assert np.array_equal(analysis.segmentation.labels, TWO.repeat(2, 0))
