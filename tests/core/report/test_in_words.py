"""What a page says of single objects: cells, scales of colours, counts of states and shapes, and doubts."""

from __future__ import annotations

import json

import pytest

from segmentation.core.measure.review.doubts import Doubt
from segmentation.core.micrograph.types import Calibration
from segmentation.core.report.corrected import in_words
from segmentation.core.report.corrected.corrected_objects import StoredObjects
from segmentation.core.report.corrected.quick_numbers import quick_numbers_of
from segmentation.core.report.exports.viewer import outlines

from .test_corrected_objects import Case, phases

ROWS = [
    {"id": 1, "kept": True, "reason": "", "min_feret": 99.96, "area": 12_345_678.0, "solidity": 0.9949, "shape": "rod"},
    {"id": 2, "kept": True, "reason": "", "min_feret": None, "area": 1.0, "solidity": 0.0001, "shape": ""},
]
ROWS[0] |= {"shape_chance": 0.996, "confidence": 0.5}


def test_lengths_have_three_digits_and_shares_two_decimals():
    cells = in_words.object_cells(ROWS, "min_feret", "nm")
    assert cells.pop("shape") == ["rod 99.6 %", ""]
    assert cells == {
        "min_feret": ["100", ""],
        "area": ["12,300,000", "1.00"],
        "solidity": ["0.99", "0"],
        "confidence": ["0.50", ""],
    }
    assert in_words.object_cells(ROWS, "min_feret", "µm")["area"] == ["12.3", "0.00000100"]
    assert in_words.object_cells([], "min_feret", "nm") == {}


def test_a_scale_has_its_ends_in_words():
    rows = [{"kept": True, "min_feret": 1000.0 + i, "local_density": 1e-5 * i} for i in range(100)]
    rows += [{"kept": False, "min_feret": 1.0}]
    scales = in_words.colour_scales(rows, "min_feret", "µm")
    assert scales["min_feret"] == {"from": 1002.0, "step": 95 / 8, "words": ["from 1.00 µm", "to 1.10 µm"]}
    assert scales["local_density"]["words"] == ["sparse", "dense"] and "neighbour_distance" not in scales
    near = [{"kept": True, "neighbour_distance": 50.0}]
    assert in_words.colour_scales(near, "", "nm")["neighbour_distance"]["words"] == ["from 0 nm", "to 50.0 nm"]


def test_counts_and_chances_in_words():
    assert in_words.state_counts(["", "touches the frame"] + [""] * 11_999) == {"": "12,000", "touches the frame": "1"}
    assert in_words.shape_counts([*ROWS, {**ROWS[0], "kept": False}]) == {"rod": "1"}
    outline, cut, unlikely = in_words.doubts_in_words([Doubt(7, None, 0.6), Doubt(7, 3, 0.996), Doubt(8, 4, 0.45)])
    assert (outline["sure"], cut["sure"], unlikely["sure"]) == ("40 %", "99.6 %", "45 %")
    assert [each["likely"] for each in (outline, cut, unlikely)] == [False, True, False]


@pytest.mark.parametrize(("scale", "unit"), [(3.1, "nm"), (310.0, "µm")])
def test_the_file_of_a_page_has_the_unit_of_its_sentence_and_ends_with_the_objects(scale, unit):
    case = Case(scale=Calibration(scale, "typed"))
    content = outlines(case.analysis)
    quick = quick_numbers_of(case.analysis, content, "particles")
    worded = in_words.with_page_words(content, quick, "particles", 2)
    assert json.dumps(worded).startswith('{"cells": {') and [*worded][-1] == "particles"
    assert worded["length_unit"] == unit == quick.unit and len(worded["cells"]["area"]) == len(worded["particles"])
    assert len(worded["doubts"]) == 2 < worded["doubt_count"]
    assert "cells" not in StoredObjects.of([worded], "particles").head
    case.do({"op": "delete", "ids": case.segmentation.ids[:3].tolist()})
    assert in_words.length_unit(case.quick) == unit


@pytest.mark.parametrize(("scale", "unit"), [(None, "px"), (3.1, "nm"), (90.0, "µm")])
def test_without_a_median_the_width_of_the_picture_decides(scale, unit):
    case = phases(scale=Calibration(scale, "typed" if scale else "none"))
    assert case.analysis.statistics is None
    assert in_words.length_unit(case.quick) == unit
