"""What a process that decodes foreign files cannot do."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

PREPARED = """
import pathlib, socket, subprocess, sys, time
from segmentation.core.micrograph.confined import confine
own, other = map(pathlib.Path, sys.argv[1:3])
print(confine(2000, 20, [own]))
"""


def confined(tmp_path: Path, code: str) -> subprocess.CompletedProcess[str]:
    """A process that confines itself to one of two folders, then runs this code."""
    own, other = tmp_path / "own", tmp_path / "other"
    own.mkdir()
    other.mkdir()
    (other / "there").write_text("as before")
    command = [sys.executable, "-c", PREPARED + code, str(own), str(other)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.fixture(autouse=True)
def landlock(tmp_path_factory):
    done = confined(tmp_path_factory.mktemp("tried"), "")
    if done.stdout.strip() != "True":
        pytest.skip(f"this kernel, {platform.release()}, has no Landlock")


def test_it_reads_everywhere_and_writes_in_its_folder(tmp_path):
    done = confined(tmp_path, "(own / 'a').write_text((other / 'there').read_text()); (own / 'a').rename(own / 'b')")
    assert done.returncode == 0 and (tmp_path / "own" / "b").read_text() == "as before"


@pytest.mark.parametrize(
    "deed",
    [
        "(other / 'new').write_text('x')",
        "(other / 'there').write_text('x')",
        "(other / 'there').unlink()",
        "(other / 'new').mkdir()",
        "(other / 'new').symlink_to('/etc/passwd')",
        "open(other / 'there', 'r+').truncate(1)",
        "subprocess.run(['touch', other / 'new'], check=True)",
        "socket.create_server(('127.0.0.1', 0))",
        "socket.create_connection(('127.0.0.1', 9))",
        "bytearray(3 << 30)",
    ],
)
def test_it_does_no_harm_elsewhere(tmp_path, deed):
    done = confined(tmp_path, deed)
    assert done.returncode != 0 and done.stdout.strip() == "True"
    assert any(word in done.stderr for word in ("PermissionError", "CalledProcessError", "MemoryError")), done.stderr
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["there"]
    assert (tmp_path / "other" / "there").read_text() == "as before"


def test_a_loop_without_end_ends(tmp_path):
    code = "import resource; resource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nwhile True: pass"
    assert confined(tmp_path, code).returncode < 0
