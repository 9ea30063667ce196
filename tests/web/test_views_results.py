"""My results: whose they are, what a row says, and when the list refreshes itself."""

from __future__ import annotations

from uuid import uuid4

import pytest

from segmentation.models import Job

from .finished import SUMMARY, summary, visit, words

pytestmark = pytest.mark.django_db
VISITOR = uuid4()


@pytest.fixture
def maker(client):
    return visit(client, VISITOR)


def names(response):
    return {row["job"].micrograph.name for row in response.context["rows"]}


def test_empty(client):
    page = words(client.get("/results/"))
    assert "Nothing has been analysed here yet" in page
    assert "hx-get" not in page


def test_each_sees_their_own(client, make_micrograph, make_job, alice, charlie, ada):
    make_job(micrograph=make_micrograph(name="alices.tif"), owner=alice, visitor=VISITOR)
    make_job(micrograph=make_micrograph(name="this browsers.tif"), visitor=VISITOR)
    make_job(micrograph=make_micrograph(name="anothers.tif"), visitor=uuid4())
    assert names(client.get("/results/")) == set()
    assert names(visit(client, VISITOR).get("/results/")) == {"this browsers.tif"}
    client.force_login(charlie)
    assert names(client.get("/results/")) == set()
    client.force_login(alice)
    assert names(client.get("/results/")) == {"alices.tif"}


def test_rows_in_every_state(maker, make_job):
    make_job(visitor=VISITOR, state=Job.State.DONE, summary=SUMMARY, files=["thumbnail.png"])
    make_job(visitor=VISITOR, state=Job.State.RUNNING, progress=0.4)
    make_job(visitor=VISITOR, state=Job.State.QUEUED)
    make_job(visitor=VISITOR, state=Job.State.FAILED, error="no")
    make_job(visitor=VISITOR, state=Job.State.CANCELLED)
    page = words(maker.get("/results/"))
    for told in (
        "Done",
        "Running",
        "Waiting",
        "Failed",
        "Cancelled",
        ">261<",
        ">155 nm<",
        'value="40"',
        "thumbnail.png",
    ):
        assert told in page, told


def test_nothing_kept_has_no_median(maker, make_job):
    make_job(visitor=VISITOR, state=Job.State.DONE, summary=summary(n_kept=0, median=None))
    row = maker.get("/results/").context["rows"][0]
    assert (row["kept"], row["median"]) == (0, "")


def test_it_refreshes_itself_only_while_something_runs(maker, make_job):
    job = make_job(visitor=VISITOR, state=Job.State.RUNNING)
    assert 'hx-trigger="every 2s"' in words(maker.get("/results/"))
    fragment = words(maker.get("/results/", headers={"HX-Request": "true"}))
    assert 'hx-trigger="every 2s"' in fragment
    assert "<html" not in fragment
    Job.objects.filter(pk=job.pk).update(state=Job.State.FAILED)
    assert "hx-" not in words(maker.get("/results/", headers={"HX-Request": "true"}))
    page = words(maker.get("/results/"))
    assert "hx-get" not in page
    assert "htmx-2" not in page


def test_pages(maker, make_micrograph, make_job):
    micrograph = make_micrograph(visitor=VISITOR)
    for _ in range(51):
        make_job(micrograph=micrograph, visitor=VISITOR, state=Job.State.CANCELLED)
    assert "page 1 of 2" in words(maker.get("/results/"))
    assert len(maker.get("/results/?page=2").context["rows"]) == 1
    assert len(maker.get("/results/?page=nonsense").context["rows"]) == 50


def test_many_rows_ask_few_questions(maker, make_micrograph, make_job, django_assert_max_num_queries):
    micrograph = make_micrograph(visitor=VISITOR)
    for _ in range(20):
        make_job(micrograph=micrograph, visitor=VISITOR, state=Job.State.DONE, summary=SUMMARY)
    with django_assert_max_num_queries(5):
        maker.get("/results/")


def test_hostile_names_are_text(maker, make_micrograph, make_job):
    make_job(micrograph=make_micrograph(name="<script>x</script>"), visitor=VISITOR)
    assert "<script>x" not in words(maker.get("/results/"))


def test_only_reading(client):
    assert client.post("/results/").status_code == 405
