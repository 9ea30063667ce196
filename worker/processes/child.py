"""Runs a worker as a child process that ends when its parent ends.

`python -m worker.processes.child QUEUE` is a Celery worker, as `manage.py up` starts it. `python -m
worker.processes.child networks` is the process that calculates networks on a GPU for all children of a
worker. The other functions are for the children of a worker's pool.
"""

from __future__ import annotations

import logging
import os
import resource
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from mmap import mmap
from struct import Struct

from celery.app.utils import find_app

logger = logging.getLogger(__name__)
PARENT_CHECK_SECONDS = 1.0  # between two checks whether the parent lives, and two signs of life
ANALYSES, INSPECTIONS, TRAINING, NETWORKS = "analyses", "inspections", "training", "networks"
# With one worker of each kind, messages between workers (gossip) are useless. Django's checks import
# every page (34 MB), and `up` has run them already.
COMMON_OPTIONS = ("--skip-checks", "--quiet", "worker", "--without-gossip", "--without-mingle", "--without-heartbeat")
# Uploads are decoded in separate processes, so the worker for inspections needs only threads that
# wait for these.
QUEUE_OPTIONS = {
    ANALYSES: ("--queues=analyses", "--hostname=analyses@%h"),
    INSPECTIONS: ("--queues=inspections", "--hostname=inspections@%h", "--pool=threads", "--concurrency=4"),
    # Each training has its own process, so that torch needs no memory between two trainings.
    TRAINING: ("--queues=training", "--hostname=training@%h", "--concurrency=1", "--max-tasks-per-child=1"),
}
# Priorities: first pages, then measuring of corrections (USUAL_NICENESS), then analyses, last
# trainings.
NICENESS = {ANALYSES: 10, TRAINING: 15}
USUAL_NICENESS = 5

STOP_CHECK_SECONDS = 0.2  # between two checks of a child that prepares itself
_in_pool = threading.Event()  # set in a child of a pool
BEAT = Struct("<qd")  # the process id, and the time (monotonic, in s)
PLACES = 4096  # for signs of life
SILENT_SECONDS = 60.0  # a child that has given no sign of life for so long hangs
LONGEST_GAP_SECONDS = 30.0  # between two looks at the signs of life
_must_stop = mmap(-1, 1)  # one byte that a worker shares with the children of its pool: 1 when it must stop


class Beats:
    """The times of the last signs of life of the children of a pool, in memory that a worker shares with them.

    A child that hangs (stopped, or in a library that never returns) gives none. Each has the place that its process id
    modulo PLACES gives; of two children with one place only the latter is watched.
    """

    def __init__(self) -> None:
        self._memory = mmap(-1, PLACES * BEAT.size)
        self._seen: dict[int, tuple[float, float]] = {}  # pid -> its last beat, and since when it is the last one
        self._looked = 0.0

    def write(self) -> None:
        """Give a sign of life of this process."""
        pid = os.getpid()
        BEAT.pack_into(self._memory, pid % PLACES * BEAT.size, pid, time.monotonic())

    def silent(self, now: float) -> list[int]:
        """The children (pids) that have given no sign of life for SILENT_SECONDS. now: time.monotonic(). Time
        in which this process did not look does not count, because the whole machine may have been stopped."""
        beats = dict(beat for beat in BEAT.iter_unpack(self._memory) if beat[0] and _is_child(beat[0]))
        is_late = now - self._looked > LONGEST_GAP_SECONDS
        self._seen = {
            pid: self._seen[pid] if pid in self._seen and self._seen[pid][0] == beat and not is_late else (beat, now)
            for pid, beat in beats.items()
        }
        self._looked = now
        return [pid for pid, (_, since) in self._seen.items() if now - since >= SILENT_SECONDS]

    def end_silent(self) -> int:
        """End the silent children; returns how many. The pool replaces them, and their rows are queued again."""
        pids = self.silent(time.monotonic())
        for pid in pids:
            logger.error("Process %s gave no sign of life for %g s and is ended.", pid, SILENT_SECONDS)
            os.kill(pid, signal.SIGKILL)
            self._seen.pop(pid)
        return len(pids)


beats = Beats()


def _is_child(pid: int) -> bool:
    """Whether a process is a living child of this one; False where the system cannot tell (macOS)."""
    if not hasattr(os, "waitid"):
        return False
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:
        return False


def enter_pool(parent: int, megabytes: int) -> None:
    """Prepare this process as a child of a worker's pool: it ends with its parent (pid), and its
    memory is limited.

    megabytes: 0 for no limit. Only its own memory counts (RLIMIT_DATA), because a process with a
    GPU maps libraries many times larger.
    """
    _in_pool.set()
    die_with_parent(parent)
    if megabytes:
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        limit = megabytes << 20
        resource.setrlimit(resource.RLIMIT_DATA, (limit if hard < 0 else min(limit, hard), hard))


def end_pool_child() -> None:
    """End this process at once if it is a child of a pool; the pool then starts another child."""
    if _in_pool.is_set():
        os.kill(os.getpid(), signal.SIGKILL)


def stop_preparing() -> None:
    """Called in a worker that must stop: end the children of its pool that are still
    `preparing`."""
    _must_stop[0] = 1


@contextmanager
def preparing() -> Iterator[None]:
    """A block of preparing work in a child of the pool, for which nobody waits: the child ends at once
    when the worker must stop."""
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(STOP_CHECK_SECONDS):
            if _must_stop[0]:
                end_pool_child()

    threading.Thread(target=watch, name="watch for the end of the worker", daemon=True).start()
    try:
        yield
    finally:
        is_over.set()


def die_with_parent(parent: int) -> None:
    """Start a thread that kills this process soon after its parent (a pid) has ended; otherwise it
    would go on unnoticed.

    The thread checks again and again, because prctl's death signal exists only on Linux and depends
    on the parent's thread, not its process.
    """

    def watch() -> None:
        while os.getppid() == parent:
            if _in_pool.is_set():
                beats.write()
            time.sleep(PARENT_CHECK_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="watch for the parent", daemon=True).start()


def main(queue: str) -> None:
    """Run a worker for this queue, or the process for networks."""
    die_with_parent(int(os.environ["DEEPSEGM_PARENT"]))
    if queue == NETWORKS:
        from segmentation.core.network.served import serve

        serve()
    os.nice(NICENESS.get(queue, USUAL_NICENESS))
    # Celery warns if root runs it, but our messages are JSON, which is safe. The warning would hide
    # the address of the site.
    warnings.filterwarnings("ignore", message="You're running the worker with superuser")
    find_app("deepsegm").worker_main(list(COMMON_OPTIONS + QUEUE_OPTIONS[queue]))


if __name__ == "__main__":
    main(sys.argv[1])
