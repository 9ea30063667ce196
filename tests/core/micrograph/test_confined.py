"""What a process that decodes foreign files cannot do."""

from __future__ import annotations

import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PREPARED = """
import ctypes, os, pathlib, resource, signal, socket, subprocess, sys, time
from segmentation.core.micrograph.confinement.confined import confine
own, other = map(pathlib.Path, sys.argv[1:3])
print(confine(2000, int(sys.argv[3]), [own], [own.parent / "given"], forbid_children=len(sys.argv) > 4))
"""


def confined(tmp_path: Path, code: str, seconds: int = 20, *more: str) -> subprocess.CompletedProcess[str]:
    """A process that confines itself to one of two folders, then runs this code."""
    folder, other = tmp_path / "own", tmp_path / "other"
    folder.mkdir()
    other.mkdir()
    (other / "there").write_text("as before")
    (tmp_path / "given").write_text("an image")
    command = [sys.executable, "-c", PREPARED + code, str(folder), str(other), str(seconds), *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.fixture(autouse=True, scope="module")
def landlock(tmp_path_factory):
    done = confined(tmp_path_factory.mktemp("tried"), "")
    if done.stdout.strip() != "True":
        pytest.skip(f"this kernel, {platform.release()}, has no Landlock")


def test_it_reads_what_it_was_given_and_writes_in_its_folder(tmp_path):
    code = "(own / 'a').write_text((own.parent / 'given').read_text()); (own / 'a').rename(own / 'b')"
    done = confined(tmp_path, code)
    assert done.returncode == 0 and (tmp_path / "own" / "b").read_text() == "an image", done.stderr


def test_it_imports_what_it_needs_later_and_starts_our_own_programs(tmp_path):
    code = "import tifffile, scipy.ndimage; subprocess.run([sys.executable, '-c', 'import PIL.Image'], check=True)"
    done = confined(tmp_path, code)
    assert done.returncode == 0, done.stderr


DEEDS = (
    "(other / 'new').write_text('x')",
    "(other / 'there').write_text('x')",
    "(other / 'there').unlink()",
    "(other / 'new').mkdir()",
    "(other / 'new').symlink_to('/etc/passwd')",
    "open(other / 'there', 'r+').truncate(1)",
    "subprocess.run(['touch', other / 'new'], check=True)",
    "socket.create_server(('127.0.0.1', 0))",
    "socket.create_connection(('127.0.0.1', 9))",
    "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    "socket.socket(socket.AF_UNIX)",
    "socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)",  # MPTCP
    "subprocess.run([sys.executable, '-c', 'import socket; socket.socket()'], check=True)",
    "(other / 'there').read_text()",
    "pathlib.Path('/etc/passwd').read_text()",
    "os.listdir('/etc')",
    "pathlib.Path('/proc', str(os.getppid()), 'environ').read_text()",
    "os.setsid()",
    "os.chmod(other / 'there', 0)",
    "os.chown(other / 'there', 1, 1)",
    "os.utime(other / 'there', (1, 1))",
    "os.setxattr(other / 'there', 'user.a', b'a')",
    "os.setpriority(os.PRIO_PROCESS, os.getppid(), 19)",
    "os.sched_setaffinity(os.getppid(), {0})",
    "os.memfd_create('a')",
    "if ctypes.CDLL(None).prctl(1, 0, 0, 0, 0) < 0: raise PermissionError('prctl')",
    "if ctypes.CDLL(None).shmget(1234, 4096, 0o1600) < 0: raise PermissionError('shmget')",
    "(own / 'new').mkdir()",
    "(own / 'new').symlink_to('/etc/passwd')",
    "os.mkfifo(own / 'new')",
    "bytearray(3 << 30)",
    "resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30)) or bytearray(3 << 30)",
)
TRIED = f"""
for number, deed in enumerate({DEEDS}):
    try:
        exec(deed)
    except Exception as error:
        print(number, type(error).__name__)
"""


@pytest.fixture(scope="module")
def refusals(tmp_path_factory):
    """The error of each deed, by its number, of one process that tries them all; the other folder is as before."""
    folder = tmp_path_factory.mktemp("deeds")
    done = confined(folder, TRIED)
    assert [path.name for path in (folder / "other").iterdir()] == ["there"]
    assert (folder / "other" / "there").read_text() == "as before"
    confines, *lines = done.stdout.splitlines()
    assert (done.returncode, confines) == (0, "True"), done.stderr
    return dict(line.split() for line in lines)


@pytest.mark.parametrize("number", range(len(DEEDS)), ids=DEEDS)
def test_it_does_no_harm_elsewhere(refusals, number):
    assert refusals.get(str(number)) in ("PermissionError", "CalledProcessError", "MemoryError", "ValueError")


THREAD = """
import threading
thread = threading.Thread(target=print, args=("a thread",))
thread.start(), thread.join()
"""


@pytest.mark.parametrize(
    "deed", ["os.fork()", "subprocess.run(['true'])", "os.execv('/bin/true', ['true'])", "os.kill(os.getpid(), 15)"]
)
def test_one_that_stays_alone_starts_threads_and_no_processes(tmp_path, deed):
    done = confined(tmp_path, THREAD + deed, 20, "forbid children")
    assert done.stdout.split("\n")[1] == "a thread" and "PermissionError" in done.stderr, done.stderr


def test_it_ends_with_its_parent(tmp_path):
    code = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", %r, *sys.argv[1:]], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
os.kill(os.getpid(), 9)
""" % (PREPARED.replace("print(", "print(", 1) + "sys.stdout.flush(); time.sleep(60)")
    (tmp_path / "own").mkdir()
    command = [sys.executable, "-c", code, str(tmp_path / "own"), str(tmp_path / "own"), "20"]
    pid = int(subprocess.run(command, capture_output=True, text=True, timeout=60).stdout)
    end = time.monotonic() + 60
    while Path(f"/proc/{pid}/stat").exists() and Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z":
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_loop_without_end_ends(tmp_path):
    assert confined(tmp_path, "while True: pass", seconds=1).returncode == -signal.SIGXCPU
