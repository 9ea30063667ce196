"""Lets a child process of a pool give memory back to the system when it had no task for a while.
After an analysis the child has three times the memory that a quick start of the next one needs."""

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

IDLE_SECONDS = 20.0  # without a task; less would slow down a series of images
_lock = threading.Lock()
_timer: threading.Timer | None = None
_due: float | None = None  # time to give memory back (monotonic clock); None if it was given back


def give_memory_back_when_idle() -> None:
    """Start and stop the timer around each task of this process, a child of a pool, which does one task
    at a time."""
    task_prerun.connect(stop_timer)
    task_postrun.connect(start_timer)


def stop_timer(**signal: Any) -> None:
    """Called when a task begins. If memory is being given back at this moment, the task waits (for
    the lock)."""
    global _timer
    with _lock:
        if _timer:
            _timer.cancel()
        _timer = None


def start_timer(*, retval: Any = None, **signal: Any) -> None:
    """Called when a task has ended. retval: its result; False if there was nothing to do: then the
    idle time goes on."""
    global _timer, _due
    _forget_peak()
    now = time.monotonic()
    with _lock:
        if retval is not False:
            _due = now + IDLE_SECONDS
        if _due is not None:
            _timer = threading.Timer(max(_due - now, 0.0), _give_back)
            _timer.daemon = True
            _timer.start()


def _forget_peak() -> None:
    """Reset the peak of the memory of this process to its present use, if the peak is too high.

    The pool replaces a child whose peak exceeds CELERY_WORKER_MAX_MEMORY_PER_CHILD; a large image
    that the child keeps for its first correction (`measuring`) would then be lost.
    """
    peak, limit = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, settings.CELERY_WORKER_MAX_MEMORY_PER_CHILD
    if limit and peak > limit:
        runtime.give_freed_memory_back()
        with suppress(OSError):  # without this file the pool replaces the child
            Path("/proc/self/clear_refs").write_text("5")  # proc(5): resets the peak


def _give_back() -> None:
    global _due
    with _lock:
        if _timer:  # None if a task has begun
            runtime.give_memory_back()
            _due = None
