"""What a child of a pool gives back to the system once nothing has come for a while: an analysis leaves behind three
times the memory that the next one needs to begin at once."""

from __future__ import annotations

import resource
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from celery.signals import task_postrun, task_prerun
from django.conf import settings

from segmentation.core.network import runtime

SECONDS = 20.0  # without work; whoever sends one picture after another never waits for memory
_lock = threading.Lock()
_timer: threading.Timer | None = None
_due: float | None = None  # when memory is given back, by the monotonic clock; None: it was


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


def rest(*, retval: Any = None, **signal: Any) -> None:
    """A task has ended. retval: False where its message found nothing to do, which begins no new time without work."""
    global _timer, _due
    _forget_peak()
    now = time.monotonic()
    with _lock:
        if retval is not False:
            _due = now + SECONDS
        if _due is not None:
            _timer = threading.Timer(max(_due - now, 0.0), _give_back)
            _timer.daemon = True
            _timer.start()


def _forget_peak() -> None:
    """Of a task that needed much memory, let only what is still in use count.

    The pool renews a child by the peak of its memory (CELERY_WORKER_MAX_MEMORY_PER_CHILD), and with
    the child goes what it remembers of a large image for the first correction (`measuring`).
    """
    peak, limit = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, settings.CELERY_WORKER_MAX_MEMORY_PER_CHILD
    if limit and peak > limit:
        runtime.give_freed_memory_back()
        with suppress(OSError):  # a system without it renews the child
            Path("/proc/self/clear_refs").write_text("5")  # proc(5): resets the peak


def _give_back() -> None:
    global _due
    with _lock:
        if _timer:  # else work has begun
            runtime.give_memory_back()
            _due = None
