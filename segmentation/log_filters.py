"""Lines of the log and their filters: which request, and which row of a worker, a line belongs to; and a line that
repeats is written a few times a minute, so that the log stays readable."""

from __future__ import annotations

import logging
import time
from contextvars import ContextVar
from typing import Any

request_id: ContextVar[str] = ContextVar("request_id", default="")
row: ContextVar[str] = ContextVar("row", default="")


class LogContext(logging.Filter):
    """Gives every record `request` and `row`, such as "Job 7a1f...", "" where there is none; `context` for a line."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request, record.row = request_id.get(), row.get()
        context = " ".join(filter(None, (record.request, record.row)))
        record.context = f" [{context}]" if context else ""
        return True


class LineFormatter(logging.Formatter):
    """One record, one line: line breaks and other signs that cannot be seen, such as those of an address, are written
    as in Python. A traceback follows in lines that begin with blanks, so that none is taken for a record."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        return _visible(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802
        return _indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802
        return _indented(super().formatStack(stack_info))


def _visible(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "replace").decode() for c in text)


def _indented(text: str) -> str:
    return "\n".join(f"    {_visible(line)}" for line in text.splitlines())


class LogThrottle(logging.Filter):
    """Passes PER_MINUTE warnings and errors of each line of code a minute; the next that passes says how many others
    there were. The traceback of a lost child goes.

    Records with `each` (in logging's `extra`) all pass, because users are asked to report the numbers in them.
    """

    PER_MINUTE = 5
    SECONDS = 60.0

    def __init__(self) -> None:
        super().__init__()
        self._passed: dict[tuple[str, int], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING or getattr(record, "each", False):
            return True
        if record.exc_info and getattr(record.exc_info[0], "__name__", "") == "WorkerLostError":
            record.exc_info = None  # a child that was ended is no fault of the code
        kind, now = (record.pathname, record.lineno), time.monotonic()
        since, count = self._passed.get(kind, (now, 0))
        if now - since > self.SECONDS:
            left_out = count - self.PER_MINUTE
            since, count = now, 0
            if left_out > 0:
                record.msg = f"{record.getMessage()} ({left_out} more like this were left out)"
                record.args = ()
        self._passed[kind] = since, count + 1
        return count < self.PER_MINUTE
