"""The outlines in the middle of an upload before its analysis: when they are made, that jobs come first, limits."""

from __future__ import annotations

import pytest
from django.urls import reverse

from segmentation import services
from segmentation.core import proposing, tasks
from segmentation.core.analysis import AnalysisSettings
from segmentation.core.network import cards
from segmentation.core.proposing import Preview
from segmentation.models import ExportJob, Job, OutlinePreview
from segmentation.services.results import uploads
from tests.core.builders import make_analysis
from worker import heartbeat
from worker import proposing as worker_proposing
from worker import tasks as worker_tasks

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_heartbeat")]


@pytest.fixture
def upload(make_micrograph, alice, client, monkeypatch):
    monkeypatch.setattr(worker_proposing, "pixels_of", lambda *_: make_analysis(12, (300, 400)).micrograph)
    monkeypatch.setattr(proposing, "preview", lambda *_: Preview(b"RIFF", (300, 400), True, 12, 24.4))
    client.force_login(alice)
    return make_micrograph(owner=alice)


def asked(client, upload, **sent):
    return client.post(reverse("upload-outlines", args=[upload.pk]), {"model": "particles", **sent})


def test_the_page_shows_the_outlines_and_the_circle_sets_the_size(client, upload):
    best = tasks.find("particles").options.of(cards.find("particles")).diameter
    assert "data-active" in asked(client, upload).content.decode()
    row = OutlinePreview.objects.get()
    worker_tasks.do_analyses()
    page = asked(client, upload).content.decode()
    assert "12 particles." in page and "The middle of" not in page
    assert 'data-size="24.4"' in page and 'viewBox="0 0 400 300"' in page
    assert 'data-choice="scale"' in page and 'data-typed="particle_px"' in page and "data-automatic" not in page
    assert "data-active" in asked(client, upload, scale="size", particle_px="72").content.decode()
    row.refresh_from_db()
    assert (row.state, row.settings["scale"], row.result) == ("queued", round(best / 72, 4), {})
    worker_tasks.do_analyses()
    page = asked(client, upload, scale="size", particle_px="72").content.decode()
    assert "data-automatic" in page and 'data-size="72.0"' in page
    assert "<svg" not in asked(client, upload, model="gamma-prime").content.decode()


def test_an_unread_image_waits_and_an_archive_has_none(client, upload):
    type(upload).objects.filter(pk=upload.pk).update(width=0, state="queued")
    assert "data-active" in asked(client, upload).content.decode()
    assert not OutlinePreview.objects.waiting().exists() and OutlinePreview.objects.get().enqueued is None
    type(upload).objects.filter(pk=upload.pk).update(is_archive=True)
    assert asked(client, upload).status_code == 204
    assert asked(client, upload, threshold="7").status_code == 204


def test_a_job_comes_first_and_ends_the_preview_of_its_image(client, upload, make_job, alice, monkeypatch):
    asked(client, upload)
    row = OutlinePreview.objects.get()
    waits = make_job()
    monkeypatch.setattr(worker_tasks, "_do_job", lambda: False)
    worker_tasks.do_analyses()
    assert OutlinePreview.objects.get().attempt == 0
    Job.objects.update(state="done")

    def preview(micrograph, settings, runtime, progress):
        progress("looking", 0.2)
        Job.objects.filter(pk=waits.pk).update(state="queued")
        progress("segmenting", 0.5)
        pytest.fail("The job had to wait.")

    ahead = make_job(state="done")  # its files are written after the preview, and stop for it
    ExportJob.objects.create(job=ahead, asked=False)
    monkeypatch.setattr(proposing, "preview", preview)
    monkeypatch.setattr(heartbeat, "LOOK_SECONDS", -1.0)
    worker_tasks.do_analyses()
    row.refresh_from_db()
    assert (row.state, row.attempt) == ("queued", 1)
    services.create_job(micrograph=upload, settings=AnalysisSettings.of(), user=alice, visitor=None)
    assert not OutlinePreview.objects.exists()


def test_nobody_else_starts_one_and_their_number_is_limited(client, upload, charlie, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_PREVIEWS", 1)
    asked(client, upload)
    worker_tasks.do_analyses()
    refused = asked(client, upload, threshold="0.4")
    assert refused.status_code == 429 and "press Analyse" in refused.content.decode()
    assert "12 particles" in asked(client, upload).content.decode()
    client.force_login(charlie)
    assert asked(client, upload).status_code == 404


def test_a_failure_says_why(client, upload, monkeypatch):
    monkeypatch.setattr(proposing, "preview", lambda *_: 1 / 0)
    asked(client, upload)
    worker_tasks.do_analyses()
    page = asked(client, upload).content.decode()
    assert OutlinePreview.objects.get().error and OutlinePreview.objects.get().error in page
