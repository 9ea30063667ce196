"""Signs of life during long steps."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest
from django.db import DatabaseError

from segmentation.models import Superseded
from worker.attempts import ProgressReporter
from worker.heartbeat import Heartbeat

from .lab import wait_for


class FakeJob:
    """Counts reports; raises what it is told to."""

    pk = attempt = 1
    folder = "jobs/1"
    progress = 0.0

    def __init__(self, *errors, published=False):
        self.errors = list(errors)
        self.reports = 0
        FakeJob.objects = SimpleNamespace(filter=lambda **fields: SimpleNamespace(exists=lambda: published))

    def report(self, **fields):
        self.reports += 1
        if self.errors:
            raise self.errors.pop(0)


@pytest.fixture(autouse=True)
def removed(monkeypatch):
    """Folders of the storage that were removed; no connection is closed."""
    folders = []
    monkeypatch.setattr("worker.heartbeat.connection.close", lambda: None)
    monkeypatch.setattr("worker.heartbeat.remove_folder", folders.append)
    return folders


def test_it_beats_while_the_block_lasts_and_not_longer():
    job = FakeJob()
    with Heartbeat(job, seconds=0.01):
        wait_for(lambda: job.reports > 2, "it has beaten")
    beats = job.reports
    assert not [thread for thread in threading.enumerate() if thread.name == "heartbeat of 1"]
    assert job.reports == beats


def test_a_superseded_job_stops_the_work_at_its_next_report():
    job = FakeJob(Superseded())
    with Heartbeat(job, seconds=0.01) as heartbeat:
        wait_for(heartbeat.superseded.is_set, "it is noticed")
        with pytest.raises(Superseded):
            ProgressReporter(job, heartbeat)("segmenting", 0.5)
    assert job.reports == 1


def test_whoever_does_not_notice_is_stopped_in_the_middle(monkeypatch, removed):
    """Cancelling is felt within seconds even where a computation reports nothing; of what was deleted no file stays."""
    monkeypatch.setattr("worker.heartbeat.GRACE_SECONDS", 0.05)
    ended = threading.Event()
    with Heartbeat(FakeJob(Superseded()), seconds=0.01, end=ended.set):
        assert ended.wait(5)
    assert removed == ["jobs/1"]


def test_measuring_may_end_by_itself(monkeypatch, removed):
    """With its process would go what it remembers of the other objects of a large image."""
    monkeypatch.setattr("worker.heartbeat.GRACE_SECONDS", 0.01)
    monkeypatch.setattr("worker.heartbeat.Measuring", FakeJob)
    ended = threading.Event()
    with Heartbeat(FakeJob(Superseded()), seconds=0.01, end=ended.set) as heartbeat:
        wait_for(heartbeat.superseded.is_set, "it is noticed")
        assert not ended.wait(0.2)
    assert not ended.is_set()


def test_whoever_notices_in_time_is_not(monkeypatch):
    ended = threading.Event()
    with Heartbeat(FakeJob(Superseded()), seconds=0.01, end=ended.set) as heartbeat:
        wait_for(heartbeat.superseded.is_set, "it is noticed")
    time.sleep(0.1)
    assert not ended.is_set()


def test_an_attempt_that_has_published_is_not_superseded(monkeypatch):
    monkeypatch.setattr("worker.heartbeat.GRACE_SECONDS", 0.01)
    ended = threading.Event()
    job = FakeJob(*[Superseded()] * 3, published=True)
    with Heartbeat(job, seconds=0.01, end=ended.set) as heartbeat:
        wait_for(lambda: job.reports > 3, "it beats on")
        assert not heartbeat.superseded.is_set()
    assert not ended.is_set()


def test_a_database_that_is_away_for_a_moment_does_not_stop_it():
    job = FakeJob(DatabaseError("locked"), DatabaseError("locked"))
    with Heartbeat(job, seconds=0.01) as heartbeat:
        wait_for(lambda: job.reports > 3, "it beats on")
        assert not heartbeat.superseded.is_set()


def test_the_default_pace_is_well_within_the_permitted_silence(settings):
    settings.DEEPSEGM_SILENCE_SECONDS = 5
    assert Heartbeat(FakeJob())._seconds == 5 / 6
    settings.DEEPSEGM_SILENCE_SECONDS = 600
    assert Heartbeat(FakeJob())._seconds == 1
