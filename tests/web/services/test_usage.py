"""What accounts use, and the limit on what one may store."""

from __future__ import annotations

import csv
from datetime import timedelta
from io import StringIO
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.db.models import Q
from django.utils import timezone

from segmentation.core.analysis import AnalysisSettings
from segmentation.learning.datasets import services as datasets
from segmentation.models import Arrival, Dataset, Micrograph, Quota
from segmentation.services.ground.limits import quota_of
from segmentation.services.ground.refusal import Refused
from segmentation.services.ground.stored import stored_bytes
from segmentation.services.results import jobs, uploads
from segmentation.services.results.jobs import make_ready, start_without_scale
from segmentation.services.results.usage import spent_by, usage
from tests.conftest import WITHOUT_LAB, picture
from tests.web.archive import zipped

pytestmark = pytest.mark.django_db
GB = 2**30


def send(user):
    return uploads.receive_upload(file=ContentFile(picture(), "a.png"), user=user, visitor=None, address="")


@pytest.fixture
def full(settings, make_micrograph, alice):
    """Alice has stored almost as much as she may."""
    settings.DEEPSEGM_STORED_GB = 1
    return make_micrograph(owner=alice, size=GB - 10)


def test_a_full_account_stores_nothing_more_and_says_so(full, alice, django_user_model):
    with pytest.raises(Refused) as refused:
        send(alice)
    assert refused.value.status == 507 and "1.0" in refused.value.sentence
    assert Micrograph.objects.count() == 1
    assert send(django_user_model.objects.create_user("another"))


@pytest.mark.skipif(WITHOUT_LAB, reason="a dataset needs the laboratory")
def test_a_full_account_sends_no_archive_for_a_dataset(full, alice, settings):
    settings.DEEPSEGM_TRAINING = "everyone"
    dataset = Dataset.objects.create(owner=alice, name="own", task="particles")
    with pytest.raises(Refused) as refused:
        datasets.add_archive(
            dataset=dataset, file=ContentFile(zipped({"a": b"x"}), "a.zip"), user=alice, consent=True, reviewed=True
        )
    assert refused.value.status == 507


def test_a_quota_in_place_of_the_setting_or_deleting_makes_room(full, alice):
    quota = Quota.objects.create(user=alice, stored_gb=0)
    assert send(alice)
    quota.delete(), full.delete()
    assert send(alice)


def test_files_of_results_count_once(make_job, alice):
    job = make_job(owner=alice, state="done", files={"a.csv": b"12345"})
    Micrograph.objects.update(owner=alice)
    assert stored_bytes(Q(owner=alice)) == job.micrograph.size + job.artifacts.get().size
    assert stored_bytes(Q(owner=None)) == 0


def test_outlines_and_archives_that_were_sent_count(make_job, alice):
    """They stayed on the disk and counted nothing."""
    make_job(owner=alice, outlines={"name": "a.zip", "file": "jobs/x/outlines.zip", "size": 700})
    Dataset.objects.create(owner=alice, name="own", task="particles", incoming=[{"name": "b.zip", "size": 5000}])
    assert stored_bytes(Q(owner=alice)) == Micrograph.objects.get().size + 5700


def test_what_each_account_used(make_job, alice):
    now = timezone.now()
    for days in (1, 40):
        end = now - timedelta(days=days)
        make_job(owner=alice, state="done", started=end - timedelta(seconds=30), finished=end)
    make_job(owner=alice, state="failed", finished=now)
    row = next(usage(now - timedelta(days=7)))
    assert (row.account, row.analyses, row.worker_seconds) == ("alice", 1, 30)
    Quota.objects.create(user=alice, megapixels_a_day=50)
    Arrival.objects.create(owner=alice, job=uuid4(), pixels=2_500_000)
    output = StringIO()
    call_command("usage", stdout=output)
    table = list(csv.DictReader(StringIO(output.getvalue())))
    assert table[0]["account"] == "alice" and table[0]["analyses"] == "2"
    assert list(table[0].values())[-3:] == ["", "2.5", "50"]


@pytest.mark.parametrize(
    ("own", "groups", "limit"),
    [(None, (), 7), (None, (None, 3), 3), (None, (3, 5), 5), (None, (3, 0), 0), (2, (5, 0), 2), (0, (5,), 0)],
)
def test_a_person_comes_before_its_groups_and_they_before_the_site(settings, alice, charlie, own, groups, limit):
    settings.DEEPSEGM_STORED_GB = settings.DEEPSEGM_DAILY_MEGAPIXELS = 7
    Quota.objects.create(user=alice, stored_gb=own)
    for number, stored in enumerate(groups):
        alice.groups.add(group := Group.objects.create(name=str(number)))
        Quota.objects.create(group=group, stored_gb=stored)
    assert (quota_of(alice).stored_gb, quota_of(alice).megapixels_a_day) == (limit, 7)
    assert quota_of(charlie).stored_gb == quota_of(None).stored_gb == 7


class TestMegapixelsADay:
    @pytest.fixture
    def start(self, make_micrograph, settings):
        settings.DEEPSEGM_DAILY_MEGAPIXELS = 10

        def start(megapixels, user=None, **fields):
            fields = {"settings": AnalysisSettings.of(), "user": user, "visitor": None, "address": "here"} | fields
            return jobs.create_job(micrograph=make_micrograph(width=1000 * megapixels, height=1000), **fields)

        return start

    def test_more_is_refused_until_the_first_are_a_day_old(self, start, alice):
        first, second = start(6, alice), start(3, alice)
        Arrival.objects.filter(job=first.pk).update(created=timezone.now() - timedelta(hours=23))
        jobs.delete_job(job=second)
        assert start(2, visitor=uuid4()), "those without an account count for themselves, by browser and address"
        with pytest.raises(Refused, match="and 2"):
            start(9, visitor=uuid4())
        with pytest.raises(Refused, match=r"is 10 m.* and 9\.0 are .* from \d+ \w+, [\d:]+ UTC on") as refused:
            start(2, alice)
        assert refused.value.status == 429 and refused.value.after == pytest.approx(3600, abs=60)
        with pytest.raises(Refused, match="The image has 11"):
            start(11, alice)
        assert start(2, alice, shelve=True).state == "failed" and start(1, alice)
        with pytest.raises(Refused, match="and 10"):
            start(0, alice)  # its pixels are not known yet
        Arrival.objects.filter(job=first.pk).update(created=timezone.now() - timedelta(hours=25))
        assert start(6, alice)

    def test_each_counts_once_and_measuring_not(self, start, alice):
        job = jobs.cancel_job(job=start(3, alice))
        jobs.retry_job(job=job)
        start(3, alice, parent=job, corrects=1)
        read_later = start(0, alice)
        read_later.micrograph.width = 4000
        start_without_scale(read_later)
        make_ready(read_later)
        assert spent_by(alice).today == 7
