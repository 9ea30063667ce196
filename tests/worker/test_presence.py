"""Workers say that they are alive, each for itself."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest
from django.db import OperationalError

from segmentation.models import WorkerProcess
from worker import heartbeat

pytestmark = pytest.mark.django_db(transaction=True)


def patiently(write):
    """The tests' database, in memory, locks whole tables and waits for nobody, unlike those of a site."""
    end = time.monotonic() + 120
    while True:
        try:
            return write()
        except OperationalError:
            assert time.monotonic() < end
            time.sleep(0.01)


def both():
    return sorted(WorkerProcess.objects.values_list("name", "queues"), key=lambda row: row[1])


def test_workers_of_one_name_do_not_overwrite_each_other(monkeypatch):
    """As `celery -A deepsegm worker` is named that is started twice on one machine."""
    monkeypatch.setattr(heartbeat, "_write_or_log", patiently)
    end = time.monotonic() + 120
    try:
        for queue in ("analyses", "training"):
            app = SimpleNamespace(amqp=SimpleNamespace(queues=SimpleNamespace(consume_from={queue: None})))
            heartbeat.start_signs_of_life(SimpleNamespace(hostname="celery@vm", app=app))
        while len(workers := patiently(both)) < 2:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert [queues for _, queues in workers] == ["analyses", "training"]
        assert all(name.startswith("celery@vm ") for name, _ in workers)
        other = {"name": "celery@vm of another machine", "queues": "inspections", "version": "1"}
        patiently(lambda: WorkerProcess.objects.create(**other))
    finally:
        threads = [thread for thread in threading.enumerate() if thread.name == "presence"]
        heartbeat.stop_signs_of_life()
    for thread in threads:
        thread.join(120)
    assert [queues for _, queues in both()] == ["inspections"]
