"""Suggestions of results to correct next, from what is stored of them."""

from __future__ import annotations

import json

import pytest
from django.core.cache import cache
from django.core.files.base import ContentFile

from segmentation.learning.datasets.suggestions import suggestions
from segmentation.models import Artifact
from segmentation.services.ground import tables
from tests.web.finished import SUMMARY
from tests.web.trained import add_image, make_dataset

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def forget():
    cache.clear()


@pytest.fixture
def result(make_job, make_micrograph):
    """A finished result whose outlines have these confidences."""

    def make(owner, name, confidence, **fields):
        micrograph = make_micrograph(owner=owner, name=name, sha256=name.ljust(64, "0"))
        job = make_job(micrograph=micrograph, owner=owner, state="done", summary=SUMMARY, attempt=1, **fields)
        content = {"particles": [{"id": number, "confidence": value} for number, value in enumerate(confidence, 1)]}
        row = Artifact(job=job, attempt=1, name=tables.OUTLINES_FILE, size=1, content_type="application/json")
        row.file.save(f"{job.folder}/1/{tables.OUTLINES_FILE}", ContentFile(json.dumps(content).encode()))
        return job

    return make


def test_the_most_errors_first_with_the_gain_in_words(alice, result):
    few, many = result(alice, "few", [0.9] * 10), result(alice, "many", [0.4] * 10)
    result(alice, "sure", [0.98] * 10)  # about 0 of 10
    proposals = suggestions(make_dataset(alice), alice)
    assert [suggestion.job for suggestion in proposals] == [many, few]
    assert proposals[0].gain.startswith("About 6 of 10 outlines are probably wrong")


def test_only_own_uncorrected_results_of_the_kind_outside_the_dataset(alice, charlie, result):
    dataset = make_dataset(alice)
    result(charlie, "others", [0.1] * 9)
    result(alice, "corrected", [0.1] * 9, edit_count=3)
    taken = result(alice, "taken", [0.1] * 9)
    add_image(dataset, 7, sha256=taken.micrograph.sha256, job=taken)
    assert suggestions(dataset, alice) == []
    assert suggestions(make_dataset(alice, task="phases"), alice) == []
    good = result(alice, "good", [0.5] * 4)
    assert [suggestion.job for suggestion in suggestions(dataset, alice)] == [good]


def test_the_same_file_sent_once_more_is_one_image(alice, result):
    corrected, repeat = result(alice, "a", [0.1] * 9, edit_count=3), result(alice, "b", [0.1] * 9)
    type(repeat.micrograph).objects.filter(pk=repeat.micrograph.pk).update(sha256=corrected.micrograph.sha256)
    assert suggestions(make_dataset(alice), alice) == []
    type(corrected).objects.update(edit_count=0)
    assert [suggestion.job for suggestion in suggestions(make_dataset(alice), alice)] == [repeat]


def test_a_later_revision_counts_and_damaged_outlines_do_not(alice, result):
    old = result(alice, "a", [0.1] * 9)
    new = result(alice, "b", [0.5] * 9)
    type(new).objects.filter(pk=new.pk).update(micrograph=old.micrograph)
    assert [suggestion.job.pk for suggestion in suggestions(make_dataset(alice), alice)] == [new.pk]
    cache.clear()
    with new.artifact(tables.OUTLINES_FILE).file.open("wb") as file:
        file.write(b"torn")
    assert suggestions(make_dataset(alice), alice) == []
