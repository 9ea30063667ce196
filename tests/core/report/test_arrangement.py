"""The words of arrangement and shapes, and the picture and sheet that show them."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import openpyxl
import pytest
from PIL import Image

from segmentation.core.measure.results import Statistics
from segmentation.core.pipeline import measure
from segmentation.core.report.exports import by_file_name
from segmentation.core.report.exports.workbooks import write_xlsx
from segmentation.core.report.files import write_all
from segmentation.core.report.summary import Summary
from segmentation.core.sample import SampleAnalysis
from segmentation.core.tasks import find
from tests.core.builders import make_analysis

NEIGHBOURS = {"n": 40, "mean": 1200.0, "low": 1100.0, "high": 1300.0, "median": 1150.0}
ARRANGEMENT = {
    "unit": "nm",
    "n": 40,
    "centre": {**NEIGHBOURS, "chance": 1500.0, "chance_low": 1400.0, "chance_high": 1600.0},
    "edge": NEIGHBOURS,
    "pairs": None,
    "alignment": {"n": 12, "order": 0.8, "low": 0.7, "high": 0.9, "p": 1e-4, "direction": 31.0},
    "sentence": "Not compared with chance.",
}
EXTENT = {"d10": 20.0, "median": 30.0, "d90": 40.0, "interval": [28.0, 32.0]}
SHAPES = {
    "round": {"n": 30, "share": 0.75, "low": 0.6, "high": 0.86},
    "rod": {"n": 0, "share": 0.0, "low": 0.0, "high": 0.1},
}


def summary() -> Summary:
    groups = {"groups": 5, "singles": 10, "primaries_in_groups": 30, "largest": 9, "share": 0.75}
    groups |= {"share_interval": [0.5, 0.9], "mean_primaries": 6.0, "diameter": 200.0, "fractal_dimension": 1.7}
    groups |= {"fractal_interval": [1.6, 1.8], "fractal_groups": 33}
    rods = {"n": 12, "length": EXTENT, "width": EXTENT, "ratio": EXTENT}
    statistics = {"arrangement": ARRANGEMENT, "agglomerates": groups, "shape_classes": SHAPES, "rods": rods}
    return Summary(Statistics.from_dict({"unit": "nm", "n_kept": 40, "n_set_aside": 0, **statistics}), {})


def test_each_number_has_its_interval_and_what_chance_would_give():
    centre, edge, alignment, share, primaries, diameter, fractal = summary().arrangement
    assert centre.words == "1.20 µm (1.10–1.30)" and centre.note == "at random: 1.50 µm (1.40–1.60)"
    assert edge.note == "" and alignment.note == "12 elongated, along 31°"
    assert alignment.words == "80 % (70–90)", "as the order parameter of fibres, which has the same formula"
    assert share.words == "75 % (50–90)" and primaries.value == "6.00"
    assert diameter.words == "200 nm" and fractal.words == "1.70 (1.60–1.80)"


def test_only_shapes_that_occur_are_named():
    assert [(row.term, row.value, row.note) for row in summary().shape_classes] == [("round", "75", "30 counted")]
    assert [row.words for row in summary().rods] == ["30.0 nm (28.0–32.0)", "30.0 nm (28.0–32.0)", "30.0 (28.0–32.0)"]


def test_every_number_is_among_all_numbers():
    groups = {row.group for row in summary().all_numbers()}
    assert {"arrangement", "shape classes", "rods", "agglomerates"} <= groups


def test_an_older_result_shows_none_of_it():
    old = Summary(
        Statistics.from_dict({"unit": "nm", "n_kept": 4, "n_set_aside": 0, "agglomerates": {"groups": 1}}), {}
    )
    assert old.arrangement == old.shape_classes == old.rods == [] and old.arrangement_line == ""


def test_only_kinds_that_find_objects_have_the_picture():
    assert "arrangement.png" in by_file_name("image", find("particles")) and "arrangement.png" in by_file_name(
        "image", find("bubbles")
    )
    assert "arrangement.png" not in by_file_name("image", find("phases"))


@pytest.mark.parametrize("few", [False, True])
def test_picture_and_sheet_are_written(tmp_path, few):
    drawn = make_analysis(3 if few else 60, (300, 400))
    sample = SampleAnalysis.of(measure(drawn.micrograph, drawn.segmentation, drawn.settings))
    written = write_all(sample, tmp_path, stored_only=True, added_names=("arrangement.png",))
    picture = np.asarray(Image.open(written["arrangement.png"]).convert("L"))
    assert picture.shape[1] == 1440 and picture.std() > 10
    kinds = ("shape_classes", "rods")
    bare = replace(sample, pooled=replace(sample.pooled, **dict.fromkeys(kinds)))
    bare = write_all(bare, tmp_path / "bare", stored_only=True, added_names=("arrangement.png",))["arrangement.png"]
    assert np.asarray(Image.open(bare)).shape[0] < 0.8 * len(picture)  # nothing white below the map
    file = io.BytesIO()
    write_xlsx(sample, file)
    book = openpyxl.load_workbook(file)
    assert ("Arrangement" in book.sheetnames) is not few
    if not few:
        sheet = book["Arrangement"]
        assert sheet["A2"].value == sample.pooled.arrangement["sentence"]
        r = [row[0].value for row in sheet.iter_rows(min_row=2, min_col=8, max_col=8) if row[0].value is not None]
        assert r == pytest.approx(sample.pooled.arrangement["pairs"]["r"], rel=1e-3)
