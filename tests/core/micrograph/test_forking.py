"""Forks that read files: what they know, what is left of them, and when the process that forks them ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import psutil
import pytest

from segmentation.core.micrograph.confinement import forking, forkserver
from segmentation.core.micrograph.confinement.children import OutOfTime, output_of
from segmentation.core.micrograph.confinement.confined import landlock_version
from segmentation.core.micrograph.confinement.forking import ForkServer
from segmentation.location import ROOT
from tests.core.micrograph.deed import DEED
from tests.worker.lab import wait_for

pytestmark = pytest.mark.skipif(not forking.CAN_FORK, reason="forks are Linux only")
SECONDS = 120.0  # only there to end a test that would hang
SECRET = "of-the-site"


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    """One whose parent has a secret in its environment."""
    server = ForkServer(DEED)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPSEGM_SECRET_KEY", SECRET)
        with server.start(DEED, ["pass"]) as child:
            output_of(child, SECONDS)
    yield server
    server.close()


def said(server: ForkServer, code: str, *more: str, data: bytes = b"") -> Any:
    """What a child prints as JSON."""
    with server.start(DEED, ["import json, sys\n" + code, *more], data) as child:
        output, errors = output_of(child, SECONDS)
    assert child.returncode == 0, errors.decode()
    return json.loads(output)


def lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def status_of(pid: int | None, name: str) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{name}:"))


def test_the_servers_have_one_thread() -> None:
    forking.FILE_SERVER.keep_running()
    with forking.FILE_SERVER.start(forking.INSPECT, ["--help"]) as child:  # it has imported all before it forks
        output_of(child, SECONDS)
    assert child.returncode == 0 and status_of(forking.FILE_SERVER.pid, "Threads") == "1"


def test_a_child_knows_no_secret(server: ForkServer) -> None:
    code = "print(json.dumps(open('/proc/self/environ').read() + str(os.environ)))"
    known = said(server, code)
    assert "PATH" in known and SECRET not in known and "DEEPSEGM" not in known


def test_a_child_has_its_input_and_nothing_else_that_is_open(server: ForkServer) -> None:
    listing = "print(json.dumps([sys.stdin.read(), sorted(map(int, os.listdir('/proc/self/fd')))]))"
    with server.start(DEED, ["import time; time.sleep(600)"]) as other:
        text, opened = said(server, listing, data=b"text")
        other.kill_group()
    assert (text, opened) == ("text", [0, 1, 2, 3])  # the last one is the listing
    assert other.returncode == -signal.SIGKILL


@pytest.mark.skipif(landlock_version() < 1, reason="no Landlock")
def test_a_fork_of_a_child_is_heard(server: ForkServer) -> None:
    """As the reader of text is, which a reader of files forks."""
    code = """
from segmentation.core.micrograph.confinement.children import ForkOfThisProcess, output_of
def speak():
    sys.stdout.write("inner")
    print("aside", file=sys.stderr)
    return 0
with ForkOfThisProcess(speak) as child:
    heard = [part.decode() for part in output_of(child, 60)]
print(json.dumps([*heard, child.returncode]))"""
    assert said(server, code) == ["inner", "aside\n", 0]


def test_a_child_reads_its_own_file_and_no_other(server: ForkServer, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_text(name)
    code = """
from pathlib import Path
from segmentation.core.micrograph.confinement.confined import confine
own, other = map(Path, arguments[1:])
assert confine(2000, 20, [], [own], forbid_children=True)
try:
    other.read_text()
except PermissionError:
    print(json.dumps(own.read_text()))
"""
    for own, other in ("ab", "ba"):
        assert said(server, code, str(tmp_path / own), str(tmp_path / other)) == own


def test_memory_and_processor_time_are_those_of_the_child(server: ForkServer) -> None:
    """What the server has loaded, and the time that it took, count for no child."""
    code = """
import time
from pathlib import Path
from segmentation.core.micrograph.confinement import confined
confined.confine(500, 30, [])
address_space, used = resource.getrlimit(resource.RLIMIT_AS)[0], time.process_time()
try:
    bytearray(500 << 20)
except MemoryError:
    print(json.dumps([address_space - confined.preloaded_bytes, confined.preloaded_bytes, used]))
"""
    limit, preloaded, used = said(server, code)
    times = psutil.Process(server.pid).cpu_times()
    assert limit == 500 << 20 and preloaded >= 0 and used < times.user + times.system


def test_a_child_that_is_given_up_goes_with_all_that_it_started(server: ForkServer) -> None:
    code = "import time\nprint(os.getpid(), os.fork(), flush=True)\ntime.sleep(600)"
    with server.start(DEED, [code]) as child:
        assert child.stdout
        numbers = [int(word) for word in child.stdout.readline().split()]
        with pytest.raises(OutOfTime):
            output_of(child, 0.0)
        child.kill_group()
    assert child.returncode == -signal.SIGKILL and numbers[0] == child.pid
    wait_for(lambda: not any(lives(pid) for pid in numbers if pid), "both are gone")


def test_what_a_child_started_goes_when_it_ends(server: ForkServer) -> None:
    code = """
child = os.fork()
if not child:
    os.execv("/bin/sleep", ["sleep", "600"])
print(json.dumps(child))
"""
    with server.start(DEED, ["import json\n" + code]) as child:
        assert child.stdout
        started = json.loads(child.stdout.readline())
        child.wait()
    wait_for(lambda: not lives(started), "the grandchild is gone")


def test_a_child_whose_server_is_killed_is_killed(server: ForkServer) -> None:
    with server.start(DEED, ["import time; time.sleep(600)"]) as child:
        os.kill(server.pid or 0, signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    wait_for(lambda: not lives(child.pid), "it is gone")
    assert said(server, "print(1)") == 1  # by another server


def test_where_no_process_can_be_forked_the_server_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    control, of_server = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    monkeypatch.setattr(os, "fork", Mock(side_effect=BlockingIOError))
    with near, far, control, of_server, Path(os.devnull).open() as nothing:
        socket.send_fds(near, [b"."], [*[nothing.fileno()] * 3, of_server.fileno()])
        assert forkserver._Server(far, {})._fork() is True
        assert control.recv(9) == b"0"


def test_a_server_ends_when_nobody_asks_and_starts_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forking, "IDLE_SECONDS", 0.1)
    server = ForkServer(DEED)
    assert said(server, "print(1)") == 1
    wait_for(lambda: server.pid is None, "it has ended")
    assert said(server, "print(2)") == 2
    server.close()


def test_the_server_and_its_children_go_when_the_worker_is_killed() -> None:
    code = f"""
import os
from segmentation.core.micrograph.confinement.forking import ForkServer
server = ForkServer({DEED!r})
child = server.start({DEED!r}, ["import time; time.sleep(600)"])
print(server.pid, child.pid, flush=True)
os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == -signal.SIGKILL, done.stderr
    server, child = map(int, done.stdout.split())
    wait_for(lambda: not lives(server) and not lives(child), "both are gone")


def test_a_fork_of_the_worker_has_a_server_of_its_own(server: ForkServer) -> None:
    """As the children of Celery's pool: the server would otherwise outlive the worker."""
    said(server, "print(1)")
    pid = os.fork()
    if not pid:
        os._exit(0 if server.pid is None and server._socket is None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert server.pid is not None and said(server, "print(2)") == 2


def test_a_server_that_cannot_import_its_programs_is_replaced_by_new_processes() -> None:
    server = ForkServer("no.such.module", DEED)
    assert said(server, "print(1)") == 1
