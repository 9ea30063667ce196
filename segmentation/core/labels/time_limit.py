"""How long work on corrections may take: one request must not hold a process of the site."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf

_end = ContextVar("the time.monotonic() at which work on corrections ends", default=inf)


class TooLong(Exception):
    """Work on corrections was given up, because its time was over."""


@contextmanager
def ending(end: float) -> Iterator[None]:
    """Whatever works on corrections in this block raises TooLong soon after time.monotonic() has reached `end`."""
    token = _end.set(end)
    try:
        yield
    finally:
        _end.reset(token)


def check_time() -> None:
    """Called in every loop whose length a caller chooses; raises TooLong."""
    if time.monotonic() > _end.get():
        raise TooLong
