"""What a result answers to a correction, beside what a worker measures of the same corrections."""
# ruff: noqa: F811

from __future__ import annotations

import json

import pytest

from segmentation.models import Job
from segmentation.services.ground import bundles, tables
from segmentation.services.ground.refusal import Refused
from segmentation.services.results.corrections import edits
from segmentation.services.results.corrections import standing as service
from worker.tasks import do_analyses

from .test_corrected import revision
from .test_edits import DELETE, SPLIT, UNDO, outlines, result, script, send  # noqa: F401

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_heartbeat", "read_here", "busy")]
DRAW = {"op": "draw", "polygon": [[120, 70], [150, 70], [150, 100], [120, 100]]}


@pytest.fixture
def measured(result):
    """The result of three squares, really measured."""
    Job.objects.filter(pk=result.pk).update(state=Job.State.QUEUED)
    do_analyses()
    return Job.objects.get(pk=result.pk)


def standing(job, since=0):
    return service.standing(Job.objects.get(pk=job.pk), since)


def file_of(job):
    with bundles.open_file(job.artifact(tables.OUTLINES_FILE)) as file:
        return {row["id"]: row for row in json.load(file)["particles"]}


def test_the_answer_to_corrections_is_what_is_measured_of_them(send, script, measured):
    assert standing(measured).rows == [] and standing(measured).numbers["n_kept"] == "3"
    send(0, DELETE, SPLIT)
    send(2, DRAW, {"op": "reviewed", "ids": [3]})
    now = standing(measured)
    assert now.rows[1] == {"id": 2, "gone": True} and [row["id"] for row in now.rows] == [1, 2, 3, 4, 5]
    kept = file_of(revision(script, measured))
    mine = {row["id"]: row for row in now.rows if "gone" not in row}
    assert mine.keys() == kept.keys()
    for number, row in kept.items():
        names = row.keys() & mine[number].keys()
        assert names >= {"outline", "reason", "min_feret", "area", "by_hand", "circularity"}
        names -= {
            "relative_contrast",
            "neighbour_distance",
            "neighbour_gap",
            "local_density",
        }  # of what is around
        assert {name: mine[number][name] for name in names} == {name: row[name] for name in names}
    assert [row["id"] for row in standing(measured, 3).rows] == [3]
    assert (now.few and now.unit == "px") or now.unit == "nm"
    assert [example["id"] for example in now.examples] == sorted(mine, key=lambda number: mine[number]["min_feret"])


def test_what_is_taken_back_is_as_it_was_measured_also_in_another_process(send, measured, monkeypatch):
    send(0, DELETE, SPLIT)
    standing(measured)
    send(2, UNDO, UNDO)
    automatic = file_of(measured)
    expected = [automatic[1], automatic[2], {"id": 4, "gone": True}]
    rows = standing(measured, 2).rows
    assert [{name: row[name] for name in row if name != "cells"} for row in rows] == expected
    monkeypatch.setattr(service, "_recent", service.Recent())
    monkeypatch.setattr(edits, "_recent", edits.Recent())
    assert standing(measured, 2).rows == rows and standing(measured, 4).rows == []


def test_the_queue_of_a_result_that_nobody_corrected_needs_no_label_image(send, measured, monkeypatch):
    monkeypatch.setattr(service, "corrections_of", lambda job: pytest.fail("outlines were read"))
    with bundles.open_file(measured.artifact(tables.OUTLINES_FILE)) as file:
        content = json.load(file)
    assert [example["title"] for example in content["examples"]] == ["particle 2", "particle 3", "particle 1"]
    assert content["doubts"] == []


def test_a_result_without_stored_objects_has_no_answer(send, result):
    with pytest.raises(Refused, match="not stored"):
        standing(result)
