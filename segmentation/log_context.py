"""Which request, and which row of a worker, a line of the log belongs to."""

from __future__ import annotations

import logging
from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")
row: ContextVar[str] = ContextVar("row", default="")


class LogContext(logging.Filter):
    """Gives every record `request` and `row`, such as "Job 7a1f...", "" where there is none; `context` for a line."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request, record.row = request_id.get(), row.get()
        context = " ".join(filter(None, (record.request, record.row)))
        record.context = f" [{context}]" if context else ""
        return True
