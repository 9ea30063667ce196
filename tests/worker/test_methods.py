"""What a worker says of the method that a job follows: in its numbers, its files and its sample."""

from __future__ import annotations

import json
from dataclasses import replace

import pypdf
import pytest

from segmentation.core.analysis import AnalysisSettings, MethodUsed
from segmentation.core.combine import combine
from segmentation.core.micrograph.calibration.sources import Source
from segmentation.core.micrograph.types import Calibration
from segmentation.core.quality.method import MethodDescription
from segmentation.core.quality.method_file import OWN_APPROVAL, UNAPPROVED
from segmentation.core.report.files import write_all
from segmentation.core.sample import Member, SampleAnalysis
from segmentation.models import Job, Method, MethodVersion
from tests.core.builders import make_analysis
from worker.analysis.results import with_method
from worker.tasks import do_analyses

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_heartbeat", "busy")]
SCALE = "The scale is typed in; the method asks for one from the file."


@pytest.fixture
def version(alice):
    method = Method.objects.create(name="Powder", owner=alice)
    said = MethodDescription.of_result(AnalysisSettings.of(threshold=0.5), "cd" * 32, Source.METADATA)
    fields = {"description": said.as_dict(), "checksum": said.checksum, "state": "approved", "author": "alice"}
    return MethodVersion.objects.create(method=method, number=2, **fields)


def test_an_analysis_that_follows_its_method_departs_in_nothing(version, make_job):
    analysis = make_analysis(30)
    analysis = replace(analysis, settings=AnalysisSettings.of(threshold=0.5))
    used = with_method(make_job(method=version), analysis).method
    assert used == MethodUsed("Powder", 2, "approved", version.checksum)
    assert with_method(make_job(), analysis).method is None


def test_a_draft_and_an_approval_by_an_author_are_said(version, make_job):
    for fields, sentence in (
        ({"state": "draft"}, UNAPPROVED),
        ({"state": "approved", "approver": "alice"}, OWN_APPROVAL),
        ({"state": "approved", "approver": "bob"}, ""),
    ):
        MethodVersion.objects.update(**fields)
        version.refresh_from_db()
        used = with_method(make_job(method=version), make_analysis(30)).method
        assert used.approval == sentence and (sentence in used.remarks or not sentence)


def test_what_departs_is_said_a_sentence_each(version, make_job):
    analysis = replace(
        make_analysis(30), settings=AnalysisSettings.of(threshold=0.4), calibration=Calibration(2.0, "typed")
    )
    departures = with_method(make_job(method=version), analysis).method.departures
    assert SCALE in departures and any("0.4; the method asks for 0.5" in line for line in departures)
    assert len(departures) == 2


def test_a_description_that_this_release_cannot_read_is_said(version, make_job):
    MethodVersion.objects.update(description={**version.description, "from_a_later_release": 1})
    version.refresh_from_db()
    [line] = with_method(make_job(method=version), make_analysis(30)).method.departures
    assert line.startswith("This release cannot read the method")


def test_files_name_the_method_after_it_is_deleted(tmp_path):
    used = MethodUsed("Powder", 2, "approved", "c" * 64, (SCALE,))
    files = write_all(replace(make_analysis(30), method=used), tmp_path, only=["result.json", "report.pdf"])
    assert json.loads(files["result.json"].read_text())["method"] == used.as_dict()
    report = " ".join(" ".join(page.extract_text().split()) for page in pypdf.PdfReader(files["report.pdf"]).pages)
    assert f"Powder, version 2, approved. {SCALE}" in report
    plain = write_all(make_analysis(30), tmp_path / "plain", only=["result.json"])
    assert "method" not in json.loads(plain["result.json"].read_text())


def test_a_sample_says_in_how_many_images_something_departs():
    used = MethodUsed("Powder", 2, "approved", "c" * 64)
    departing = replace(used, departures=(SCALE,))

    def pooled(*methods):
        analyses = [replace(make_analysis(12 + number), method=method) for number, method in enumerate(methods)]
        return combine("lot", list(map(Member.of, analyses)))

    assert pooled(used, departing, used).method.departures == (f"In 1 of 3 images: {SCALE}",)
    assert pooled(departing, departing).method == departing
    assert pooled(used, None).method is None and pooled(used, replace(used, version=3)).method is None
    alone = SampleAnalysis.of(replace(make_analysis(30), method=departing))
    assert alone.method == departing


def test_a_worker_stores_what_the_result_says(version, science, make_job, no_files):
    science.measure_objects = lambda *how, **more: make_analysis(30)
    job = make_job(method=version, settings=AnalysisSettings.of(threshold=0.5))
    do_analyses()
    stored = Job.objects.get(pk=job.pk).summary["method"]
    assert (stored["name"], stored["version"], stored["checksum"]) == ("Powder", 2, version.checksum)
