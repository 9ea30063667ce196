"""A child of a pool gives memory back when it has long had nothing to do, and never while it works."""

from __future__ import annotations

import threading

import pytest

from segmentation.core.network import runtime
from worker import resting

from .lab import wait_for


@pytest.fixture
def given_back(monkeypatch):
    """Set once memory was given back."""
    event = threading.Event()
    monkeypatch.setattr(runtime, "give_memory_back", event.set)
    monkeypatch.setattr(resting, "SECONDS", 0.05)
    yield event
    resting.work()


def test_memory_is_given_back_some_time_after_a_task(given_back):
    resting.work()
    resting.rest()
    wait_for(given_back.is_set, "memory was given back")


def test_no_memory_is_given_back_while_a_task_works(given_back, monkeypatch):
    monkeypatch.setattr(resting, "SECONDS", 0.0)
    with resting._lock:  # the pause is over, but the next task comes first
        timer = threading.Timer(0.0, resting._give_back)
        resting._timer = timer
        timer.start()
        resting._timer = None
    timer.join()
    assert not given_back.is_set()
