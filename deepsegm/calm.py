"""A log that stays readable: what is said again and again is said a few times a minute."""

from __future__ import annotations

import logging
import time


class Calm(logging.Filter):
    """Lets through so many records a minute of one kind, that is of one line of code, and then counts them.

    Those with `each` (logging's `extra`) all pass: users are told to report their numbers.
    """

    A_MINUTE = 5
    SECONDS = 60.0

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, int], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING or getattr(record, "each", False):
            return True
        if record.exc_info and getattr(record.exc_info[0], "__name__", "") == "WorkerLostError":
            record.exc_info = None  # a child was ended, as for a job that was cancelled: no line of code is to blame
        kind, now = (record.pathname, record.lineno), time.monotonic()
        since, count = self._said.get(kind, (now, 0))
        if now - since > self.SECONDS:
            left_out = count - self.A_MINUTE
            since, count = now, 0
            if left_out > 0:
                record.msg = f"{record.getMessage()} ({left_out} more like this were left out)"
                record.args = ()
        self._said[kind] = since, count + 1
        return count < self.A_MINUTE
