"""Outlines that hardly stand out, and gaps between particles, are set aside."""

import numpy as np
import pytest
from scipy import ndimage

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.labels import bands
from segmentation.core.labels.particles.contrast import contrasts, largest_within
from segmentation.core.labels.particles.enclosed_gaps import are_enclosed_gaps
from segmentation.core.labels.particles.options import FAINT
from segmentation.core.labels.segmentation import MASKS
from segmentation.core.measure.objects.filters import Reason
from segmentation.core.micrograph.types import Micrograph
from segmentation.core.pipeline import measure
from tests.core.builders import METADATA, segmentation_of
from tests.core.labels.test_separate import label_discs

GROUND = 60


def discs(places, greys):
    """Grey (160, 240) uint8 and labels (160, 240) int32 of discs of these greys at these places, which lie apart."""
    labels = label_discs(*((row, column, 9) for row, column in places), shape=(160, 240))
    return np.array([GROUND, *greys], np.uint8)[labels], labels


PLACES = [(row, column) for row in (25, 80, 135) for column in (25, 65, 105, 145, 185, 215)]


def test_contrast_is_relative_to_what_is_typical():
    grey, labels = discs(PLACES[:4], (180, 180, 120, 66))
    contrast = contrasts(grey, labels)
    assert contrast.relative.tolist() == pytest.approx([1, 1, 0.5, 0.05], abs=0.02)
    assert contrast.faint(FAINT).tolist() == [False, False, False, True]
    assert not contrast.faint(0).any()


def test_dark_particles_stand_out_as_bright_ones_do():
    grey, labels = discs(PLACES[:3], (20, 20, 55))
    assert contrasts(grey, labels).relative.tolist() == pytest.approx([1, 1, 0.125], abs=0.02)


def test_a_deleted_neighbour_is_no_ground():
    grey, labels = discs(PLACES[:4], (180,) * 4)
    grey[60:100, 60:140] = 180  # a small particle in front of a large one, which is deleted
    labels[78:82, 60:64] = 5
    erased = np.zeros(labels.shape, bool)
    erased[60:100, 60:140] = labels[60:100, 60:140] == 0
    assert contrasts(grey, labels).relative[4] < 1
    assert contrasts(grey, labels, erased).relative.tolist() == pytest.approx([1] * 5, abs=0.02)


def test_an_outline_of_the_other_sign_is_a_gap_and_most_of_the_outlined_area_never():
    grey, labels = discs(PLACES[:4], (20, 20, 20, 180))
    for picture in (grey, 255 - grey):
        assert contrasts(picture, labels).gap.tolist() == [False, False, False, True]


def test_a_dark_place_that_particles_enclose_is_a_gap():
    rows, columns = np.mgrid[:60, :60]
    grey, labels = np.full((100, 60), 40, np.uint8), np.zeros((100, 60), np.int32)
    hole = np.hypot(rows - 30, columns - 30) < 7
    for number, part in enumerate(((rows < 30) & ~hole, (rows >= 30) & ~hole), 1):
        grey[:60][part], labels[:60][part] = 200, number
    labels[:60][hole] = 3
    grey[:60][hole] = 45
    assert contrasts(grey, labels).gap.tolist() == [False, False, True]


def test_without_ground_nothing_is_known():
    labels = np.ones((20, 20), np.int32)
    labels[:, 10:] = 2
    contrast = contrasts(np.full((20, 20), 90, np.uint8), labels)
    assert np.isnan(contrast.relative).all()
    assert not contrast.faint(FAINT).any()


def bed(level=40):
    """A bed of 8 x 12 bright squares with dark crevices, every third of the first row as dark as `level`."""
    labels = np.zeros((160, 240), np.int32)
    for row in range(8):
        for column in range(12):
            labels[20 * row + 1 : 20 * row + 19, 20 * column + 1 : 20 * column + 19] = 12 * row + column + 1
    grey = np.where(labels > 0, 180, 20)
    grey[(labels > 0) & (labels < 12) & (labels % 3 == 2)] = level
    return grey.astype(np.uint8), labels


def test_in_a_bed_without_background_dark_particles_count():
    """Its bare pixels are crevices: that a particle is as dark as these says nothing."""
    grey, labels = bed()
    for picture in (grey, 255 - grey):
        contrast = contrasts(picture, labels)
        assert not contrast.has_ground and contrast.faint(FAINT).sum() == 4
    for settings, left_out in ({}, 0), ({"faint_limit": 30}, 4):
        micrograph = Micrograph(grey, "bed.tif", "ab" * 32, METADATA, {})
        done = measure(micrograph, segmentation_of(labels, np.full(96, 0.95)), AnalysisSettings.of(**settings))
        assert np.isin(done.table.reasons, [str(Reason.GAP), str(Reason.FAINT)]).sum() == left_out


@pytest.mark.parametrize("settings", [{}, {"faint_limit": 0}])
def test_in_a_bed_what_all_neighbours_outshine_is_a_gap(settings):
    grey, labels = bed(level=180)
    grey[labels == 30] = 40
    for polarity, picture in (("bright", grey), ("dark", 255 - grey)):
        micrograph = Micrograph(picture, "bed.tif", "ab" * 32, METADATA, {})
        found = segmentation_of(labels, np.full(96, 0.95), polarity=polarity)
        reasons = measure(micrograph, found, AnalysisSettings.of(**settings)).table.reasons
        assert (reasons == Reason.GAP).nonzero()[0].tolist() == ([] if settings else [29])


def test_no_outlines_have_no_contrast():
    assert len(contrasts(np.zeros((5, 5), np.uint8), np.zeros((5, 5), np.int32)).relative) == 0


def analysed(greys, confidence=0.95, model="particles", options=None, **settings):
    grey, labels = discs(PLACES[: len(greys)], greys)
    micrograph = Micrograph(grey, "discs.tif", "ab" * 32, METADATA, {})
    segmentation = segmentation_of(
        labels, np.full(len(greys), confidence, np.float32), card={"name": model, "options": options or {}}
    )
    return measure(micrograph, segmentation, AnalysisSettings.of(**settings))


def test_faint_outlines_are_set_aside_with_their_reason():
    done = analysed([180] * 6 + [64] * 3)
    assert done.table.reasons.tolist() == [""] * 6 + [str(Reason.FAINT)] * 3
    assert done.statistics.n_kept == 6
    assert "with faint outlines" in [row["name"] for row in done.statistics.nano["sensitivity"]]


def test_the_filter_judges_the_others_only():
    assert analysed([180] * 6 + [64] * 3, filter=True).statistics.set_aside == {str(Reason.FAINT): 3}


@pytest.mark.parametrize("choice", [{"faint_limit": 0}, {"options": {"faint": 0.0}}, {"model": MASKS}])
def test_a_person_a_model_or_another_tool_counts_them(choice):
    assert analysed([180] * 6 + [64] * 3, **choice).statistics.n_kept == 9


@pytest.mark.parametrize("highest", [1, 200, 5_000, 70_000])
@pytest.mark.parametrize("reach", [1, 4, 6])
def test_the_largest_nearby_is_that_of_a_square_whatever_the_numbers(highest, reach):
    random = np.random.default_rng(reach)
    values = np.where(random.random((40, 57)) < 0.02, random.integers(0, highest + 1, (40, 57)), 0).astype(np.int32)
    values[20, 30] = highest
    expected = ndimage.maximum_filter(values, 2 * reach + 1, mode="constant")
    largest = largest_within(values, reach)
    assert largest.dtype == values.dtype and np.array_equal(largest, expected)
    assert np.array_equal(largest_within(values > 0, reach), expected > 0)


def test_a_large_image_is_looked_at_in_bands_and_gives_the_same(monkeypatch):
    labels = label_discs((20, 20, 15), (20, 51, 15), (50, 35, 18), (90, 100, 25), (90, 140, 14), (12, 90, 10))
    grey = np.where(labels > 0, 150, 60).astype(np.uint8) + np.random.default_rng(0).integers(
        0, 40, labels.shape, np.uint8
    )
    whole = contrasts(grey, labels), are_enclosed_gaps(255 - grey, labels)
    monkeypatch.setattr(bands, "BAND_ROWS", 8)
    by_bands = contrasts(grey, labels), are_enclosed_gaps(255 - grey, labels)
    assert np.array_equal(whole[0].relative, by_bands[0].relative) and np.array_equal(whole[0].gap, by_bands[0].gap)
    assert np.array_equal(whole[1], by_bands[1])
