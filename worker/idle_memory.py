"""Lets a child process of a pool give memory back to the system when it had no task for a while.
After an analysis it holds three times the memory that the next analysis needs for a quick start."""

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

SECONDS = 20.0  # without a task, so that a series of images is not slowed down
_lock = threading.Lock()
_timer: threading.Timer | None = None
_due: float | None = None  # when memory shall be given back (monotonic clock); None if that is done


def give_memory_back_when_idle() -> None:
    """Call this once in a child of a pool, which does one task at a time."""
    task_prerun.connect(stop_timer)
    task_postrun.connect(start_timer)


def stop_timer(**signal: Any) -> None:
    """A task begins. If memory is being given back at this moment, the task waits for that (the
    lock)."""
    global _timer
    with _lock:
        if _timer:
            _timer.cancel()
        _timer = None


def start_timer(*, retval: Any = None, **signal: Any) -> None:
    """A task has ended. retval: its result; False if it found nothing to do, so that the waiting
    time does not start anew."""
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
        if _timer:  # otherwise a task has begun
            runtime.give_memory_back()
            _due = None
