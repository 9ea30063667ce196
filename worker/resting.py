"""What a child of a pool gives back to the system once nothing has come for a while: an analysis leaves behind three
times the memory that the next one needs to begin at once."""

from __future__ import annotations

import threading
from typing import Any

from celery.signals import task_postrun, task_prerun

from segmentation.core.network import runtime

SECONDS = 20.0  # without work; whoever sends one picture after another never waits for memory
_lock = threading.Lock()
_timer: threading.Timer | None = None


def rest_between_tasks() -> None:
    """In a child of a pool, which does one task at a time."""
    task_prerun.connect(work)
    task_postrun.connect(rest)


def work(**signal: Any) -> None:
    """A task begins; what is being given back is given back first."""
    global _timer
    with _lock:
        if _timer:
            _timer.cancel()
        _timer = None


def rest(**signal: Any) -> None:
    """A task has ended."""
    global _timer
    with _lock:
        _timer = threading.Timer(SECONDS, _give_back)
        _timer.daemon = True
        _timer.start()


def _give_back() -> None:
    with _lock:
        if _timer:  # else work has begun
            runtime.give_memory_back()
