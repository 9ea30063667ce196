"""A study of a method, made by a worker: numbers as scipy's, and the PDF with every input."""

from __future__ import annotations

import io

import numpy as np
import pypdf
import pytest
from scipy import stats

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.micrograph.sources import Source
from segmentation.core.quality.method import MethodDescription
from segmentation.models import Method, MethodVersion, Study
from segmentation.services.results import studies
from tests.core.quality.test_study_report import row
from worker.tasks import do_analyses

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_heartbeat")]
VALUES = {"Monday": [100.0, 102.0, 101.0], "Tuesday": [106.0, 108.0, 107.5], "Friday": [99.0, 98.0, 101.5]}


@pytest.fixture
def method(alice):
    row = Method.objects.create(name="Powder", owner=alice)
    said = MethodDescription.of_result(AnalysisSettings.of(), "cd" * 32, Source.METADATA)
    fields = {"description": said.as_dict(), "checksum": said.checksum, "author": "alice", "state": "approved"}
    MethodVersion.objects.create(method=row, number=1, **fields)
    return row


def rows(values=VALUES):
    every = [row(value, day, id=f"{day}-{value}", version=1) for day, results in values.items() for value in results]
    return [{**one, "name": f"image {number}.tif"} for number, one in enumerate(every)]


def made(method, alice, **fields):
    fields = {"title": "June", "quantity": "median", "names": ["instrument", "day"], "rows": rows(), **fields}
    study = studies.create_study(method=method, user=alice, **fields)
    do_analyses()
    study.refresh_from_db()
    return study


def test_its_numbers_are_those_of_scipy(method, alice):
    study = made(method, alice)
    assert study.state == Study.State.DONE and study.names == ["day"]
    day, within = study.result["components"]
    f = stats.f_oneway(*VALUES.values())
    assert day["mean_square"] / within["mean_square"] == pytest.approx(f.statistic)
    square = np.mean([np.var(results, ddof=1) for results in VALUES.values()])
    assert within["mean_square"] == pytest.approx(square)
    low, high = (np.sqrt(6 * square / stats.chi2.ppf(end, 6)) for end in (0.975, 0.025))
    found = study.result["repeatability"]
    assert (found["low"], found["high"], found["free"]) == (pytest.approx(low), pytest.approx(high), 6)


def test_the_report_has_every_input_and_says_what_was_not_measured(method, alice):
    departs = "The scale is typed by the user; the method asks for one from the file."
    every = rows()
    every[4]["departures"] = [departs]
    study = made(method, alice, rows=every)
    pages = pypdf.PdfReader(io.BytesIO(bytes(study.pdf))).pages
    text = " ".join(" ".join(page.extract_text().split()) for page in pages)
    assert "Validation report: Powder" in text and "June" in text
    for title in ("Selectivity (not measured)", "Trueness (not measured)", "Robustness (not measured)", "Range"):
        assert title in text
    assert all(one["name"] in text for one in every) and all(day in text for day in VALUES)
    for line in study.result["sentences"]:
        assert line in text
    assert f"image 4.tif: {departs}" in text


def test_it_goes_into_the_next_version_with_its_source(method, alice):
    study = made(method, alice)
    version = studies.apply_study(study=study, user=alice)
    assert (version.number, version.state) == (2, "draft")
    said = version.written.read()
    assert said.settings["repeatability"] == float(f"{100 * study.result['relative_intermediate']:.3g}")
    assert "study “June”" in said.sources["repeatability"] and str(study.pk) in said.sources["repeatability"]


def test_a_study_of_another_number_is_no_setting(method, alice):
    study = made(method, alice, quantity="d90")
    assert study.state == Study.State.DONE
    with pytest.raises(studies.Refused, match="of the median"):
        studies.apply_study(study=study, user=alice)
