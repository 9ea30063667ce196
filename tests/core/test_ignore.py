"""The setting `ignore`: what a person types, what lies in the regions, and every number of what is left."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from segmentation.core import pipeline, tasks
from segmentation.core.analysis import AnalysisSettings
from segmentation.core.labels.segmentation import Provenance, Segmentation
from segmentation.core.measure.objects.filters import Reason
from segmentation.core.measure.objects.regions import area_words, mask_of, share_of
from segmentation.core.micrograph.types import Calibration
from segmentation.core.report.facts import settings_used
from segmentation.core.sample import Member, SampleAnalysis
from segmentation.core.settings import MOST_REGIONS, MeasurementSettings, regions_text
from segmentation.core.typed import read_settings
from tests.core.builders import micrograph_of

from .builders import disc_labels, grey_of, segmentation_of

PARTICLES, SQUARE = tasks.find("particles"), ((0.0, 0.0), (100.0, 100.0))


def discs(n: int = 24, **settings: object):
    """Particles of a picture of 192 x 256 px, measured."""
    labels = disc_labels(n, (192, 256))
    micrograph = replace(micrograph_of(grey_of(labels)), calibration=Calibration.of_pixel(2.0, typed="2"))
    return micrograph, segmentation_of(labels), AnalysisSettings.of(**settings)


@pytest.mark.parametrize(
    "typed",
    [
        "0,0,100,100; 1,2,30,2,15.5,20",
        "0 0 100 100\n1, 2, 30, 2, 15.5, 20;",
        "[[[0, 0], [100, 100]], [[1, 2], [30, 2], [15.5, 20]]]",
        [[[0, 0], [100, 100]], [[1, 2], [30, 2], [15.5, 20]]],
        ["0,0,100,100", "[[[1, 2], [30, 2], [15.5, 20]]]"],
    ],
)
def test_regions_are_texts_json_or_lists(typed):
    settings = read_settings(PARTICLES, {"ignore": typed})
    assert settings.measurement.ignore == (SQUARE, ((1, 2), (30, 2), (15.5, 20)))
    stored = settings.as_dict()
    assert stored["ignore"] == [[[0, 0], [100, 100]], [[1, 2], [30, 2], [15.5, 20]]]
    assert AnalysisSettings.from_dict(stored) == settings and hash(settings.measurement)
    assert read_settings(PARTICLES, {"ignore": regions_text(settings.measurement.ignore)}) == settings
    assert read_settings(PARTICLES, {"ignore": ""}).measurement.ignore == ()
    assert AnalysisSettings.from_dict({"task": "particles"}).measurement.ignore == (), "stored before there were any"


@pytest.mark.parametrize(
    "wrong",
    [
        *("1,2,3", "x", "[", "[" * 9999, "1,2", "1,2,1,9", "nan,1,2,3", "0,0,1e9,1", "{}"),
        *([[[1, 2]]], [[1, 2, 3, 4]], 5, [[[1, 2], ["3", 4]]], [[[True, 2], [3, 4]]], {"a": 1}, [None]),
        [[[0, 0], [5, 5]]] * (MOST_REGIONS + 1),
        [[[i, i * i % 7] for i in range(201)]],
        [[[i, i * i % 7] for i in range(200)]] * 6,
    ],
)
def test_what_is_no_region_is_refused_in_one_sentence(wrong):
    with pytest.raises(ValueError, match=r"^“Regions to ignore” is a list of at most 50 regions, .*, not .*\.$"):
        read_settings(PARTICLES, {"ignore": wrong})


def test_half_of_its_pixels_decide_and_alternatives_and_pieces_follow():
    micrograph, found, settings = discs()
    found = replace(found, alternatives={"threshold +0.1": found.labels})
    whole = pipeline.measure(micrograph, found, settings)
    half = pipeline.measure(micrograph, found, settings.replaced(ignore=[[[0, 0], [128, 192]]]))
    ignored = half.table.reasons == str(Reason.IGNORED)
    np.testing.assert_array_equal(ignored, half.table["centroid_x_px"] + 0.5 < 128)
    assert 8 < ignored.sum() < 16 and half.statistics.n_kept == (whole.table.kept & ~ignored).sum()
    assert half.statistics.set_aside[str(Reason.IGNORED)] == ignored.sum()
    assert half.statistics.arrangement is None is not whole.statistics.arrangement
    note = f"{ignored.sum()} particles in 1 region to ignore do not count (50 % of the picture)."
    assert any(flag.text.startswith(note) and flag.reason == Reason.IGNORED for flag in half.flags)
    # What the threshold changes is judged by the same regions: nothing, as its outlines are the same.
    assert {row["name"]: row["fraction_100nm"] for row in half.statistics.budget["rows"]}["threshold"] in (None, 0.0)


def test_a_region_goes_before_what_a_person_confirmed_and_not_before_what_one_left_out():
    micrograph, found, settings = discs()
    decided = replace(found, by_hand=frozenset({1}), set_aside={2: "charging"})
    everything = settings.replaced(ignore=[[[0, 0], [256, 192]]])
    reasons = pipeline.measure(micrograph, decided, everything).table.reasons.tolist()
    assert reasons[0] == Reason.IGNORED and reasons[1] == "charging" and set(reasons[2:]) == {str(Reason.IGNORED)}
    # Taken away, what was said before comes back, also where a correction began while the region stood.
    began = {"by_others": {"faint_limit": None, str(Reason.FAINT): [], str(Reason.IGNORED): [3]}}
    again = pipeline.measure(micrograph, replace(decided, used={**found.used, **began}), settings)
    assert again.table.reasons.tolist()[:2] == ["", "charging"] and again.table.kept.sum() == len(reasons) - 1


def test_a_density_is_of_the_area_that_is_left():
    rows, columns = np.mgrid[:200, :200]
    labels, number = np.zeros((200, 200), np.int32), 0
    for y in range(13, 200, 25):
        for x in range(13, 100, 25):  # the left half alone has bubbles
            number += 1
            labels[np.hypot(rows - y, columns - x) <= 6] = number
    found = Segmentation(
        labels,
        np.arange(1, number + 1, dtype=np.int32),
        np.zeros(number, np.int32),
        ("bubble",),
        np.full(number, np.nan, np.float32),
        200,
        Provenance("0" * 64, "bubbles", {"thickness": 50.0}, {"name": "bubbles", "title": "Bubbles"}),
    )
    micrograph = replace(micrograph_of(grey_of(labels)), calibration=Calibration.of_pixel(1.0, typed="1"))
    whole = pipeline.measure(micrograph, found, AnalysisSettings.of("bubbles")).quantities
    right = AnalysisSettings.of("bubbles", ignore=[[[100, 0], [200, 200]]])
    left = pipeline.measure(micrograph, found, right).quantities
    assert left["bubbles"].value == whole["bubbles"].value == number
    for name, times in {"bubble_density": 2.0, "bubble_area": 2.0, "swelling": 2.0}.items():
        assert left[name].value == pytest.approx(times * whole[name].value, rel=0.05), name
    assert left["bubble_density"].high is not None, "blocks of different area still show their spread"


def test_a_share_of_phases_and_its_intercepts_leave_the_region_out():
    rows, columns = np.mgrid[:160, :160]
    classes = ((rows // 8 + columns // 8) % 2).astype(np.int32)
    classes[:, 80:] = 1
    found = Segmentation(
        classes + 1,
        np.array([1, 2], np.int32),
        np.array([0, 1], np.int32),
        ("dark", "bright"),
        np.ones(2, np.float32),
        160,
        Provenance("0" * 64, "phases"),
    )
    micrograph = micrograph_of(np.where(classes, 200, 60).astype(np.uint8))
    right = AnalysisSettings.of("phases", ignore=[[[80, 0], [160, 160]]])
    half = pipeline.measure(micrograph, found, right)
    assert half.quantities["area_fraction of bright"].value == pytest.approx(0.5)
    assert half.quantities["mean_intercept of bright"].value == pytest.approx(8, rel=0.3)
    assert any(
        flag.text == "1 region to ignore (50 % of the picture) does not count in the shares." for flag in half.flags
    )
    (curve,) = tasks.find("phases").curves(found, half.calibration, right.measurement)
    assert max(curve.x) < 20, "no intercept of the bright half"
    dark = pipeline.measure(micrograph, found, AnalysisSettings.of("phases", ignore=[[[0, 0], [80, 160]]]))
    assert dark.table.kept.tolist() == [False, True] and dark.table.reasons[0] == Reason.IGNORED


def test_polygons_are_filled_by_the_rule_of_corrections_also_of_tall_pictures():
    triangle = mask_of([((0, 0), (8, 0), (0, 8))], (8, 8))
    assert triangle.sum() == 28 and triangle[0, 0] and not triangle[7, 7], "a centre on the edge is outside"
    tall = mask_of([((1, -5), (3, 9000))], (8200, 4))
    assert tall[:, 1:3].all() and tall.sum() == 2 * 8200
    assert not mask_of([((-9, -9), (-1, -1))], (5, 5)).any()
    assert share_of(((SQUARE), (SQUARE)), (200, 100)) == 0.5, "what overlaps counts once"
    assert [area_words(share) for share in (0.0, 1e-5, 0.004, 0.04, 1.0)] == [
        *("0 %", "less than 0.1 %", "0.4 %", "4 %", "100 %")
    ]


def test_files_say_how_many_regions_there_were_and_a_pooled_density_weighs_what_is_left():
    micrograph, found, settings = discs()
    half = pipeline.measure(micrograph, found, settings.replaced(ignore=[[[0, 0], [128, 192]]]))
    sample = SampleAnalysis.of(half)
    assert settings_used(sample, sample.members[0])["regions to ignore"] == "1 (50 % of the picture)"
    assert Member.of(half).record.ignored_share == 0.5
    plain = SampleAnalysis.of(pipeline.measure(micrograph, found, settings))
    assert "regions to ignore" not in settings_used(plain, plain.members[0])
    assert MeasurementSettings().ignore == ()
