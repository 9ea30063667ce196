"""How Celery is set up: by name, by row, never by what the broker remembers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from deepsegm.celery import app
from segmentation.services.ground.queue import WORK_KINDS

from .lab import REPOSITORY

HEAVY = ("torch", "skimage", "matplotlib", "scipy", "segmentation_models_pytorch", "timm", "httpx", "rich")


def test_the_tasks_have_the_names_that_the_queue_uses():
    import worker.tasks  # noqa: F401

    assert {*(f"worker.{kind.queue}" for kind in WORK_KINDS.values()), *app.conf.task_routes} <= set(app.tasks)


def test_looking_into_uploads_does_not_wait_behind_an_analysis():
    assert app.amqp.router.route({}, "worker.inspections")["queue"].name == "inspections"
    assert app.amqp.router.route({}, "worker.analyses")["queue"].name == "analyses"


def test_only_the_embedded_worker_has_no_remote_control_and_none_keeps_results(settings):
    assert app.conf.worker_enable_remote_control is not settings.DEEPSEGM_EMBEDDED
    assert app.conf.task_ignore_result is True
    assert app.conf.worker_prefetch_multiplier == 1
    assert app.conf.task_time_limit > app.conf.task_soft_time_limit > 0
    assert app.conf.worker_max_tasks_per_child >= 1
    assert list(app.conf.accept_content) == ["json"]


def test_what_few_tasks_need_is_not_in_the_workers_main_process():
    code = (
        f"import django; django.setup(); import worker.tasks, worker.processes.child, sys; "
        f"print(set({HEAVY}) & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env={"DJANGO_SETTINGS_MODULE": "deepsegm.settings"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "set()"


def test_a_stop_during_the_warm_up_ends_it_at_once(monkeypatch):
    """A worker waits for the children of its pool."""
    from segmentation.core import pipeline
    from worker.processes import child, warming

    monkeypatch.setattr(child, "_must_stop", child.mmap(-1, 1))
    monkeypatch.setattr(pipeline, "analyse", lambda *given, **more: time.sleep(600))
    pid = os.fork()
    if pid == 0:
        child._in_pool.set()
        warming.warm_up()
        os._exit(1)
    time.sleep(1)
    assert os.waitpid(pid, os.WNOHANG) == (0, 0)
    child.stop_preparing()
    _, status = os.waitpid(pid, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL


@pytest.mark.django_db
def test_the_message_goes_through_the_spool(settings, tmp_path, monkeypatch):
    """From the service to a message that a worker understands."""
    from celery import Celery

    monkeypatch.undo()
    sender = Celery("sender", broker="spool://localhost", set_as_current=False)
    sender.conf.broker_transport_options = {"folder": str(tmp_path / "spool")}
    sender.conf.task_default_queue = "analyses"
    sender.send_task("worker.analyses")
    with sender.connection_for_read() as connection, connection.channel() as channel:
        message = channel.Message(channel._get("analyses"), channel=channel)
    assert message.headers["task"] == "worker.analyses"
