"""Checks that the commands of compose.yaml start, and that a job runs to its end.

Run by `.ci/confined .venv/bin/python -m tests.entry_points`, as another user on a read-only root: a program that writes
to a wrong place fails here.
"""

from __future__ import annotations

import json
import os
import shlex
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from contextlib import closing
from pathlib import Path

import httpx
import yaml

ROOT = Path(__file__).resolve().parents[1]
MOST_SECONDS = 300
SERVICES = ("web", "inspector", "worker", "trainer")  # in the order of their start


def commands(port: int) -> dict[str, list[str]]:
    """The command of each service by its name; of the web service without making the bucket, because there is none."""
    services = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())["services"]
    usual = json.loads((ROOT / "docker" / "Dockerfile").read_text().rpartition("CMD ")[2])
    texts = {name: services[name].get("command") for name in SERVICES}
    arguments = {name: shlex.split(command) if command else usual for name, command in texts.items()}
    arguments["web"] = [*shlex.split(arguments["web"][2].rpartition("exec ")[2]), "--port", str(port)]
    return arguments


def main() -> int:
    assert os.getuid() == 1000, "as another user: .ci/confined .venv/bin/python -m tests.entry_points"
    for folder in (ROOT, Path("/etc"), Path("/var/tmp")):
        assert not os.access(folder, os.W_OK), f"{folder} can be written"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    site = f"http://127.0.0.1:{port}"
    logs, running = Path(os.environ["DEEPSEGM_TEMP"]) / "logs", list[subprocess.Popen[bytes]]()
    logs.mkdir()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    try:
        for name, command in commands(port).items():
            with (logs / name).open("wb") as log:
                options = {"stdout": log, "stderr": subprocess.STDOUT, "cwd": ROOT, "env": {**os.environ, "PATH": path}}
                running.append(subprocess.Popen(command, **options))
            if name == "web":
                wait_for(lambda: is_up(f"{site}/healthz"), running, "the web service")
        wait_for(lambda: queues_of_workers() == {"analyses", "inspections", "training"}, running, "the workers")
        with (ROOT / "static" / "sample" / "sem-sample.tif").open("rb") as image:
            sent = httpx.post(f"{site}/api/v1/jobs", files={"file": image}, timeout=60).raise_for_status().json()
        job: dict[str, object] = {}

        def done() -> bool:
            job.update(httpx.get(f"{site}/api/v1/jobs/{sent['id']}", timeout=60).raise_for_status().json())
            return job["state"] in ("done", "failed")

        wait_for(done, running, "the job")
        assert job["state"] == "done" and job["result"], job["error"]
        for name in SERVICES:
            text = (logs / name).read_text()
            assert "Read-only file system" not in text and "Traceback" not in text, name
    except BaseException:
        for name in SERVICES:
            print(
                f"== {name}\n{(logs / name).read_text()[-3000:]}"
                if (logs / name).exists()
                else f"== {name}: not started"
            )
        raise
    finally:
        for process in reversed(running):
            process.terminate()
    leftovers = sorted(str(file) for file in Path("/tmp").rglob("*"))
    print(f"The job of the sample image is done; in /tmp lie {leftovers or 'no files'}.\n1 passed, 0 failed")
    return 0


def wait_for(condition, running: list[subprocess.Popen[bytes]], event: str) -> None:
    end = time.monotonic() + MOST_SECONDS
    while not condition():
        assert all(process.poll() is None for process in running), f"a process ended before {event}"
        assert time.monotonic() < end, f"{event}: not within {MOST_SECONDS} s"
        time.sleep(0.5)


def queues_of_workers() -> set[str]:
    """The queues of the workers that have written a sign of life to the database."""
    with closing(sqlite3.connect(Path(os.environ["DEEPSEGM_DATA"]) / "db.sqlite3", timeout=30)) as database:
        return {queue for (queue,) in database.execute("SELECT queues FROM segmentation_workerprocess")}


def is_up(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
