"""Outlines of other tools become a revision: sent by API and page, read apart, measured by a worker."""

from __future__ import annotations

import gzip
import json
from unittest.mock import Mock

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from segmentation.core.labels.segmentation import MASKS, Segmentation
from segmentation.models import Job
from segmentation.services.ground import limits
from segmentation.services.ground.callers import visitor_id
from segmentation.services.results import comparisons, jobs
from segmentation.services.results.jobs import OTHER_OUTLINES
from tests.conftest import as_file, inspect_uploads
from tests.web.finished import visit, words
from worker.tasks import do_analyses

from .test_edits import HEADERS, SECRET, result, script, squares  # noqa: F401 (fixtures)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_heartbeat", "busy", "children_here")]


def moved():
    """Other outlines than those of the result: two objects."""
    labels = np.zeros((120, 160), np.uint8)
    labels[20:50, 30:70], labels[60:100, 90:140] = 4, 9
    return labels


@pytest.fixture
def send(script, result):  # noqa: F811
    def post(content, name="cells.png", client=script, job=result, **fields):
        file = SimpleUploadedFile(name, content)
        return client.post(f"/api/v1/jobs/{job.pk}/revisions", {"outlines": file, **fields})

    return post


def measured(answer) -> Job:
    assert answer.status_code == 202, answer.json()
    do_analyses()
    job = Job.objects.get(pk=answer.json()["id"])
    assert job.is_done or (job.state == "queued" and job.segmentation is None), "an analysis worker never reads a file"
    inspect_uploads()
    do_analyses()
    return Job.objects.get(pk=job.pk)


def content_of(job, name):
    stored = job.artifact(name).file
    with stored.storage.open(stored.name) as packed:
        return gzip.decompress(packed.read()).decode()


def test_a_truth_is_compared_as_any_other_result(send):
    from worker import tasks

    truth, predicted = (measured(send(as_file(labels))) for labels in (moved(), moved() * (moved() == 9)))
    row = comparisons.comparison_of(truth, predicted)
    tasks.do_analyses()
    row.refresh_from_db()
    assert (row.state, row.result["how"]) == ("done", "paired")
    score = row.result["agreement"]["scores"][0]
    assert (score["precision"], score["recall"]) == (1, 0.5)
    assert row.result["agreement"]["places"]["missed"]["first"] == [4]


def test_outlines_are_measured_without_a_model_and_say_where_they_come_from(send, script, result, monkeypatch):  # noqa: F811
    from segmentation.core import pipeline

    monkeypatch.setattr(pipeline, "segment", Mock(side_effect=AssertionError("the network was asked")))
    job = measured(send(as_file(moved())))
    assert (job.state, job.error, job.parent, job.model_name) == ("done", "", result, MASKS)
    with job.segmentation.file.open("rb") as file:
        outlines = Segmentation.load(file)
    assert (outlines.labels == moved()).all() and outlines.by_hand == {4, 9} and np.isnan(outlines.confidence).all()
    assert outlines.provenance.parent == str(result.segmentation_id) and job.segmentation.parent == result.segmentation
    assert job.summary["used"]["imported"]["file"] == "cells.png" and job.summary["found"] == 2
    sentence = "2 outlines from cells.png (PNG labels)"
    assert sentence in words(script.get(f"/jobs/{job.pk}/"))
    assert f" - {sentence}" in content_of(job, "particles.csv")
    assert json.loads(content_of(job, "result.json"))["used"]["imported"]["outlines"] == 2
    assert Job.objects.get(pk=result.pk).state == "done"


def test_measured_again_they_stay_and_say_the_same(send, script):  # noqa: F811
    job = measured(send(as_file(moved())))
    response = script.post(f"/api/v1/jobs/{job.pk}/revisions", {"filter": "off"})
    second = measured(response)
    assert second.segmentation == job.segmentation and second.summary["used"]["imported"]["file"] == "cells.png"


def test_outlines_of_another_size_fail_with_both_sizes(send):
    job = measured(send(as_file(moved()[:100, :100])))
    assert job.state == "failed" and "100 × 100" in job.error and "160 × 120" in job.error


def test_overlaps_are_told_on_the_page(send, script):  # noqa: F811
    image = {"id": 1, "file_name": "x.png", "width": 160, "height": 120}
    boxes = [[10, 10, 60, 10, 60, 60, 10, 60], [40, 40, 90, 40, 90, 90, 40, 90]]
    outlines = [{"id": n, "image_id": 1, "category_id": 1, "segmentation": [box]} for n, box in enumerate(boxes, 1)]
    job = measured(send(json.dumps({"images": [image], "annotations": outlines}).encode(), "a.json"))
    assert job.summary["used"]["imported"]["overlapping"] == 1
    assert any("earlier" in sentence for sentence in job.summary["warnings"])


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff\xd8\xff\xe0" + bytes(60)])
def test_what_is_no_file_of_outlines_is_refused_at_once(send, content):
    answer = send(content)
    assert answer.status_code == 422 and answer.json()["error"].endswith(".")
    assert Job.objects.count() == 1


def test_a_damaged_file_fails_in_a_sentence(send):
    """Which kinds of damage there are is tested where files are read (core/imported)."""
    job = measured(send(b"II*\0" + bytes(99)))
    assert job.state == "failed" and job.error.endswith(".") and "went wrong" not in job.error


def test_who_and_what_may_not(send, script, result, monkeypatch):  # noqa: F811
    assert send(as_file(moved()), client=Client()).status_code == 403
    assert send(as_file(moved()), threshold="0.3").json()["error"] == OTHER_OUTLINES
    assert send(as_file(moved()), edits="on").status_code == 400
    field = script.post(f"/api/v1/jobs/{result.pk}/revisions", {"outlines": "text"}, "application/json")
    assert field.status_code == 400 and "file" in field.json()["error"]
    Job.objects.filter(pk=result.pk).update(state="running")
    assert send(as_file(moved())).status_code == 409
    Job.objects.filter(pk=result.pk).update(state="done")
    monkeypatch.setattr("django.conf.settings.DEEPSEGM_MAX_UPLOAD_MB", 0)
    assert send(as_file(moved())).status_code == 413
    assert Job.objects.count() == 1


@pytest.mark.services
def test_a_key_makes_one_revision_and_another_file_another(send, script, result):  # noqa: F811
    script.defaults["HTTP_IDEMPOTENCY_KEY"] = "once"
    first, second = send(as_file(moved())), send(as_file(moved()))
    assert first.json()["id"] == second.json()["id"]
    assert send(as_file(squares().astype(np.uint8))).status_code == 409


def test_the_files_go_with_the_job(send, own_storage, commit):
    job = measured(send(as_file(moved())))
    assert list((own_storage / "jobs" / str(job.pk)).glob("outlines*"))
    with commit():
        jobs.delete_job(job=job)
    assert not (own_storage / "jobs" / str(job.pk)).exists()


def test_outlines_in_place_of_a_deleted_result_fail_in_a_sentence(send, result):  # noqa: F811
    answer = send(as_file(moved()))
    jobs.delete_job(job=result)
    job = measured(answer)
    assert job.state == "failed" and "deleted" in job.error


def test_the_page_takes_a_file_without_scripts(result, client):  # noqa: F811
    page = visit(client, visitor_id(SECRET))
    assert 'id="outlines_file"' in page.get(f"/jobs/{result.pk}/").content.decode()
    assert 'id="outlines_file"' not in Client().get(f"/jobs/{result.pk}/").content.decode()
    answer = page.post(f"/jobs/{result.pk}/outlines/", {"outlines": SimpleUploadedFile("a.png", as_file(moved()))})
    assert answer.status_code == 303 and Job.objects.filter(parent=result).get().outlines["name"] == "a.png"
    assert page.post(f"/jobs/{result.pk}/outlines/").status_code == 400
    assert Client().post(f"/jobs/{result.pk}/outlines/").status_code == 403


def test_uploads_of_outlines_count_as_uploads(send, settings):
    settings.DEEPSEGM_UPLOADS_PER_HOUR = 1
    assert send(as_file(moved())).status_code == 202
    assert send(as_file(squares().astype(np.uint8))).status_code == 429 and limits
