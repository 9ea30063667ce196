"""A child of a pool gives memory back when it has long had nothing to do, and never while it works."""

from __future__ import annotations

import resource
import threading

import pytest

from segmentation.core.network import runtime
from worker import tasks
from worker.processes import idle_memory

from .lab import wait_for


@pytest.fixture
def given_back(monkeypatch):
    """Set once memory was given back."""
    event = threading.Event()
    monkeypatch.setattr(runtime, "give_memory_back", event.set)
    monkeypatch.setattr(idle_memory, "IDLE_SECONDS", 0.05)
    monkeypatch.setattr(idle_memory, "_due", None)
    yield event
    idle_memory.stop_timer()


def test_memory_is_given_back_some_time_after_a_task(given_back):
    idle_memory.stop_timer()
    idle_memory.start_timer()
    wait_for(given_back.is_set, "memory was given back")


def test_no_memory_is_given_back_while_a_task_works(given_back, monkeypatch):
    monkeypatch.setattr(idle_memory, "IDLE_SECONDS", 0.0)
    with idle_memory._lock:  # the pause is over, but the next task comes first
        timer = threading.Timer(0.0, idle_memory._give_back)
        idle_memory._timer = timer
        timer.start()
        idle_memory._timer = None
    timer.join()
    assert not given_back.is_set()


def test_a_message_that_found_nothing_to_do_begins_no_new_time_without_work(given_back, monkeypatch):
    monkeypatch.setattr(idle_memory, "IDLE_SECONDS", 3600.0)
    idle_memory.stop_timer()
    idle_memory.start_timer(retval=True)
    due = idle_memory._due
    idle_memory.stop_timer()
    idle_memory.start_timer(retval=False)
    assert idle_memory._due == due and idle_memory._timer.interval <= 3600.0
    monkeypatch.setattr(idle_memory, "_due", 0.0)  # an hour later
    idle_memory.stop_timer()
    idle_memory.start_timer(retval=False)
    wait_for(given_back.is_set, "memory was given back")


def test_memory_is_given_back_once(given_back):
    idle_memory.stop_timer()
    idle_memory.start_timer(retval=True)
    wait_for(lambda: idle_memory._due is None, "memory was given back")
    idle_memory.stop_timer()
    idle_memory.start_timer(retval=False)
    assert idle_memory._timer is None


@pytest.mark.django_db
def test_a_task_says_whether_it_found_something_to_do(science, make_job):
    make_job()
    assert tasks.do_analyses() is True
    assert tasks.do_analyses() is False


def test_a_peak_that_was_given_back_renews_no_child(monkeypatch, settings):
    """What a large image needed for a moment does not end the process that remembers it."""
    settings.CELERY_WORKER_MAX_MEMORY_PER_CHILD = peak() + 100_000
    block = bytearray(300 << 20)
    assert len(block) and peak() > settings.CELERY_WORKER_MAX_MEMORY_PER_CHILD
    del block
    idle_memory._forget_peak()
    assert peak() < settings.CELERY_WORKER_MAX_MEMORY_PER_CHILD


def peak():
    """KiB, as the pool of Celery looks at it."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
