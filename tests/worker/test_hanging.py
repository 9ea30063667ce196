"""A child of a pool that hangs is ended, counted and told; a device that is missing costs no job."""

from __future__ import annotations

import os
import signal
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from segmentation.core.network.cards import NoDevice, TorchMissing
from segmentation.models import Job, WorkerProcess
from segmentation.services.upkeep import health
from worker import attempts
from worker.processes import child, device
from worker.processes.child import Beats


@pytest.fixture
def forked():
    """Starts children that give signs of life in a memory; all are ended afterwards."""
    pids = []

    def fork(beats):
        pid = os.fork()
        if not pid:
            while True:
                beats.write()
                time.sleep(0.02)
        pids.append(pid)
        return pid

    yield fork
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def look(beats, seconds, step=10.0):
    """The silent children after so many seconds of looks, each `step` s after the one before."""
    silent = []
    for second in range(0, int(seconds) + 1, int(step)):
        time.sleep(0.1)
        silent = beats.silent(1000.0 + second)
    return silent


def test_a_stopped_child_is_silent_and_a_working_one_is_not(forked):
    beats = Beats()
    working, stopped = forked(beats), forked(beats)
    time.sleep(0.2)
    os.kill(stopped, signal.SIGSTOP)
    assert look(beats, 50) == []
    assert look(beats, child.SILENT_SECONDS) == [stopped]
    assert working not in beats.silent(1070.0)


def test_time_in_which_nobody_looked_does_not_count(forked):
    beats = Beats()
    stopped = forked(beats)
    time.sleep(0.2)
    os.kill(stopped, signal.SIGSTOP)
    assert beats.silent(1000.0) == beats.silent(5000.0) == []


def test_it_is_ended_and_a_process_of_others_with_its_number_is_not(forked, monkeypatch):
    beats = Beats()
    stopped = forked(beats)
    time.sleep(0.2)
    os.kill(stopped, signal.SIGSTOP)
    child.BEAT.pack_into(beats._memory, child.BEAT.size, os.getppid(), 1.0)  # no child of this process
    monkeypatch.setattr(child, "SILENT_SECONDS", 0.0)
    assert beats.end_silent() == 1
    end = time.monotonic() + 20
    while os.waitid(os.P_PID, stopped, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert beats.end_silent() == 0


@pytest.mark.django_db
def test_staff_are_told_of_both():
    row = {"queues": "analyses", "version": "1", "hung": 2, "hung_at": timezone.now(), "notice": "No GPU."}
    WorkerProcess.objects.create(name="analyses@a 1", **row)
    old = {**row, "hung_at": timezone.now() - timedelta(hours=2), "seen": timezone.now() - timedelta(hours=2)}
    WorkerProcess.objects.create(name="analyses@a 2", **old)
    assert "analyses@a 1" in health._processes() and "2 so far" in health._processes()
    assert "analyses@a 2" not in health._processes() + health._device()
    assert health._device() == "analyses@a 1: No GPU."
    assert {queue.queue: queue.hung for queue in health.queues()}["analyses"] == 2


@pytest.mark.django_db
def test_staff_are_told_if_most_analyses_fail(make_job):
    now = timezone.now()
    for _ in range(5):
        make_job(state="failed", finished=now, attempt=1)
        make_job(state="failed", finished=now, attempt=0)  # never began, because of a limit
    assert health._failing().startswith("In the last hour 5 analyses failed, and 0 were done")
    for _ in range(5):
        make_job(state="done", finished=now, attempt=1)
    assert health._failing() == ""


@pytest.fixture
def no_gpu(monkeypatch, settings):
    settings.DEEPSEGM_DEVICE = "cuda"
    monkeypatch.setattr(device, "has_gpu", lambda: False)
    monkeypatch.setattr(device, "_is_missing", bytearray(1))


def test_without_the_gpu_of_the_settings_the_processor_calculates(no_gpu, monkeypatch, settings):
    assert device.device_now() == "cpu" and "does not have" in device.device_notice()
    monkeypatch.setattr(device, "has_gpu", lambda: True)
    assert device.device_now() == "cuda" and device.device_notice() == ""
    settings.DEEPSEGM_DEVICE = "auto"
    assert device.device_now() == "auto"


@pytest.mark.django_db
def test_no_job_fails_for_good_because_the_device_is_missing(no_gpu, monkeypatch, make_job):
    monkeypatch.setattr(device, "has_gpu", lambda: True)  # the driver answers, but torch cannot use it
    job = Job.objects.claim(make_job().pk)
    attempts._end(job, NoDevice("There is no device 'cuda'."))
    job.refresh_from_db()
    assert job.state == "queued" and job.deaths == 0 and device.device_now() == "cpu"
    Job.objects.filter(pk=job.pk).update(due=None)
    attempts._end(Job.objects.claim(job.pk), TorchMissing("The model needs torch."))
    job.refresh_from_db()
    assert (job.state, job.error) == ("failed", "The model needs torch.")
