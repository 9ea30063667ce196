"""What accounts use, and the limit on what one may store."""

from __future__ import annotations

import csv
from datetime import timedelta
from io import StringIO

import pytest
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.db.models import Q
from django.utils import timezone

from segmentation.models import Micrograph
from segmentation.services import Refused, receive_upload
from segmentation.services.results.usage import stored_bytes, usage
from tests.conftest import picture

pytestmark = pytest.mark.django_db
GB = 2**30


def send(user):
    return receive_upload(file=ContentFile(picture(), "a.png"), user=user, visitor=None, address="")


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


def test_deleting_makes_room(full, alice):
    full.delete()
    assert send(alice)


def test_without_the_setting_there_is_no_limit(full, alice, settings):
    settings.DEEPSEGM_STORED_GB = 0
    assert send(alice)


def test_files_of_results_count_once(make_job, alice):
    job = make_job(owner=alice, state="done", files={"a.csv": b"12345"})
    Micrograph.objects.update(owner=alice)
    assert stored_bytes(Q(owner=alice)) == job.micrograph.size + job.artifacts.get().size
    assert stored_bytes(Q(owner=None)) == 0


def test_what_each_account_used(make_job, alice):
    now = timezone.now()
    for days in (1, 40):
        end = now - timedelta(days=days)
        make_job(owner=alice, state="done", started=end - timedelta(seconds=30), finished=end)
    make_job(owner=alice, state="failed", finished=now)
    row = next(usage(now - timedelta(days=7)))
    assert (row.name, row.analyses, row.seconds) == ("alice", 1, 30.0)
    output = StringIO()
    call_command("usage", stdout=output)
    table = list(csv.DictReader(StringIO(output.getvalue())))
    assert table[0]["account"] == "alice" and table[0]["analyses"] == "2"
