"""Filters and a formatter for the log. Each line names the request, or the database row that a
worker works on. A line that repeats is written only a few times a minute."""

from __future__ import annotations

import logging
import time
from contextvars import ContextVar
from typing import Any

# What the current thread works on.
request_id: ContextVar[str] = ContextVar("request_id", default="")
row: ContextVar[str] = ContextVar("row", default="")


class LogContext(logging.Filter):
    """Adds three fields to every record: `request`, the id of the request; `row`, such as "Job
    7a1f..."; and `context`, both together for a line. Each is "" if there is none."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request, record.row = request_id.get(), row.get()
        context = " ".join(filter(None, (record.request, record.row)))
        record.context = f" [{context}]" if context else ""
        return True


class LineFormatter(logging.Formatter):
    """Formats a record as one line. Line breaks and other invisible characters, for example in an
    address, are escaped as in Python. A traceback follows in indented lines, so that nobody can
    fake a record."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        return _visible(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802
        return _indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802
        return _indented(super().formatStack(stack_info))


def _visible(text: str) -> str:
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape", "replace").decode() for sign in text)


def _indented(text: str) -> str:
    return "\n".join(f"    {_visible(line)}" for line in text.splitlines())


class LogThrottle(logging.Filter):
    """Lets PER_MINUTE warnings and errors from each line of code pass a minute. The first record of
    the next minute states how many were left out. The traceback of a worker process that was killed
    is removed.

    Records with `each` (in logging's `extra`) all pass, because users are asked to report the numbers in them.
    """

    PER_MINUTE = 5
    SECONDS = 60.0  # length of the minute

    def __init__(self) -> None:
        super().__init__()
        # By file and line of code: the start of its minute, and how many records there were since.
        self._counts: dict[tuple[str, int], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING or getattr(record, "each", False):
            return True
        if record.exc_info and getattr(record.exc_info[0], "__name__", "") == "WorkerLostError":
            record.exc_info = None  # killing a process is no fault of the code
        code_line, now = (record.pathname, record.lineno), time.monotonic()
        since, count = self._counts.get(code_line, (now, 0))
        if now - since > self.SECONDS:
            left_out = count - self.PER_MINUTE
            since, count = now, 0
            if left_out > 0:
                record.msg = f"{record.getMessage()} ({left_out} more like this were left out)"
                record.args = ()
        self._counts[code_line] = since, count + 1
        return count < self.PER_MINUTE
