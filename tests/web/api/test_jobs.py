"""The API for scripts: JSON whatever happens, Basic or nobody, the same rules as the pages."""

from __future__ import annotations

import base64
import json
import re
from functools import partial
from uuid import UUID, uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from segmentation.api.jobs import ONE_PAGE
from segmentation.api.shared import request_bodies
from segmentation.core.analysis import AnalysisSettings
from segmentation.core.flags import DO_NOT_USE, Flag, as_json
from segmentation.core.tasks import find
from segmentation.forms.settings import NO_MODEL
from segmentation.models import Job, Micrograph
from segmentation.services.ground.refusal import Refused
from segmentation.services.results.jobs import OTHER_CONTENT
from tests.conftest import TEXT_FILE, picture
from tests.web.finished import FILES, SUMMARY, ZEISS, visit

pytestmark = pytest.mark.django_db
JOBS, JSON = "/api/v1/jobs", "application/json"
NOBODYS = UUID(int=5)


@pytest.fixture(autouse=True)
def calibrated_reader(reader):
    """Every image carries Zeiss's calibration."""
    reader.facts["calibration"] = ZEISS


def basic(name, password=None):
    text = f"{name}:{password if password is not None else name + chr(39) + 's password'}"
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


def secret(text):
    return {"Authorization": f"Bearer {text}"}


def send(script, content=None, headers=None, **typed):
    file = SimpleUploadedFile("a.png", picture() if content is None else content)
    return script.post(JOBS, {"file": file, **typed}, headers=headers or {})


class TestStart:
    def test_it_answers_with_the_job(self, script):
        response = send(script, width="0.64 um", filter="on", threshold="0.4", polarity="dark", data_bar="8")
        job = Job.objects.get()
        answer = response.json()
        assert response.status_code == 202
        assert response["Location"] == f"{JOBS}/{job.pk}"
        assert answer["id"] == str(job.pk)
        assert answer["url"] == f"http://testserver{JOBS}/{job.pk}"
        assert (answer["state"], answer["position"]) == ("queued", 1)
        recipe = job.get_settings()
        assert recipe.measurement.calibration.nm_per_pixel == pytest.approx(10)
        chosen = recipe.segmentation
        assert (chosen.threshold, chosen.polarity, chosen.data_bar) == (0.4, "dark", 8) and recipe.measurement.filter

    @pytest.mark.parametrize(
        ("typed", "calibration"), [({}, None), ({"width": ""}, "none"), ({"width": "7520"}, "typed")]
    )
    def test_scripts_get_no_default_width(self, script, typed, calibration):
        send(script, **typed)
        made = Job.objects.get().get_settings().measurement.calibration
        assert (made.source if made else None) == calibration

    def test_with_an_account_it_is_private(self, script, alice):
        job = Job.objects.get(pk=send(script, headers=basic("alice")).json()["id"])
        assert job.owner == alice
        assert script.get(f"{JOBS}/{job.pk}").status_code == 404
        assert script.get(f"{JOBS}/{job.pk}", headers=basic("alice")).status_code == 200

    @pytest.mark.parametrize("caller", [basic("alice"), secret("a secret of my own")])
    def test_the_same_key_of_one_caller_makes_one_job(self, script, alice, caller):
        key = {"Idempotency-Key": "run 7", **caller}
        assert send(script, headers=key).json()["id"] == send(script, headers=key).json()["id"]
        assert send(script, headers=caller).json()["id"] != send(script, headers=caller).json()["id"]
        assert Job.objects.count() == Micrograph.objects.count() == 3

    def test_a_key_belongs_to_its_caller(self, script, alice, charlie):
        """A stranger with the same key gets a job of his own, never another's, and cannot touch it."""
        callers = [basic("alice"), basic("charlie"), secret("s" * 16), secret("t" * 16), {}, {}]
        answers = [send(script, headers={"Idempotency-Key": "run-1", **caller}).json() for caller in callers]
        assert len({answer["id"] for answer in answers}) == len(callers)
        assert script.delete(f"{JOBS}/{answers[4]['id']}", headers=secret(answers[5]["secret"])).status_code == 403
        assert script.delete(f"{JOBS}/{answers[4]['id']}", headers=secret(answers[4]["secret"])).status_code == 204

    @pytest.mark.parametrize("other", [{"content": picture(80)}, {"filter": "on"}, {"width": "100 nm"}])
    def test_a_key_stands_for_one_content(self, script, alice, other):
        key = {"Idempotency-Key": "run 7", **basic("alice")}
        first = send(script, headers=key)
        second = send(script, headers=key, **other)
        assert (first.status_code, second.status_code) == (202, 409)
        assert second.json()["error"] == OTHER_CONTENT
        assert Micrograph.objects.count() == 1

    @pytest.mark.parametrize(
        ("typed", "message"),
        [({"threshold": "7"}, "0.05 to 0.95"), ({"model": "unknown"}, NO_MODEL), ({"data_bar": "4000"}, "only 48")],
    )
    def test_bad_settings_leave_nothing_behind(self, script, typed, message):
        response = send(script, **typed)
        assert response.status_code == 400
        assert message in response.json()["error"]
        assert not Micrograph.objects.exists()

    @pytest.mark.parametrize("page", ["0", "-1", "2-3", "all", "x", "1" * 30, "²"])
    def test_what_is_no_page(self, script, page):
        response = send(script, page=page)
        assert (response.status_code, response.json()["error"]) == (400, ONE_PAGE)
        assert not Micrograph.objects.exists()

    def test_a_page_is_kept_for_the_worker(self, script, monkeypatch):
        pages = []
        monkeypatch.setattr(
            "worker.reading.decoding.take_page", lambda path, folder, page, **how: pages.append(page) or (path, 1)
        )
        assert send(script, page=" 3 ", headers={"Idempotency-Key": "1"}).status_code == 202
        assert send(script, page="4", headers={"Idempotency-Key": "1"}).status_code in (202, 409)
        assert 3 in pages

    def test_bad_images(self, script, settings):
        assert send(script, b"text").json() == {"error": TEXT_FILE}
        assert send(script, b"text").status_code == 422
        settings.DEEPSEGM_MAX_UPLOAD_MB = 1
        assert send(script, bytes(2**20 + 1)).status_code == 413

    def test_a_name_that_no_file_on_a_disk_may_have(self, script):
        name = f"a.{200 * chr(0x1F52C)}"
        large = SimpleUploadedFile(name, picture() + bytes(2 * 2**20))
        assert script.post(JOBS, {"file": large}).status_code == 202
        assert Micrograph.objects.get().name.startswith("a")
        response = send(script, side=SimpleUploadedFile(name, b"PixelSize"))
        assert response.status_code == 422 and "send the image alone" in response.json()["error"]
        assert send(script, side=SimpleUploadedFile(f"a.{200 * 'b'}", b"PixelSize")).status_code == 202

    def test_no_file_and_broken_bodies(self, script):
        assert "field named file" in script.post(JOBS).json()["error"]
        broken = script.post(JOBS, b"nonsense", content_type="multipart/form-data; boundary=")
        assert broken.status_code == 400
        assert broken.json()["error"]


class TestRead:
    @pytest.fixture
    def done(self, make_job, alice):
        return make_job(owner=alice, state=Job.State.DONE, summary=SUMMARY, files=FILES, attempt=1)

    def test_result_and_files(self, script, done):
        answer = script.get(f"{JOBS}/{done.pk}", headers=basic("alice")).json()
        assert answer["state"] == "done"
        assert answer["result"]["statistics"]["n_kept"] == 261
        assert answer["settings"] == AnalysisSettings.of().as_dict()
        assert set(answer["files"]) == set(FILES)
        assert {"result.json", "particles.csv", "figure.png"} < set(answer["usual_files"])
        address = answer["files"]["particles.csv"].removeprefix("http://testserver")
        file = script.get(address, headers=basic("alice"))
        assert b"".join(file.streaming_content) == b"content"
        assert file["Content-Disposition"] == 'attachment; filename="tio2_particles.csv"'

    def test_it_says_whether_its_numbers_may_be_judged_and_when_the_image_was_taken(self, script, done):
        Micrograph.objects.filter(pk=done.micrograph_id).update(metadata={"date": "2026/11/03 08:00:00"})
        said = script.get(f"{JOBS}/{done.pk}", headers=basic("alice")).json()
        assert (said["may_be_judged"], said["acquired"]) == (True, "2026-11-03")
        flag = Flag.doubtful("Check.", "Do not use: scale wrong?", level=DO_NOT_USE, kind="scale")
        Job.objects.filter(pk=done.pk).update(summary={**done.summary, **as_json([flag])})
        assert script.get(f"{JOBS}/{done.pk}", headers=basic("alice")).json()["may_be_judged"] is False

    def test_a_failure_says_why(self, script, make_job):
        answer = script.get(f"{JOBS}/{make_job(state=Job.State.FAILED, error='Too big.').pk}").json()
        assert (answer["state"], answer["error"], answer["files"]) == ("failed", "Too big.", {})
        assert answer["usual_files"] == []

    def test_what_is_not_there(self, script, done):
        for address in (f"{JOBS}/{uuid4()}", f"{JOBS}/{done.pk}/files/nothing.png", "/api/v1/", "/api/v2/jobs"):
            response = script.get(address, headers=basic("alice"))
            assert response.status_code == 404
            assert response.json()["error"]


class TestChange:
    def test_cancel_and_delete(self, script, make_job, alice):
        job = make_job(owner=alice)
        answer = script.post(f"{JOBS}/{job.pk}/cancel", headers=basic("alice")).json()
        assert answer["state"] == "cancelled"
        assert script.delete(f"{JOBS}/{job.pk}", headers=basic("alice")).status_code == 204
        assert not Job.objects.exists()

    def test_a_scripts_own_anonymous_job_belongs_to_its_secret(self, script):
        answer = send(script).json()
        address = f"{JOBS}/{answer['id']}"
        assert "secret" not in script.get(address).json()
        for stranger in ({}, secret("x" * 32)):
            assert script.get(address, headers=stranger).status_code == 200
            assert script.post(f"{address}/cancel", headers=stranger).status_code == 403
            assert script.delete(address, headers=stranger).status_code == 403
        assert script.delete(address, headers=secret(answer["secret"])).status_code == 204

    def test_what_was_made_before_there_were_secrets_is_only_the_staffs_to_delete(self, script, make_job, ada):
        address = f"{JOBS}/{make_job().pk}"
        assert script.delete(address).status_code == 403
        assert script.delete(address, headers=basic("ada")).status_code == 204

    @pytest.mark.parametrize(("method", "end"), [("post", "/cancel"), ("delete", "")])
    def test_a_browsers_job_is_not_a_scripts_to_change(self, script, make_job, method, end):
        visitor = uuid4()
        address = f"{JOBS}/{make_job(visitor=visitor).pk}{end}"
        assert getattr(script, method)(address).status_code == 403
        assert getattr(visit(script, visitor), method)(address).status_code == 403
        assert Job.objects.get().state == Job.State.QUEUED


class TestRevisions:
    """The same image again, with some settings changed."""

    def revise(self, script, job, body, **sent):
        sent.setdefault("headers", basic("alice"))
        return script.post(f"{JOBS}/{job.pk}/revisions", body, **sent)

    def test_a_body_of_another_kind_is_no_empty_form(self, script, make_job, alice):
        job = make_job(owner=alice, state=Job.State.DONE)
        for address in (f"{JOBS}/{job.pk}/revisions", JOBS, f"{JOBS}/{job.pk}/edits", "/api/v1/samples"):
            answer = script.post(address, b"threshold=0.9", content_type="text/plain", headers=basic("alice"))
            assert answer.status_code == 415 and answer.json()["error"].startswith("Send the body as "), address
        assert Job.objects.count() == 1

    def test_what_is_not_sent_stays_as_it_was(self, script, make_job, alice):
        job = make_job(
            owner=alice, state=Job.State.DONE, settings=AnalysisSettings.of(threshold=0.4, repeatability=8.0)
        )
        sent = {"filter": True, "faint_limit": 12.3456789, "width": "5 um"}  # a number is taken as it is
        answer = self.revise(script, job, sent, content_type="application/json")
        new = Job.objects.get(pk=answer.json()["id"])
        assert answer.status_code == 202 and answer["Location"] == f"{JOBS}/{new.pk}"
        settings = new.get_settings()
        assert settings.measurement.filter and settings.measurement.repeatability == 8.0
        assert settings.measurement.faint_limit == 12.3456789
        assert settings.segmentation.threshold == 0.4
        assert settings.measurement.calibration.width_nm(new.micrograph.width) == pytest.approx(5000)
        assert new.parent == job and new.owner == alice

    def test_regions_to_ignore_are_lists_or_text(self, script, make_job, alice):
        job = make_job(owner=alice, state=Job.State.DONE)
        regions = [[[10, 20], [200, 80]], [[5, 5], [60, 5], [30, 40.5]]]
        by_json = self.revise(script, job, {"ignore": regions}, content_type="application/json").json()
        by_form = self.revise(script, job, {"ignore": "10,20,200,80; 5,5,60,5,30,40.5"}).json()
        assert by_json["settings"]["ignore"] == by_form["settings"]["ignore"] == regions
        kept = self.revise(script, Job.objects.get(pk=by_json["id"]), {"filter": "on"}).json()
        assert kept["settings"]["ignore"] == regions, "what is not sent stays"

    def test_a_form_does_the_same(self, script, make_job, alice):
        job = make_job(owner=alice, state=Job.State.DONE)
        answer = self.revise(script, job, {"filter": "on"}).json()
        assert answer["settings"]["filter"] is True

    @pytest.mark.parametrize(
        ("body", "sentence"),
        [
            ("[1]", "Send a JSON object"),
            ("{", "Send a JSON object"),
            ('{"filters": true}', "There is no field named filters."),
            ('{"task": "ghosts"}', "There is no kind of analysis named 'ghosts' here: task is one of"),
            ('{"threshold": 7}', "“Threshold” is at most 0.95, not 7."),
            ('{"width": "7 miles"}', "nm"),
            ('{"ignore": [[[1, 2]]]}', "“Regions to ignore” is a list of at most 50 regions"),
            ('{"filter": [[[1, 2], [3, 4]]]}', "Send a JSON object"),
        ],
    )
    def test_bad_bodies_have_a_sentence(self, script, make_job, alice, body, sentence):
        job = make_job(owner=alice, state=Job.State.DONE)
        answer = self.revise(script, job, body, content_type="application/json")
        assert answer.status_code == 400 and sentence in answer.json()["error"], answer.content
        assert Job.objects.count() == 1

    def test_a_sentence_does_not_repeat_what_is_long(self, script, make_job, alice):
        answer = self.revise(
            script, make_job(owner=alice, state=Job.State.DONE), json.dumps({"x" * 100_000: "1"}), content_type=JSON
        ).json()
        assert answer["error"].startswith("There is no field named xxx") and len(answer["error"]) < 1000

    def test_a_result_that_was_deleted_meanwhile_is_gone(self, script, make_job, alice, monkeypatch):
        job = make_job(owner=alice, state=Job.State.DONE)
        old = Job.objects.get(pk=job.pk)
        monkeypatch.setattr("segmentation.api.jobs.row_of", lambda kind, pk: old)
        job.delete()
        assert self.revise(script, old, {"filter": "on"}).status_code == 404
        old.micrograph.delete()
        assert self.revise(script, old, {"filter": "on"}).json()["error"] == "This analysis has been deleted."


def test_a_task_stands_for_its_default_model(script, alice, monkeypatch, model):
    """One definition for images, samples and revisions."""
    kinds = [(find("particles"), [("auto-particles", ""), (model.name, "")]), (find("grains"), [("boundaries", "")])]
    ask = partial(request_bodies._with_model, user=alice)
    with monkeypatch.context() as patched:
        patched.setattr(request_bodies, "models_by_task", lambda user: kinds)
        assert ask({"task": "grains", "a": "1"}) == {"model": "boundaries", "a": "1"}
        assert ask({"task": "particles", "model": model.name}) == {"model": model.name}
        assert ask({"task": "grains"}, old_task="grains") == {}  # a revision keeps its model
        with pytest.raises(Refused, match=f"The model {model.name} is for the task particles, and you sent the task"):
            ask({"task": "grains", "model": model.name})
    answer = send(script, task="particles", headers=basic("alice"))
    assert answer.status_code == 202 and answer.json()["settings"]["model"] == "auto-particles"


class TestSignIn:
    @pytest.mark.parametrize(
        "header",
        [basic("alice", "wrong"), basic("nobody", "x"), {"Authorization": "Basic ???"}, {"Authorization": "Basic éé"},
         {"Authorization": "Bearer x"}],
    )  # fmt: skip
    def test_a_wrong_one_is_told_so(self, script, alice, header):
        response = send(script, headers=header)
        assert response.status_code == 401
        assert response["WWW-Authenticate"].startswith("Basic")
        assert not Micrograph.objects.exists()

    def test_the_browsers_session_counts_for_nothing(self, signed_in, make_job, alice):
        assert signed_in.get(f"{JOBS}/{make_job(owner=alice).pk}").status_code == 404
        send(signed_in)
        assert Job.objects.get(owner=None)

    def test_our_own_pages_act_for_who_is_signed_in(self, alice, make_job):
        browser, job = Client(enforce_csrf_checks=True), make_job(owner=alice, state=Job.State.DONE)
        browser.force_login(alice)
        page = {"X-Requested-With": "DeepSegm"}
        address = f"{JOBS}/{job.pk}"
        assert browser.get(address, headers=page).status_code == 200
        assert browser.get(address, headers={"X-Requested-With": "XMLHttpRequest"}).status_code == 404
        assert browser.get(address, headers=page | {"Sec-Fetch-Site": "cross-site"}).status_code == 403
        without = browser.post(f"{address}/cancel", headers=page)
        assert without.status_code == 403 and "reload" in without.json()["error"]
        browser.get("/")
        key = {"X-CSRFToken": browser.cookies["csrftoken"].value}
        assert browser.post(f"{address}/cancel", headers=page | key).status_code == 409  # it is done already
        assert browser.post(f"{address}/cancel", headers=key).status_code == 404

    def test_other_sites_pages_may_not_call_it(self, script):
        assert send(script, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403

    def test_a_closed_site(self, script, alice, settings):
        settings.DEEPSEGM_REQUIRE_LOGIN = True
        assert send(script).status_code == 401
        assert send(script, headers=basic("alice")).status_code == 202


def test_other_methods_are_told_which_ones_there_are(script):
    response = script.get(f"{JOBS}/{NOBODYS}/cancel")
    assert response.status_code == 405
    assert "only" in response.json()["error"]
    assert response["Allow"]


class TestReference:
    def test_the_document_has_every_address_setting_and_error(self, client):
        document = client.get("/api/v1/openapi.json").json()
        start = document["paths"]["/api/v1/jobs"]["post"]
        fields = start["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
        assert {"file", "side", "width", *AnalysisSettings.of().as_dict()} - set(fields) == {"calibration"}
        assert fields["polarity"]["enum"] == ["auto", "bright", "dark"]
        assert "0.05 to 0.95" in fields["threshold"]["description"]
        routes = {(method, path) for path, methods in document["paths"].items() for method in methods}
        assert {("delete", "/api/v1/samples/{pk}"), ("get", "/api/v1/tasks")} <= routes
        for methods in document["paths"].values():
            for operation in methods.values():
                assert operation["responses"]["500"]["content"]["application/json"]["schema"]["$ref"].endswith("/Error")

    def test_every_answer_has_its_schema(self, client, make_job):
        """What is sent is what the document says, key by key."""
        schemas = client.get("/api/v1/openapi.json").json()["components"]["schemas"]
        answer = client.get(f"{JOBS}/{make_job().pk}").json()
        assert set(answer) == set(schemas["Job"]["properties"])
        assert schemas["Job"]["properties"]["result"]["anyOf"][0]["$ref"].endswith("/JobResult")
        assert schemas["JobResult"]["properties"]["calibration"]["$ref"].endswith("/Calibration")
        text = json.dumps(schemas)
        assert set(re.findall(r"schemas/(\w+)", text)) <= set(schemas) and "x-stored" not in text

    def test_the_page_says_all_of_it_and_needs_nothing_from_elsewhere(self, client):
        response = client.get("/api/v1/docs")
        page = response.content.decode()
        assert response.status_code == 200 and "text/html" in response["Content-Type"]
        assert "POST /api/v1/samples/{pk}/retry" in page and "border_correction" in page
        links = re.findall(r"(?:src|href)=[\"']([^\"']*)", page)
        assert links and all(link.startswith(("/", "#")) for link in links)
        assert "<script>" not in page and "<style" not in page

    def test_on_a_closed_site_both_ask_for_the_account(self, client, script, alice, settings):
        settings.DEEPSEGM_REQUIRE_LOGIN = True
        assert script.get("/api/v1/openapi.json").status_code == 401
        assert script.get("/api/v1/openapi.json", headers=basic("alice")).status_code == 200
        assert client.get("/api/v1/docs").status_code == 302


@pytest.mark.parametrize("end", ["", "/files/figure.png"])
def test_head_is_answered_as_get(script, make_job, end):
    job = make_job(state=Job.State.DONE, summary=SUMMARY, files=FILES, attempt=1)
    response = script.head(f"{JOBS}/{job.pk}{end}")
    assert (response.status_code, response.content if not end else b"") == (200, b"")
    assert response["Cache-Control"] == "private, no-cache"
