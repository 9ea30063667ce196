"""Outlines on writing or drawing do not count, in any kind of analysis, unless a person says so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from segmentation.core import pipeline
from segmentation.core.analysis import AnalysisSettings
from segmentation.core.labels.segmentation import Provenance, Segmentation
from segmentation.core.measure.fields import table_of
from segmentation.core.measure.objects.filters import Reason
from segmentation.core.micrograph.types import Calibration, Micrograph
from segmentation.core.settings import MeasurementSettings
from segmentation.core.stages import preparation

LETTER = [[55.0, 55.0], [85.0, 85.0]]


def pictured() -> tuple[Micrograph, Segmentation]:
    """Three discs; the second lies on a mark."""
    rows, columns = np.mgrid[:140, :140]
    labels = np.zeros((140, 140), np.int32)
    for number, (y, x) in enumerate(((30, 30), (70, 70), (110, 110)), 1):
        labels[np.hypot(rows - y, columns - x) < 12] = number
    noise = np.random.default_rng(1).normal(0, 4, labels.shape)
    pixels = (np.where(labels > 0, 180, 60) + noise).clip(0, 255).astype(np.uint8)
    micrograph = Micrograph(pixels, "marked.png", "0" * 64, Calibration.absent())
    segmentation = Segmentation(
        labels,
        np.arange(1, 4, dtype=np.int32),
        np.zeros(3, np.int32),
        ("particle",),
        np.full(3, 0.9, np.float32),
        140,
        Provenance("0" * 64, "particles"),
        {"marks": [LETTER]},
    )
    return micrograph, segmentation


def reasons(segmentation: Segmentation, micrograph: Micrograph) -> list[str]:
    analysis = pipeline.measure(micrograph, segmentation, AnalysisSettings.of("particles"))
    return list(map(str, analysis.table.reasons))


def test_an_outline_on_a_mark_does_not_count_and_a_note_says_so():
    micrograph, segmentation = pictured()
    analysis = pipeline.measure(micrograph, segmentation, AnalysisSettings.of("particles"))
    assert list(analysis.table.reasons) == ["", str(Reason.MARKED), ""]
    (note,) = [flag for flag in analysis.flags if flag.reason == Reason.MARKED]
    assert "1 outline lies on what was recognised of it and does not count." in note.text and not note.doubt


def test_a_person_can_count_it():
    micrograph, segmentation = pictured()
    assert reasons(replace(segmentation, by_hand=frozenset({2})), micrograph) == ["", "", ""]


def test_it_does_not_count_in_other_kinds_of_objects():
    micrograph, segmentation = pictured()
    table = table_of(segmentation, micrograph, MeasurementSettings(), Calibration.absent(), {})
    assert list(table.reasons) == ["", str(Reason.MARKED), ""]


def test_what_lies_under_coloured_marks_is_filled_in():
    micrograph, _ = pictured()
    micrograph.pixels[60:80, 60:80] = 255
    assert preparation.without_coloured_marks(micrograph) is micrograph
    micrograph.metadata["marks"] = "59,59,80,59,80,80,59,80"
    shown = preparation.without_coloured_marks(micrograph)
    assert shown.pixels[60:80, 60:80].max() < 200 and micrograph.pixels[70, 70] == 255


def test_coloured_marks_of_the_data_bar_are_none_of_the_picture():
    micrograph, _ = pictured()
    micrograph.metadata["marks"] = "5,5,5,9,9,9;20,120,20,130,40,130"
    assert preparation.marks_on(micrograph, 100) == ([[[5.5, 5.5], [5.5, 9.5], [9.5, 9.5]]], None)
