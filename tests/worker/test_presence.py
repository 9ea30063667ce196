"""Workers say that they are alive, each for itself."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest

from segmentation.models import WorkerProcess
from worker import presence

pytestmark = pytest.mark.django_db(transaction=True)


def until(holds):
    end = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_workers_of_one_name_do_not_overwrite_each_other():
    """As `celery -A deepsegm worker` is named that is started twice on one machine."""
    try:
        for queue in ("analyses", "training"):
            app = SimpleNamespace(amqp=SimpleNamespace(queues=SimpleNamespace(consume_from={queue: None})))
            presence.appear(SimpleNamespace(hostname="celery@vm", app=app))
        until(lambda: set(WorkerProcess.objects.values_list("queues", flat=True)) == {"analyses", "training"})
        assert all(name.startswith("celery@vm ") for name in WorkerProcess.objects.values_list("name", flat=True))
        WorkerProcess.objects.create(name="celery@vm of another machine", queues="inspections", version="1")
    finally:
        threads = [each for each in threading.enumerate() if each.name == "presence"]
        presence.vanish()
    for each in threads:  # a look into the database would lock the table that they write to
        each.join(120)
    assert [each.queues for each in WorkerProcess.objects.all()] == ["inspections"]
