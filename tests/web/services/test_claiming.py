"""Results that a browser made before signing in: offered, kept or left, and never anybody else's."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from django.test import Client

from segmentation.core.analysis import AnalysisSettings
from segmentation.models import Job, Micrograph, Sample
from segmentation.services.access.claiming import claim_results, count_claimable
from tests.web.finished import FILES, SUMMARY, visit, words

pytestmark = pytest.mark.django_db
VISITOR, OTHER = uuid4(), uuid4()
OFFER = "made in this browser before you signed in"


@pytest.fixture
def done(make_job):
    def make(**fields):
        defaults = {"state": Job.State.DONE, "summary": SUMMARY, "files": FILES, "attempt": 1, "visitor": VISITOR}
        return make_job(**{**defaults, **fields})

    return make


@pytest.fixture
def browser(alice):
    """Alice's, in which she worked before she signed in."""
    made = visit(Client(), VISITOR)
    made.force_login(alice)
    return made


def owners():
    return set(Job.objects.values_list("owner__username", "visitor"))


@pytest.mark.services
class TestService:
    def test_an_image_without_a_job_comes_along(self, make_micrograph, alice):
        micrograph = make_micrograph(visitor=VISITOR)
        claim_results(user=alice, visitor=VISITOR)
        micrograph.refresh_from_db()
        assert micrograph.owner == alice

    def test_samples_come_along_and_others_do_not(self, alice):
        recipe = AnalysisSettings.of().as_dict()
        own_sample, theirs = (
            Sample.objects.create(name="batch", settings=recipe, submission=uuid4().hex, visitor=visitor)
            for visitor in (VISITOR, OTHER)
        )
        claim_results(user=alice, visitor=VISITOR)
        own_sample.refresh_from_db()
        theirs.refresh_from_db()
        assert (own_sample.owner, theirs.owner) == (alice, None)

    def test_nothing_of_others_is_touched(self, done, alice, charlie):
        done(visitor=OTHER)
        done(visitor=None)
        done(owner=charlie)
        before = owners()
        for visitor in (VISITOR, None):
            assert claim_results(user=alice, visitor=visitor) == count_claimable(user=alice, visitor=visitor) == 0
        assert owners() == before
        assert not Micrograph.objects.filter(owner=alice).exists()

    def test_an_image_that_another_browser_analysed_stays_nobodys(self, done, alice):
        job = done()
        theirs = done(micrograph=job.micrograph, visitor=OTHER, parent=job, settings=AnalysisSettings.of(filter=True))
        claim_results(user=alice, visitor=VISITOR)
        job.refresh_from_db()
        assert (job.owner, job.micrograph.owner) == (alice, None)
        assert visit(Client(), OTHER).get(f"/uploads/{theirs.micrograph_id}/preview.png").status_code == 200
        assert visit(Client(), OTHER).get(f"/jobs/{job.pk}/").status_code == 404

    def test_revisions_made_before_and_after_signing_in_share_their_image(self, done, alice):
        before = done()
        after = done(micrograph=before.micrograph, owner=alice, parent=before)
        claim_results(user=alice, visitor=VISITOR)
        assert Micrograph.objects.get().owner == alice
        assert set(Job.objects.filter(owner=alice)) == {before, after}


class TestPages:
    def test_signing_in_leads_to_the_offer(self, done, alice):
        done()
        made = visit(Client(), VISITOR)
        typed = {"login": "alice", "password": "alice's password"}
        response = made.post("/accounts/login/", typed, follow=True)
        assert response.redirect_chain == [("/results/", 302)]
        assert re.search(f"<b>1</b> [^<]*{OFFER}", words(response))

    def test_whoever_was_on_the_way_elsewhere_goes_there(self, done, alice):
        done()
        typed = {"login": "alice", "password": "alice's password", "next": "/help/"}
        assert visit(Client(), VISITOR).post("/accounts/login/", typed)["Location"] == "/help/"

    def test_one_click_keeps_them_and_the_link_is_private(self, done, browser, charlie):
        job, second = done(), done(state=Job.State.QUEUED)
        assert re.search(f"<b>2</b> [^<]*{OFFER}", words(browser.get("/results/")))
        assert browser.get("/results/").context["cards"] == []
        assert browser.post("/results/adopt/", {"answer": "keep"})["Location"] == "/results/"
        page = browser.get("/results/")
        assert {card.pk for card in page.context["cards"]} == {job.pk, second.pk}
        assert OFFER not in words(page)
        assert visit(Client(), VISITOR).get(f"/jobs/{job.pk}/").status_code == 404
        stranger = Client()
        stranger.force_login(charlie)
        assert stranger.get(f"/jobs/{job.pk}/").status_code == 404

    def test_leaving_them_ends_the_question(self, done, browser):
        job = done()
        browser.post("/results/adopt/", {"answer": "leave"})
        assert OFFER not in words(browser.get("/results/"))
        job.refresh_from_db()
        assert job.owner is None

    def test_no_offer_without_reason(self, done, browser, client):
        assert OFFER not in words(browser.get("/results/"))
        done(visitor=OTHER)
        assert OFFER not in words(browser.get("/results/"))
        assert OFFER not in words(visit(client, OTHER).get("/results/"))

    def test_without_an_account_nothing_is_kept(self, done, client):
        done()
        response = visit(client, VISITOR).post("/results/adopt/", {"answer": "keep"})
        assert response.status_code == 403
        assert "Sign in first" in words(response) and owners() == {(None, VISITOR)}

    def test_only_posts_with_their_key(self, done, browser, alice):
        done()
        assert browser.get("/results/adopt/").status_code == 405
        strict = visit(Client(enforce_csrf_checks=True), VISITOR)
        strict.force_login(alice)
        assert strict.post("/results/adopt/", {"answer": "keep"}).status_code == 403
        assert owners() == {(None, VISITOR)}
