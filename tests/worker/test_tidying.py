"""Upkeep beside the pages of `up`."""

from __future__ import annotations

import threading

import pytest

from worker.management.commands import up

pytestmark = pytest.mark.django_db(transaction=True)


def test_rows_are_rescued_while_a_long_purge_goes_on_and_its_end_waits_for_a_portion_alone(monkeypatch):
    begun, ended, rescued = threading.Event(), threading.Event(), threading.Semaphore(0)

    def tidy(is_over):
        begun.set()
        while not is_over():
            threading.Event().wait(0.001)
        ended.set()

    monkeypatch.setattr(up, "RESCUE_SECONDS", 0.001)
    monkeypatch.setattr(up.upkeep_service, "tidy", tidy)
    monkeypatch.setattr(up.upkeep_service, "rescue", rescued.release)
    monkeypatch.setattr(up, "sweep", lambda: None)
    monkeypatch.setattr(up, "make_reserve", lambda: None)
    with up.regular_upkeep():
        assert begun.wait(30)
        for _ in range(3):
            assert rescued.acquire(timeout=30)
        assert not ended.is_set()
    assert ended.is_set()
