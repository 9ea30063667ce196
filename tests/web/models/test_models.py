"""The job's states, who sees what, names fit for display, and estimates."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from itertools import pairwise
from uuid import uuid4

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.management import call_command
from django.utils import timezone

from segmentation.core.stages.pace import FIXED_MEGAPIXELS
from segmentation.models import REQUEUE_FIELDS, Job, Micrograph, Superseded, WorkerProcess, upload_path

pytestmark = pytest.mark.django_db
NOBODY = AnonymousUser()


def test_no_migration_is_missing():
    call_command("makemigrations", check=True, dry_run=True, stdout=StringIO())


@pytest.mark.parametrize(
    ("name", "path"),
    [("a.TIF", "image.tif"), ("../../x.png", "image.png"), ("a.t/../i", "image"), ("a.ti f", "image"), ("é", "image")],
)
def test_a_stored_name_holds_nothing_of_the_users_but_a_harmless_suffix(name, path):
    micrograph = Micrograph()
    assert upload_path(micrograph, name) == f"uploads/{micrograph.pk}/{path}"


def test_claiming_twice_gives_the_job_once(make_job):
    job = make_job()
    first, second = Job.objects.claim(job.pk), Job.objects.claim(job.pk)
    assert second is None
    assert (first.state, first.attempt, first.stage) == ("running", 1, "starting")
    assert first.started is not None and first.heartbeat is not None


@pytest.mark.parametrize("state", ["running", "done", "failed", "cancelled"])
def test_only_a_queued_job_is_claimed(make_job, state):
    assert Job.objects.claim(make_job(state=state).pk) is None


def test_a_report_is_progress_and_heartbeat(make_job):
    job = Job.objects.claim(make_job().pk)
    job.report(stage="segmenting", progress=0.4)
    row = Job.objects.get(pk=job.pk)
    assert (row.stage, row.progress) == ("segmenting", 0.4)
    assert row.heartbeat > job.heartbeat
    job.report()
    assert Job.objects.get(pk=job.pk).progress == 0.4


@pytest.mark.parametrize(
    "change", [{"state": "cancelled"}, {"state": "queued"}, {"state": "done"}, {"attempt": 2}, "deleted"]
)
def test_a_report_is_refused_once_the_job_is_no_longer_this_attempts(make_job, change):
    job = Job.objects.claim(make_job().pk)
    rows = Job.objects.filter(pk=job.pk)
    rows.delete() if change == "deleted" else rows.update(**change)
    with pytest.raises(Superseded):
        job.report(stage="segmenting", progress=0.9)
    assert not Job.objects.filter(progress=0.9).exists()


def test_an_owned_row_is_its_owners_and_staffs(make_job, alice, charlie, ada):
    visitor = uuid4()
    job = make_job(owner=alice, visitor=visitor)
    for row in (job, job.micrograph):
        shown = [row.is_visible_to(user) for user in (alice, ada, charlie, NOBODY, None)]
        assert shown == [True, True, False, False, False]
        assert row.is_changeable_by(alice) and row.is_changeable_by(ada) and not row.is_changeable_by(charlie)


def test_an_unowned_row_is_seen_by_link_but_changed_by_its_maker(make_job, charlie, ada, settings):
    visitor = uuid4()
    job = make_job(visitor=visitor)
    assert job.is_visible_to(NOBODY) and job.is_visible_to(charlie)
    assert job.is_changeable_by(NOBODY, visitor) and job.is_changeable_by(ada, None)
    assert not job.is_changeable_by(NOBODY, uuid4()) and not job.is_changeable_by(charlie, None)
    assert not make_job().is_changeable_by(NOBODY, None)
    settings.DEEPSEGM_REQUIRE_LOGIN = True
    assert not job.is_visible_to(NOBODY) and not job.is_changeable_by(NOBODY, visitor)
    assert job.is_visible_to(charlie)


def test_what_is_listed_for_whom(make_job, alice, charlie, settings):
    visitor = uuid4()
    hers, his = make_job(owner=alice, visitor=visitor), make_job(visitor=visitor)
    make_job(visitor=uuid4())
    assert list(Job.objects.visible_to(alice, visitor)) == [hers]
    assert list(Job.objects.visible_to(charlie, visitor)) == []
    assert list(Job.objects.visible_to(NOBODY, visitor)) == [his]
    assert list(Job.objects.visible_to(NOBODY, None)) == []
    settings.DEEPSEGM_REQUIRE_LOGIN = True
    assert list(Job.objects.visible_to(NOBODY, visitor)) == []


def test_the_place_in_the_queue(make_job):
    first, second, third = make_job(), make_job(), make_job()
    assert [job.position() for job in (first, second, third)] == [1, 2, 3]
    Job.objects.claim(first.pk)
    first.refresh_from_db()
    assert (first.position(), second.position()) == (None, 1)


def test_the_place_in_the_queue_never_goes_back(make_job, make_sample, django_user_model):
    """Whoever comes later and is taken first, or comes back after its worker was lost, adds nothing."""
    crowd, other = (django_user_model.objects.create_user(name) for name in ("crowd", "other"))
    first, small, last = (make_job(owner=crowd) for _ in range(3))
    rival = make_job(owner=other)
    sample = make_sample("queued", "queued", owner=other)
    images = list(sample.jobs.order_by("queued", "pk"))
    watched = (last, rival, *images)
    places = [[job.position() for job in watched]]

    def look():
        places.append([Job.objects.get(pk=job.pk).position() for job in watched])

    for work in (
        lambda: [make_job(owner=django_user_model.objects.create_user(f"later {i}")) for i in range(3)],
        lambda: [make_job(owner=other) for _ in range(3)],  # single images go before those of a sample
        lambda: Job.objects.claim(first.pk),
        lambda: Job.objects.running().update(**REQUEUE_FIELDS),
        lambda: Job.objects.claim(small.pk),
        lambda: Job.objects.claim(make_job(owner=crowd).pk),  # a small one is taken first
        lambda: Job.objects.claim(make_job(owner=other).pk),
        lambda: Job.objects.running().update(state="done", finished=timezone.now()),
    ):
        work()
        look()
    for before, after in pairwise(places):
        assert all(now <= then for then, now in zip(before, after, strict=True)), places
    assert places[0] != places[-1]


def done(make_job, micrograph, seconds, **timings):
    end = timezone.now()
    began = end - timedelta(seconds=seconds)
    make_job(micrograph=micrograph, state="done", started=began, finished=end, summary={"timings": timings})


@pytest.fixture
def worker(db):
    return WorkerProcess.objects.create(name="analyses@here", queues="analyses", version="1")


def test_no_time_is_told_without_a_ground(make_job, make_micrograph, worker):
    """Of a job that only measured nothing is known of one that runs the network, and nobody works without a worker."""
    micrograph = make_micrograph(width=1000, height=1000)
    waiting = make_job(micrograph=micrograph)
    done(make_job, micrograph, seconds=2)
    assert waiting.expected_seconds() is None
    done(make_job, micrograph, seconds=10, network=3)
    assert waiting.expected_seconds() is not None
    WorkerProcess.objects.update(seen=timezone.now() - timedelta(hours=1))
    assert waiting.expected_seconds() is None


def test_the_time_left_follows_the_pace_of_each_stage(make_job, make_micrograph, settings, worker):
    """The network takes its time by the pixel, the scale search by the image, the files by something between."""
    assert make_job(state="done").expected_seconds() is None
    waiting = make_job(micrograph=make_micrograph(width=2000, height=1000))
    assert waiting.expected_seconds() is None
    done(make_job, make_micrograph(width=1000, height=1000), seconds=10, network=3, search=1)
    done(make_job, make_micrograph(width=1000, height=3000), seconds=18, network=9, search=1)
    files = (6 + 8) / (1 + 3 + 2 * FIXED_MEGAPIXELS["report"]) * (2 + FIXED_MEGAPIXELS["report"])
    assert waiting.expected_seconds() == pytest.approx(6 + 1 + files)
    behind = make_job(micrograph=make_micrograph(width=2000, height=1000))
    assert behind.expected_seconds() == pytest.approx(2 * (7 + files))
    settings.DEEPSEGM_CONCURRENCY = 2
    assert behind.expected_seconds() == pytest.approx(1.5 * (7 + files))


def test_what_is_only_measured_needs_no_time_for_the_network(make_job, make_micrograph, make_segmentation, worker):
    Job.objects.all().delete()
    segmentation, micrograph = make_segmentation(), make_micrograph(width=1000, height=1000)
    done(make_job, micrograph, seconds=10, network=8)
    remeasured = make_job(micrograph=micrograph, segmentation=segmentation)
    assert remeasured.expected_seconds() == pytest.approx(2, rel=0.2)


def test_the_time_left_of_a_running_job_is_what_its_worker_reckons(make_job, make_micrograph):
    done(make_job, make_micrograph(width=1000, height=1000), seconds=10, network=3)
    micrograph, now = make_micrograph(width=1000, height=1000), timezone.now()
    running = make_job(micrograph=micrograph, state="running", started=now)
    assert running.expected_seconds() == pytest.approx(10, abs=1)
    Job.objects.filter(pk=running.pk).update(ends=now + timedelta(seconds=50))
    running.refresh_from_db()
    assert running.expected_seconds() == pytest.approx(50, abs=1)


def test_an_accounts_rows_and_files_go_with_it(make_job, alice, own_storage, commit):
    make_job(owner=alice, files=("figure.png",))
    with commit():
        alice.delete()
    assert not Micrograph.objects.exists() and not Job.objects.exists()
    assert [path for path in own_storage.rglob("*") if path.is_file()] == []


class TestTurns:
    def test_a_newcomer_waits_behind_one_job_of_a_crowd(self, make_job, django_user_model):
        crowd, newcomer = (
            django_user_model.objects.create_user("crowd"),
            django_user_model.objects.create_user("newcomer"),
        )
        many = [make_job(owner=crowd) for _ in range(30)]
        taken = Job.objects.claim(Job.objects.first_in_turn())
        late = make_job(owner=newcomer)
        assert taken == many[0]
        assert late.position() == 2, "one of the crowd at most goes before"
        assert Job.objects.first_in_turn() == late.pk
        assert many[-1].position() == 29, "who came later takes no place of those who wait"

    def test_senders_take_turns(self, make_job, django_user_model):
        first, second = django_user_model.objects.create_user("first"), django_user_model.objects.create_user("second")
        for owner in (first, first, first, second, second):
            make_job(owner=owner)
        order = [Job.objects.claim(Job.objects.first_in_turn()).owner for _ in range(5)]
        assert order == [first, second, first, second, first]
        assert Job.objects.first_in_turn() is None

    def test_those_without_an_account_take_turns_by_address(self, make_job):
        jobs = [make_job(address=address) for address in ("a", "a", "b")]
        order = [Job.objects.claim(Job.objects.first_in_turn()) for _ in range(3)]
        assert order == [jobs[0], jobs[2], jobs[1]]

    def test_a_small_image_is_taken_before_a_large_one_that_has_not_waited_long(self, make_job, make_micrograph):
        large = make_micrograph(width=8192, height=8192, sha256="1" * 64)
        waits, small = make_job(micrograph=large), make_job()
        assert Job.objects.first_in_turn() == small.pk
        Job.objects.filter(pk=waits.pk).update(queued=timezone.now() - timedelta(minutes=15))
        assert Job.objects.first_in_turn() == waits.pk

    def test_a_single_image_is_taken_before_those_of_ones_own_new_sample(self, make_job, make_sample):
        sample = make_sample("queued", "queued", "queued")
        single = make_job(owner=sample.owner, visitor=sample.visitor)
        assert Job.objects.first_in_turn() == single.pk and single.position() == 1
        Job.objects.exclude(sample=None).update(queued=timezone.now() - timedelta(minutes=15))
        assert Job.objects.get(pk=Job.objects.first_in_turn()).sample == sample

    def test_what_cannot_be_taken_yet_has_no_turn(self, make_job):
        make_job(ready=False)
        Micrograph.objects.update(width=0)
        make_job(due=timezone.now() + timedelta(minutes=1))
        assert Job.objects.first_in_turn() is None
