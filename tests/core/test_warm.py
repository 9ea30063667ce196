"""A process that has analysed other pictures gives the result of a fresh one, to the last digit: whatever it keeps for
the next picture (networks, what objects measured, bars that were read) makes it quicker and nothing else."""

from __future__ import annotations

import json

import numpy as np
import pytest

from segmentation.core import tasks
from segmentation.core.analysis import Analysis, AnalysisSettings
from segmentation.core.library.inputs import with_bar_scale
from segmentation.core.micrograph.calibration.sources import Source
from segmentation.core.micrograph.types import Calibration, Micrograph
from segmentation.core.network import cards, runtime
from segmentation.core.pipeline import analyse, measure
from segmentation.core.remembered import Memory, remembering
from segmentation.core.report.exports import viewer
from tests.examples.sample import data_bar

MODELS = {"particles": "particles", "bubbles": "bubbles", "fibres": "fibres", "grains": "grain-boundaries"}
MODELS |= {"layers": "coatings", "phases": "superalloy"}
CHANGES = {
    "as it is": lambda grey: grey,
    "inverted": lambda grey: 255 - grey,
    "turned": lambda grey: np.ascontiguousarray(np.rot90(grey)),
    "mirrored": lambda grey: np.ascontiguousarray(grey[:, ::-1]),
}


def micrograph_of(kind: str, change: str) -> Micrograph:
    """The drawn case of a kind of analysis, changed."""
    pixels = CHANGES[change](tasks.find(kind).golden().picture)
    return Micrograph(pixels, f"{kind} {change}", "0" * 64, Calibration(5.0, Source.METADATA))


def analysed(kind: str, change: str) -> Analysis:
    settings = AnalysisSettings.of(task=kind, model=MODELS[kind])
    return analyse(micrograph_of(kind, change), settings)


def cold(kind: str, change: str) -> Analysis:
    """As by a process that has loaded no network yet."""
    for card in cards.available():
        runtime.unload(card)
    return analysed(kind, change)


def assert_equal(one: Analysis, other: Analysis) -> None:
    for name in ("labels", "ids", "classes", "confidence"):
        np.testing.assert_array_equal(getattr(one.segmentation, name), getattr(other.segmentation, name), name)
    assert one.table.columns.keys() == other.table.columns.keys()
    for name, values in one.table.columns.items():
        np.testing.assert_array_equal(values, other.table.columns[name], name)
    assert numbers_of(one) == numbers_of(other)


def numbers_of(analysis: Analysis) -> str:
    """Every number and sentence of a result, and what the page draws, with all digits."""
    statistics = analysis.statistics and analysis.statistics.as_dict()
    quantities = {name: value.as_dict() for name, value in analysis.quantities.items()}
    said = [*map(str, analysis.flags)]
    used = {name: str(value) for name, value in analysis.segmentation.used.items()}
    return json.dumps([statistics, quantities, said, used, viewer.outlines(analysis)], sort_keys=True)


def test_particles_after_other_pictures():
    first = {change: cold("particles", change) for change in CHANGES}
    analysed("phases", "as it is")
    for change, analysis in reversed(first.items()):
        assert_equal(analysed("particles", change), analysis)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in MODELS if kind != "particles"])
def test_other_kinds_after_other_pictures(kind):
    first = cold(kind, "turned")
    analysed("particles", "inverted")
    analysed(kind, "as it is")
    assert_equal(analysed(kind, "turned"), first)


@pytest.mark.parametrize("kind", MODELS)
def test_what_objects_measured_is_remembered_to_the_last_digit(kind):
    first, memory = analysed(kind, "inverted"), Memory()
    for _ in range(2):
        with remembering(memory):
            again = measure(first.micrograph, first.segmentation, first.settings)
        assert_equal(again, first)


def test_a_bar_that_is_known_gives_the_scale_that_reading_it_gives(monkeypatch):
    pixels = np.vstack([np.random.default_rng(0).integers(90, 150, (300, 640), np.uint8), data_bar(640)])
    micrograph = Micrograph(pixels, "a.png", "0" * 64, Calibration.absent())
    known = []
    read = with_bar_scale(micrograph, is_scale_known=False, known=known)
    assert len(known) == 1 and read.reading.nm_per_pixel == 5.0
    monkeypatch.setattr("segmentation.core.library.inputs.read_bar", None)  # it is not read again
    repeated = with_bar_scale(micrograph, is_scale_known=False, known=known)
    kept = "calibration", "reading", "texts_agree", "notes", "metadata"
    assert [getattr(repeated, name) for name in kept] == [getattr(read, name) for name in kept]
    np.testing.assert_array_equal(repeated.pixels, read.pixels)
