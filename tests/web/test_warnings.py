"""A warning in short stands wherever the numbers that it is about stand."""

from __future__ import annotations

import csv
import io

import pytest
from django.urls import reverse

from segmentation.core.flags import Flag, as_json
from segmentation.models import Job, Sample
from segmentation.services.results.combined import combined_table
from tests.web.finished import FILES, SUMMARY

pytestmark = pytest.mark.django_db
SHORT = "Perhaps not a micrograph"
TOLD = f"Look at the picture: {SHORT}"
DOUBTED = as_json([Flag.doubtful("It may contain no particles.", SHORT), Flag("A note that changes no number.")])


@pytest.fixture
def doubted(make_job, alice):
    return make_job(owner=alice, state="done", summary={**SUMMARY, **DOUBTED}, files=FILES, attempt=1)


def test_in_a_comparison(signed_in, doubted, make_job, alice):
    sound = make_job(owner=alice, state="done", summary=SUMMARY, files=FILES, attempt=1)
    page = signed_in.get(f"{reverse('compare')}?a={doubted.pk}&b={sound.pk}").content.decode()
    assert page.count(SHORT) == 1 and "changes no number" not in page
    assert (doubted.stored.warning, sound.stored.warning) == (TOLD, "")


def test_in_the_list_of_samples(signed_in, make_sample, alice):
    sample = make_sample("done", owner=alice, state="done", pooled={"statistics": SUMMARY["statistics"], **DOUBTED})
    assert TOLD in signed_in.get(reverse("samples"), follow=True).content.decode()
    assert Sample.objects.get(pk=sample.pk).stored.warning == TOLD


def test_in_the_administrators_list(admin_client, doubted):
    assert TOLD in admin_client.get(reverse("admin:segmentation_job_changelist")).content.decode()


def test_in_one_table_of_several_results(doubted, make_job, monkeypatch):
    monkeypatch.setattr("segmentation.services.results.combined._read", lambda artifact: "id,kept\n1,TRUE\n2,FALSE\n")
    sound = make_job(state="done", summary=SUMMARY, files=FILES, attempt=1)
    rows = list(csv.DictReader(io.StringIO("".join(combined_table(Job.objects.filter(pk__in=[doubted.pk, sound.pk]))))))
    assert {(row["result"], row["warning"]) for row in rows} == {(str(doubted.pk), SHORT), (str(sound.pk), "")}
    assert len(rows) == 4
