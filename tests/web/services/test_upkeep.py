"""Rescue of jobs whose worker died, lost messages, and the removal of what is old."""

from __future__ import annotations

import re
import time
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.utils import timezone

from segmentation.models import Arrival, ExportJob, Job, Measuring, Micrograph, Sample, Segmentation, WorkerProcess
from segmentation.services.ground.queue import WORK_KINDS
from segmentation.services.results import jobs
from segmentation.services.upkeep import upkeep
from segmentation.services.upkeep.upkeep import LOST_STAGE

pytestmark = pytest.mark.django_db


def ago(**time):
    return timezone.now() - timedelta(**time)


def running(make_job, **fields):
    return make_job(**{"state": "running", "attempt": 1, "started": ago(minutes=5), **fields})


class Clock:
    """This process' monotonic clock."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def watch(self, seconds: float) -> int:
        """Look every three seconds for so long, as the site does; returns how many were rescued."""
        rescued = 0
        for _ in range(int(seconds // 3)):
            self.now += 3
            rescued += upkeep.rescue()
        return rescued


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr("segmentation.services.upkeep.upkeep.time.monotonic", made)
    monkeypatch.setattr("segmentation.services.upkeep.upkeep._watches", {})
    return made


def test_a_silent_job_is_queued_and_enqueued(make_job, queue, clock):
    job = running(make_job, heartbeat=ago(seconds=31), progress=0.6, stage="segmenting")
    assert clock.watch(30) == 0
    assert clock.watch(6) == 1
    job.refresh_from_db()
    assert (job.state, job.deaths, job.attempt, job.progress, job.stage) == ("queued", 0, 1, 0.6, "")
    assert queue == ["analyses"]
    assert Job.objects.claim(job.pk).attempt == 2


def test_a_job_that_gives_signs_of_life_is_left_alone(make_job, queue, clock):
    job = running(make_job, heartbeat=ago(seconds=29))
    for _ in range(5):
        assert clock.watch(21) == 0
        Job.objects.get(pk=job.pk).report()
    job.refresh_from_db()
    assert (job.state, queue) == ("running", [])


def test_a_clock_that_jumps_costs_no_attempt(make_job, clock):
    """Neither the server's, by a day, nor that of a worker, which dates its heartbeats."""
    job = running(make_job, heartbeat=ago(days=1))
    assert clock.watch(21) == 0
    Job.objects.filter(pk=job.pk).update(heartbeat=ago(days=-1))
    assert clock.watch(21) == 0


def test_time_in_which_the_database_was_away_does_not_count(make_job, clock, monkeypatch):
    job = running(make_job, heartbeat=ago(seconds=5))
    assert clock.watch(12) == 0
    clock.now += 600
    assert clock.watch(21) == 0
    with monkeypatch.context() as patch, pytest.raises(OperationalError):
        patch.setattr("segmentation.services.upkeep.upkeep.transaction.atomic", full)
        clock.watch(30)
    assert clock.watch(21) == 0
    job.refresh_from_db()
    assert (job.state, job.deaths) == ("running", 0)


def full(*args, **kwargs):
    raise OperationalError("database or disk is full")


def test_lost_workers_fail_no_job_but_it_waits_longer_each_time(make_job, queue):
    """Whoever killed them: 4 of 60 jobs failed because somebody killed workers 51 times."""
    job, waits = make_job(), []
    for attempt in range(1, 13):
        Job.objects.update(due=None)
        assert Job.objects.claim(job.pk).attempt == attempt
        Job.objects.get(pk=job.pk).report(stage="segmenting")
        before = timezone.now()
        upkeep.rescue(died=(Job,))
        job.refresh_from_db()
        assert (job.state, job.deaths) == ("queued", 0)
        waits.append(round((job.due - before).total_seconds()) if job.due else 0)
    assert waits == [0, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]
    assert job.stage == LOST_STAGE


def died(job, message="m", **how):
    """A pool's child that worked on this message died."""
    upkeep.requeue_after_death(kind=Job, message=message, **how)
    job.refresh_from_db()
    return job.state, job.deaths


class TestDeaths:
    """Of a worker's own children: the worker itself lives and knows which message a child worked on."""

    def begin(self, job, message="m"):
        assert Job.objects.claim(job.pk, message=message)
        Job.objects.get(pk=job.pk).report(stage="reading the image")

    def test_after_three_a_job_fails_in_plain_words(self, make_job):
        job = make_job()
        for death in (1, 2):
            self.begin(job)
            assert died(job) == ("queued", death)
        self.begin(job)
        assert died(job)[0] == "failed"
        assert "stopped 3 times" in job.error and job.finished is not None

    def test_before_the_first_stage_there_is_none(self, make_job):
        job = make_job()
        for _ in range(4):
            Job.objects.update(due=None)
            assert Job.objects.claim(job.pk, message="m")
            assert died(job) == ("queued", 0)
        assert job.due > timezone.now()

    def test_of_another_attempt_and_of_what_nobody_wants_it_is_none(self, make_job):
        job = make_job()
        self.begin(job, "later")
        assert died(job, "earlier") == ("running", 0)
        jobs.cancel_job(job=job)
        assert died(job, "later") == ("cancelled", 0)
        assert died(job, "") == ("cancelled", 0)

    def test_one_that_was_killed_for_taking_too_long_fails_its_job(self, make_job):
        job = make_job()
        self.begin(job)
        assert died(job, too_long=True)[0] == "failed"
        assert "took longer" in job.error


@pytest.mark.parametrize("kind", [kind for kind in WORK_KINDS if WORK_KINDS[kind].subject])
def test_each_kind_of_work_says_what_ran_out_and_what_to_do(kind):
    entry = WORK_KINDS[kind]
    texts = [entry.gave_up(3), entry.needs_memory(), entry.too_long("30 minutes"), entry.too_long()]
    assert all(text.startswith(f"{entry.subject} ") and text.endswith(".") and text.count(". ") == 0 for text in texts)
    assert all("memory" in text for text in texts[:2]) and all("took longer than" in text for text in texts[2:])
    assert kind in (Job, ExportJob, Measuring) or not any("the image," in text for text in texts)


def test_a_rescued_job_keeps_its_place_in_the_queue(make_job):
    first = running(make_job, heartbeat=ago(minutes=1), queued=ago(minutes=9))
    second = make_job()
    upkeep.rescue(died=(Job,))
    first.refresh_from_db()
    assert (first.position(), second.position()) == (1, 1), "the second one was told to be next, and stays so"


def test_put_back_counts_no_loss(make_job):
    job = running(make_job, deaths=2, heartbeat=timezone.now())
    assert upkeep.requeue_running() == 1
    job.refresh_from_db()
    assert (job.state, job.deaths) == ("queued", 2)


@pytest.mark.parametrize(
    ("fields", "enqueued"),
    [({"queued": 0}, True), ({"queued": 300, "enqueued": 240}, True),
     ({"queued": 300, "enqueued": 20}, False)],
)  # fmt: skip
def test_a_lost_message_is_sent_again_when_no_worker_is_busy(make_job, queue, fields, enqueued):
    make_job(**{name: ago(seconds=seconds) for name, seconds in fields.items()})
    upkeep.rescue()
    assert queue == ["analyses"] * enqueued


@pytest.mark.parametrize("minutes", [9, 4])
def test_jobs_that_only_wait_their_turn_are_not_enqueued_again(make_job, queue, minutes):
    """Nor where others overtake them: a thousand were sent again every 30 s, as soon as a newcomer had had a turn."""
    make_job(queued=ago(minutes=5), enqueued=ago(minutes=5))
    running(make_job, queued=ago(minutes=minutes), started=ago(minutes=1), heartbeat=timezone.now())
    upkeep.rescue()
    assert queue == []


def test_what_a_broker_elsewhere_has_forgotten_is_enqueued_again_though_a_worker_is_busy(make_job, queue, settings):
    running(make_job, heartbeat=timezone.now(), queued=ago(minutes=20))
    make_job(queued=ago(minutes=11), enqueued=ago(minutes=11))
    for embedded, sent in ((True, []), (False, ["analyses"])):
        settings.DEEPSEGM_EMBEDDED = embedded
        upkeep.rescue()
        assert queue == sent


@pytest.mark.parametrize(("alive", "seconds", "sent"), [(2, 8, 1), (3, 8, 2), (2, 2, 0), (1, 8, 0)])
def test_what_waits_beside_an_idle_worker_is_said_again_within_seconds(make_job, queue, settings, alive, seconds, sent):
    """A worker stayed idle for ever beside a busy one, because each new upload moved the time of the last message."""
    settings.DEEPSEGM_EMBEDDED = False
    for number in range(alive):
        WorkerProcess.objects.create(name=f"analyses@{number}", queues="analyses", version="1")
    running(make_job, heartbeat=timezone.now(), queued=ago(minutes=20))
    for _ in range(11):
        make_job(queued=ago(minutes=1), enqueued=ago(seconds=seconds))
    for _ in range(2):
        upkeep.rescue()
    assert len(queue) == min(2 * sent, 11)


def test_a_message_lost_while_a_clock_was_an_hour_fast_is_sent_again(make_job, make_micrograph, queue, monkeypatch):
    rung = []
    monkeypatch.setattr("segmentation.services.upkeep.upkeep.notify_workers", rung.append)
    make_job(queued=ago(hours=-1), enqueued=ago(hours=-1))
    make_job(queued=ago(hours=-1))
    make_micrograph(state="queued", created=ago(hours=-1))
    upkeep.rescue()
    assert (queue, rung) == (["analyses"] * 2, ["inspections"])


def test_a_few_messages_wake_the_workers_when_all_are_lost(make_job, queue, monkeypatch):
    monkeypatch.setattr("segmentation.services.upkeep.upkeep.MESSAGES_AT_ONCE", 2)
    for number in range(3):
        make_job(queued=ago(minutes=5 - number), enqueued=ago(minutes=5))
    for _ in range(2):
        upkeep.rescue()
    assert queue == ["analyses"] * 2


def old_and_new(make_job):
    return (
        make_job(state="done", finished=ago(days=31), attempt=1, files=("figure.png",)),
        make_job(state="failed", finished=ago(days=29)),
        make_job(state="queued", created=ago(days=40)),
    )


def age_uploads(**time):
    Micrograph.objects.update(created=ago(**time))


def test_purging_removes_old_finished_jobs_with_their_files(make_job, own_storage, commit):
    old, failed, waiting = old_and_new(make_job)
    age_uploads(days=40)
    with commit():
        purged = upkeep.purge(older_than=timedelta(days=30))
    assert set(Job.objects.all()) == {failed, waiting}
    assert set(Micrograph.objects.all()) == {failed.micrograph, waiting.micrograph}
    assert not (own_storage / old.folder).exists() and not (own_storage / old.micrograph.folder).exists()
    assert (purged.jobs, purged.uploads, purged.bytes) == (1, 1, 7 + old.micrograph.size)


def test_an_upload_that_a_kept_job_needs_stays(make_job):
    old = make_job(state="done", finished=ago(days=50))
    make_job(micrograph=old.micrograph, state="done", finished=ago(days=1))
    age_uploads(days=60)
    assert upkeep.purge(older_than=timedelta(days=30))[:2] == (1, 0)
    assert Micrograph.objects.count() == 1


def test_retention_and_abandoned_uploads(make_job, make_micrograph, settings):
    old_and_new(make_job)
    age_uploads(hours=12)
    abandoned = make_micrograph(created=ago(hours=25))
    make_micrograph(created=ago(hours=23))
    assert upkeep.tidy()[:2] == (0, 1)
    assert not Micrograph.objects.filter(pk=abandoned.pk).exists()
    assert Job.objects.count() == 3
    settings.DEEPSEGM_RETENTION_DAYS = 30
    abandoned = make_micrograph(created=ago(hours=25))
    assert upkeep.tidy()[:2] == (1, 2), "with the upload of the old job"
    assert not Micrograph.objects.filter(pk=abandoned.pk).exists(), "after a day, with retention too"


def test_retention_spares_a_sample_that_an_image_has_just_come_to(make_sample, make_micrograph):
    sample = make_sample(Job.State.DONE, created=ago(days=31))
    sample.jobs.update(finished=ago(days=31))
    make_micrograph(sample=sample, state="queued")
    upkeep.purge(older_than=timedelta(days=30))
    assert Sample.objects.filter(pk=sample.pk).exists()


def test_what_was_left_long_ago_is_found_once_a_day(make_micrograph, monkeypatch):
    long_ago = make_micrograph(created=ago(days=3))
    for seconds, left in ((60, [long_ago]), (-1, [])):
        monkeypatch.setattr(upkeep, "_all_rows_due", time.monotonic() + seconds)
        make_micrograph(created=ago(hours=25))
        upkeep.tidy()
        assert list(Micrograph.objects.all()) == left
    assert upkeep._all_rows_due > time.monotonic() + 80_000


def test_an_archive_that_waits_to_be_unpacked_is_not_abandoned(make_micrograph):
    waiting = make_micrograph(name="week.zip", is_archive=True, state="queued", created=ago(hours=30))
    make_micrograph(name="read.zip", is_archive=True, state="done", created=ago(hours=30))
    upkeep.tidy()
    assert Micrograph.objects.get() == waiting


def test_the_command_says_what_it_does(make_job, own_storage):
    old_and_new(make_job)
    age_uploads(days=40)
    out, files = StringIO(), sorted(own_storage.rglob("*"))
    call_command("purge_jobs", "--older-than", "30d", "--dry-run", stdout=out)
    assert sorted(own_storage.rglob("*")) == files and Job.objects.count() == 3
    assert re.match("Would .*1 job and 1 micrograph", out.getvalue())
    call_command("purge_jobs", "--older-than", "4w", stdout=out)
    assert re.search("\nDeleted .*2 jobs and 2 micrographs", out.getvalue())
    assert Job.objects.count() == 1


@pytest.mark.parametrize("text", ["30", "d", "-1d", "1y", "999999999d"])
def test_the_command_explains_an_age_it_cannot_read(text):
    with pytest.raises(CommandError, match="30d"):
        call_command("purge_jobs", f"--older-than={text}")


def test_the_storage_used(make_job):
    make_job(files=("figure.png", "particles.csv"))
    assert upkeep.storage_used() == Micrograph.objects.get().size + 14


def test_tidying_forgets_arrivals_of_more_than_a_day_ago(db):
    for hours in (23, 25):
        Arrival.objects.create(created=ago(hours=hours))
    upkeep.tidy()
    assert Arrival.objects.count() == 1


def test_tidying_forgets_workers_that_were_killed_a_day_ago(db):
    now = timezone.now()
    for name, hours in (("lives", 0), ("was killed", 23), ("was killed before", 25)):
        WorkerProcess.objects.create(name=name, queues="analyses", version="1", seen=now - timedelta(hours=hours))
    upkeep.tidy()
    assert [worker.name for worker in WorkerProcess.objects.all()] == ["lives", "was killed"]


def test_tidying_removes_segmentations_of_no_job_after_an_hour(make_segmentation, own_storage, commit):
    measured, unused, young = (make_segmentation(created=ago(minutes=age)) for age in (61, 61, 59))
    Job.objects.filter(segmentation__in=(unused, young)).update(segmentation=None)
    with commit():
        upkeep.tidy()
    assert set(Segmentation.objects.all()) == {measured, young}
    assert [(own_storage / row.folder).exists() for row in (measured, unused, young)] == [True, False, True]


def test_tidying_leaves_what_a_correction_stands_on(make_segmentation):
    parent, child = (make_segmentation(created=ago(minutes=61)) for _ in range(2))
    Segmentation.objects.filter(pk=child.pk).update(parent=parent)
    Job.objects.filter(segmentation=parent).update(segmentation=None)
    upkeep.tidy()
    assert set(Segmentation.objects.all()) == {parent, child}


def test_sessions_that_have_ended_are_removed():
    """Each sign-in left a row for ever."""
    for key, days in (("ended", -1), ("lasts", 1)):
        Session.objects.create(session_key=key, expire_date=timezone.now() + timedelta(days=days))
    upkeep.tidy()
    assert Session.objects.get().session_key == "lasts"


def test_a_purge_reads_ids_alone_and_stops_between_two_portions(make_job, commit, monkeypatch):
    """3,500 results of 98 kB each in the web process were more than its memory."""
    monkeypatch.setattr(upkeep, "ROWS_AT_ONCE", 2)
    for _ in range(6):
        make_job(state="done", finished=ago(days=31), summary={"long": "text"})
    asked = iter([False, False, True])
    read, from_db = [], Job.from_db
    monkeypatch.setattr(Job, "from_db", lambda db, names, values: read.append(set(names)) or from_db(db, names, values))
    with commit():
        purged = upkeep.purge(older_than=timedelta(days=30), is_over=lambda: next(asked))
    assert purged.jobs == 4 and Job.objects.count() == 2
    assert read and not any("summary" in names for names in read)
    upkeep.purge(older_than=timedelta(days=30))
    assert not Job.objects.exists()


def test_a_purge_goes_past_what_has_been_signed_meanwhile(make_job, monkeypatch):
    monkeypatch.setattr(upkeep, "ROWS_AT_ONCE", 1)
    kept, *_ = sorted((make_job(state="done", finished=ago(days=31)) for _ in range(3)), key=lambda job: job.pk.hex)
    monkeypatch.setattr("segmentation.services.results.jobs.signed_jobs", lambda: {kept.pk})
    assert upkeep.purge(older_than=timedelta(days=30)).jobs == 2
    assert Job.objects.get() == kept


def test_a_large_old_sample_goes_in_portions(make_sample, monkeypatch):
    monkeypatch.setattr(upkeep, "ROWS_AT_ONCE", 2)
    sample = make_sample(*["done"] * 5, created=ago(days=31))
    sample.jobs.update(finished=ago(days=31))
    asked = iter([False, False, True])
    assert upkeep.purge(older_than=timedelta(days=30), is_over=lambda: next(asked)).jobs == 2
    assert not Sample.objects.exists() and Job.objects.filter(sample=None).count() == 3


def test_what_is_deleted_at_once_hands_its_versions_on(make_job):
    """Of a chain of versions two are deleted: the last follows the first."""
    first = make_job(state="done")
    second = make_job(state="done", micrograph=first.micrograph, parent=first)
    third = make_job(state="done", micrograph=first.micrograph, parent=second)
    last = make_job(state="done", micrograph=first.micrograph, parent=third)
    by_hand = make_job(state="done", micrograph=first.micrograph, parent=third, corrects=2)
    assert jobs.delete_jobs([second.pk, third.pk]) == set()
    for job, parent in ((last, first), (by_hand, None)):
        job.refresh_from_db()
        assert job.parent == parent
