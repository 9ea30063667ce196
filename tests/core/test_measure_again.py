"""Known outlines measured again: alternatives, seeds, edges and calibrations that disagree."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.measure.shape.shapes import means_of_overlapping
from segmentation.core.micrograph.types import Calibration, Micrograph
from segmentation.core.pipeline import measure
from tests.core.builders import disc_labels, grey_of, segmentation_of
from worker.analysis.results import summarise as job_summary

OWN = Calibration(5.0, "metadata", "a tag", 0.01)


def shrunk(labels):
    """The labels without the pixels that have another label to the left."""
    smaller = labels.copy()
    smaller[:, 1:][labels[:, 1:] != labels[:, :-1]] = 0
    return smaller


def scene(n=60, calibration=OWN):
    labels = disc_labels(n, (400, 500))
    micrograph = Micrograph(grey_of(labels), "a.tif", "ab" * 32, calibration)
    segmentation = segmentation_of(labels)
    return micrograph, replace(segmentation, alternatives={"threshold +0.1": shrunk(labels)})


def test_alternatives_tell_how_firm_the_fraction_is():
    micrograph, segmentation = scene()
    rows = measure(micrograph, segmentation, AnalysisSettings.of()).statistics.nano["sensitivity"]
    by_name = {row["name"]: row for row in rows}
    assert by_name["threshold +0.1"]["fraction"] >= by_name["as analysed"]["fraction"]
    assert by_name["threshold +0.1"]["n"] > 0


def test_values_under_other_outlines():
    labels, values = np.array([[1, 1, 2, 2, 0, 0]], np.int32), np.array([0.2, 0.8])
    other = np.array([[1, 1, 1, 1, 2, 0]], np.int32)
    means, doubled = means_of_overlapping(other, labels, values, 2 * values)
    assert means[0] == pytest.approx(0.5) and doubled[0] == pytest.approx(1.0)
    assert np.isnan(means[1])
    assert len(means_of_overlapping(np.zeros((1, 6), np.int32), labels, values)[0]) == 0


def test_the_file_seeds_the_draws():
    micrograph, segmentation = scene()
    first, repeated = (measure(micrograph, segmentation, AnalysisSettings.of()).statistics for _ in range(2))
    assert first.as_dict() == repeated.as_dict()
    other = measure(replace(micrograph, sha256="cd" * 32), segmentation, AnalysisSettings.of()).statistics
    assert other.intervals != first.intervals and other.median == first.median


def test_edges_weighted_or_excluded():
    micrograph, segmentation = scene()
    plain = measure(micrograph, segmentation, AnalysisSettings.of()).statistics
    weighted = measure(micrograph, segmentation, AnalysisSettings.of(border_correction="weight")).statistics
    assert (plain.edge, weighted.edge) == ("exclude", "weight")
    assert weighted.mean > plain.mean  # large particles were the likelier to touch the frame


def test_recalibrating_scales_the_sizes_and_carries_its_own_doubt():
    micrograph, segmentation = scene()
    typed = AnalysisSettings.of(calibration=Calibration(10.0, "drawn", relative_uncertainty=0.05))
    first, second = (
        measure(micrograph, segmentation, settings).statistics for settings in (AnalysisSettings.of(), typed)
    )
    assert second.median == pytest.approx(2 * first.median)
    assert (first.relative_uncertainty, second.relative_uncertainty) == (0.01, 0.05)
    width = [
        np.log(statistics.intervals["median"][1] / statistics.intervals["median"][0]) for statistics in (first, second)
    ]
    assert width[1] > width[0]


def test_calibrations_that_disagree_are_a_warning_that_names_both():
    micrograph, segmentation = scene()
    typed = AnalysisSettings.of(calibration=Calibration(6.0, "typed", "3000 nm across 500 px"))
    text = " ".join(map(str, measure(micrograph, segmentation, typed).flags))
    assert "file gives 5 nm" in text and "typed width 6 nm" in text and "20 %" in text
    near = AnalysisSettings.of(calibration=Calibration(5.05, "typed"))
    assert not any("typed width" in flag.text for flag in measure(micrograph, segmentation, near).flags)
    assert not any("metadata" in flag.text for flag in measure(micrograph, segmentation, AnalysisSettings.of()).flags)


def test_the_summary_of_a_job_stays_small():
    micrograph, segmentation = scene(200)
    summary = job_summary(measure(micrograph, segmentation, AnalysisSettings.of()), reused=False, unread=False)
    assert summary["edge"] == "exclude"
    assert len(json.dumps(summary, allow_nan=False)) < 21_000


def test_neither_d90_nor_the_share_stands_beside_a_median_of_outlines_that_hold_several():
    micrograph, segmentation = scene()

    def with_several(several):
        used = {**segmentation.used, "overlaps": {"parted": 10, "joined": 0, "lenses": 0, "several": several}}
        return measure(micrograph, replace(segmentation, used=used), AnalysisSettings.of())

    few, many = with_several(15), with_several(25)
    assert few.statistics.d90 and few.quantities["fraction_100nm"].value is not None
    assert many.quantities["median"] == few.quantities["median"]
    for name in ("d90", "fraction_100nm", "fraction_100nm_with_doubtful"):
        assert many.quantities[name].value is None and getattr(many.statistics, name) is None
