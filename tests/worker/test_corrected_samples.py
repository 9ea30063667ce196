"""A corrected result in its sample: it enters by one click, goes back by one, and every file of the sample says so."""

from __future__ import annotations

import csv
import io
import json
from uuid import UUID

import pytest
from django.urls import reverse

from segmentation.core.micrograph.types import Calibration
from segmentation.core.report.wording import corrected_images_words
from segmentation.models import Job
from segmentation.services.ground import bundles
from segmentation.services.ground.queue import ask_for_files
from segmentation.services.results import exports, jobs, samples
from segmentation.services.results.corrections import edits
from tests.core.builders import disc_labels
from tests.web.finished import visit, words
from worker import tasks

from .comparable import pool

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_heartbeat", "coarse", "read_here", "busy")]
DELETE = {"op": "delete", "ids": [1]}
VISITOR = UUID("11111111-1111-4111-8111-111111111111")


@pytest.fixture
def sample(make_sample, result):
    """Three pooled images of one browser."""
    made = make_sample("failed", visitor=VISITOR)
    made.jobs.all().delete()
    for seed in (1, 2, 3):
        result(disc_labels(30, (300, 400), seed), f"{seed:064d}", visitor=VISITOR, sample=made)
    pool(made)
    return made


@pytest.fixture
def corrected(sample, result):
    """A revision of the first image with one outline less, that does not count yet."""
    automatic = sample.jobs.order_by("micrograph__sha256")[0]
    labels = disc_labels(30, (300, 400), 1)
    labels[labels == 30] = 0
    revision = result(labels, visitor=VISITOR, parent=automatic, used={"corrected": 7, "reviewed": 12})
    Job.objects.filter(pk=revision.pk).update(micrograph=automatic.micrograph)
    return Job.objects.get(pk=revision.pk)


def content(sample, name):
    if name in exports.unwritten_files(sample):
        ask_for_files(sample)
        tasks.do_analyses()
    with bundles.open_file(sample.artifacts.get(name=name)) as file:
        return file.read().decode()


def test_it_goes_in_by_one_click_and_back_by_one(no_files, sample, corrected, client):
    visit(client, VISITOR)
    automatic, address = corrected.parent, reverse("sample-page", args=[sample.pk])
    page = client.get(address).content.decode()
    assert reverse("sample-image", args=[sample.pk, corrected.pk]) in page and "data-corrected" not in page
    own_page = client.get(reverse("job", args=[corrected.pk])).content.decode()
    assert reverse("sample-image", args=[sample.pk, corrected.pk]) not in own_page, "asked in one place"

    client.post(reverse("sample-image", args=[sample.pk, corrected.pk]), {"included": "instead"})
    pool(sample)
    assert str(corrected.pk) in sample.pooled["of"] and str(automatic.pk) not in sample.pooled["of"]
    page = client.get(address).content.decode()
    assert 'data-corrected="7"' in page and reverse("sample-image", args=[sample.pk, automatic.pk]) in page

    client.post(reverse("sample-image", args=[sample.pk, automatic.pk]), {"included": "instead"})
    pool(sample)
    assert str(automatic.pk) in sample.pooled["of"]
    assert sample.pooled["corrected"] is None


def test_every_file_of_the_sample_says_so(sample, corrected, client):
    visit(client, VISITOR)
    client.post(reverse("sample-image", args=[sample.pk, corrected.pk]), {"included": "instead"})
    pool(sample)
    counts = {"images": 1, "of_images": 3, "outlines": 7, "reviewed": 12, "of_outlines": 29}
    assert sample.pooled["corrected"] == counts
    assert json.loads(content(sample, "result.json"))["corrected"] == counts
    rows = list(csv.DictReader(io.StringIO(content(sample, "images.csv"))))
    assert [row["corrected_by_hand"] for row in rows].count("7") == 1
    assert corrected_images_words({**counts, "reviewed": 0}) in " ".join(content(sample, "figure.svg").split())
    answer = client.get(reverse("api:sample", args=[sample.pk])).json()
    assert answer["result"]["corrected"] == counts


def test_outlines_of_another_tool_are_offered_alike(no_files, sample, corrected, client):
    used = {**corrected.summary["used"], "corrected": 0, "imported": {"file": "cells.zip"}}
    Job.objects.filter(pk=corrected.pk).update(summary={**corrected.summary, "used": used})
    address, offer = reverse("sample-page", args=[sample.pk]), reverse("sample-image", args=[sample.pk, corrected.pk])
    assert offer in visit(client, VISITOR).get(address).content.decode()
    used.update(imported=None)
    Job.objects.filter(pk=corrected.pk).update(summary={**corrected.summary, "used": used})
    assert offer not in client.get(address).content.decode()


def test_others_are_offered_nothing(no_files, sample, corrected, client):
    page = client.get(reverse("sample-page", args=[sample.pk])).content.decode()
    assert reverse("sample-image", args=[sample.pk, corrected.pk]) not in page


@pytest.mark.services
def test_images_count_as_they_were_corrected_and_nobody_is_asked(no_files, sample, client):
    scaled = sample.members.first().get_settings().replaced(calibration=Calibration(2.0, "typed")).as_dict()
    sample.jobs.update(settings=scaled)
    first, second, third = sample.members.order_by("micrograph__sha256")
    for job, operations in ((first, [DELETE, DELETE | {"ids": [2]}]), (third, [DELETE, {"op": "undo"}])):
        edits.edit_job(job=job, base=0, operations=operations, visitor=VISITOR)
    page, before = reverse("sample-page", args=[sample.pk]), sample.pooled["n_kept"]
    text = words(visit(client, VISITOR).get(page))
    assert "measuring corrections" in text.lower() and "do not count yet" not in text
    tasks.do_inspections()
    pool(sample)
    sample.refresh_from_db()
    assert set(sample.pooled["of"]) == {str(job.pk) for job in (first, second, third)}, "the same results"
    assert sample.pooled["n_kept"] < before and sample.pooled["corrected"]["images"] == 1
    text = words(client.get(page)).lower()
    assert "measuring corrections" not in text and "do not count yet" not in text


@pytest.mark.services
def test_corrections_of_versions_of_earlier_releases_are_measured_and_counted_at_once(no_files, sample, client):
    scaled = sample.members.first().get_settings().replaced(calibration=Calibration(2.0, "typed")).as_dict()
    sample.jobs.update(settings=scaled)
    first, second, third = sample.members.order_by("micrograph__sha256")
    for job, operations in ((first, [DELETE]), (second, [DELETE]), (third, [DELETE, {"op": "undo"}])):
        edits.edit_job(job=job, base=0, operations=operations, visitor=VISITOR)
    finished = jobs.rerun_with_corrections(job=second, settings=second.get_settings(), **sample.maker)
    tasks.do_analyses()
    sample.jobs.update(fixed=True)
    page, address = reverse("sample-page", args=[sample.pk]), reverse("sample-corrections", args=[sample.pk])
    text = words(visit(client, VISITOR).get(page))
    assert "2 images have changes" in text and 'value="instead"' not in text, "one question"
    assert client.post(address).status_code == 303
    new = sample.members.get(micrograph=first.micrograph)
    assert (new.parent, new.corrects, new.state) == (first, 1, "queued")
    tasks.do_analyses()
    pool(sample)
    assert set(sample.pooled["of"]) == {str(job.pk) for job in (new, finished, third)}
    assert sample.pooled["corrected"]["images"] == 2
    text = words(client.get(page))
    assert "have changes" not in text and "has changes" not in text
    assert "have corrections" not in text and "has corrections" not in text
    assert client.get(page).context["pooled"].images[0].other == first.pk  # the automatic outlines can count again
    samples.replace_outdated_versions(sample=sample)
    assert sample.jobs.count() == 3  # nothing is measured twice


def test_a_version_that_was_corrected_further_counts_as_it_is_now(no_files, sample):
    """Its page shows the newest state; the sample counted the version as it was when it was kept."""
    first = sample.members.order_by("micrograph__sha256").first()
    edits.edit_job(job=first, base=0, operations=[DELETE], visitor=VISITOR)
    kept = jobs.rerun_with_corrections(job=first, settings=first.get_settings(), **sample.maker)
    tasks.do_analyses()
    kept.refresh_from_db()
    edits.edit_job(job=kept, base=0, operations=[{"op": "delete", "ids": [2]}], visitor=VISITOR)
    sample.jobs.update(fixed=True)
    samples.replace_outdated_versions(sample=sample)
    new = sample.members.get(micrograph=first.micrograph)
    assert (new.parent, new.corrects) == (kept, 1) and sample.jobs.count() == 3


def test_the_editor_knows_the_image_before_and_after(no_files, sample, corrected, client):
    visit(client, VISITOR)
    first, second, third = sample.members.order_by("micrograph__sha256")
    pages = [reverse("job", args=[job.pk]) for job in (first, second, third)]
    neighbours = [client.get(page).context["neighbours"] for page in pages]
    assert neighbours == [("", pages[1], 1, 3), (pages[0], pages[2], 2, 3), (pages[1], "", 3, 3)]
    assert client.get(reverse("job", args=[corrected.pk])).context["neighbours"] == neighbours[0]  # of the same image
    address = reverse("job", args=[corrected.pk])
    page = words(client.get(address))
    assert f'rel="next" href="{pages[1]}"' in page and "another version of it counts in the sample" in page

    # The version counts: then the page of the original is of the same image, too.
    samples.replace_image(sample=sample, job=corrected)
    assert client.get(address).context["neighbours"] == neighbours[0]
    assert client.get(pages[0]).context["neighbours"] == neighbours[0]
    assert client.get(pages[1]).context["neighbours"] == (address, pages[2], 2, 3)

    # A version that is still to be measured: until then the result before it is in the walk.
    edits.edit_job(job=corrected, base=0, operations=[DELETE], visitor=VISITOR)
    samples.replace_outdated_versions(sample=sample)
    assert client.get(pages[1]).context["neighbours"] == (address, pages[2], 2, 3)
    assert client.get(address).context["neighbours"] == neighbours[0]

    Job.objects.filter(pk=second.pk).update(state="failed")
    Job.objects.filter(sample=sample, parent=corrected).update(state="failed")
    assert client.get(address).context["neighbours"] == ("", pages[2], 1, 2)
    Job.objects.filter(pk=third.pk).delete()
    page = client.get(address)
    assert page.context["neighbours"] is None and 'class="neighbours"' not in words(page)
