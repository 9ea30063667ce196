"""The supervisor with small children that die, refuse to die, or have children of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import psutil
import pytest

from worker.processes import supervise
from worker.processes.supervise import Supervisor

from .lab import REPOSITORY, wait_for

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)
PARENT = "import subprocess, sys, time; print(subprocess.Popen(['sleep', '600']).pid, flush=True); time.sleep(600)"


@pytest.fixture
def supervise_code(tmp_path, monkeypatch):
    """Supervise some Python code; its standard output goes to a file."""
    monkeypatch.setattr(supervise, "FIRST_WAIT", 0.05)
    made = []

    def make(code, **options):
        out = tmp_path / "out"
        command = ("sh", "-c", f'exec "$@" >> "{out}"', "sh", sys.executable, "-c", code)
        supervisor = Supervisor(command, folder=tmp_path, patience=0.5, **options)
        made.append(supervisor)
        supervisor.start()
        return supervisor, lambda: out.read_text().split() if out.exists() else []

    yield make
    for supervisor in made:
        supervisor.stop()


def test_a_child_that_dies_is_started_again_after_its_death_was_told(supervise_code):
    ended = threading.Event()
    supervisor, _ = supervise_code("import time; time.sleep(600)", ended=ended.set)
    first = wait_for(lambda: supervisor.pid, "the child runs")
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: supervisor.pid not in (None, first), "another child runs")
    assert ended.is_set()
    assert supervisor.starts == 2


def test_a_child_that_always_dies_is_not_started_in_a_rush(supervise_code, monkeypatch):
    waits = []
    supervisor, _ = supervise_code("raise SystemExit(3)", ended=lambda: waits.append(1))
    monkeypatch.setattr(supervisor._stopping, "wait", lambda seconds: waits.append(seconds) or len(waits) > 60)
    wait_for(lambda: len(waits) > 16, "the child has died often")
    supervisor._stopping.set()
    seconds = [wait for wait in waits if wait != 1]
    assert seconds == sorted(seconds) and seconds[-1] > 4 * seconds[0]


def test_a_child_is_there_only_while_it_is_needed(supervise_code, monkeypatch):
    monkeypatch.setattr(supervise, "NEED_CHECK_SECONDS", 0.02)
    monkeypatch.setattr(supervise, "UNNEEDED_SECONDS", 0.1)
    looks, needed = [], threading.Event()
    supervisor, _ = supervise_code("import time; time.sleep(600)", is_needed=lambda: looks.append(1) or needed.is_set())
    wait_for(lambda: len(looks) > 2, "it was asked whether a child is needed")
    assert supervisor.starts == 0
    needed.set()
    child = wait_for(lambda: supervisor.pid, "the child runs")
    needed.clear()
    wait_for(lambda: not psutil.pid_exists(child), "the child has ended")
    needed.set()
    wait_for(lambda: supervisor.pid not in (None, child), "another child runs")
    assert supervisor.starts == 2


def test_stopping_ends_even_a_stubborn_child(supervise_code):
    supervisor, out = supervise_code(STUBBORN)
    wait_for(out, "the child ignores SIGTERM")
    pid = supervisor.pid
    supervisor.stop()
    assert not psutil.pid_exists(pid)
    assert supervisor.starts == 1


def test_stopping_ends_the_childs_children(supervise_code):
    supervisor, out = supervise_code(PARENT)
    (grandchild,) = wait_for(out, "the grandchild runs")
    supervisor.stop()
    wait_for(lambda: not psutil.pid_exists(int(grandchild)), "the grandchild is gone")


def test_a_dead_childs_children_do_not_live_on(supervise_code):
    supervisor, out = supervise_code(PARENT)
    grandchild = int(wait_for(out, "the grandchild runs")[0])
    os.kill(supervisor.pid, signal.SIGKILL)
    wait_for(lambda: not psutil.pid_exists(grandchild), "the grandchild is gone")


def test_a_child_does_not_outlive_a_killed_parent():
    code = (
        "import subprocess, sys, os, time\n"
        "child = 'import os, sys, time; from worker.processes.child import die_with_parent;'\n"
        "child += 'die_with_parent(int(sys.argv[1])); time.sleep(600)'\n"
        "print(subprocess.Popen([sys.executable, '-c', child, str(os.getpid())]).pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        assert psutil.pid_exists(child)
        parent.kill()
    wait_for(lambda: not psutil.pid_exists(child), "the orphan is gone")
