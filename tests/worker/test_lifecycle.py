"""Real workers, really killed: whatever dies, the job ends done exactly once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from .lab import REPOSITORY, wait_for

pytestmark = pytest.mark.slow
WORKER = (sys.executable, "-m", "tests.worker.slow_app")
WATCH = (sys.executable, "-m", "tests.worker.lab", "watch")


@pytest.fixture
def worker(lab):
    """A worker, beside a process that enqueues what waits, as the site does. No silence is long enough to count."""
    lab.env["LAB_CONSTANTS"] = '{"DEEPSEGM_SILENCE_SECONDS": 1000}'
    how = {"cwd": REPOSITORY, "env": lab.env, "start_new_session": True}
    with subprocess.Popen(WATCH, **how) as watch, subprocess.Popen(WORKER, **how) as process:
        yield process
        for child in (process, watch):
            os.killpg(child.pid, signal.SIGKILL)


def test_the_child_that_follows_a_killed_idle_one_gets_work(lab, worker):
    process = psutil.Process(worker.pid)
    (idle,) = wait_for(process.children, "the pool has a child")
    time.sleep(5)  # by then it waits for work
    idle.kill()
    lab.run("create")
    (second,) = wait_for(lab.pids, "the analysis begins", 60)
    assert second != idle.pid
    lab.let_go()
    wait_for(lambda: lab.row()["state"] == "done", "the job is done")


def test_bad_messages_and_a_cancelled_job_do_not_keep_the_worker_from_the_next(lab, worker):
    spool = lab.folder / "spool"
    spool.mkdir(exist_ok=True)
    good = (
        '{"body": "%s", "content-type": "application/json", "content-encoding": "utf-8", "headers": %s, "properties": '
        '{"body_encoding": "base64", "delivery_tag": "1", "delivery_info": {"exchange": "", "routing_key": "x"}}}'
    )
    task = '{"task": "worker.analyses", "id": "1", "lang": "py"}'
    bodies = ["junk", good % ("bm8=", "{}"), good % ("bm8=", task), good % ("W1siMSJdLCB7fSwge31d", task)]
    for number, body in enumerate(bodies):
        (spool / f"0_{number}.analyses.msg").write_text(body)
    lab.run("create")
    wait_for(lab.pids, "the analysis begins")
    lab.run("cancel")
    lab.run("create")
    wait_for(lambda: lab.words().count("begin") == 2, "the next job begins")
    assert lab.words() == ["begin", "begin"]
    lab.let_go()
    wait_for(lambda: lab.words().count("end") == 1, "the next job ends")
