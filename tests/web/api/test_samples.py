"""Samples for scripts: several images or an archive in, one pooled result out; the same rules as the pages."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from segmentation.api.samples import NO_FILES, NO_NAME, ONE_SCALE
from segmentation.core.micrograph.pages import WRONG
from segmentation.forms.samples import NO_PIXEL
from segmentation.forms.settings import NO_MODEL
from segmentation.models import Job, Micrograph, Sample
from segmentation.services.ground.callers import visitor_id
from segmentation.services.results.jobs import OTHER_CONTENT
from tests.conftest import TEXT_FILE, picture
from tests.web.api.test_jobs import basic, calibrated_reader  # noqa: F401  a fixture
from tests.web.archive import zipped
from tests.web.views.test_samples import finished  # noqa: F401  a fixture

pytestmark = pytest.mark.django_db
SAMPLES = "/api/v1/samples"
MINE = {"Authorization": "Bearer a secret of my own"}
VISITOR = visitor_id("a secret of my own")
DONE, FAILED, QUEUED = Job.State.DONE, Job.State.FAILED, Job.State.QUEUED


def png(name="a.png", width=64):
    return SimpleUploadedFile(name, picture(width))


def send(script, *files, headers=None, **typed):
    return script.post(SAMPLES, {"file": list(files), "name": "Batch 7", **typed}, headers=headers or {})


class TestStart:
    def test_several_images(self, script):
        response = send(script, png("a.png", 64), png("b.png", 65), filter="on", border_correction="weight")
        body, sample = response.json(), Sample.objects.get()
        assert (response.status_code, response["Location"]) == (202, f"{SAMPLES}/{sample.pk}")
        assert (body["name"], body["state"], body["under_way"], body["current"]) == ("Batch 7", "waiting", 2, False)
        assert [image["name"] for image in body["images"]] == ["a.png", "b.png"]
        assert (body["settings"]["filter"], body["settings"]["border_correction"]) == (True, "weight")

    def test_pages_are_asked_for(self, script, monkeypatch):
        monkeypatch.setattr("worker.reading.decoding.take_page", lambda path, folder, page, **how: (path, 1))
        answer = send(script, png(), pages=" all ").json()
        assert [image["name"] for image in answer["images"]] == ["a.png"] and Micrograph.objects.filter(
            pages="all"
        ).count()
        wrong = send(script, png(), pages="two")
        assert (wrong.status_code, wrong.json()["error"]) == (400, WRONG)

    def test_an_archive_with_everything_accounted_for(self, script):
        archive = zipped([("x/a.png", picture(64)), ("x/b.png", picture(64)), ("x/c.doc", b"words")])
        answer = send(script, SimpleUploadedFile("batch.zip", archive)).json()
        assert len(answer["images"]) == 1
        assert {note["name"] for note in answer["notes"]} == {"b.png", "x/c.doc"}

    @pytest.mark.parametrize(
        ("typed", "pixel"),
        [({}, None), ({"nm_per_pixel": "2.5"}, 2.5), ({"width": "0.64 um"}, 10.0), ({"otherwise_width": "9"}, None)],
    )
    def test_the_scale(self, script, typed, pixel):
        send(script, png(), **typed)
        calibration = Job.objects.get().get_settings().measurement.calibration
        assert (calibration.nm_per_pixel if calibration else None) == pixel

    def test_a_width_is_as_uncertain_as_that_of_a_single_image(self, script):
        send(script, png(), width="7.52 um")
        script.post("/api/v1/jobs", {"file": png(), "width": "7.52 um"})
        of_sample, single = (job.get_settings().measurement.calibration for job in Job.objects.order_by("created"))
        assert of_sample == single
        assert single.relative_uncertainty == pytest.approx(0.005 / 7.52 / 3**0.5)

    def test_the_width_of_images_without_a_scale_is_kept_as_typed(self, script):
        send(script, png(), otherwise_width="2,8 µm")
        assert (Sample.objects.get().value, Sample.objects.get().typed) == (2800.0, "2,8 µm")

    @pytest.mark.parametrize(
        ("typed", "message"),
        [
            ({"nm_per_pixel": "wide"}, NO_PIXEL),
            ({"width": "5", "nm_per_pixel": "5"}, ONE_SCALE),
            ({"model": "unknown"}, NO_MODEL),
        ],
    )
    def test_bad_settings_leave_nothing_behind(self, script, typed, message):
        response = send(script, png(), **typed)
        assert response.status_code == 400 and message in response.json()["error"]
        assert not Micrograph.objects.exists()

    def test_no_image(self, script):
        assert script.post(SAMPLES).json()["error"] == NO_FILES
        response = send(script, SimpleUploadedFile("a.tif", b"text"))
        assert (response.status_code, response.json()) == (422, {"error": "a.tif: " + TEXT_FILE})
        assert not Sample.objects.exists()

    def test_limits_leave_no_upload(self, script, settings):
        settings.DEEPSEGM_WAITING_SAMPLES = 1
        assert [send(script, png("a.png", 64 + n)).status_code for n in range(2)] == [202, 429]
        assert Micrograph.objects.count() == 1

    def test_the_same_key_of_one_caller_makes_one(self, script):
        key = {"Idempotency-Key": "run 7", **MINE}
        assert send(script, png(), headers=key).json()["id"] == send(script, png(), headers=key).json()["id"]
        assert Micrograph.objects.count() == 1

    def test_a_key_belongs_to_its_caller(self, script, alice):
        """The second stranger with the key "run-1" was given the first one's sample, and could delete it."""
        callers = [basic("alice"), MINE, {}, {}]
        answers = [
            send(script, png(f"{number}.png", 64 + number), headers={"Idempotency-Key": "run-1", **caller}).json()
            for number, caller in enumerate(callers)
        ]
        assert [answer["images"][0]["name"] for answer in answers] == ["0.png", "1.png", "2.png", "3.png"]
        assert Sample.objects.count() == 4
        stranger = {"Authorization": f"Bearer {answers[3]['secret']}"}
        assert script.delete(f"{SAMPLES}/{answers[2]['id']}", headers=stranger).status_code == 403

    @pytest.mark.parametrize(
        "other", [{"name": "Batch 8"}, {"border_correction": "weight"}, {"width": "9 um"}, {"file": "more"}]
    )
    def test_a_key_stands_for_one_content(self, script, other):
        key = {"Idempotency-Key": "run 7", **MINE}
        files = [png(), png("b.png", 70)] if other.pop("file", "") else [png()]
        assert send(script, png(), headers=key).status_code == 202
        response = send(script, *files, headers=key, **other)
        assert response.status_code == 409 and response.json()["error"] == OTHER_CONTENT
        assert (Sample.objects.count(), Micrograph.objects.count()) == (1, 1)

    def test_side_files_of_a_single_job(self, script):
        side = SimpleUploadedFile("a.hdr", b"x")
        script.post("/api/v1/jobs", {"file": png(), "side": side})
        assert Micrograph.objects.get().side[0]["name"] == "a.hdr"


class TestRead:
    def test_result_images_and_files(self, script, finished, alice):  # noqa: F811
        sample = finished(DONE, DONE, FAILED, owner=alice)
        sample.jobs.filter(state=FAILED).update(error="Too big.")
        answer = script.get(f"{SAMPLES}/{sample.pk}", headers=basic("alice")).json()
        assert (answer["state"], answer["done"], answer["failed"], answer["current"]) == ("done", 2, 1, True)
        assert answer["result"]["median"] == 155.4321 and "of" not in answer["result"]
        assert [image["n"] for image in answer["images"]] == [20, 20, None]
        Sample.objects.update(state="failed", error="It broke.")
        answer = script.get(f"{SAMPLES}/{sample.pk}", headers=basic("alice")).json()
        assert not answer["current"], "its numbers are from before what failed"
        assert answer["images"][2]["error"] == "Too big."
        file = script.get(answer["files"]["images.csv"], headers=basic("alice"))
        assert b"".join(file.streaming_content) == b"content"


class TestChange:
    def test_an_image_out(self, script, finished):  # noqa: F811
        sample = finished(visitor=VISITOR)
        job = sample.jobs.order_by("created")[0]
        address = f"{SAMPLES}/{sample.pk}/images/{job.pk}"
        other = f"{SAMPLES}/{sample.pk}/images/{uuid4()}"
        assert script.post(address, {"included": "off"}, headers=MINE).json()["images"][0]["included"] is False
        assert script.post(address, {"included": "perhaps"}, headers=MINE).status_code == 400
        assert script.post(other, {"included": "on"}, headers=MINE).status_code == 404

    def test_another_name(self, script, finished):  # noqa: F811
        address = f"{SAMPLES}/{finished(visitor=VISITOR).pk}/name"
        assert script.post(address, {"name": " TiO2,\n lot 7 "}, headers=MINE).json()["name"] == "TiO2, lot 7"
        assert script.post(address, {}, headers=MINE).json() == {"error": NO_NAME}
        assert script.post(address, {"name": "another's"}).status_code == 403

    def test_more_images(self, script, finished):  # noqa: F811
        sample = finished(visitor=VISITOR)
        files = {"file": [png("n.png", 70), png("n2.png", 70)]}
        answer = script.post(f"{SAMPLES}/{sample.pk}/images", files, headers=MINE).json()
        assert len(answer["images"]) == 3
        assert [note["name"] for note in answer["notes"]] == ["n2.png"]

    def test_retry_cancel_delete(self, script, finished):  # noqa: F811
        address = f"{SAMPLES}/{finished(DONE, FAILED, visitor=VISITOR).pk}"
        assert script.post(f"{address}/retry", headers=MINE).json()["under_way"] == 1
        assert script.post(f"{address}/cancel", headers=MINE).json()["under_way"] == 0
        assert script.delete(address, headers=MINE).status_code == 204
        assert not Sample.objects.exists() and not Job.objects.exists()
