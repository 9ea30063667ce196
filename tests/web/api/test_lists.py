"""Lists of own rows, several results at once, scales and kinds of analysis, for scripts."""

from __future__ import annotations

import io
import zipfile
from datetime import timedelta
from urllib.parse import quote
from uuid import uuid4

import pytest
from django.utils import timezone

from segmentation.core.analysis import AnalysisSettings
from segmentation.models import Job, Sample
from segmentation.services.ground.callers import visitor_id
from tests.web.finished import FILES, SUMMARY, ZEISS

from .test_jobs import JOBS, basic, secret

pytestmark = pytest.mark.django_db
OWN = "a secret of my own"


@pytest.fixture
def get(client, alice):
    def get(address, **more):
        return client.get(f"/api/v1{address}", headers=basic("alice"), **more)

    return get


def ids(response):
    assert response.status_code == 200
    return [row["id"] for row in response.json()["jobs"]]


@pytest.mark.services
class TestLists:
    def test_only_own_rows(self, client, get, alice, charlie, make_job):
        own_job, theirs, script = make_job(owner=alice), make_job(owner=charlie), make_job(visitor=visitor_id(OWN))
        assert ids(get("/jobs")) == [str(own_job.pk)]
        assert ids(client.get(JOBS)) == []
        assert ids(client.get(JOBS, headers=secret(OWN))) == [str(script.pk)]
        assert str(theirs.pk) not in str(get("/jobs").content)

    def test_pages_follow_each_other(self, get, alice, make_job):
        made = [str(make_job(owner=alice).pk) for _ in range(5)]
        address, listed = "/jobs?per_page=2&state=queued", []
        while address:
            answer = get(address)
            assert answer.json()["count"] == 5
            listed += ids(answer)
            address = (answer.json()["next"] or "").partition("/api/v1")[2]
        assert listed == made[::-1]
        assert ids(get("/jobs?page=999999")) == []
        for rows in ("jobs", "samples", "trainings", "datasets"):
            assert get(f"/{rows}?page={10**30}").status_code == 404, rows

    def test_what_is_asked_for(self, get, alice, make_job, make_micrograph):
        now = timezone.now()
        old = make_job(owner=alice, created=now - timedelta(days=9), state="failed", error="No.")
        new = make_job(owner=alice, micrograph=make_micrograph(owner=alice, name="Gold 7.tif"))
        assert ids(get("/jobs?state=failed")) == [str(old.pk)]
        assert ids(get("/jobs?name=gold")) == [str(new.pk)]
        assert ids(get(f"/jobs?since={quote((now - timedelta(days=1)).isoformat())}")) == [str(new.pk)]
        assert get("/jobs?state=failed").json()["jobs"][0]["error"] == "No."

    @pytest.mark.parametrize(
        "query",
        ["page=0", "page=x", "per_page=9999", "state=lost", "since=soon", "since=0001-01-01T00:00:00%2B14:00",
         "sample=1"],
    )  # fmt: skip
    def test_bad_questions(self, get, query):
        response = get(f"/jobs?{query}")
        assert response.status_code == 422 and response.json()["error"]

    def test_samples(self, client, get, alice, charlie):
        made = [
            Sample.objects.create(owner=user, name="Gold", submission=str(user), settings={})
            for user in (alice, charlie)
        ]
        assert [row["id"] for row in get("/samples?name=gold&state=waiting").json()["samples"]] == [str(made[0].pk)]
        assert client.get("/api/v1/samples").json()["count"] == 0


class TestSeveral:
    def test_a_zip_of_several(self, get, alice, make_job, monkeypatch):
        monkeypatch.setattr("segmentation.http.zipped.unwritten_files", lambda job: {})
        done = [make_job(owner=alice, state="done", summary=SUMMARY, files=FILES, attempt=1) for _ in range(2)]
        running = make_job(owner=alice)
        query = "&".join(f"id={job.pk}" for job in (*done, running))
        content = b"".join(get(f"/jobs/results.zip?{query}").streaming_content)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
        assert "002 tio2/particles.csv" in names and "NOT INCLUDED.txt" in names
        assert get(f"/jobs/results.zip?id={running.pk}").status_code == 409

    @pytest.mark.parametrize("file", ["results.zip", "objects.csv"])
    def test_not_of_others(self, get, alice, charlie, make_job, file):
        own_job, theirs = (make_job(owner=user, state="done", files=FILES, attempt=1) for user in (alice, charlie))
        assert get(f"/jobs/{file}?id={own_job.pk}&id={theirs.pk}").status_code == 404
        assert get(f"/jobs/{file}?id={uuid4()}").status_code == 404
        assert get(f"/jobs/{file}").status_code == get(f"/jobs/{file}?id=x").status_code == 422


class TestScale:
    @pytest.fixture
    def job(self, alice, make_job, make_micrograph):
        image = make_micrograph(owner=alice, calibration=ZEISS)
        return make_job(owner=alice, micrograph=image, state="done", summary=SUMMARY, files=FILES, attempt=1)

    @pytest.fixture
    def post(self, client, job):
        def post(**body):
            address = f"{JOBS}/{job.pk}/calibration"
            return client.post(address, body, content_type="application/json", headers=basic("alice"))

        return post

    def test_what_is_known(self, get, job):
        calibration = get(f"/jobs/{job.pk}/calibration").json()
        assert calibration["file"]["nm_per_pixel"] == ZEISS["nm_per_pixel"] and calibration["data_bar"] is None
        typed = get(f"/jobs/{job.pk}/calibration?width=100 nm").json()
        assert typed["asked"]["width_nm"] == pytest.approx(100) and typed["warnings"]
        assert get(f"/jobs/{job.pk}/calibration?width=wide").status_code == 422

    @pytest.mark.parametrize(
        ("body", "size"),
        [
            ({"source": "typed", "width": "640 nm"}, 10),
            ({"source": "line", "pixels": 40, "error": 0.5, "length": "200 nm"}, 5),
            ({"source": "none"}, None),
        ],
    )
    def test_another_scale_is_a_new_job(self, post, job, body, size):
        response = post(**body)
        assert response.status_code == 202, response.json()
        new = Job.objects.get(pk=response.json()["id"])
        assert new.parent == job
        assert new.get_settings().measurement.calibration.nm_per_pixel == (size and pytest.approx(size))
        assert not new.get_settings().measurement.calibration.is_kept

    def test_a_scale_is_kept_against_the_bar(self, post):
        response = post(source="typed", width="640 nm", keep=True)
        assert Job.objects.get(pk=response.json()["id"]).get_settings().measurement.calibration.is_kept

    @pytest.mark.parametrize(
        "body",
        [{"source": "data bar"}, {"source": "typed"}, {"source": "typed", "width": "wide"},
         {"source": "line", "pixels": 1, "length": "200 nm"}, {"source": "line", "pixels": 40, "length": "far"}],
    )  # fmt: skip
    def test_what_is_no_scale(self, post, body):
        response = post(**body)
        assert response.status_code == 422 and response.json()["error"]
        assert Job.objects.count() == 1


def test_the_kinds_of_analysis(get):
    kinds = get("/tasks").json()["tasks"]
    assert [task["name"] for task in kinds] == ["particles"]
    assert {"name": "particles", "title": "Particles", "comparison": False} in kinds[0]["models"]
    assert kinds[0]["settings"]["polarity"]["enum"] == ["auto", "bright", "dark"]


def test_a_failed_job_is_tried_again(client, alice, make_job):
    job = make_job(owner=alice, state="failed", error="No.")
    response = client.post(f"{JOBS}/{job.pk}/retry", headers=basic("alice"))
    assert (response.status_code, response.json()["state"]) == (200, "queued")


def test_a_sample_gets_another_scale(client, alice):
    settings = AnalysisSettings.of().as_dict()
    sample = Sample.objects.create(owner=alice, name="a", submission="a", state="done", settings=settings)
    address = f"/api/v1/samples/{sample.pk}/scale"

    def post(**body):
        return client.post(address, body, content_type="application/json", headers=basic("alice"))

    assert post(rule="pixel", value="2.5 nm").json()["scale"] == {"rule": "pixel", "value": 2.5}
    assert post(rule="width").status_code == post(rule="pixel", value="far").status_code == 422


def test_results_become_a_sample(client, alice, charlie, make_job):
    theirs = make_job(owner=charlie, state="done")
    body = {"jobs": [str(theirs.pk)], "name": "Gold"}
    address = "/api/v1/samples/of-results"
    response = client.post(address, body, content_type="application/json", headers=basic("alice"))
    assert response.status_code == 404
    body["jobs"] = [str(make_job(owner=alice, state="queued").pk)]
    response = client.post(address, body, content_type="application/json", headers=basic("alice"))
    assert response.status_code == 409
