"""The validation report of a study in words: each characteristic, measured or not, from the results alone."""

from __future__ import annotations

import pytest

from segmentation.core.quality.study_report import parts_of, study_as_dict, study_of


def row(value, day, **fields):
    return {
        "name": f"{value:g}.tif",
        "value": value,
        "low": value - 2,
        "high": value + 3,
        "labels": {"day": day},
        "n": 100,
        "d10": value / 2,
        "d90": value * 2,
        "corrected": 0,
        "confirmed": 0,
        "reference": "",
        "departures": [],
        **fields,
    }


ROWS = [row(100.0, "1"), row(102.0, "1"), row(106.0, "2"), row(108.0, "2")]


def test_the_analysis_of_variance_by_hand():
    """Days 101 and 107: between them 2·(3² + 3²) = 36 with 1 degree of freedom, within 2 + 2 = 4 with 2."""
    found = study_as_dict(study_of(["day"], ROWS), "nm")
    day, within = found["components"]
    assert (day["mean_square"], day["free"], within["mean_square"], within["free"]) == (36.0, 1, 2.0, 2)
    assert day["variance"] == pytest.approx((36 - 2) / 2) and within["sd"] == pytest.approx(2**0.5)
    assert found["intermediate"]["sd"] == pytest.approx(19**0.5)
    assert found["relative_intermediate"] == pytest.approx(19**0.5 / 104)
    assert any(line.startswith("Repeatability: 1.4 nm") for line in found["sentences"])


def parts(rows):
    return {part.title: part for part in parts_of("median", rows, study_as_dict(study_of(["day"], rows), "nm"))}


def test_what_was_not_measured_is_written_as_such():
    by_title = parts(ROWS)
    assert list(by_title) == [
        "Selectivity",
        "Range",
        "Trueness",
        "Precision",
        "Uncertainty",
        "Robustness",
        "Fitness for use",
    ]
    assert [title for title, part in by_title.items() if not part.is_measured] == [
        "Selectivity",
        "Trueness",
        "Robustness",
        "Fitness for use",
    ]
    assert all(
        by_title[title].lines[0].startswith("Not measured: ") for title in ("Selectivity", "Trueness", "Robustness")
    )
    assert by_title["Range"].lines[:2] == [
        "The median of the results lies between 100 and 108 nm.",
        "Their sizes lie between 50.0 nm (smallest D10) and 216 nm (largest D90).",
    ]
    assert (
        by_title["Uncertainty"].lines[0] == "The 95 % intervals of 4 of 4 results reach ±2.8 to ±3.0 % of the number."
    )
    alone = parts([{**one, "low": None, "high": None} for one in ROWS])
    assert not alone["Uncertainty"].is_measured


def test_what_people_and_certificates_said_is_taken():
    by_title = parts([*ROWS[:2], row(106.0, "2", corrected=3, confirmed=7), row(108.0, "2", reference="It agrees.")])
    assert by_title["Selectivity"].lines == [
        "In 1 of 4 results people changed 3 outlines and confirmed 7.",
        "The other results were not looked through.",
    ]
    assert by_title["Trueness"].is_measured and by_title["Trueness"].lines == ["108.tif: It agrees."]


def test_a_change_is_held_against_an_interval_where_there_is_one():
    image = {"name": "a.tif", "value": 100.0, "half_width": 5.0, "moved": {"blur": 4.0, "noise": -6.0}, "warned": []}
    result = study_as_dict(study_of(["day"], ROWS), "nm")

    def robustness(*tested):
        study = {**result, "robustness": {"tested": list(tested), "left_out": []}}
        return parts_of("median", ROWS, study)[-2]

    part = robustness(image, {**image, "name": "b.tif", "half_width": None})
    assert part.is_measured and part.lines[1:] == [
        "In 1 of 2 the median stays within the 95 % interval of the image as it is.",
        "The largest change is -6.0 %, of a.tif with noise (σ 20 of 255).",
    ]
    assert part.table.head == ("Form", "a.tif", "b.tif")
    assert dict(zip([row[0] for row in part.table.rows], part.table.rows, strict=True))["blurred (σ 1 px)"][1:] == (
        "+4.0 %",
        "+4.0 %",
    )
    alone = robustness({**image, "half_width": None})
    assert alone.lines[1] == "None of these images has an interval with which the changes could be compared."
