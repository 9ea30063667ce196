"""`manage.py up` as people meet it: a process with a terminal, a port and a data folder."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from functools import partial

import psutil
import pytest
from django.core.management import CommandError

from worker.management.commands import up

from .lab import REPOSITORY, Lab, wait_for

pytestmark = pytest.mark.slow
UP = (sys.executable, "manage.py", "up")
SLOW_UP = (sys.executable, "-m", "tests.worker.slow_up")


@pytest.fixture
def empty(tmp_path):
    """A lab without a data folder."""
    return Lab(tmp_path / "a new folder%")


@contextmanager
def running(lab, command=UP, end=signal.SIGTERM, **how):
    """`up` on a free port; gives the process, its address and what it printed so far. how: options of Popen."""
    output = lab.folder.with_suffix(".output")
    with output.open("w") as out:
        process = subprocess.Popen(
            [*command, "--port", "0"], cwd=REPOSITORY, env=lab.env, stdout=out, stderr=subprocess.STDOUT, **how
        )
    try:
        match = wait_for(
            lambda: re.search(r"http://\S+/", output.read_text()) or process.poll(), "the address is printed"
        )
        assert isinstance(match, re.Match), output.read_text()
        yield process, match[0], output
    finally:
        process.send_signal(end)
        process.wait(180)


def get(address):
    with urllib.request.urlopen(address, timeout=20) as answer:
        return answer.status, answer.read().decode()


def family(process):
    return [child.pid for child in psutil.Process(process.pid).children(recursive=True)]


def refusal(lab, *arguments):
    done = subprocess.run([*UP, *arguments], cwd=REPOSITORY, env=lab.env, capture_output=True, text=True, timeout=180)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def test_from_an_empty_folder_to_a_site_and_back_by_ctrl_c(empty):
    with running(empty, end=signal.SIGINT) as (process, address, output):
        assert get(f"{address}healthz") == (200, '{"ok": true}')
        assert "createsuperuser" in output.read_text()
        assert address in output.read_text().rstrip().splitlines()[-1]
        workers = wait_for(lambda: len(family(process)) == 3 and family(process), "two workers and a pool child run")
        key = empty.folder / "secret-key"
        assert stat.S_IMODE(key.stat().st_mode) == 0o600 and len(key.read_text()) >= 50
        assert stat.S_IMODE(empty.folder.stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in empty.folder.glob("db.sqlite3*")} == {0o600}
        assert "already runs" in refusal(empty, "--port", "0")
    assert process.returncode == 0
    assert output.read_text().rstrip().endswith("Stopped.") and "Traceback" not in output.read_text()
    assert not [pid for pid in workers if psutil.pid_exists(pid)]


def test_a_log_for_machines_has_no_line_for_people(empty):
    empty.env["DEEPSEGM_LOG_FORMAT"] = "json"
    with running(empty) as (process, address, output):
        wait_for(lambda: len(family(process)) == 3, "two workers and a pool child run")
    messages = [json.loads(line)["message"] for line in output.read_text().splitlines()]
    assert messages[-1] == "Stopped." and any(address in message for message in messages)


def test_ctrl_c_ends_it_where_the_shell_that_started_it_ignores_ctrl_c(empty):
    """As shells without job control do for what they start in the background."""
    ignore = partial(signal.signal, signal.SIGINT, signal.SIG_IGN)
    with running(empty, end=signal.SIGINT, preexec_fn=ignore) as (process, _, output):
        pass
    assert process.returncode == 0 and output.read_text().rstrip().endswith("Stopped.")


def test_a_port_in_use_is_said_in_one_sentence(empty):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        sentence = refusal(empty, "--port", str(port))
    assert f"127.0.0.1, port {port}" in sentence and f"--port {port + 1}" in sentence


def test_a_folder_that_cannot_be_made_is_said_in_one_sentence(empty):
    empty.folder.write_text("a file is in the way")
    sentence = refusal(empty)
    assert "The data folder" in sentence and "DEEPSEGM_DATA" in sentence


def test_stopping_puts_a_running_job_back_and_the_next_start_takes_it_up(lab):
    with running(lab, SLOW_UP):
        lab.run("create")
        wait_for(lab.pids, "the analysis begins")
    row = lab.row()
    assert (row["state"], row["deaths"], row["started"]) == ("queued", 0, None)
    assert not list((lab.folder / "deepsegm-temp").glob("deepsegm-*"))
    lab.let_go()
    with running(lab, SLOW_UP):
        wait_for(lambda: lab.row()["state"] == "done", "the job is done")
    assert lab.words() == ["begin", "begin", "end"]
    assert {attempt for _, attempt in lab.artifacts()} == {2}


def test_nothing_outlives_a_killed_up_and_the_next_start_rescues_at_once(lab):
    with running(lab, SLOW_UP, end=signal.SIGKILL) as (process, _, _):
        lab.run("create")
        wait_for(lab.pids, "the analysis begins")
        workers = family(process)
    assert len(workers) >= 3  # and the third worker, which may still be starting, with its child
    wait_for(lambda: not [pid for pid in workers if psutil.pid_exists(pid)], "the orphans are gone")
    assert lab.row()["state"] == "running"
    lab.let_go()
    lab.env["LAB_CONSTANTS"] = '{"DEEPSEGM_SILENCE_SECONDS": 1000}'
    with running(lab, SLOW_UP):
        wait_for(lambda: lab.row()["state"] == "done", "the job is done")
    assert (lab.row()["attempt"], lab.row()["deaths"]) == (2, 0)


def test_a_killed_worker_is_rescued_at_once(lab):
    lab.env["LAB_CONSTANTS"] = '{"DEEPSEGM_SILENCE_SECONDS": 1000}'
    with running(lab, SLOW_UP):
        lab.run("create")
        wait_for(lab.pids, "the analysis begins")
        (orphan,) = [psutil.Process(pid) for pid in lab.pids()]
        worker = orphan.parent()
        worker.kill()
        wait_for(lambda: not orphan.is_running(), "the orphaned pool child is gone")
        wait_for(lambda: len(lab.pids()) == 2, "the analysis begins again")
        assert lab.row()["deaths"] == 0
        lab.let_go()
        wait_for(lambda: lab.row()["state"] == "done", "the job is done")
    assert lab.words() == ["begin", "begin", "end"]


def test_a_killed_helper_is_a_sentence(settings, monkeypatch):
    settings.DEEPSEGM_SECRET_KEY_LASTS = True
    monkeypatch.setattr(up, "prepare", os.abort)
    with pytest.raises(CommandError) as caught:
        up.Command()._prepare()
    assert str(caught.value) == up.KILLED
