"""Trainings and models for scripts: the same rules as on the pages."""

from __future__ import annotations

import json

import pytest

from segmentation.models import Job, Training
from tests.web.finished import SUMMARY
from tests.web.trained import COMPOSED, make_dataset, make_model, make_training

from .test_jobs import basic, send

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("learning", "reader")]
TRAININGS, MODELS = "/api/v1/trainings", "/api/v1/models"


def call(script, method, address, who=None, body=None, **headers):
    sent = json.dumps(body) if body is not None else ""
    all_headers = {**(basic(who) if who else {}), **headers}
    return script.generic(method, address, sent, content_type="application/json", headers=all_headers)


class TestTrainings:
    def test_from_a_dataset_to_a_version(self, script, alice):
        dataset = make_dataset(alice)
        body = {"dataset": str(dataset.pk), "base": "particles", "title": "Powder", "learning_curve": True}
        key = {"Idempotency-Key": "one"}
        first, repeat = (call(script, "POST", TRAININGS, "alice", body, **key) for _ in range(2))
        assert (first.status_code, first.json()["id"]) == (202, repeat.json()["id"])
        assert call(script, "POST", TRAININGS, "alice", body).status_code == 409
        training = call(script, "GET", first["Location"], "alice").json()
        assert (training["state"], training["title"], len(training["images"])) == ("queued", "Powder", 3)
        assert call(script, "POST", f"{first['Location']}/cancel", "alice").json()["state"] == "cancelled"
        assert call(script, "POST", f"{first['Location']}/retry", "alice").json()["state"] == "queued"
        assert [row["id"] for row in call(script, "GET", TRAININGS, "alice").json()] == [training["id"]]
        assert call(script, "DELETE", first["Location"], "alice").status_code == 204
        assert not Training.objects.exists()

    def test_composed_agglomerates_are_asked_for_or_refused_in_a_sentence(self, script, alice):
        body = {"base": "particles", "composed": True}
        poor = make_dataset(alice, summary={"composed": {"whole": {"g0": 9, "g1": 9}, "pictures": []}})
        answer = call(script, "POST", TRAININGS, "alice", {**body, "dataset": str(poor.pk)})
        assert answer.status_code == 422 and "here are 18, and 9 while" in answer.json()["error"]
        rich = make_dataset(alice, summary={"composed": COMPOSED})
        answer = call(script, "POST", TRAININGS, "alice", {**body, "dataset": str(rich.pk)})
        assert answer.status_code == 202 and answer.json()["options"]["composed"] is True

    @pytest.mark.parametrize(
        ("who", "body", "status"),
        [
            (None, {}, 404),  # a dataset is only there for accounts
            ("charlie", {}, 404),
            ("alice", {"base": "nothing"}, 422),
            ("alice", {"base": 7}, 400),
            ("alice", {"dataset": "x"}, 400),
            ("alice", {"steps": 9}, 400),
            ("alice", {"title": "x" * 81}, 400),
        ],
    )
    def test_refusals(self, script, alice, charlie, who, body, status):
        defaults = {"dataset": str(make_dataset(alice).pk), "base": "particles"}
        answer = call(script, "POST", TRAININGS, who, {**defaults, **body})
        assert (answer.status_code, list(answer.json())) == (status, ["error"])

    def test_offered_shared_and_withdrawn(self, script, alice, ada):
        training = make_model(alice, improved=False)
        at = f"{TRAININGS}/{training.pk}"
        assert call(script, "POST", f"{at}/offer", "alice").status_code == 409
        answer = call(script, "POST", f"{at}/offer", "alice", {"overrule": True}).json()
        assert (answer["offered"], answer["overruled"]) == (True, True)
        assert call(script, "POST", f"{at}/share", "alice").status_code == 403
        assert call(script, "POST", f"{at}/share", "ada").json()["shared"]
        assert not call(script, "POST", f"{at}/share", "ada", {"shared": False}).json()["shared"]
        assert not call(script, "POST", f"{at}/withdraw", "alice").json()["offered"]

    def test_results_run_again(self, script, alice, make_job):
        training = make_model(alice)
        job = make_job(owner=alice, state="done", summary=SUMMARY)
        at = f"{TRAININGS}/{training.pk}/revisions"
        answer = call(script, "POST", at, "alice").json()
        assert [row["id"] for row in answer["jobs"]] == [str(Job.objects.get(parent=job).pk)]
        assert call(script, "POST", at, "alice").status_code == 409  # nothing is left
        unfinished = make_training(alice, dataset=training.dataset)
        assert call(script, "POST", f"{TRAININGS}/{unfinished.pk}/revisions", "alice").status_code == 409


class TestModels:
    def test_each_sees_their_own(self, script, alice, charlie):
        make_model(alice)
        names = {who: [model["name"] for model in call(script, "GET", MODELS, who).json()] for who in ("alice", None)}
        assert names == {"alice": ["particles", "tio2-1"], None: ["particles"]}
        answer = call(script, "GET", f"{MODELS}/tio2-1", "alice").json()
        assert (answer["version"], answer["trained"], answer["card"]["title"]) == ("1", True, "TiO2 powder, tio2-1")
        for who in ("charlie", None):
            assert call(script, "GET", f"{MODELS}/tio2-1", who).status_code == 404

    def test_a_shared_ones_training_stays_its_makers(self, script, alice, charlie):
        make_model(alice, shared=True)
        assert call(script, "GET", f"{MODELS}/tio2-1", "charlie").json()["training"] is None

    def test_jobs_with_anothers_model_are_refused_as_unknown(self, script, alice, charlie):
        make_model(alice)
        unknown = send(script, model="nothing-at-all", headers=basic("charlie")).json()
        assert send(script, model="tio2-1", headers=basic("charlie")).json() == unknown
        assert send(script, model="tio2-1").status_code == 400
        assert send(script, model="tio2-1", headers=basic("alice")).status_code == 202

    def test_default_and_back(self, script, alice):
        make_model(alice)
        at = f"{MODELS}/default"
        assert call(script, "PUT", at, None, {"model": "particles"}).status_code == 401
        assert call(script, "PUT", at, "alice", {"model": "tio2-1"}).json()["task"] == "particles"
        send(script, headers=basic("alice"))
        assert Job.objects.get().model_name == "tio2-1"
        assert call(script, "PUT", at, "alice", {"model": "tio2-1", "site": True}).status_code == 403
        back = call(script, "POST", f"{at}/back", "alice", {"task": "particles"})
        assert back.json() == {"task": "particles", "model": None, "site": False}
        assert call(script, "POST", f"{at}/back", "alice", {"task": "particles"}).status_code == 409
