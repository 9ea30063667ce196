"""The time limit for corrections, so that a single request cannot occupy a process of the site for long."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf

_end = ContextVar("the time.monotonic() at which work on corrections ends", default=inf)


class TooLong(Exception):
    """Work on corrections was stopped by its time limit."""


@contextmanager
def time_limit(end: float) -> Iterator[None]:
    """A context in which work on corrections raises TooLong soon after time.monotonic() has reached `end`."""
    token = _end.set(end)
    try:
        yield
    finally:
        _end.reset(token)


def check_time() -> None:
    """Raises TooLong if the time is over. Every loop whose length depends on a sent operation calls it."""
    if time.monotonic() > _end.get():
        raise TooLong
