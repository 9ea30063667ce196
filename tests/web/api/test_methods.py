"""Methods for scripts: saved, read, approved, and followed by what scripts send."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission

from segmentation.core.analysis import AnalysisSettings
from segmentation.models import Job, Method, MethodVersion, Sample
from segmentation.quality.methods import services as methods
from tests.web.api.test_jobs import basic, send
from tests.web.api.test_samples import png

pytestmark = pytest.mark.django_db
METHODS = "/api/v1/methods"


@pytest.fixture
def job(make_job, alice):
    return make_job(state="done", owner=alice, settings=AnalysisSettings.of(threshold=0.4))


@pytest.fixture
def saved(job, alice):
    return methods.save_as_method(job=job, user=alice, name="Powder")


def post(script, path="", account="alice", **body):
    return script.post(f"{METHODS}{path}", body, content_type="application/json", headers=basic(account))


def test_a_result_becomes_a_method_and_a_description_its_next_version(script, alice, job, settings):
    answer = post(script, name="Powder", job=str(job.pk))
    body, version = answer.json(), MethodVersion.objects.get()
    path = f"/{version.method_id}/versions/1"
    assert (answer.status_code, answer["Location"]) == (201, f"{METHODS}{path}")
    assert (body["name"], body["number"], body["state"], body["changes"]) == ("Powder", 1, "draft", [])
    assert body["description"]["settings"]["threshold"] == 0.4 and body["checksum"] == version.checksum
    alice.user_permissions.add(Permission.objects.get(codename="approve_method"))
    approval = {"password": "alice's password", "checksum": body["checksum"]}
    assert post(script, f"{path}/approve", **approval).status_code == 403  # she wrote it
    settings.DEEPSEGM_ONE_PERSON = True
    approved = post(script, f"{path}/approve", **approval)
    assert (approved.status_code, approved.json()["state"], approved.json()["approver"]) == (200, "approved", "alice")
    assert approved.json()["own_approval"] is True
    description = {**body["description"], "least_images": 3}
    assert post(script, f"/{version.method_id}/versions", description=description).status_code == 422
    second = post(script, f"/{version.method_id}/versions", description=description, reason="More images.")
    assert (second.json()["purpose"], second.json()["authors"]) == ("More images.", ["alice"])
    assert (second.status_code, second.json()["number"]) == (201, 2)
    assert second.json()["changes"] == ["Least number of images: 3, before 1."]
    one = script.get(f"{METHODS}/{version.method_id}", headers=basic("alice")).json()
    assert [row["number"] for row in one["versions"]] == [2, 1] and one["group"] is None
    listed = script.get(METHODS, headers=basic("alice")).json()["methods"]
    assert [row["id"] for row in listed] == [str(version.method_id)]
    withdrawn = post(script, f"{path}/withdraw", reason="A fault.")
    assert (withdrawn.json()["state"], withdrawn.json()["reason"]) == ("withdrawn", "A fault.")
    assert script.delete(f"{METHODS}{path}", headers=basic("alice")).status_code == 409
    assert script.delete(f"{METHODS}/{version.method_id}/versions/2", headers=basic("alice")).status_code == 204


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "P"}, 422),
        ({"name": "P", "description": {"task": "particles"}}, 422),
        ({"name": "P", "job": str(uuid4())}, 404),
        ({"name": "P", "description": {}, "job": str(uuid4())}, 422),
        ({"job": str(uuid4())}, 400),
    ],
)
def test_what_is_no_method(script, alice, body, status):
    answer = post(script, **body)
    assert answer.status_code == status and answer.json()["error"]
    assert not Method.objects.exists()


def test_signs_that_no_database_takes_are_left_out(script, saved):
    settings = {**saved.description["settings"], "preparation": "dis\0persed in water"}
    answer = post(script, name="Pow\0der 2", description={**saved.description, "settings": settings})
    assert answer.status_code == 201 and answer.json()["name"] == "Powder 2"
    text = MethodVersion.objects.get(method__name="Powder 2").description["settings"]["preparation"]
    assert text == "dispersed in water"


def test_strangers_find_none(script, saved, charlie, job):
    path = f"{METHODS}/{saved.method_id}"
    for address in (path, f"{path}/versions/1"):
        assert script.get(address, headers=basic("charlie")).status_code == 404
    assert script.get(METHODS).status_code == 401
    assert script.get(METHODS, headers=basic("charlie")).json() == {"methods": []}
    assert post(script, account="charlie", name="P", job=str(job.pk)).status_code == 404


@pytest.mark.parametrize("text", ["Powder", "Powder@1", "id"])
def test_a_job_follows_the_method_that_is_sent(script, saved, settings, text):
    settings.DEEPSEGM_SCALE_UNCERTAINTY = 2.0  # which is no part of the method
    answer = send(script, headers=basic("alice"), method=str(saved.pk) if text == "id" else text, filter="on")
    job = Job.objects.latest("created")
    assert answer.status_code == 202 and answer.json()["method"] == str(saved.pk)
    assert job.get_settings() == AnalysisSettings.of(threshold=0.4, filter=True)


def test_what_is_sent_beside_a_method_stays_within_its_rules(script, saved):
    assert send(script, headers=basic("alice"), method="Other").status_code == 422
    assert send(script, method="Powder").status_code == 422  # without the account
    assert send(script, headers=basic("alice"), method="Powder", threshold="7").status_code == 400
    answer = send(script, headers=basic("alice"), method="")
    assert answer.status_code == 202 and answer.json()["method"] is None


def test_the_same_image_with_and_without_a_method_are_two_jobs(script, saved):
    headers = basic("alice") | {"Idempotency-Key": "1"}
    assert send(script, headers=headers, threshold="0.4").status_code == 202
    assert send(script, headers=headers, method="Powder").status_code == 409


def test_a_sample_and_its_images_follow_it(script, saved):
    files = {"file": [png("a.png", 64), png("b.png", 65)], "name": "Batch 7", "method": "Powder"}
    answer = script.post("/api/v1/samples", files, headers=basic("alice"))
    sample = Sample.objects.get()
    assert answer.status_code == 202 and answer.json()["method"] == str(saved.pk)
    assert [job.method for job in sample.jobs.all()] == [saved, saved] and sample.settings["threshold"] == 0.4


def test_a_revision_keeps_the_method(script, saved, make_job, alice, settings):
    settings.DEEPSEGM_SCALE_UNCERTAINTY = 2.0
    job = make_job(state="done", owner=alice, method=saved, settings=AnalysisSettings.of(threshold=0.4))
    answer = script.post(
        f"/api/v1/jobs/{job.pk}/revisions", {"filter": True}, content_type="application/json", headers=basic("alice")
    )
    assert answer.status_code == 202 and answer.json()["method"] == str(saved.pk)
    assert Job.objects.get(parent=job).get_settings() == AnalysisSettings.of(threshold=0.4, filter=True)
