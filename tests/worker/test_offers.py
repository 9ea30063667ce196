"""What three corrections of one sort offer: the same for further objects, here and in the other images of a sample."""
# ruff: noqa: F811

from __future__ import annotations

import hashlib
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from segmentation.middleware import hash_address
from segmentation.models import Job, Sample
from segmentation.services.ground.callers import visitor_id
from segmentation.services.ground.limits import edit_slot
from segmentation.services.results import publishing
from segmentation.services.results.corrections import standing as service
from tests.core.builders import segmentation_of
from tests.web.finished import SUMMARY
from worker.tasks import do_analyses

from .test_edits import SECRET, UNDO, script  # noqa: F401

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_heartbeat", "read_here", "busy")]
ROWS, COLUMNS = 240, 320
LARGE, SPECKS, BLOCKS = range(1, 7), range(7, 14), range(14, 19)


def labels():
    """Six squares of 30 px, seven of 8 px, and five blocks of 20 by 40 px."""
    drawn = np.zeros((ROWS, COLUMNS), np.int32)
    for number in LARGE:
        drawn[10:40, 10 + 45 * (number - 1) :][:, : 30 + number % 2] = number
    for at, number in enumerate(SPECKS):
        drawn[60:68, 10 + 30 * at :][:, :8] = number
    for at, number in enumerate(BLOCKS):
        drawn[100:120, 10 + 60 * at :][:, :40] = number
    return drawn


def analysed(make_micrograph, make_job, folder, name, shift=0, **fields):
    """A result that a worker has measured."""
    drawn = np.roll(labels(), shift, 0)
    file = io.BytesIO()
    Image.fromarray(np.where(drawn > 0, 200, 40).astype(np.uint8)).save(file, "PNG")
    sha256 = hashlib.sha256(file.getvalue()).hexdigest()
    owner = {"visitor": visitor_id(SECRET)}
    size = {"width": COLUMNS, "height": ROWS, "name": name}
    micrograph = make_micrograph(content=file.getvalue(), sha256=sha256, **size, **owner)
    segmentation = segmentation_of(drawn)
    provenance = replace(segmentation.provenance, micrograph=sha256)
    segmentation = replace(segmentation, provenance=provenance)
    segmentation.save(folder / "segmentation.npz")
    job = make_job(micrograph=micrograph, state=Job.State.RUNNING, attempt=1, summary=SUMMARY, **owner, **fields)
    publishing.store_segmentation(job=job, file=folder / "segmentation.npz", provenance=segmentation.provenance)
    Job.objects.filter(pk=job.pk).update(state=Job.State.QUEUED)
    do_analyses()
    return Job.objects.get(pk=job.pk)


@pytest.fixture
def result(make_micrograph, make_job, tmp_path):
    return analysed(make_micrograph, make_job, tmp_path, "first.png")


@pytest.fixture
def pair(make_micrograph, make_job, tmp_path):
    """Two images of a sample."""
    fields = {"settings": make_job(state="done").settings, "submission": "s", "visitor": visitor_id(SECRET)}
    sample = Sample.objects.create(name="a", **fields)
    images = (("first.png", 0), ("second.png", 30))
    return [analysed(make_micrograph, make_job, tmp_path, name, shift, sample=sample) for name, shift in images]


def post(script, job, *operations, base=None):
    job = Job.objects.get(pk=job.pk)
    base = job.edit_count if base is None else base
    body = {"base": base, "operations": list(operations), "since": base}
    answer = script.post(f"/api/v1/jobs/{job.pk}/edits", body, "application/json")
    assert answer.status_code == 200, answer.json()
    return answer.json()["standing"]["offer"]


def singly(operation, ids):
    return [{**operation, "ids": [number]} for number in ids]


def test_three_deletions_of_one_sort_offer_the_others_like_them(script, result):
    first, second, third, *others = SPECKS
    assert post(script, result, *singly({"op": "delete"}, [first, second])) is None
    offer = post(script, result, *singly({"op": "delete"}, [third]))
    assert sorted(offer["ids"]) == others and sorted(offer["examples"]) == [first, second, third]
    assert offer["operation"] == {"op": "delete", "ids": offer["ids"]}
    assert (offer["question"], offer["answer"]) == (
        "4 particles are like the last 3 that were deleted.",
        "Delete all 4",
    )
    assert post(script, result, offer["operation"]) is None, "what was taken is not offered again"
    assert Job.objects.get(pk=result.pk).edit_count == 4, "one press is one correction"
    assert sorted(post(script, result, UNDO)["ids"]) == others, "one undo takes it back"


def test_what_was_confirmed_or_drawn_is_not_offered(script, result):
    *corrected, confirmed = SPECKS[:4]
    reviewed = {"op": "reviewed", "ids": [confirmed]}
    offer = post(script, result, reviewed, *singly({"op": "set_aside", "reason": "text"}, corrected))
    assert confirmed not in offer["ids"]
    assert "left out (text)" in offer["question"]
    assert offer["operation"].get("reason", "text") == "text"


@pytest.mark.parametrize(
    "operations",
    [
        singly({"op": "delete"}, [1, 7, 14]),  # of three sorts
        [{"op": "delete", "ids": [7, 8, 9]}],  # one correction
        [*singly({"op": "delete"}, [7, 8]), *singly({"op": "set_aside", "reason": "text"}, [9])],
        [*singly({"op": "delete"}, [7, 8, 9]), UNDO],
        singly({"op": "reviewed"}, [7, 8, 9]),
    ],
)
def test_nothing_is_offered_after_corrections_of_several_sorts(script, result, operations):
    assert post(script, result, *operations) is None


def test_sorts_may_take_turns(script, result):
    offer = post(script, result, *singly({"op": "delete"}, [7, 1, 8, 2, 9]))
    assert sorted(offer["examples"]) == [7, 8, 9] and set(offer["ids"]) <= set(SPECKS)


def test_the_same_is_offered_in_the_other_image_of_the_sample(script, pair):
    here, there = pair
    post(script, here, *singly({"op": "delete"}, SPECKS[:3]))
    answer = script.get(f"/api/v1/jobs/{here.pk}/offer").json()
    (other,) = answer["others"]
    assert other["id"] == str(there.pk) and other["base"] == 0 and sorted(other["offer"]["ids"]) == [*SPECKS]
    assert answer["question"] == "7 particles are like them in the other image."
    assert [object["id"] for object in other["shown"]] == other["offer"]["ids"][: service.MOST_SHOWN]
    assert all(len(object["outline"]) >= 6 for object in other["shown"])
    body = {"base": other["base"], "operations": [other["offer"]["operation"]]}
    path = other["edits"].removeprefix("http://testserver")
    assert script.post(path, body, "application/json").status_code == 200
    assert script.get(f"/api/v1/jobs/{here.pk}/offer").json() == {"question": "", "others": []}
    assert script.post(path, {"base": 1, "operations": [UNDO]}, "application/json").status_code == 200
    assert len(script.get(f"/api/v1/jobs/{here.pk}/offer").json()["others"]) == 1, "its own undo takes it back"


def test_the_search_in_other_images_is_kept_until_one_of_them_changes(script, pair, monkeypatch):
    here, there = pair
    post(script, here, *singly({"op": "delete"}, SPECKS[:3]))
    searches, search = [], service._search_offers
    monkeypatch.setattr(service, "_search_offers", lambda *rows: searches.append(1) or search(*rows))
    monkeypatch.setattr(service, "_kept_offers", {})
    answers = [script.get(f"/api/v1/jobs/{here.pk}/offer").json() for _ in range(3)]
    assert answers[0] == answers[1] == answers[2] and answers[0]["others"] and len(searches) == 1
    Job.objects.filter(pk=there.pk).update(step=7)
    script.get(f"/api/v1/jobs/{here.pk}/offer")
    assert len(searches) == 2
    monkeypatch.setattr(service, "SEARCH_SECONDS", -1.0)
    Job.objects.filter(pk=there.pk).update(step=0, attempt=9)
    assert script.get(f"/api/v1/jobs/{here.pk}/offer").json()["others"] == []


def test_one_search_of_a_caller_at_a_time(script, pair):
    here, _ = pair
    with edit_slot("offers", user=None, visitor=None, address=hash_address("127.0.0.1")):
        assert script.get(f"/api/v1/jobs/{here.pk}/offer").status_code == 429
        assert post(script, here, *singly({"op": "delete"}, SPECKS[:3])), "corrections have slots of their own"


def test_versions_and_what_others_made_are_not_looked_at(script, pair, client):
    here, there = pair
    post(script, here, *singly({"op": "delete"}, SPECKS[:3]))
    Job.objects.filter(pk=there.pk).update(fixed=True)
    assert script.get(f"/api/v1/jobs/{here.pk}/offer").json()["others"] == []
    Job.objects.filter(pk=there.pk).update(fixed=False, visitor=visitor_id("somebody else, of the lab"))
    assert script.get(f"/api/v1/jobs/{here.pk}/offer").json()["others"] == []
    Job.objects.filter(pk=there.pk).update(visitor=visitor_id(SECRET))
    assert client.get(f"/api/v1/jobs/{here.pk}/offer").json()["others"] == [], (
        "whoever may only look is offered nothing"
    )
