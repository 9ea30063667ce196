"""Results measured from corrected outlines."""
# ruff: noqa: F811

from __future__ import annotations

import io
from dataclasses import replace
from unittest.mock import Mock

import numpy as np
import pytest
from django.core.files.base import ContentFile

from segmentation.core.labels.corrections.operations import correct
from segmentation.core.labels.segmentation import Segmentation
from segmentation.core.measure.objects.filters import BY_OTHERS
from segmentation.core.report.wording import corrected_words
from segmentation.core.stored import Used
from segmentation.learning.datasets.suggestions import suggestions
from segmentation.models import Job
from segmentation.models import Segmentation as Stored
from segmentation.services.ground import tables
from segmentation.services.ground.bundles import compressed
from segmentation.services.results import jobs
from segmentation.services.results.corrections.edits import NO_OUTLINES
from segmentation.services.results.jobs import NOTHING_CORRECTED, OTHER_OUTLINES
from tests.web.trained import make_dataset
from worker.tasks import do_analyses

from .test_edits import DELETE, SPLIT, UNDO, outlines, result, script, send  # noqa: F401

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_heartbeat", "read_here", "busy")]


def revision(script, result, **settings):
    answer = script.post(f"/api/v1/jobs/{result.pk}/revisions", {"edits": True, **settings}, "application/json")
    assert answer.status_code == 202, answer.json()
    do_analyses()
    return Job.objects.get(pk=answer.json()["id"])


def test_a_revision_measures_what_was_corrected_without_a_model(send, script, result, monkeypatch):
    from segmentation.core import pipeline

    monkeypatch.setattr(pipeline, "segment", Mock(side_effect=AssertionError("the network was asked")))
    send(0, DELETE, SPLIT, {"op": "reviewed", "ids": [3]})
    job = revision(script, result)
    assert (job.state, job.error, job.parent) == ("done", "", result)
    used = job.summary["used"]
    assert job.summary["found"] == 3 and (used["corrected"], used["reviewed"]) == (3, 1)
    page = script.get(f"/jobs/{job.pk}/").content.decode()
    sentence = corrected_words(Used(corrected=3, reviewed=1))
    assert page.count(sentence) == 2, "below the name and in the list of revisions"
    assert "compare with the one before" in page
    child = job.segmentation
    assert child.parent == result.segmentation and len(child.provenance["edits"]) == 3
    with child.file.open("rb") as file, result.segmentation.file.open("rb") as before:
        stored, automatic = Segmentation.load(file), Segmentation.load(before)
    repeated = correct(automatic, stored.provenance.edits)
    assert (stored.labels == repeated.labels).all() and stored.by_hand == repeated.by_hand
    assert stored.layers.keys() == automatic.layers.keys() == {"certainty"}


def test_a_script_asks_which_objects_are_like_one(send, script, result):
    """Two squares of one size and a larger one, measured as outside a sample. What was deleted is no answer, what was
    drawn is one at once."""

    def ask(job, **query):
        return script.get(f"/api/v1/jobs/{job.pk}/similar", query)

    assert ask(result, ids=2).json()["error"] == NO_OUTLINES
    Job.objects.filter(pk=result.pk).update(state=Job.State.QUEUED)
    do_analyses()
    assert Job.objects.get(pk=result.pk).state == "done" and result.artifact(tables.TABLE_FILE) is None
    likeness = ask(result, ids=2, alike=0).json()
    assert likeness["ids"] == [2, 3, 1] and likeness["alike"][0] == 1
    assert ask(result, ids=2, alike=likeness["alike"][1] - 0.001).json()["ids"] == [2, 3]
    square = [[120, 70], [150, 70], [150, 100], [120, 100]]
    send(0, {"op": "delete", "ids": [3]}, {"op": "draw", "polygon": square})
    assert ask(result, ids=2, alike=0).json()["ids"] == [2, 4, 1]
    assert ask(result, ids=[2, 9]).json()["error"] == "There is no object 9." and ask(result).status_code == 422
    at_once = ask(result, ids=4, alike=0).json()
    assert at_once["ids"] == [2, 4, 1] and at_once["alike"][0] > 0.99
    assert ask(result, ids=3).json()["error"] == "There is no object 3."
    ids = ask(kept := revision(script, result), ids=4, alike=0).json()["ids"]
    assert ids[0] == 4 and sorted(ids) == [1, 2, 4]
    with kept.segmentation.file.open("rb") as file:  # what others said of each, as the person saw it
        assert Segmentation.load(file).used["by_others"] == {"faint_limit": None} | {key: [] for key in BY_OTHERS}


def test_corrections_and_a_region_to_ignore_are_measured_together(send, script, result):
    """As the tool of the page asks for it: what was corrected stays, and goes on standing when the region goes."""
    send(0, {"op": "reviewed", "ids": [1, 2, 3]})
    ignore = [[[0, 0], [900, 900]]]
    new = revision(script, result, ignore=ignore)
    assert new.get_settings().as_dict()["ignore"] == ignore and new.summary["statistics"]["n_kept"] == 0
    assert new.summary["statistics"]["set_aside"] == {"in a region to ignore": 3}
    page = script.post(f"/api/v1/jobs/{new.pk}/revisions", {"ignore": ""}).json()
    do_analyses()
    back = Job.objects.get(pk=page["id"])
    assert back.summary["statistics"]["n_kept"] == 3 and back.summary["used"]["reviewed"] == 3


@pytest.mark.parametrize("content", [b"torn", compressed(b'{"rows": 3}'), compressed(b'{"particles": [')[:-9]])
def test_damaged_outlines_are_compared_with_nothing(script, result, content):
    file = ContentFile(content, "outlines.json.gz")
    result.artifacts.create(name=tables.OUTLINES_FILE, attempt=1, size=1, file=file, content_type="application/json")
    answer = script.get(f"/api/v1/jobs/{result.pk}/similar", {"ids": 2})
    assert answer.status_code == 409 and answer.json()["error"] == NO_OUTLINES


def test_a_measured_result_is_named_to_be_corrected_next(result, alice):
    """Outside a sample, from the chances of its outlines."""
    with result.segmentation.file.open("rb") as file:
        doubtful = replace(Segmentation.load(file), confidence=np.float32([0.9, 0.4, 0.2]))
    doubtful.save(content := io.BytesIO())
    result.segmentation.file.save("doubtful.npz", ContentFile(content.getvalue()))
    Job.objects.filter(pk=result.pk).update(state=Job.State.QUEUED, owner=alice, visitor=None)
    do_analyses()
    (best,) = suggestions(make_dataset(alice), alice)
    assert (
        best.job == result
        and result.artifact(tables.TABLE_FILE) is None
        and best.gain.startswith("About 2 of 3 outlines")
    )


def test_a_correction_of_a_deleted_result_fails_in_a_sentence(send, script, result):
    send(0, DELETE)
    answer = script.post(f"/api/v1/jobs/{result.pk}/revisions", {"edits": True}, "application/json")
    Job.objects.filter(pk=result.pk).delete()
    do_analyses()
    job = Job.objects.get(pk=answer.json()["id"])
    assert job.state == "failed" and "deleted" in job.error


def test_a_segmentation_that_was_corrected_is_kept(send, script, result):
    send(0, DELETE)
    job = revision(script, result)
    jobs.delete_job(job=Job.objects.get(pk=result.pk))
    assert Stored.objects.filter(pk=job.segmentation_id).exists()


def test_other_settings_of_outlining_are_refused_beside_edits(send, script, result):
    send(0, DELETE)
    address = f"/api/v1/jobs/{result.pk}/revisions"
    answer = script.post(address, {"edits": True, "threshold": 0.3}, "application/json")
    assert answer.status_code == 422 and answer.json()["error"] == OTHER_OUTLINES
    assert script.post(address, {"edits": True, "filter": True}, "application/json").status_code == 202


def test_a_revision_of_a_deleted_revision_takes_no_other_corrections(send, script, result):
    send(0, DELETE)
    first = revision(script, result)
    send(0, {"op": "delete", "ids": [1]}, job=first)
    answer = script.post(f"/api/v1/jobs/{first.pk}/revisions", {"edits": True}, "application/json")
    jobs.delete_job(job=first)
    do_analyses()
    job = Job.objects.get(pk=answer.json()["id"])
    assert job.state == "failed" and "deleted" in job.error


def test_corrections_of_corrections_count_each_object_once(send, script, result):
    send(0, DELETE, {"op": "reviewed", "ids": [1, 3]})
    first = revision(script, result)
    send(0, SPLIT, job=first)
    used = revision(script, first).summary["used"]
    assert (used["corrected"], used["reviewed"]) == (3, 1)  # 1, 2 and the new part; 3


def test_where_no_edit_stands_there_is_nothing_to_measure(send, script, result):
    send(0, DELETE, UNDO)
    answer = script.post(f"/api/v1/jobs/{result.pk}/revisions", {"edits": True}, "application/json")
    assert answer.status_code == 409 and answer.json()["error"] == NOTHING_CORRECTED
