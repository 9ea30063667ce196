"""A full disk: uploads stop before it, and what frees room works even then."""

from __future__ import annotations

import errno
import logging
import re
import time
from datetime import timedelta
from pathlib import Path
from unittest.mock import Mock
from uuid import uuid4

import pytest
from django.db import OperationalError
from django.db.backends.utils import CursorWrapper
from django.utils import timezone
from django.utils.html import escape

from segmentation.log_filters import LogThrottle
from segmentation.models import Job
from segmentation.services.ground import space
from segmentation.services.ground.refusal import FULL, STORAGE, machine_fault
from segmentation.services.results import jobs, publishing, samples
from segmentation.services.upkeep import health, upkeep
from tests.web.finished import visit, words

pytestmark = pytest.mark.django_db
SMALL, GB = 2**16, 2**30


@pytest.fixture
def scarce(settings):
    settings.DEEPSEGM_MIN_FREE_MB = 10**9


def test_a_disk_that_fills_is_told_a_week_before(monkeypatch, settings, own_storage):
    def is_told(days: float, first: int, now: int) -> str:
        at = time.time()
        monkeypatch.setattr(space, "free_bytes", lambda: first)
        monkeypatch.setattr(space.time, "time", lambda: at - days * space.DAY_SECONDS)
        (settings.DEEPSEGM_DATA / space.FREE_SPACE_FILE).unlink(missing_ok=True)
        space.record_free_space()
        monkeypatch.setattr(space, "free_bytes", lambda: now)
        monkeypatch.setattr(space.time, "time", lambda: at)
        return health._days_until_full()

    assert is_told(3, 10 * GB, 7 * GB).startswith("At the pace of the last days the disk is full in 7 days.")
    assert not is_told(3, 20 * GB, 17 * GB), "in 17 days"
    assert not is_told(0.5, 10 * GB, 2 * GB), "too short to know a pace"
    assert not is_told(3, 7 * GB, 10 * GB), "room was made"
    (settings.DEEPSEGM_DATA / space.FREE_SPACE_FILE).write_text("broken")
    assert space.days_left() is None


@pytest.fixture
def full(monkeypatch, settings):
    """A database that can write nothing as long as the reserve lies there."""
    monkeypatch.setattr(space, "LARGEST_RESERVE", SMALL)
    space.make_reserve()
    reserve = settings.DEEPSEGM_DATA / space.RESERVE_FILE
    assert reserve.stat().st_size == SMALL

    execute = CursorWrapper.execute

    def limited(self, sql, params=None):
        if reserve.exists() and sql.startswith(("INSERT", "UPDATE", "DELETE")):
            raise OperationalError("database or disk is full")
        return execute(self, sql, params)

    monkeypatch.setattr(CursorWrapper, "execute", limited)
    return reserve


@pytest.mark.parametrize(
    "service",
    [
        lambda job, sample: jobs.delete_job(job=job),
        lambda job, sample: jobs.cancel_job(job=job),
        lambda job, sample: samples.delete_sample(sample=sample),
        lambda job, sample: samples.cancel_sample(sample=sample),
    ],
)
def test_what_frees_room_works_at_the_cost_of_the_reserve(make_job, make_sample, full, service):
    full.unlink()
    job, sample = make_job(), make_sample(Job.State.QUEUED)
    full.write_bytes(b"0")
    service(job, sample)
    assert not full.exists()


@pytest.mark.django_db(transaction=True)
def test_a_full_disk_does_not_stop_the_purge(make_job, full, settings, monkeypatch):
    full.unlink()
    make_job(state="done", finished=timezone.now() - timedelta(days=31))
    settings.DEEPSEGM_RETENTION_DAYS, noted = 30, settings.DEEPSEGM_DATA / space.FREE_SPACE_FILE
    space.record_free_space()
    before = noted.read_text()
    full.write_bytes(b"0")
    monkeypatch.setattr(Path, "write_bytes", Mock(side_effect=OSError(errno.ENOSPC, "No space left on device")))
    assert upkeep.tidy().jobs == 1
    assert not Job.objects.exists() and noted.read_text() == before


def test_without_a_reserve_the_page_says_why(make_job, full, client, monkeypatch):
    full.unlink()
    visitor = uuid4()
    job = make_job(visitor=visitor)
    full.write_bytes(b"0")
    monkeypatch.setattr(space, "_remove_reserve", lambda: False)
    response = visit(client, visitor).post(f"/jobs/{job.pk}/delete/")
    assert response.status_code == 507
    assert escape(FULL) in words(response)


def test_other_trouble_costs_no_reserve(full, make_job):
    with pytest.raises(OperationalError):
        space.with_disk_reserve(Mock(side_effect=OperationalError("connection refused")))()
    assert full.exists()


def test_the_reserve_comes_back_once_there_is_room(settings, monkeypatch, own_storage):
    monkeypatch.setattr(space, "LARGEST_RESERVE", SMALL)
    reserve = settings.DEEPSEGM_DATA / space.RESERVE_FILE
    settings.DEEPSEGM_MIN_FREE_MB = 10**9
    space.make_reserve()
    assert not reserve.exists()
    settings.DEEPSEGM_MIN_FREE_MB = 1
    space.make_reserve()
    assert reserve.stat().st_size == SMALL
    assert [path.name for path in settings.DEEPSEGM_DATA.iterdir() if path.suffix == ".part"] == []


def test_a_load_balancer_goes_on_sending_people(client, scarce, monkeypatch):
    """They could not delete anything otherwise; monitors are told."""
    monkeypatch.setattr(health, "REPEATED_AFTER_SECONDS", 0.0)
    assert client.get("/healthz").json() == {"ok": True}
    answer = client.get("/readyz").json()
    assert answer["degraded"] and "Uploads are refused" in answer["checks"]["disk"]


def test_reading_cancelling_and_deleting_go_on(client, scarce, make_job):
    visitor = uuid4()
    job = make_job(visitor=visitor)
    visit(client, visitor)
    assert client.get(f"/jobs/{job.pk}/").status_code == 200
    assert client.post(f"/jobs/{job.pk}/cancel/").status_code == 303
    assert client.post(f"/jobs/{job.pk}/delete/").status_code == 302
    assert client.post("/sample/").status_code == 507


def test_a_waiting_job_says_what_it_waits_for(client, make_job):
    job = Job.objects.claim(make_job().pk)
    publishing.postpone_row(row=job, why=FULL)
    page = words(client.get(f"/jobs/{job.pk}/"))
    assert escape(FULL[1:]) in page and "continues by itself" in page
    assert client.get(f"/api/v1/jobs/{job.pk}").json()["stage"] == FULL


def test_what_is_logged_again_and_again_is_logged_a_few_times(monkeypatch):
    """A full disk wrote 1,836 lines a minute."""
    clock = [0.0]
    monkeypatch.setattr("segmentation.log_filters.time.monotonic", lambda: clock[0])
    throttle, messages = LogThrottle(), []

    def log(level=logging.ERROR, line=7, **extra):
        record = logging.LogRecord("a", level, "file.py", line, "disk %s", ("full",), None)
        vars(record).update(extra)
        if throttle.filter(record):
            messages.append(record.getMessage())

    for _ in range(100):
        log()
    assert messages == ["disk full"] * 5
    log(line=8)
    for _ in range(10):
        log(logging.INFO)
    assert len(messages) == 16
    for _ in range(10):
        log(line=9, each=True)
    assert len(messages) == 26, "a user may ask about any of them"
    clock[0] = 61.0
    log()
    assert re.fullmatch(r"disk full \(95 .*\)", messages[-1])


def test_an_upload_that_vanished_on_its_way_is_sent_again(settings, tmp_path):
    """A worker whose clock jumped once took it for the remains of a killed process."""
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path)
    with pytest.raises(FileNotFoundError) as lost:
        (tmp_path / "a.upload.png").rename(tmp_path / "stored")
    assert machine_fault(lost.value) == STORAGE
    with pytest.raises(FileNotFoundError) as other:
        (tmp_path.parent / "no such file").read_bytes()
    assert machine_fault(other.value) == ""
