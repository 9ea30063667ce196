"""Django's admin for jobs, uploads and segmentations."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from segmentation.models import Job, Method, Micrograph, StaffAction
from segmentation.quality.methods import services as methods

from .finished import SUMMARY

JOBS = reverse("admin:segmentation_job_changelist")
UPLOADS = reverse("admin:segmentation_micrograph_changelist")

pytestmark = pytest.mark.django_db


@pytest.fixture
def three(make_job, make_micrograph, alice):
    now = timezone.now()
    return (
        make_job(
            micrograph=make_micrograph(name="titania.tif", owner=alice, width=1024, height=768),
            owner=alice,
            state="done",
            attempt=1,
            started=now - timedelta(seconds=4),
            finished=now,
            files=("thumbnail.webp", "figure.png"),
        ),
        make_job(micrograph=make_micrograph(name="<b>gold</b>.png"), state="failed", error="It broke & stopped."),
        make_job(micrograph=make_micrograph(name="silver.png"), state="queued"),
    )


def do(desk, action, jobs, **more):
    data = {"action": action, "_selected_action": [str(job.pk) for job in jobs], **more}
    return desk.post(JOBS, data, follow=True).content.decode()


@pytest.mark.services
def test_the_list_shows_what_an_administrator_asks(desk, three):
    page = desk.get(JOBS).content.decode()
    done, _, queued = three
    for piece in (
        reverse("artifact", args=[done.pk, "thumbnail.webp"]),
        reverse("upload-preview", args=[queued.micrograph_id]),
        "titania.tif",
        "4.0 s",
        "alice",
        "particles",
        "It broke &amp; stopped.",
        "&lt;b&gt;gold&lt;/b&gt;.png",
    ):
        assert piece in page
    assert "style=" not in page.partition('id="result_list"')[2].partition("</table>")[0]
    assert page.count('class="column-') <= 8, "the list fits a screen 1280 px wide"
    assert "p.m." not in page and "a.m." not in page


def test_the_page_of_a_job_has_its_picture_and_size(desk, three):
    done, failed, _ = three
    page = desk.get(reverse("admin:segmentation_job_change", args=[done.pk])).content.decode()
    assert reverse("artifact", args=[done.pk, "thumbnail.webp"]) in page and "1024 × 768" in page
    assert (
        "Run the network: 1.2 s" in page and "Read, store and all else: 2.2 s" in page and "Wait for a worker" in page
    )
    page = desk.get(reverse("admin:segmentation_job_change", args=[failed.pk])).content.decode()
    assert reverse("artifact", args=[failed.pk, "thumbnail.webp"]) not in page


def test_the_number_of_queries_does_not_grow_with_the_rows(desk, three, make_job, django_assert_max_num_queries):
    for _ in range(10):
        make_job(state="done", files=("thumbnail.webp",))
    with django_assert_max_num_queries(16):
        desk.get(JOBS)


@pytest.mark.parametrize(
    ("query", "names"),
    [("state__exact=failed", ["gold"]), ("q=titania", ["titania"]), ("q=alice", ["titania"]), ("q=broke", ["gold"]),
     ("model_name=particles", ["titania", "gold", "silver"])],
)  # fmt: skip
@pytest.mark.services
def test_filter_and_search(desk, three, query, names):
    page = desk.get(f"{JOBS}?{query}").content.decode()
    assert [name for name in ("titania", "gold", "silver") if f"{name}" in page.partition("result_list")[2]] == names


@pytest.mark.services
def test_search_by_number(desk, three):
    page = desk.get(JOBS, {"q": str(three[0].pk)}).content.decode()
    assert "titania" in page and "silver" not in page


def test_retry_and_cancel_say_what_was_done_and_what_not(desk, three):
    page = do(desk, "retry", three)
    assert "2 analyses are waiting" in page
    assert re.search("“titania.tif”: .*failed or was cancelled", page)
    page = do(desk, "cancel", three)
    assert "2 analyses are cancelled." in page and re.search("“titania.tif”: .*already ended", page)
    assert [Job.objects.get(pk=job.pk).state for job in three] == ["done", "cancelled", "cancelled"]


def test_samples_are_tried_again_as_far_as_their_makers_limits_allow(desk, make_sample, alice, settings):
    settings.DEEPSEGM_WAITING_SAMPLES = 2
    samples = [make_sample("failed", owner=alice, name=f"Batch {number}") for number in range(3)]
    data = {"action": "retry", "_selected_action": [str(sample.pk) for sample in samples]}
    page = desk.post(reverse("admin:segmentation_sample_changelist"), data, follow=True).content.decode()
    assert "2 samples are counted together" in page and page.count("of your samples") == 1
    assert sorted(sample.jobs.get().state for sample in samples) == ["failed", "queued", "queued"]


@pytest.mark.services
def test_deleting_many_takes_the_files_along(desk, three, own_storage, commit):
    with commit():
        do(desk, "delete_selected", three, post="yes")
    assert not Job.objects.exists() and not Micrograph.objects.exists()
    assert [path for path in own_storage.rglob("*") if path.is_file()] == []


def test_deleting_many_asks_the_database_seldom(desk, make_job, monkeypatch):
    """200 took 7,422 queries, and read every summary."""
    jobs = [make_job(state="done", summary={"long": "text"}) for _ in range(3)]
    do(desk, "delete_selected", jobs[:1])  # what is read once is read
    read, from_db, counts = [], Job.from_db, []
    monkeypatch.setattr(Job, "from_db", lambda db, names, values: read.append(set(names)) or from_db(db, names, values))
    for some in (jobs[:1], jobs):
        with CaptureQueriesContext(connection) as asking:
            page = do(desk, "delete_selected", some)
        counts.append(len(asking))
        assert f"<li>Analyses: {len(some)}</li>" in page and page.count(str(jobs[0])) == len(some)
    assert counts[0] == counts[1]
    do(desk, "delete_selected", jobs, post="yes")
    assert not Job.objects.exists() and read and not any("summary" in names for names in read)


def test_deleting_one_takes_the_files_along(desk, three, own_storage, commit):
    done = three[0]
    with commit():
        desk.post(reverse("admin:segmentation_job_delete", args=[done.pk]), {"post": "yes"})
    assert not Job.objects.filter(pk=done.pk).exists()
    assert not (own_storage / done.folder).exists() and not (own_storage / done.micrograph.folder).exists()


def test_a_job_is_looked_at_but_not_edited(desk, three):
    page = desk.get(reverse("admin:segmentation_job_change", args=[three[0].pk])).content.decode()
    assert reverse("job", args=[three[0].pk]) in page
    assert 'name="state"' not in page and 'name="_save"' not in page and "<h1>Analysis</h1>" in page
    assert desk.get(reverse("admin:segmentation_job_add")).status_code == 403


def test_words_come_first_and_the_stored_row_last(desk, three, make_sample, alice):
    sample = make_sample("done", owner=alice, name="Powder", error="It stopped.")
    Job.objects.filter(pk=three[0].pk).update(summary=SUMMARY)
    for row, texts in (
        (three[0], ["261 particles, median 155 nm", "14\xa0bytes"]),
        (sample, ["Powder", "It stopped."]),
        (three[0].micrograph, ["titania.tif", "Scale:"]),
    ):
        kind = row._meta.model_name
        page = desk.get(reverse(f"admin:segmentation_{kind}_change", args=[row.pk])).content.decode()
        before, _, stored = page.partition("The row as it is stored")
        assert "<pre>" not in before and "&quot;" in stored
        for text in texts:
            assert text in before, text
        for jargon in ("Deaths", "Faults", "Losses", "Rung", "Enqueued", "Submission"):
            assert jargon not in before


def test_uploads(desk, three, own_storage, commit):
    page = desk.get(UPLOADS).content.decode()
    assert "titania.tif" in page and reverse("upload-preview", args=[three[0].micrograph_id]) in page
    micrograph = three[0].micrograph
    assert desk.get(reverse("admin:segmentation_micrograph_change", args=[micrograph.pk])).status_code == 200
    data = {"action": "delete_selected", "_selected_action": [str(micrograph.pk)], "post": "yes"}
    with commit():
        desk.post(UPLOADS, data)
    assert not Micrograph.objects.filter(pk=micrograph.pk).exists() and not Job.objects.filter(pk=three[0].pk).exists()
    assert not (own_storage / three[0].folder).exists()


def test_only_staff_gets_in(signed_in, three):
    assert signed_in.get(JOBS).status_code == 302


def test_the_admin_keeps_the_content_security_policy(desk, three):
    response = desk.get(JOBS)
    assert "script-src" not in response["Content-Security-Policy"]
    page = response.content.decode()
    assert "<script>" not in page and "onclick=" not in page and "<style>" not in page


def test_a_method_with_signed_results_stays_and_others_leave_their_contents_in_the_log(desk, make_job, alice):
    job = make_job(state="done", owner=alice)
    draft = methods.save_as_method(job=job, user=alice, name="Powder")
    made = make_job(state="done", owner=alice, method=draft)
    Job.objects.filter(pk=made.pk).update(signature_hash="a" * 64)
    address = reverse("admin:segmentation_method_delete", args=[draft.method_id])
    assert desk.post(address, {"post": "yes"}).status_code == 409
    many = {"action": "delete_selected", "_selected_action": [str(draft.method_id)], "post": "yes"}
    assert desk.post(reverse("admin:segmentation_method_changelist"), many).status_code == 409
    assert Method.objects.exists()
    Job.objects.filter(pk=made.pk).update(signature_hash="")
    assert desk.post(address, {"post": "yes"}).status_code == 302 and not Method.objects.exists()
    note = StaffAction.objects.filter(action="deleted a method").get()
    assert note.before["description"] == draft.description and note.before["sha256"] == draft.checksum


def test_an_account_keeps_the_name_by_which_signatures_and_methods_know_it(desk, alice):
    address = reverse("admin:auth_user_change", args=[alice.pk])
    fields = {"username": "somebody", "first_name": "Alice", "email": "", "is_active": "on", "password": ""}
    assert 'name="username"' not in desk.get(address).content.decode()
    assert desk.post(address, fields).status_code == 302
    alice.refresh_from_db()
    assert (alice.username, alice.first_name) == ("alice", "Alice")
