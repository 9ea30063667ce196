"""What a page offers to whom, forged cookies, a closed site; every address with every caller: test_every_address."""

from __future__ import annotations

import pytest

from segmentation.models import Job
from tests.web.finished import FILES, SUMMARY, VISITOR, words

pytestmark = pytest.mark.django_db


@pytest.fixture
def done(make_job):
    def make(**fields):
        return make_job(state=Job.State.DONE, summary=SUMMARY, files=FILES, attempt=1, **fields)

    return make


def test_the_page_offers_only_what_is_allowed(done, people):
    job = done(visitor=VISITOR)
    offers = {name: "Delete this result" in words(people[name].get(f"/jobs/{job.pk}/")) for name in people}
    assert offers == {"visitor": True, "ada": True, "nobody": False, "alice": False, "charlie": False}


def test_a_forged_cookie_is_nobodys(done, client):
    client.cookies["visitor"] = f"{VISITOR}:forged"
    assert client.post(f"/jobs/{done(visitor=VISITOR).pk}/delete/").status_code == 403


class TestClosedSite:
    @pytest.fixture(autouse=True)
    def closed(self, settings):
        settings.DEEPSEGM_REQUIRE_LOGIN = True

    def test_account_holders_work_as_ever(self, done, people, alice):
        assert people["alice"].get(f"/jobs/{done(owner=alice).pk}/").status_code == 200
        assert people["charlie"].get("/").status_code == 200
