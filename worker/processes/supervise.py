"""Runs a worker as a child process for `manage.py up`, and starts it again whenever it ends.

start ──> running ──ended by itself──> wait (1, 2, 4 ... 30 s) ──> start again
             │
            stop, or not needed for a while ──SIGTERM──> ended
                                                 └──not ended after PATIENCE_SECONDS──> SIGKILL
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "worker.processes.child")
FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0  # seconds before a child is started again; doubled each time
STEADY_SECONDS = 60.0  # a child that ran longer is started again after FIRST_WAIT
PATIENCE_SECONDS = 5.0  # seconds between SIGTERM and SIGKILL
NEED_CHECK_SECONDS = 3.0  # between two checks whether a child is needed
UNNEEDED_SECONDS = 60.0  # after which a child that is not needed ends


class Supervisor:
    """One child process, started again whenever it ends, until `stop`.

    command: of the child. folder: its working folder. patience: seconds between SIGTERM and
    SIGKILL. ended: called in the supervisor's thread whenever the child has ended by itself.
    is_needed: called in the same thread, returns whether there is work for the child. The child is
    started when there is work, and ended after UNNEEDED_SECONDS without work; None: it always runs.
    """

    def __init__(
        self,
        command: tuple[str, ...] = COMMAND,
        *,
        folder: str | os.PathLike[str],
        patience: float = PATIENCE_SECONDS,
        ended: Callable[[], None] = lambda: None,
        is_needed: Callable[[], bool] | None = None,
    ) -> None:
        self.command = command
        self.folder = folder
        self.patience = patience
        self.ended = ended
        self.is_needed = is_needed
        self.starts = 0
        self._child: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)

    @property
    def pid(self) -> int | None:
        """The process id of the child; None if no child runs at this moment."""
        return self._child.pid if self._child and self._child.poll() is None else None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the child and all processes that it started; returns when they have ended."""
        self._stopping.set()
        with self._lock:
            child = self._child
        if child is not None:
            self._end(child)
        self._thread.join()

    def _run(self) -> None:
        """The supervisor's thread: start the child again whenever it ends, each time after a longer
        wait unless it ran for a while."""
        wait = FIRST_WAIT
        while not self._stopping.is_set():
            if self.is_needed and not self.is_needed():
                self._stopping.wait(NEED_CHECK_SECONDS)
                continue
            began = time.monotonic()
            child = self._launch()
            if child is None:
                return
            if self._waited_until_unneeded(child):
                self._end(child)
                continue
            code = child.wait()
            _kill_group(child.pid)
            if self._stopping.is_set():
                return
            self.ended()
            wait = FIRST_WAIT if time.monotonic() - began > STEADY_SECONDS else wait
            logger.error("The worker ended by itself (%s); it starts again in %g s.", code, wait)
            self._stopping.wait(wait)
            wait = min(2 * wait, LONGEST_WAIT)

    def _waited_until_unneeded(self, child: subprocess.Popen[bytes]) -> bool:
        """Wait until the child has ended by itself (returns False), or is not needed for
        UNNEEDED_SECONDS (True)."""
        if self.is_needed is None:
            return False
        last_needed = time.monotonic()
        while child.poll() is None and not self._stopping.wait(NEED_CHECK_SECONDS):
            if self.is_needed():
                last_needed = time.monotonic()
            elif time.monotonic() - last_needed > UNNEEDED_SECONDS:
                return True
        return False

    def _launch(self) -> subprocess.Popen[bytes] | None:
        """Start the child in its own process group, so that Ctrl-C in the terminal does not reach
        it: `stop` ends it. None after `stop`."""
        with self._lock:
            if self._stopping.is_set():
                return None
            self._child = subprocess.Popen(
                self.command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # Celery prints messages there when it ends
                env={**os.environ, "DEEPSEGM_PARENT": str(os.getpid())},
                start_new_session=True,
            )
            self.starts += 1
            return self._child

    def _end(self, child: subprocess.Popen[bytes]) -> None:
        """End a child and its process group."""
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(self.patience)
            except subprocess.TimeoutExpired:
                logger.info("The worker takes too long to end and is stopped; what it was at starts again next time.")
        _kill_group(child.pid)
        child.wait()


def _kill_group(group: int) -> None:
    """Kill the remaining processes of a child's process group, such as those of its pool."""
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
