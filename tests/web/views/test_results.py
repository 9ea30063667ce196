"""My results: whose they are, what a row says, and when the list refreshes itself."""

from __future__ import annotations

import io
import zipfile
from uuid import uuid4

import pytest
from django.db import connection
from django.http import QueryDict
from django.utils import timezone

from segmentation.http.zipped import NO_FILES
from segmentation.models import ExportJob, Job, Micrograph
from segmentation.presenters import listing
from segmentation.services.upkeep import upkeep
from segmentation.views import results
from segmentation.views.results import NOTHING_CHOSEN
from tests.web.finished import SUMMARY, VISITOR, summary, visit, words

pytestmark = pytest.mark.django_db


def names(response):
    return {card.name for card in response.context["cards"]}


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
    bars = {"edges": [0.0, 10.0, 20.0], "counts": [[40, 20]]}
    make_job(visitor=VISITOR, state=Job.State.DONE, summary={**SUMMARY, "histogram": bars}, files=["thumbnail.webp"])
    make_job(visitor=VISITOR, state=Job.State.RUNNING, progress=0.4)
    make_job(visitor=VISITOR, state=Job.State.QUEUED)
    make_job(visitor=VISITOR, state=Job.State.FAILED, error="no")
    make_job(visitor=VISITOR, state=Job.State.CANCELLED)
    page = words(maker.get("/results/"))
    for text in (
        'd="M0.00 32V0.00h50.00V32zM50.00 32V16.00h50.00V32z"',
        "Running",
        "Waiting",
        "Failed",
        "Cancelled",
        ">Median 155 nm<",
        "261 particles",
        'value="40"',
        "thumbnail.webp",
    ):
        assert text in page, text


@pytest.mark.parametrize(("counts", "path"), [([[9.2, 0.4]], True), ([[9.1, 0.3]], False)])
def test_a_card_has_bars_of_as_many_as_the_page_counts(maker, make_job, counts, path):
    """Of an expected distribution parts of objects are counted."""
    stored = {**SUMMARY, "histogram": {"edges": [0, 1, 2], "counts": counts}}
    make_job(visitor=VISITOR, state=Job.State.DONE, summary=stored)
    (card,) = maker.get("/results/").context["cards"]
    assert bool(card.bars) == path


def test_nothing_kept_has_no_median(maker, make_job):
    make_job(visitor=VISITOR, state=Job.State.DONE, summary=summary(n_kept=0, median=None))
    (card,) = maker.get("/results/").context["cards"]
    assert (card.counted, card.number) == ("0 particles", "")


@pytest.mark.parametrize("damage", [{"statistics": 7}, {"statistics": {"n_kept": 1}}, {"histogram": 7}])
def test_a_row_that_cannot_be_read_is_one_row_with_a_sentence(maker, make_job, make_sample, admin_client, damage):
    make_job(visitor=VISITOR, state=Job.State.DONE, summary=SUMMARY)
    broken = make_job(visitor=VISITOR, state=Job.State.DONE, summary={**SUMMARY, **damage})
    sample = make_sample("done", visitor=VISITOR, pooled={"of": [3], "histogram": 7})
    page = maker.get("/results/")
    assert page.status_code == 200
    warnings = {card.pk: card.warning for card in page.context["cards"]}
    assert warnings[broken.pk] == listing.UNREADABLE == warnings[sample.pk]
    assert "261 particles" in words(page) and admin_client.get("/admin/segmentation/job/").status_code == 200


def test_what_waits_has_its_place_in_the_queue(maker, make_job):
    for _ in range(3):
        make_job(visitor=VISITOR, state=Job.State.QUEUED)
    page = words(maker.get("/results/"))
    for place in ("among the next in the queue", "number 2 in the queue", "number 3 in the queue"):
        assert page.count(f"Waiting, {place}") == 1


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
    for _ in range(51):
        make_job(visitor=VISITOR, state=Job.State.CANCELLED)
    assert "page 1 of 2" in words(maker.get("/results/"))
    assert "?state=cancelled&amp;page=2" in words(maker.get("/results/?state=cancelled"))
    assert len(maker.get("/results/?page=2").context["cards"]) == 1
    assert len(maker.get("/results/?page=nonsense").context["cards"]) == 50


def test_many_rows_ask_few_questions(maker, make_micrograph, make_job, django_assert_max_num_queries):
    for _ in range(20):
        micrograph = make_micrograph(visitor=VISITOR)
        for _ in range(2):
            make_job(micrograph=micrograph, visitor=VISITOR, state=Job.State.DONE, summary=SUMMARY)
    with django_assert_max_num_queries(7):
        maker.get("/results/")


@pytest.mark.slow
def test_five_thousand_results_are_listed_by_indexes(signed_in, make_job, alice, rf, django_assert_max_num_queries):
    """The work must not grow with the square of the results, with SQLite's own statistics and without."""
    first = make_job(owner=alice, state=Job.State.DONE)
    rows = {
        kind: {field.attname: getattr(row, field.attname) for field in kind._meta.concrete_fields if field.name != "id"}
        for kind, row in ((Micrograph, first.micrograph), (Job, first))
    }
    images = Micrograph.objects.bulk_create([Micrograph(**rows[Micrograph]) for _ in range(4_999)])
    fresh = [{**rows[Job], "micrograph_id": image.pk, "submission": uuid4().hex} for image in images]
    Job.objects.bulk_create([Job(**row) for row in fresh], batch_size=500)
    with django_assert_max_num_queries(20):
        assert len(signed_in.get("/results/").context["cards"]) == 50
    request = rf.get("/results/")
    request.user, request.visitor = alice, None
    for _ in range(2 if connection.vendor == "sqlite" else 0):
        for query in ("", "sort=-median", "sort=name", "q=tif", "state=done", "show=images"):
            steps = results.entries(request, QueryDict(query)).explain().splitlines()
            correlated = {step.split()[0] for step in steps if "CORRELATED" in step}  # run for every row
            inner = [step for step in steps if step.split()[1] in correlated and " U0" in step]
            assert inner and all("(micrograph_id=? AND owner_id=?)" in step for step in inner), (query, steps)
        upkeep.optimise()


def test_hostile_names_are_text(maker, make_micrograph, make_job):
    make_job(micrograph=make_micrograph(name="<script>x</script>"), visitor=VISITOR)
    assert "<script>x" not in words(maker.get("/results/"))


def listed(client, query=""):
    """The names of the rows in their order."""
    return [card.name for card in client.get(f"/results/{query}").context["cards"]]


def many(make_micrograph, make_job):
    """Three results of different sizes and states, oldest first."""
    made = []
    cases = (("b.tif", "done", 5, 90.0), ("A.tif", "done", 40, 20.0), ("c.tif", "failed", 0, 0))
    for name, state, n_kept, median in cases:
        micrograph = make_micrograph(name=name, visitor=VISITOR)
        numbers = summary(n_kept=n_kept, median=median) if state == "done" else {}
        made.append(make_job(micrograph=micrograph, visitor=VISITOR, state=state, summary=numbers))
    return made


@pytest.mark.parametrize(
    ("sort", "order"),
    [("", "cAb"), ("-made", "cAb"), ("made", "bAc"), ("name", "Abc"), ("-name", "cbA"), ("kept", "bAc"),
     ("-kept", "Abc"), ("median", "Abc"), ("-median", "bAc"), ("state", "Abc"), ("nonsense", "cAb")],
)  # fmt: skip
def test_sorted(maker, make_micrograph, make_job, sort, order):
    many(make_micrograph, make_job)
    assert "".join(name[0] for name in listed(maker, f"?sort={sort}")) == order


def test_what_has_no_number_comes_last(maker, make_micrograph, make_job):
    many(make_micrograph, make_job)
    nothing = summary(n_kept=0, median=None)
    empty = make_micrograph(name="empty.tif", visitor=VISITOR)
    make_job(micrograph=empty, visitor=VISITOR, state=Job.State.DONE, summary=nothing)
    assert listed(maker, "?sort=median")[:2] == ["A.tif", "b.tif"]
    assert listed(maker, "?sort=-median")[:2] == ["b.tif", "A.tif"]


def test_searched_and_narrowed(maker, make_micrograph, make_job, make_sample):
    many(make_micrograph, make_job)
    sample = make_sample(Job.State.DONE, Job.State.RUNNING, name="Powder 7", visitor=VISITOR)
    assert listed(maker, "?q=TIF&sort=name") == ["A.tif", "b.tif", "c.tif"]
    assert (
        listed(maker, "?q=powder") == listed(maker, "?q=powder+0.png") == listed(maker, "?show=samples") == ["Powder 7"]
    )
    assert listed(maker, "?q=0.png") == ["Powder 7"], "an image of a sample is found in it"
    assert listed(maker, "?state=under-way") == ["Powder 7"]
    assert listed(maker, "?state=failed") == ["c.tif"]
    assert set(listed(maker, "?show=images")) == {"A.tif", "b.tif", "c.tif"}
    pooled = sample.jobs.first()
    rerun = make_job(micrograph=pooled.micrograph, parent=pooled, visitor=VISITOR, state=Job.State.DONE)
    assert "0.png" not in listed(maker), "one of them was analysed again"
    others = make_sample(Job.State.DONE, visitor=uuid4()).jobs.get()
    own_job = make_job(micrograph=others.micrograph, parent=others, visitor=VISITOR, state=Job.State.DONE)
    assert listed(maker).count("0.png") == 1, "it is in a sample of somebody else's"
    own_job.delete(), rerun.delete()
    assert len(listed(maker, "?state=nonsense&show=nonsense")) == 4
    page = words(maker.get("/results/?q=%3Cb%3E"))
    assert "No result matches" in page
    assert 'value="&lt;b&gt;"' in page


def test_samples_stand_among_the_images(maker, make_job, make_sample):
    """With the median of all, the histogram of all images together, and how many of these have ended."""
    make_job(visitor=VISITOR, state=Job.State.DONE, summary=summary(median=200.0))
    pooled = {
        "of": [str(uuid4())],
        **SUMMARY["statistics"],
        "histogram": {"edges": [0, 1, 2], "counts": [[10, 0], [30, 20]]},
    }
    sample = make_sample(Job.State.DONE, Job.State.FAILED, visitor=VISITOR, state="done", pooled=pooled)
    first, second = maker.get("/results/?sort=median").context["cards"]
    assert (first.pk, first.number, first.counted) == (
        sample.pk,
        "median 155 nm",
        "2 images, 1 without a result, 261 particles",
    )
    assert first.bars == "M0.00 32V0.00h50.00V32zM50.00 32V16.00h50.00V32z"
    assert second.number == "median 200 nm"


def test_earlier_versions_are_counted(maker, make_micrograph, make_job):
    micrograph = make_micrograph(name="one.tif", visitor=VISITOR)
    _, newer = (
        make_job(micrograph=micrograph, visitor=VISITOR, state=Job.State.DONE, summary=summary(median=size))
        for size in (10.0, 20.0)
    )
    another = uuid4()
    make_job(micrograph=micrograph, visitor=another, state=Job.State.DONE, created=timezone.now())
    (card,) = maker.get("/results/").context["cards"]
    assert (card.pk, card.number, card.older) == (newer.pk, "median 20.0 nm", 1)
    assert "1 earlier version " in words(maker.get("/results/"))


def chosen(client, do, *jobs, **fields):
    return client.post("/results/selected/", {"do": do, "job": [str(job.pk) for job in jobs], **fields})


def opened(response):
    return zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content)))


def test_several_are_compared_as_curves(maker, make_job):
    """Old results have none; sizes in different units are refused."""
    bars = {"edges": [0.0, 10.0, 20.0], "counts": [[40, 20]]}
    stored = [{**SUMMARY, "histogram": bars}] * 3 + [SUMMARY, {**summary(unit="px"), "histogram": bars}]
    jobs = [make_job(visitor=VISITOR, state=Job.State.DONE, summary=numbers) for numbers in stored]
    page = words(maker.get(chosen(maker, "compare", *jobs[:4])["Location"]))
    assert "Compare 4 results" in page and page.count("M0.0 100.0 L25.0 5.66") == 3
    assert page.count("No distribution is stored with it") == 1
    assert maker.get(chosen(maker, "compare", *jobs)["Location"]).status_code == 422
    assert chosen(maker, "compare", *jobs[:2])["Location"] == f"/compare/?a={jobs[0].pk}&b={jobs[1].pk}"


class TestDownload:
    def test_a_folder_for_each_result(self, maker, make_micrograph, make_job):
        files = ["figure.png", "particles.csv", "outlines.json", "bundle.zip"]
        twice = [
            make_job(
                micrograph=make_micrograph(name="same.tif", visitor=VISITOR), visitor=VISITOR, state="done", files=files
            )
            for _ in range(2)
        ]
        failed = make_job(visitor=VISITOR, state=Job.State.FAILED, files=["figure.png"])
        response = chosen(maker, "download", *twice, failed)
        assert response["Content-Disposition"] == 'attachment; filename="results.zip"'
        with opened(response) as archive:
            assert archive.testzip() is None
            names = archive.namelist()
            assert archive.read(names[0]) == b"content"
            assert archive.read(names[-1]).decode().startswith(f"{failed.micrograph.name}: Failed")
        assert {name.split("/")[0] for name in names[:-1]} == {"001 same", "002 same"}
        assert {name.split("/")[1] for name in names[:-1]} == {"figure.png", "particles.csv"}

    def test_a_file_that_is_gone_breaks_nothing(self, maker, make_job):
        job = make_job(visitor=VISITOR, state=Job.State.DONE, files=["figure.png", "particles.csv"])
        job.artifact("figure.png").file.storage.delete(job.artifact("figure.png").file.name)
        with opened(chosen(maker, "download", job)) as archive:
            member, missing = archive.namelist()
            assert (member.split("/")[1], missing) == ("particles.csv", "NOT INCLUDED.txt")
            assert "figure.png: " in archive.read(missing).decode()

    def test_files_are_written_before_they_are_packed_and_those_that_failed_are_named(
        self, maker, make_job, make_segmentation
    ):
        job = make_job(visitor=VISITOR, state=Job.State.DONE, files=["particles.csv"])
        Job.objects.filter(pk=job.pk).update(segmentation=make_segmentation(micrograph=job.micrograph))
        maker.get(f"/jobs/{job.pk}/")  # whoever looks at a result may soon want its files
        assert ExportJob.objects.get().asked is False
        waiting = chosen(maker, "download", job)
        assert (waiting.status_code, ExportJob.objects.get().asked) == (202, True)
        assert "0 of 1 results" in words(waiting)
        ExportJob.objects.update(state="failed", error="No.", finished=timezone.now())
        with opened(chosen(maker, "download", job)) as archive:
            note = archive.read("NOT INCLUDED.txt").decode()
        assert "report.pdf: " in note and "particles.csv" not in note

    def test_of_others_nothing(self, maker, make_job, alice):
        own_job = make_job(visitor=VISITOR, state=Job.State.DONE, files=["figure.png"])
        strangers = [
            make_job(visitor=uuid4(), state=Job.State.DONE, files=["particles.csv"]),
            make_job(owner=alice, state=Job.State.DONE, files=["particles.csv"]),
        ]
        with opened(chosen(maker, "download", own_job, *strangers)) as archive:
            assert [name.split("/")[1] for name in archive.namelist()] == ["figure.png"]
        assert chosen(maker, "download", *strangers).status_code == 400

    def test_what_has_no_files(self, maker, make_job):
        response = chosen(maker, "download", make_job(visitor=VISITOR, state=Job.State.RUNNING))
        assert response.status_code == 409
        assert NO_FILES in words(response)


class TestDelete:
    def test_asks_and_deletes_with_all_revisions(self, maker, make_micrograph, make_job):
        micrograph = make_micrograph(name="one.tif", visitor=VISITOR)
        _, newest = (make_job(micrograph=micrograph, visitor=VISITOR, state=Job.State.DONE) for _ in range(2))
        stays = make_job(visitor=VISITOR)
        question = words(chosen(maker, "delete", newest))
        assert "Delete this result?" in question
        assert "1 earlier version" in question
        assert Job.objects.count() == 3
        response = chosen(maker, "delete", newest, sure="yes")
        assert (response.status_code, response["Location"]) == (302, "/results/")
        assert list(Job.objects.all()) == [stays]
        assert not Micrograph.objects.filter(pk=micrograph.pk).exists()
        assert "1 result is deleted" in words(maker.get("/results/"))

    def test_not_what_others_made(self, client, maker, make_micrograph, make_job, alice, ada):
        shared = make_micrograph(visitor=VISITOR)
        own_job = make_job(micrograph=shared, visitor=VISITOR)
        theirs = [make_job(micrograph=shared, owner=alice), make_job(visitor=uuid4()), make_job(owner=alice)]
        assert chosen(maker, "delete", *theirs, sure="yes").status_code == 400
        chosen(maker, "delete", own_job, *theirs, sure="yes")
        assert set(Job.objects.all()) == set(theirs)
        client.force_login(ada)
        assert chosen(client, "delete", *theirs, sure="yes").status_code == 400
        assert set(Job.objects.all()) == set(theirs)

    def test_all_that_was_found_on_every_page(self, maker, make_micrograph, make_job):
        jobs = many(make_micrograph, make_job)
        other = make_job(visitor=uuid4(), state=Job.State.DONE)
        question = chosen(maker, "delete", all="on", query="state=done&page=2")
        assert "Delete 2 results?" in words(question)
        assert set(Job.objects.all()) == {*jobs, other}

    def test_a_sample_goes_with_its_images(self, maker, make_sample):
        sample = make_sample(Job.State.DONE, Job.State.DONE, state="done", name="Powder", visitor=VISITOR)
        question = words(chosen(maker, "delete", sample=[str(sample.pk)]))
        assert "Powder" in question and "with all their images" in question
        chosen(maker, "delete", sample=[str(sample.pk)], sure="yes")
        assert not Job.objects.exists()

    def test_a_sample_is_pooled_without(self, maker, make_sample, commit):
        sample = make_sample(Job.State.DONE, Job.State.DONE, state="done", visitor=VISITOR)
        job = sample.jobs.first()
        with commit():
            chosen(maker, "delete", job, sure="yes")
        sample.refresh_from_db()
        assert (sample.jobs.count(), sample.state) == (1, "queued")

    @pytest.mark.parametrize("ids", [[], ["nonsense"], [str(uuid4())]])
    def test_nothing_ticked(self, maker, ids):
        response = maker.post("/results/selected/", {"do": "delete", "job": ids})
        assert response.status_code == 400
        assert NOTHING_CHOSEN in words(response)

    def test_needs_a_form_of_this_site(self, make_job):
        from django.test import Client

        strict = visit(Client(enforce_csrf_checks=True), VISITOR)
        job = make_job(visitor=VISITOR)
        assert chosen(strict, "delete", job, sure="yes").status_code == 403
        assert Job.objects.count() == 1
