"""Who may open what: every address of a job, for its owner, a stranger, staff, its visitor and the anonymous."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.test import Client

from segmentation.http.access import NOT_YOURS
from segmentation.models import Job
from tests.web.finished import FILES, SUMMARY, visit, words

pytestmark = pytest.mark.django_db
VISITOR = uuid4()
READ = (
    "/jobs/{job}/",
    "/jobs/{job}/status/",
    "/jobs/{job}/files/figure.png",
    "/jobs/{job}/files/outlines.json",
    "/jobs/{job}/files/particles.csv",
    "/uploads/{micrograph}/preview.png",
)
CHANGE = ("/jobs/{job}/cancel/", "/jobs/{job}/retry/", "/jobs/{job}/delete/")
RERUN = ("/jobs/{job}/rerun/", "/jobs/{job}/width/")


@pytest.fixture
def done(make_job):
    def make(**fields):
        return make_job(state=Job.State.DONE, summary=SUMMARY, files=FILES, attempt=1, **fields)

    return make


@pytest.fixture
def people(alice, charlie, ada):
    """A browser for each of them."""
    browsers = {"nobody": Client(), "visitor": visit(Client(), VISITOR)}
    for name, user in (("alice", alice), ("charlie", charlie), ("ada", ada)):
        browsers[name] = Client()
        browsers[name].force_login(user)
    return browsers


def at(address, job):
    return address.format(job=job.pk, micrograph=job.micrograph_id)


@pytest.mark.parametrize("address", READ)
def test_an_accounts_result_opens_for_it_and_staff_only(done, people, alice, address):
    job = done(owner=alice, visitor=VISITOR)
    seen = {name: browser.get(at(address, job)).status_code for name, browser in people.items()}
    assert seen == {"alice": 200, "ada": 200, "charlie": 404, "nobody": 404, "visitor": 404}


@pytest.mark.parametrize("address", CHANGE + RERUN)
def test_a_stranger_changes_nothing_of_an_account(done, people, alice, address):
    job = done(owner=alice, visitor=VISITOR)
    for name in ("charlie", "nobody", "visitor"):
        assert people[name].post(at(address, job), {"width": "640"}).status_code == 404
    assert list(Job.objects.values_list("pk", "state")) == [(job.pk, Job.State.DONE)]


@pytest.mark.parametrize("name", ["alice", "ada"])
@pytest.mark.parametrize("address", CHANGE)
def test_owner_and_staff_may(make_job, people, alice, name, address):
    state = Job.State.QUEUED if "cancel" in address else Job.State.FAILED
    job = make_job(owner=alice, state=state)
    assert people[name].post(at(address, job)).status_code in (302, 303)


@pytest.mark.parametrize("address", READ)
def test_a_link_opens_for_everybody(done, people, address):
    job = done(visitor=VISITOR)
    assert {browser.get(at(address, job)).status_code for browser in people.values()} == {200}


@pytest.mark.parametrize("address", CHANGE)
def test_a_link_alone_changes_nothing(done, people, address):
    job = done(visitor=VISITOR)
    for name in ("nobody", "alice", "charlie"):
        response = people[name].post(at(address, job))
        assert response.status_code == 403
        assert NOT_YOURS in words(response)
    assert Job.objects.get() == job


def test_the_page_offers_only_what_is_allowed(done, people):
    job = done(visitor=VISITOR)
    offers = {name: "Delete this result" in words(people[name].get(at("/jobs/{job}/", job))) for name in people}
    assert offers == {"visitor": True, "ada": True, "nobody": False, "alice": False, "charlie": False}


def test_a_forged_cookie_is_nobodys(done, client):
    client.cookies["visitor"] = f"{VISITOR}:forged"
    assert client.post(at("/jobs/{job}/delete/", done(visitor=VISITOR))).status_code == 403


@pytest.mark.parametrize("address", READ + CHANGE + RERUN)
def test_what_is_not_there_is_not_found(client, address):
    nothing = address.format(job=uuid4(), micrograph=uuid4())
    method = client.get if address in READ else client.post
    assert method(nothing).status_code == 404


class TestClosedSite:
    @pytest.fixture(autouse=True)
    def closed(self, settings):
        settings.DEEPSEGM_REQUIRE_LOGIN = True

    @pytest.mark.parametrize("address", ["/", "/results/", "/help/", "/models/", *READ])
    def test_it_asks_for_sign_in(self, done, client, address):
        response = client.get(at(address, done(visitor=VISITOR)))
        assert response.status_code == 302
        assert response["Location"].startswith("/accounts/login/?next=/")

    def test_the_sign_in_page_says_why(self, client):
        assert "account holders only" in words(client.get("/accounts/login/"))

    def test_monitors_still_get_an_answer(self, client):
        assert client.get("/healthz").json() == {"ok": True}

    def test_account_holders_work_as_ever(self, done, people, alice):
        assert people["alice"].get(at("/jobs/{job}/", done(owner=alice))).status_code == 200
        assert people["charlie"].get("/").status_code == 200
