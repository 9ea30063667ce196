"""The Celery workers as `up` starts them, `python -m worker.child QUEUE`, and the server of networks that a worker on a
GPU starts, `python -m worker.child networks`. They never outlive their parent."""

from __future__ import annotations

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

from celery.app.utils import find_app

SECONDS = 1.0  # between two looks at the parent
ANALYSES, INSPECTIONS, TRAINING, NETWORKS = "analyses", "inspections", "training", "networks"
# Gossip is useless with one worker of each kind; Django's checks, which `up` has run, import every page: 34 MB.
QUIET = ("--skip-checks", "--quiet", "worker", "--without-gossip", "--without-mingle", "--without-heartbeat")
# Looking into an upload happens in a process of its own, for which a thread waits: no pool of processes is needed.
OPTIONS = {
    ANALYSES: ("--queues=analyses", "--hostname=analyses@%h"),
    INSPECTIONS: ("--queues=inspections", "--hostname=inspections@%h", "--pool=threads", "--concurrency=4"),
    # Each training has a process of its own, so that torch takes no memory between two of them.
    TRAINING: ("--queues=training", "--hostname=training@%h", "--concurrency=1", "--max-tasks-per-child=1"),
}
NICENESS = {ANALYSES: 10, TRAINING: 15}  # pages come first, then measuring of corrections, trainings last
USUAL_NICENESS = 5

LOOK_SECONDS = 0.2  # between two looks of a child that prepares itself
_in_pool = threading.Event()
_must_stop = mmap(-1, 1)  # memory that a worker shares with the children of its pool


def enter_pool(parent: int, megabytes: int) -> None:
    """Make this process a child of a worker's pool: it dies with its parent, and its memory is limited.

    Only its own memory counts (RLIMIT_DATA), because a process with a GPU maps libraries many times larger.
    """
    _in_pool.set()
    die_with_parent(parent)
    if megabytes:
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        limit = megabytes << 20
        resource.setrlimit(resource.RLIMIT_DATA, (limit if hard < 0 else min(limit, hard), hard))


def end_pool_child() -> None:
    """End this process at once if it is a pool's child: the pool starts another."""
    if _in_pool.is_set():
        os.kill(os.getpid(), signal.SIGKILL)


def stop_preparing() -> None:
    """In the worker: end the children of its pool that are still `preparing`, for whom it would wait."""
    _must_stop[0] = 1


@contextmanager
def preparing() -> Iterator[None]:
    """In a child of the pool: work that nobody asked for, so that it ends at once when the worker must stop."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(LOOK_SECONDS):
            if _must_stop[0]:
                end_pool_child()

    threading.Thread(target=watch, name="watch for the end of the worker", daemon=True).start()
    try:
        yield
    finally:
        over.set()


def die_with_parent(parent: int) -> None:
    """Kill this process soon after its parent (pid `parent`) is gone: an orphan would continue unnoticed.

    It polls, because prctl's death signal exists only on Linux and depends on the parent's thread, not its process.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="watch for the parent", daemon=True).start()


def main(queue: str) -> None:
    die_with_parent(int(os.environ["DEEPSEGM_PARENT"]))
    if queue == NETWORKS:
        from segmentation.core.network.served import serve

        serve()
    os.nice(NICENESS.get(queue, USUAL_NICENESS))
    # Our messages are JSON, which root may read as safely as anyone; the address of the site should stay in sight.
    warnings.filterwarnings("ignore", message="You're running the worker with superuser")
    find_app("deepsegm").worker_main(list(QUIET + OPTIONS[queue]))


if __name__ == "__main__":
    main(sys.argv[1])
