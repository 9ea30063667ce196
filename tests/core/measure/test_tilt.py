"""A tilted specimen: what is said of it, and its outlines measured as if it lay flat."""

from __future__ import annotations

from dataclasses import replace
from math import cos, radians

import numpy as np
import pytest

from segmentation.core.analysis import Analysis, AnalysisSettings
from segmentation.core.combine import combine
from segmentation.core.flags import LONGEST_SHORT_FORM, TILTED, Flag
from segmentation.core.labels.segmentation import Cut
from segmentation.core.measure.objects.tilt import Stretch, Tilt
from segmentation.core.measure.table import Table
from segmentation.core.micrograph.types import Calibration, Micrograph
from segmentation.core.pipeline import measure
from segmentation.core.report.facts import settings_used
from segmentation.core.report.method import methods_paragraph
from segmentation.core.sample import Member, SampleAnalysis
from segmentation.core.settings import MeasurementSettings
from segmentation.core.tasks.file_signals import LEAST_TILT, NO_TILT, TILT_CORRECTED, tilt_signals
from tests.core.builders import grey_of, segmentation_of

DIAMETER = 60  # px
SCALE = Calibration.of_pixel(2.0, typed="2.00 nm")
AT_52 = {"tilt_degrees": 52.0, "tilt_corrected": "no"}


def discs(degrees: float = 0.0, across: bool = False) -> np.ndarray:
    """(H, W) int32 of 30 discs as they look under a tilt; across: about an upright axis."""
    share = cos(radians(degrees))
    rows, columns = int(500 * share), 600
    y, x = np.mgrid[:rows, :columns]
    labels = np.zeros((rows, columns), np.int32)
    rng = np.random.default_rng(1)
    for number in range(30):
        centre = 50 + 100 * (number // 6) + rng.uniform(-3, 3), 50 + 100 * (number % 6) + rng.uniform(-3, 3)
        labels[np.hypot(y / share - centre[0], x - centre[1]) <= DIAMETER / 2] = number + 1
    return np.ascontiguousarray(labels.T) if across else labels


def measured(labels: np.ndarray, facts: dict[str, object] | None = None, **settings: object) -> Analysis:
    micrograph = Micrograph(grey_of(labels), "a.tif", "ab" * 32, SCALE, dict(facts or {}))
    return measure(micrograph, segmentation_of(labels), AnalysisSettings.of(**settings))


@pytest.mark.parametrize(("degrees", "perimeter"), [(20.0, 0.02), (52.0, 0.04)])
def test_every_measure_is_that_of_the_flat_specimen(degrees: float, perimeter: float) -> None:
    flat = measured(discs()).table
    tilted = measured(discs(degrees), {"tilt_degrees": degrees}, tilt_correction="file").table
    for name, allowed in (
        ("min_feret", 0.02),
        ("max_feret", 0.03),
        ("ecd", 0.01),
        ("area", 0.02),
        ("perimeter", perimeter),
    ):
        assert np.median(tilted.length(name)) == pytest.approx(np.median(flat.length(name)), rel=allowed), name
    assert np.median(tilted["neighbour_distance_nm"]) == pytest.approx(
        np.median(flat["neighbour_distance_nm"]), rel=0.02
    )


def test_positions_are_those_of_the_upload() -> None:
    labels = discs(52)
    plain, corrected = measured(labels), measured(labels, AT_52, tilt_correction="file")
    for name in ("bbox_left_px", "bbox_top_px", "bbox_right_px", "bbox_bottom_px", "touches_frame"):
        assert np.array_equal(plain.table[name], corrected.table[name]), name
    for axis in "xy":
        name = f"centroid_{axis}_px"
        assert np.allclose(plain.table[name], corrected.table[name], atol=0.3)
    assert corrected.segmentation.labels is not None and corrected.segmentation.labels.shape == labels.shape
    assert corrected.micrograph.shape == labels.shape


@pytest.mark.parametrize(
    ("facts", "settings"),
    [
        ({**AT_52, "scan_rotation_degrees": 90.0}, {"tilt_correction": "file"}),
        ({**AT_52, "scan_rotation_degrees": 30.0}, {"tilt_correction": "file", "tilt_direction": "horizontal"}),
        ({}, {"tilt_correction": 52.0, "tilt_direction": "horizontal"}),
    ],
)
def test_lengths_across_the_picture(facts: dict[str, object], settings: dict[str, object]) -> None:
    size = np.median(measured(discs(52, across=True), facts, **settings).table.length("min_feret"))
    assert size == pytest.approx(2 * DIAMETER, rel=0.02)


@pytest.mark.parametrize("upright", [True, False])
@pytest.mark.parametrize("times", [1.0154, 1.6243, 5.7588])
def test_a_stretch_can_be_undone(times: float, upright: bool) -> None:
    stretch, labels = Stretch(times, upright), discs()
    outlines = stretch.segmentation(replace(segmentation_of(labels), cuts=(Cut(0.5, [[3.0, 5.0]], [], [3, 5, 4, 9]),)))
    assert np.array_equal(np.unique(outlines.labels), np.unique(labels))
    assert outlines.rows == outlines.labels.shape[0]
    places = np.arange(len(labels))
    columns = {
        **{f"bbox_{side}_px": places for side in ("left", "top")},
        **{f"bbox_{side}_px": places + 1 for side in ("right", "bottom")},
        **{f"centroid_{axis}_px": places / 3 for axis in "xy"},
    }
    table = Table({**columns, "kept": np.ones(len(labels), bool), "reason": np.full(len(labels), "")})
    again = stretch.unstretched_table(stretch.table(table))
    assert all(np.allclose(again[name], values) for name, values in columns.items())
    (cut,) = outlines.cuts
    x0, y0, x1, y1 = cut.sides
    assert outlines.labels[y0, x0] == labels[5, 3] and outlines.labels[y1, x1] == labels[9, 4]


def signals(facts: dict[str, object], **settings: object) -> list[Flag]:
    micrograph = Micrograph(np.zeros((20, 20), np.uint8), "a.tif", "ab" * 32, SCALE, facts)
    return list(tilt_signals(micrograph, MeasurementSettings(**settings)))


def test_a_tilt_that_nobody_corrected_is_a_warning_with_its_share() -> None:
    (flag,) = signals(AT_52)
    assert flag.doubt and flag.moves == "sizes" and flag.by == pytest.approx(1 - cos(radians(52)), abs=1e-3)
    assert "tilted by 52°" in flag.text and "did not correct" in flag.text and "62 %" in flag.text
    assert flag.short.startswith(TILTED)
    (unknown,) = signals({"tilt_degrees": 52.0})
    assert "not known to have corrected" in unknown.text


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"tilt_degrees": LEAST_TILT - 0.1},
        {"tilt_degrees": 52.0, "tilt_corrected": "yes"},
        {"tilt_degrees": "steep"},
    ],
)
def test_a_small_or_corrected_tilt_is_a_fact(facts: dict[str, object]) -> None:
    assert signals(facts) == []


@pytest.mark.parametrize("degrees", [10.0, 45.5, 79.9, 80.1, 90.0])
@pytest.mark.parametrize("rotation", [0.0, 30.0, 90.0, 180.0, 275.0])
def test_every_warning_can_be_said(degrees: float, rotation: float) -> None:
    facts = {"tilt_degrees": degrees, "scan_rotation_degrees": rotation}
    (flag,) = signals(facts)
    assert len(flag.short) <= LONGEST_SHORT_FORM
    # One click corrects only what it can.
    tilt = Tilt.to_correct(MeasurementSettings(tilt_correction="file"), facts)
    assert flag.short.startswith(TILTED) == (tilt is not None)
    assert ("horizontal lengths" in flag.text) == (rotation in (90.0, 275.0))


def test_a_correction_is_said() -> None:
    (flag,) = signals(AT_52, tilt_correction="file")
    assert not flag.doubt and "52°" in flag.text and "0.616" in flag.text
    (twice,) = signals({"tilt_degrees": 52.0, "tilt_corrected": "yes"}, tilt_correction=52.0)
    assert twice.doubt and "twice" in twice.short
    assert [str(flag) for flag in signals({}, tilt_correction="file")] == [NO_TILT]
    corrected = {"tilt_degrees": 52.0, "tilt_corrected": "yes"}
    assert [str(flag) for flag in signals(corrected, tilt_correction="file")] == [TILT_CORRECTED]


def test_no_verdict_on_a_tilted_specimen() -> None:
    nano = measured(discs(52), AT_52).statistics.nano
    assert nano["verdict"] == "undecided" and "tilt" in nano["decides"]
    nano = measured(discs(52), AT_52, tilt_correction="file").statistics.nano
    assert "tilt" not in nano["decides"]


def test_report_and_budget_name_it() -> None:
    analysis = measured(discs(52), AT_52, tilt_correction="file")
    sample = SampleAnalysis.of(analysis)
    assert "tilt of the specimen of 52°" in methods_paragraph(sample)
    assert settings_used(sample, sample.members[0])["corrected for a tilt"] == "file"
    rows = {row["name"]: row for row in analysis.statistics.budget["rows"]}
    assert rows["tilt"]["median"] is None and "52°" in rows["tilt"]["source"]
    plain = measured(discs(52), AT_52)
    assert "tilt" not in {row["name"] for row in plain.statistics.budget["rows"]}
    assert "tilt" not in methods_paragraph(SampleAnalysis.of(plain))
    several = combine(
        "all", [Member.of(replace(analysis, micrograph=replace(analysis.micrograph, name=n))) for n in "ab"]
    )
    assert "tilt of the specimen of 52°" in methods_paragraph(several)
    assert "tilt" in {row["name"] for row in several.pooled.budget["rows"]}
