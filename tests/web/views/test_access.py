"""Who may open what: every address of a job, for its owner, a stranger, staff, its visitor and the anonymous."""

from __future__ import annotations

from uuid import uuid4

import pytest

from segmentation.http.access import NOT_YOURS
from segmentation.models import Job
from tests.web.finished import FILES, SUMMARY, VISITOR, words

pytestmark = pytest.mark.django_db
READ = (
    "/jobs/{job}/", "/jobs/{job}/status/", "/jobs/{job}/files/figure.png", "/jobs/{job}/files/outlines.json",
    "/jobs/{job}/files/particles.csv", "/uploads/{micrograph}/preview.png",
)  # fmt: skip
CHANGE = ("/jobs/{job}/cancel/", "/jobs/{job}/retry/", "/jobs/{job}/delete/")
RERUN = ("/jobs/{job}/rerun/", "/jobs/{job}/width/")


@pytest.fixture
def done(make_job):
    def make(**fields):
        return make_job(state=Job.State.DONE, summary=SUMMARY, files=FILES, attempt=1, **fields)

    return make


def at(address, job):
    return address.format(job=job.pk, micrograph=job.micrograph_id)


def test_a_link_opens_for_everybody(done, people):
    job = done(visitor=VISITOR)
    for address in READ:
        assert {browser.get(at(address, job)).status_code for browser in people.values()} == {200}, address


def test_a_link_alone_changes_nothing(done, people):
    job = done(visitor=VISITOR)
    for address in CHANGE:
        for name in ("nobody", "alice", "charlie"):
            response = people[name].post(at(address, job))
            assert response.status_code == 403 and NOT_YOURS in words(response), (address, name)
    assert Job.objects.get() == job


def test_the_page_offers_only_what_is_allowed(done, people):
    job = done(visitor=VISITOR)
    offers = {name: "Delete this result" in words(people[name].get(at("/jobs/{job}/", job))) for name in people}
    assert offers == {"visitor": True, "ada": True, "nobody": False, "alice": False, "charlie": False}


def test_a_forged_cookie_is_nobodys(done, client):
    client.cookies["visitor"] = f"{VISITOR}:forged"
    assert client.post(at("/jobs/{job}/delete/", done(visitor=VISITOR))).status_code == 403


def test_what_is_not_there_is_not_found(client):
    for address in READ + CHANGE + RERUN:
        method = client.get if address in READ else client.post
        assert method(address.format(job=uuid4(), micrograph=uuid4())).status_code == 404, address


class TestClosedSite:
    @pytest.fixture(autouse=True)
    def closed(self, settings):
        settings.DEEPSEGM_REQUIRE_LOGIN = True

    def test_account_holders_work_as_ever(self, done, people, alice):
        assert people["alice"].get(at("/jobs/{job}/", done(owner=alice))).status_code == 200
        assert people["charlie"].get("/").status_code == 200
