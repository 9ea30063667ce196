"""`Site`, the site under attack: its processes, which are started again when they die, and its database and broker."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TextIO

import psutil

from tests.worker.lab import REPOSITORY, wait_for
from worker.processes import supervise
from worker.processes.supervise import Supervisor

PYTHON = sys.executable


CONSTANTS = {
    "DEEPSEGM_SILENCE_SECONDS": 5,
    "DEEPSEGM_MIN_FREE_MB": 16,
    "DEEPSEGM_WAITING_SAMPLES": 1000000,
    "DEEPSEGM_TOKEN_REQUESTS_PER_MINUTE": 1000000,
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Site:
    """A site in a folder. stack: sqlite, or services (PostgreSQL and Redis). workers: number of children that
    analyse."""

    def __init__(self, folder: Path, stack: str, workers: int, port: int) -> None:
        self.folder, self.stack, self.port = folder, stack, port or free_port()
        self.data, self.log = folder / "data", folder / "log"
        self.refuses, self.clock = folder / "refuses", folder / "clock"
        self.clock.write_text("0")
        self.supervisors: dict[str, Supervisor] = {}
        self.database, self.broker = "", ""
        (folder / "held").mkdir()
        os.environ.update(
            DJANGO_SETTINGS_MODULE="tools.faults.settings",
            DEEPSEGM_DATA=str(self.data),
            DEEPSEGM_SECRET_KEY="one key for the site and for this process",
            LAB_CONSTANTS=json.dumps(CONSTANTS),
            DEEPSEGM_UPLOADS_PER_HOUR="1000000",
            DEEPSEGM_WAITING_JOBS="1000000",
            DEEPSEGM_TRAINING="accounts",
            DEEPSEGM_CONCURRENCY=str(workers if stack == "sqlite" else 1),
            LAB_HELD=str(folder / "held"),
            LAB_LOG=str(folder / "analyses.log"),
            LAB_REFUSES=str(self.refuses),
            LAB_CLOCK=str(self.clock),
            LAB_READS_HERE="1",
            OMP_NUM_THREADS="1",
        )
        supervise.FIRST_WAIT, supervise.LONGEST_WAIT = 0.5, 2.0
        if stack == "services":
            self._engines()
        self._processes(1 if stack == "sqlite" else workers)

    def _engines(self) -> None:
        """Start a PostgreSQL and a Redis for this site only; both may be killed."""
        port, redis = free_port(), free_port()
        self.database, self.broker = f"postgres://deepsegm@127.0.0.1:{port}/deepsegm", f"redis://127.0.0.1:{redis}/0"
        os.environ.update(DEEPSEGM_DATABASE_URL=self.database, DEEPSEGM_BROKER_URL=self.broker)
        engines_folder, binaries = self.folder / "engines", max(Path("/usr/lib/postgresql").glob("*/bin"))
        engines_folder.mkdir()
        engines_folder.chmod(0o777)
        as_postgres = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        data = engines_folder / "pg"
        options = {"check": True, "stdout": subprocess.DEVNULL}
        subprocess.run(
            [*as_postgres, str(binaries / "initdb"), "-D", str(data), "-U", "deepsegm", "-A", "trust"], **options
        )
        options = ("-p", str(port), "-c", "listen_addresses=127.0.0.1", "-k", str(engines_folder))
        self._add("postgresql", *as_postgres, str(binaries / "postgres"), "-D", str(data), *options)
        self._add(
            "redis",
            "redis-server",
            "--port",
            str(redis),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            str(engines_folder),
        )
        for name in ("postgresql", "redis"):
            self.supervisors[name].start()
        create = ["createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "deepsegm", "deepsegm"]
        wait_for(lambda: subprocess.run(create, stderr=subprocess.DEVNULL).returncode == 0, "PostgreSQL answers")

    def _processes(self, workers: int) -> None:
        """Add a supervisor for each process, as systemd has. With SQLite the web process starts the workers itself."""
        site = ("--port", str(self.port))
        if self.stack == "sqlite":
            self._add("web", PYTHON, "-m", "tests.worker.slow_up", *site)
            return
        self._add("web", PYTHON, "manage.py", "up", "--no-worker", *site)
        for number in range(1, workers + 1):
            self._add(f"analyses {number}", *self._worker("analyses", f"--hostname=analyses{number}@%h"))
        for queue in ("inspections", "training"):
            self._add(queue, *self._worker(queue))

    def _worker(self, *arguments: str) -> tuple[str, ...]:
        return (PYTHON, "-m", "tests.worker.slow_app", *arguments)

    def _add(self, name: str, *command: str) -> None:
        self.supervisors[name] = Supervisor(command, folder=REPOSITORY, patience=20)

    @contextmanager
    def running(self) -> Iterator[None]:
        """A block in which the processes of the site run."""
        try:
            for name, supervisor in self.supervisors.items():
                if name not in ("postgresql", "redis"):
                    supervisor.start()
            wait_for(self.answers, "the site answers")
            yield
        finally:
            for supervisor in reversed(list(self.supervisors.values())):
                if supervisor not in [self.supervisors.get(name) for name in ("postgresql", "redis")]:
                    supervisor.stop()

    def stop_engines(self) -> None:
        for name in {"postgresql", "redis"} & set(self.supervisors):
            self.supervisors[name].patience = 5
            self.supervisors[name].stop()

    def answers(self) -> bool:
        """Whether the site answers."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def targets(self) -> dict[str, list[int]]:
        """The processes that may be killed now: process ids by kind."""
        targets_by_name: dict[str, list[int]] = {}
        for name, supervisor in self.supervisors.items():
            with suppress(psutil.Error):
                if supervisor.pid is None:
                    continue
                if name == "postgresql":
                    targets_by_name[name] = [int((self.folder / "engines/pg/postmaster.pid").read_text().split()[0])]
                    continue
                targets_by_name.setdefault(name.split()[0], []).append(supervisor.pid)
                for child in psutil.Process(supervisor.pid).children(recursive=True):
                    targets_by_name.setdefault(_kind_of(child), []).append(child.pid)
        targets_by_name.pop("other", None)
        return targets_by_name

    def kill(self, pid: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _kind_of(child: psutil.Process) -> str:
    """The kind of a process: the queue of a worker, the queue of a worker's child, a reader of files, or "other"."""
    line = child.cmdline()
    if "tests.worker.slow_app" not in line:
        return "reader" if "segmentation.core.micrograph" in " ".join(line) else "other"
    queue = line[line.index("tests.worker.slow_app") + 1]
    parent = psutil.Process(child.ppid()).cmdline()
    return f"{queue}' child" if "tests.worker.slow_app" in parent else queue


def redirect_output(path: Path) -> TextIO:
    """Redirect the output of this process and its children to a file; returns the former standard output."""
    terminal = os.fdopen(os.dup(1), "w", buffering=1)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    return terminal
