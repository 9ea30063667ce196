"""One result, one state: numbers and files follow each correction in their place; a version stays what it was."""
# ruff: noqa: F811

from __future__ import annotations

import csv
import io
import re
from unittest.mock import Mock

import numpy as np
import pytest

from segmentation.core.labels.segmentation import Segmentation
from segmentation.models import ExportJob, Job, Measuring
from segmentation.services.ground import bundles, tables
from segmentation.services.ground.callers import visitor_id
from segmentation.services.ground.refusal import Refused
from segmentation.services.results import exports
from segmentation.services.results.corrections import edits, steps
from tests.web.finished import visit, words
from worker.analysis import measuring
from worker.heartbeat import has_more_urgent_work
from worker.tasks import do_analyses, do_inspections

from .test_edits import DELETE, SECRET, SPLIT, UNDO, outlines, result, script, send  # noqa: F401

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_heartbeat", "read_here", "busy", "coarse")]


@pytest.fixture
def measured(result):
    """The result with the numbers of its automatic outlines."""
    Job.objects.filter(pk=result.pk).update(state=Job.State.QUEUED)
    do_analyses()
    return now(result)


def now(job):
    return Job.objects.get(pk=job.pk)


def state(script, job):
    return script.get(f"/jobs/{job.pk}/state/").json()


def part_of(page, name):
    """The HTML of a part of a page, without what each answer has of its own."""
    begin = page.index(f'data-part="{name}"')
    end, depth = begin, 1
    for tag in re.finditer(r"<(/?)div\b", page[begin:]):
        depth += -1 if tag[1] else 1
        if not depth:
            end = begin + tag.start()
            break
    return re.sub(r'(name="csrfmiddlewaretoken" value|id="token" value)="[^"]*"', "", page[begin:end])


def rows_of(job, name="particles.csv"):
    with bundles.open_file(job.artifact(name)) as file:
        lines = [line for line in file.read().decode("utf-8-sig").splitlines() if not line.startswith("#")]
    return list(csv.DictReader(io.StringIO("\n".join(lines))))


def test_numbers_and_files_follow_in_their_place(measured, send, script):
    before = {artifact.name: artifact.file.name for artifact in measured.artifacts.all()}
    assert measured.summary["found"] == 3
    assert state(script, measured) == {"numbers": 0, "parts": "", "step": 0, "measured": True, "error": ""}
    send(0, DELETE, SPLIT)
    assert state(script, measured) == {"numbers": 0, "parts": "", "step": 0, "measured": False, "error": ""}
    assert state(script, measured)["measured"] is False and Measuring.objects.get().step == 2
    do_inspections()
    job = now(measured)
    assert state(script, job) == {"numbers": 2, "parts": "", "step": 2, "measured": True, "error": ""}
    assert (job.pk, job.step, job.state, job.summary["found"]) == (measured.pk, 2, "done", 3)
    assert job.summary["used"]["step"] == 2 and job.summary["used"]["corrected"] == 3
    assert [row["id"] for row in tables.objects_of(job)] == [1, 3, 4]
    names = {artifact.name: artifact.file.name for artifact in job.artifacts.all()}
    assert names.pop(tables.UNCORRECTED_FILE) == before["outlines.json"] and not set(names.values()) & set(
        before.values()
    )
    assert job.segmentation.file.name == before["segmentation.npz"] and job.segmentation.file.storage.exists(
        job.segmentation.file.name
    )
    with job.artifact("segmentation.npz").file.open("rb") as file:
        assert np.array_equal(Segmentation.load(file).labels, outlines(job))
    assert Job.objects.count() == 1, "no other row"
    page = words(script.get(f"/jobs/{job.pk}/"))
    assert "3 corrected by hand, step 2" in page


def test_the_page_says_all_numbers_before_files_are_written(measured, send, script, monkeypatch):
    """How the objects lie to each other and the files follow; another correction withdraws the numbers."""
    from worker.analysis import measuring

    monkeypatch.setattr("segmentation.core.report.summary.numbers.FEWEST_IN_HISTOGRAM", 2)
    send(0, DELETE)
    script.get(f"/jobs/{measured.pk}/state/")
    write_stored_files, answers = measuring.write_stored_files, []

    def asked_meanwhile(*args, **options):
        answers.append(state(script, measured))
        assert script.get(f"/jobs/{measured.pk}/state/?shown=1").json()["parts"] == "", "they are seen"
        with monkeypatch.context() as patch:
            patch.setattr("segmentation.core.report.summary.numbers.FEWEST_IN_HISTOGRAM", 10)
            assert state(script, measured)["parts"] == "", "sizes one by one are in the files"
        assert Measuring.objects.get().summary["statistics"]["arrangement"] is None
        return write_stored_files(*args, **options)

    monkeypatch.setattr(measuring, "write_stored_files", asked_meanwhile)
    do_inspections()
    first = answers[0].pop("parts")
    assert answers == [{"numbers": 1, "step": 0, "measured": False, "error": ""}]
    whole = script.get(f"/jobs/{measured.pk}/").content.decode()
    for part in ("answer", "notices"):
        assert part_of(first, part) == part_of(whole, part) != ""
    assert Measuring.objects.get().summary == {}

    def corrected_meanwhile(*args, **options):
        send(2, DELETE | {"ids": [3]})
        assert state(script, measured)["numbers"] == 1, "of the last step that was stored"
        return write_stored_files(*args, **options)

    send(1, SPLIT)
    script.get(f"/jobs/{measured.pk}/state/")
    monkeypatch.setattr(measuring, "write_stored_files", corrected_meanwhile)
    do_inspections()
    assert now(measured).step == 1 and Measuring.objects.get().summary == {}


def test_a_file_is_that_of_the_present_step_and_names_it(measured, send, script):
    send(0, DELETE)
    address = f"/api/v1/jobs/{measured.pk}/files/particles.csv"

    def sent():
        assert script.get(address).status_code == 202, "its step is measured first"
        do_inspections()
        answer = script.get(address)
        assert answer.status_code == 200
        return b"".join(answer.streaming_content), answer["Content-Disposition"]

    deleted, name = sent()
    assert "_step1_particles.csv" in name and [row["label"] for row in rows_of(now(measured))] == ["1", "3"]
    send(1, UNDO, SPLIT, UNDO)
    whole, name = sent()
    assert "_step4_" in name and [row["label"] for row in rows_of(now(measured))] == ["1", "2", "3"]
    send(4, DELETE)
    again, _ = sent()
    assert deleted != whole and again.replace(b"step 5", b"step 1") == deleted.replace(b"step 5", b"step 1")


def test_a_later_correction_takes_the_place_of_what_is_measured(measured, send, script, monkeypatch):
    """What measures an earlier step ends without a trace."""
    from segmentation.core import pipeline

    send(0, DELETE)
    assert state(script, measured)["measured"] is False
    measure = pipeline.measure_objects

    def corrected_meanwhile(*args, **options):
        if now(measured).edit_count == 1:
            send(1, SPLIT)
            assert state(script, measured)["measured"] is False
        return measure(*args, **options)

    monkeypatch.setattr(pipeline, "measure_objects", corrected_meanwhile)
    do_inspections()
    do_inspections()
    job = now(measured)
    assert job.step == 2 and job.summary["found"] == 3 and Measuring.objects.get().state == "done"


def test_what_fails_says_so_and_is_tried_again(measured, send, script, monkeypatch):
    from segmentation.core import pipeline

    send(0, DELETE)
    script.get(f"/jobs/{measured.pk}/state/")
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "measure_objects", lambda *args, **options: 1 / 0)
        do_inspections()
    answer = state(script, measured)
    assert not answer["measured"] and answer["error"].endswith(".")
    send(1, SPLIT)
    assert state(script, measured)["error"] == ""
    do_inspections()
    assert now(measured).step == 2


def test_a_named_version_stays_and_is_corrected_as_another(measured, send, script, client):
    send(0, DELETE)
    browser = visit(client, visitor_id(SECRET))
    assert browser.post(f"/jobs/{measured.pk}/version/", {"title": "first review"}).status_code == 409
    do_inspections()
    assert browser.post(f"/jobs/{measured.pk}/version/", {"title": "first review"}).status_code == 303
    job = now(measured)
    assert (job.fixed, job.title, job.step) == (True, "first review", 1)
    assert send(1, SPLIT).status_code == 409 and now(job).edit_count == 1
    page = words(browser.get(f"/jobs/{job.pk}/"))
    assert "Version “first review”. This version stays as it is." in page and "data-correct " not in page
    address = browser.post(f"/jobs/{job.pk}/go-on/")["Location"]
    assert browser.post(f"/jobs/{job.pk}/go-on/")["Location"] == address, "asked twice, it is one"
    do_analyses()
    other = Job.objects.exclude(pk=job.pk).get()
    assert other.summary["found"] == 2 and [row["id"] for row in tables.objects_of(other)] == [1, 3]
    assert send(0, SPLIT, job=other).status_code == 200
    state(script, other), do_inspections()
    assert now(other).summary["used"]["step"] == 2 and now(job).summary["used"]["step"] == 1


def test_what_is_shared_stays(measured, send, alice):
    Job.objects.filter(pk=measured.pk).update(owner=alice, visitor=None)
    job = now(measured)
    edits.edit_job(job=job, base=0, operations=[DELETE], user=alice)
    with pytest.raises(Refused, match="still being made"):
        steps.change_private_link(row=job, renew=True)
    do_inspections()
    steps.change_private_link(row=now(job), renew=True)
    assert now(job).fixed
    with pytest.raises(Refused, match="stays as it is"):
        edits.edit_job(job=now(job), base=1, operations=[SPLIT], user=alice)


def test_other_settings_measure_what_stands(measured, send, script):
    send(0, DELETE)
    answer = script.post(f"/api/v1/jobs/{measured.pk}/revisions", {"filter": True}, "application/json")
    do_analyses()
    job = Job.objects.get(pk=answer.json()["id"])
    assert job.corrects == 1 and job.summary["found"] == 2


def test_the_outlines_before_all_corrections_become_a_version(measured, send, client):
    send(0, DELETE)
    browser = visit(client, visitor_id(SECRET))
    browser.post(f"/jobs/{measured.pk}/automatic/")
    do_analyses()
    job = Job.objects.exclude(pk=measured.pk).get()
    assert job.fixed and job.title == "before all corrections" and job.summary["found"] == 3


def test_files_that_are_being_written_for_an_earlier_step_are_given_up(measured, send, script):
    exports.file_of(measured, "report.pdf")
    assert ExportJob.objects.get().state == "queued"
    send(0, DELETE)
    state(script, measured), do_inspections()
    assert not ExportJob.objects.exists()


def test_a_page_that_read_the_row_before_its_numbers_came_asks_for_nothing(measured, send, script):
    send(0, DELETE)
    late = now(measured)
    state(script, measured), do_inspections()
    steps.ask_for_numbers(late)
    assert Measuring.objects.get().state == "done"


def test_a_file_is_waited_for_although_a_correction_is_measured_meanwhile(measured, send, script, monkeypatch):
    def corrected_meanwhile(seconds):
        if now(measured).step == 0:
            send(0, DELETE)
            state(script, measured), do_inspections()

    monkeypatch.setattr("time.sleep", corrected_meanwhile)
    assert exports.file_of(now(measured), "report.pdf", wait=1.0) == ExportJob.objects.get()
    do_analyses()
    assert exports.file_of(now(measured), "report.pdf").name == "report.pdf"


def test_a_first_correction_of_a_large_image_measures_only_what_it_changes(result, send, script, monkeypatch):
    monkeypatch.setattr(steps, "LARGE_PX", 1)
    Job.objects.filter(pk=result.pk).update(state=Job.State.QUEUED)
    do_analyses()
    kept = measuring._last_result
    assert kept is not None and kept.original is None
    monkeypatch.setattr(measuring, "load_micrograph", Mock(side_effect=AssertionError("the image was read again")))
    send(0, DELETE)
    assert script.get(f"/jobs/{result.pk}/state/").json()["measured"] is False
    do_analyses()
    assert now(result).summary["found"] == 2 and measuring._last_result is kept
    assert state(script, now(result))["measured"] is True


def test_files_of_a_large_image_are_written_with_what_is_remembered(measured, send, script, monkeypatch):
    monkeypatch.setattr(steps, "LARGE_PX", 1)
    send(0, DELETE)
    state(script, measured), do_analyses()
    exports.file_of(now(measured), "report.pdf")
    monkeypatch.setattr(measuring, "load_micrograph", Mock(side_effect=AssertionError("the image was read again")))
    do_analyses()
    assert exports.file_of(now(measured), "report.pdf").name == "report.pdf"


def test_files_that_nobody_waits_for_give_way_to_corrections_of_a_large_image(measured, send, script, monkeypatch):
    monkeypatch.setattr(steps, "LARGE_PX", 1)
    assert not has_more_urgent_work(ExportJob)
    send(0, DELETE)
    state(script, measured)
    assert Measuring.objects.get().large and has_more_urgent_work(ExportJob)
