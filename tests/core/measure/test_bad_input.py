"""What cannot be judged has a sentence and no verdict."""

from __future__ import annotations

import re

import pytest

from segmentation.core.measure.objects.filters import Reason
from segmentation.core.measure.pooling import notes_on, pool
from segmentation.core.measure.statistics import summarise
from segmentation.core.measure.uncertainty.budget import Conditions
from segmentation.core.micrograph.types import Calibration
from segmentation.core.report.documents.sections import nano_card
from segmentation.core.report.summary import Summary
from tests.core.measure.particle_tables import log_normal, table_of

SURE = Calibration(1.0, "metadata", relative_uncertainty=0.001, instrument_uncertainty=0.001)


def images(count, nm_per_pixel=1.0):
    """Clearly nano: of all of them together the verdict is firm."""
    return [table_of(log_normal(60, 40, 1.3, seed=i) / nm_per_pixel, nm_per_pixel=nm_per_pixel) for i in range(count)]


def sample(tables):
    return pool(tables, Conditions(calibration=SURE))


def test_what_is_changed_below_would_else_be_firm():
    assert sample(images(10)).nano["verdict"] == "above"
    assert summarise(images(1)[0], Conditions(calibration=SURE)).nano["verdict"] == "above"


def test_one_particle():
    statistics = summarise(table_of([50]), Conditions(calibration=SURE))
    assert statistics.nano["verdict"] == "undecided"
    assert re.match(r"At least 30 particles \(1 here\)\.$", statistics.nano["decides"])
    assert "at least 6 sizes" in statistics.interval_note


def test_all_sizes_equal():
    statistics = summarise(table_of([50] * 200), Conditions(calibration=SURE))
    assert statistics.nano["verdict"] == "undecided" and "all sizes" in statistics.nano["decides"]
    assert "sizes are equal" in statistics.interval_note


def test_all_set_aside():
    statistics = summarise(table_of(log_normal(50), [Reason.FRAME] * 50), Conditions(calibration=SURE))
    assert statistics.nano is None and statistics.n_kept == 0 and statistics.mean is None
    assert nano_card(Summary(statistics, {})) == []


@pytest.mark.parametrize("reason", ["", Reason.FRAME])
def test_one_image_in_ten_without_particles(reason):
    empty = table_of([50.0], [reason]) if reason else table_of([])
    statistics = sample([*images(9), empty])
    assert statistics.nano["verdict"] == "undecided"
    assert "without particles" in statistics.nano["decides"]
    assert any("1 of 10 images" in note.text for note in notes_on([*images(9), empty], [""] * 10, "particles"))


def test_mixed_scales():
    tables = [*images(5), *images(5, nm_per_pixel=2.0)]
    statistics = sample(tables)
    assert statistics.nano["verdict"] == "undecided" and "one magnification" in statistics.nano["decides"]
    assert any("1 to 2 nm" in note.text for note in notes_on(tables, [""] * 10, "particles"))
    statistics = sample([*images(5), table_of(log_normal(60), nm_per_pixel=None)])
    assert statistics.nano["verdict"] == "undecided" and "scale of every" in statistics.nano["decides"]


def test_pixels_without_a_scale():
    table = table_of(log_normal(60), nm_per_pixel=None)
    alone, pooled = summarise(table, Conditions(calibration=Calibration.absent())), sample([table] * 3)
    for statistics in (alone, pooled):
        assert statistics.nano is None and statistics.fraction_100nm is None
    low, high = alone.intervals["median"]
    assert alone.interval_note == "" and low < alone.median < high, "counting needs no scale"
