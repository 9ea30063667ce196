"""Grains, bubbles and lines that other tools outlined: the numbers and files of images and samples of them."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import tifffile

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.combine import combine
from segmentation.core.imported.labelled import analyse_mask
from segmentation.core.masks.label_images import Mask, as_labels
from segmentation.core.measure.objects.regions import CountedArea
from segmentation.core.measure.table import Table
from segmentation.core.micrograph.types import Calibration
from segmentation.core.report.exports.particles_csv import as_text
from segmentation.core.report.facts import settings_used as said_settings
from segmentation.core.report.files import write_all
from segmentation.core.report.method import WEIGHTED, methods_paragraph
from segmentation.core.sample import Member, SampleAnalysis
from segmentation.core.tasks.bubbles import swelling

from .test_labelled import TWO, discs


def measured(labels, task, nm=None, name="a.tif", **settings):
    calibration = None if nm is None else Calibration.of_pixel(nm, typed=f"{nm}")
    mask = Mask(name, f"{sum(map(ord, name)):064d}", np.asarray(labels, np.int32))
    return analyse_mask(mask, AnalysisSettings.of(task, calibration=calibration, data_bar=0, **settings))


def bars(*lengths, width=200):
    """Lines 3 px wide, one below the other, none at the frame."""
    labels = np.zeros((10 * len(lengths) + 10, width), np.int32)
    for number, length in enumerate(lengths):
        labels[10 * number + 5 : 10 * number + 8, 5 : 5 + length] = number + 1
    return labels


def test_a_line_that_crosses_the_frame_has_the_length_that_is_seen():
    labels = np.zeros((100, 100), np.int32)
    labels[48:51] = 1
    quantities = measured(labels, "lines").quantities
    assert quantities["line_density"].value == pytest.approx(100 / 100**2, rel=0.05)
    assert quantities["lines"].value == 1 and quantities["line_length_mean"].value is None


def test_no_interval_of_equal_sizes_and_none_that_one_size_carries():
    equal = measured(bars(*[60] * 7), "lines", 2.0).quantities
    assert equal["line_length_mean"].value == pytest.approx(120, rel=0.05)
    assert all(equal[name].low is None for name in ("line_length_mean", "line_length_median"))
    spread = measured(bars(12, 12, 13, 12, 13, 12, 190), "lines", 2.0).quantities["line_length_mean"]
    assert spread.value == pytest.approx(75.4, rel=0.01) and spread.low is None and spread.high is None


def test_the_pieces_of_a_line_may_share_a_corner():
    mask = np.zeros((40, 40), np.uint8)
    mask[np.arange(5, 30), np.arange(5, 30)] = 255
    apart, (note,) = as_labels(mask)
    whole, (other,) = as_labels(mask, corners=True)
    assert (apart.max(), whole.max()) == (25, 1) and "a side" in note and "a corner" in other


def test_grains_that_touch_have_a_boundary(tmp_path):
    analysis = measured(np.kron(np.arange(1, 26).reshape(5, 5), np.ones((20, 20))), "grains")
    written = tifffile.imread(write_all(analysis, tmp_path)["boundaries.tif"])
    assert set(np.flatnonzero(written.all(axis=0))) == {19, 39, 59, 79} == set(np.flatnonzero(written.all(axis=1)))


def test_weighting_for_the_frame_is_said():
    labels = bars(*[20, 30, 40, 50, 60, 70, 80])
    for edge, word in (("weight", "weighted"), ("exclude", "excluded")):
        sample = SampleAnalysis.of(measured(labels, "lines", border_correction=edge))
        assert said_settings(sample, sample.members[0])["edges"] == word
        assert (WEIGHTED in methods_paragraph(sample)) == (edge == "weight") == ("edge-weighted" in as_text(sample))


def test_the_table_of_a_sample_is_in_the_unit_of_the_images_that_count():
    """The first image has no scale and is left out."""
    for task in ("particles", "lines"):
        images = [measured(TWO, task, nm, name) for nm, name in ((None, "a.tif"), (2.0, "b.tif"), (2.0, "c.tif"))]
        sample = combine("Three", [Member.of(image) for image in images])
        header, *rows = csv.reader(line for line in as_text(sample).splitlines() if not line.startswith("#"))
        assert "min_feret_nm" in header and "min_feret_px" not in header
        (width,) = {float(row[header.index("min_feret_nm")]) for row in rows if row[header.index("label")] == "1"}
        assert {row[0] for row in rows} == {"b.tif", "c.tif"}
        assert width == pytest.approx(20.0, rel=0.1) and sample.unit == "nm"


def test_a_sample_in_which_no_image_counts_has_all_files(tmp_path):
    empty = [measured(TWO * 0, "bubbles", 2.0, name) for name in ("a.tif", "b.tif")]
    sample = combine("Nothing", [Member.of(image) for image in empty])
    assert {"report.pdf", "bundle.zip"} <= set(write_all(sample, tmp_path))
    assert all(image.excluded for image in sample.images)


def test_an_image_without_a_scale_says_nothing_of_the_doubt_of_the_others():
    sure = {"scale_uncertainty": 5.0}
    scaled = [measured(discs(9), "particles", 2.0, name, **sure) for name in ("b.tif", "c.tif")]
    alone = combine("Two", [Member.of(image) for image in scaled])
    beside = combine("Three", [Member.of(image) for image in (*scaled, measured(discs(9), "particles", None, "a.tif"))])
    assert beside.pooled.relative_uncertainty == alone.pooled.relative_uncertainty
    assert beside.pooled.budget == alone.pooled.budget


class TestTheScaleWidensIntervals:
    """Each number's interval is hypot(counting, 1.96 x power x uncertainty x number) on either side."""

    def both(self, task, labels):
        def analysed(uncertainty):
            calibration = Calibration(2.0, "typed", "", 0.0, uncertainty)
            return analyse_mask(
                Mask("a.tif", "0" * 64, labels), AnalysisSettings.of(task, calibration=calibration, data_bar=0)
            ).quantities

        return analysed(0.0), analysed(0.1)

    def widened(self, plain, wide, power):
        part = 1.96 * abs(power) * 0.1 * plain.value
        assert wide.value == plain.value
        assert wide.high - wide.value == pytest.approx(np.hypot(plain.high - plain.value, part), rel=1e-3)
        assert wide.low == pytest.approx(max(0, wide.value - np.hypot(plain.value - plain.low, part)), rel=1e-2)

    def test_of_grains(self):
        edges = np.r_[0, np.cumsum(np.random.default_rng(0).integers(12, 30, 12))]
        rows, columns = (np.searchsorted(edges, np.arange(edges[-1]), side="right") for _ in range(2))
        plain, wide = self.both("grains", (rows[:, None] * 20 + columns[None]).astype(np.int32))
        self.widened(plain["grain_density"], wide["grain_density"], -2)
        self.widened(plain["grain_intercept"], wide["grain_intercept"], 1)
        lone, _ = self.both("grains", np.pad(np.ones((9, 9), np.int32), 200))
        assert (lone["grains"].value, lone["grain_intercept"].value) == (1, None), "longer than the picture"
        assert wide["grain_diameter_mean"].high > plain["grain_diameter_mean"].high
        number, density = wide["grain_number"], wide["grain_density"]
        assert number.high - number.value == pytest.approx(3.321928 * np.log10(density.high / density.value))

    def test_of_bubbles(self):
        rng, labels = np.random.default_rng(1), np.zeros((240, 240), np.int32)
        rows, columns = np.mgrid[:240, :240]
        for number in range(36):
            at = 20 + 40 * np.array(divmod(number, 6))
            labels[np.hypot(rows - at[0], columns - at[1]) < rng.uniform(4, 15)] = number + 1
        plain, wide = self.both("bubbles", labels)
        self.widened(plain["bubble_density"], wide["bubble_density"], -2)
        assert plain["bubble_area"] == wide["bubble_area"]
        share = wide["bubble_area"]
        assert share.value == pytest.approx((labels > 0).mean()) and 0 < share.low < share.value < share.high < 1

    def test_of_swelling(self):
        rng, area = np.random.default_rng(2), CountedArea((200, 200))
        places = {f"centroid_{axis}_px": rng.uniform(0, 200, 40) for axis in "yx"}
        columns = {"ecd_nm": rng.uniform(5, 15, 40), "kept": np.ones(40, bool), "reason": np.full(40, ""), **places}
        plain, wide = (
            swelling(Table(columns, 2.0), area, 50.0, Calibration(2.0, "typed", "", 0.0, u)) for u in (0.0, 0.1)
        )
        gas = (np.pi / 6 * columns["ecd_nm"] ** 3).sum()
        assert plain.value == pytest.approx(gas / (400**2 * 50 - gas))
        self.widened(plain, wide, 1 + plain.value)
        assert swelling(Table(columns, 2.0), area, None, Calibration.absent()).value is None
