"""An S3 store that may not answer: only some threads of a process wait for it, and not for long."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ConnectionError as NoConnection
from botocore.exceptions import HTTPClientError
from storages.backends.s3 import S3Storage

AT_ONCE = 8  # threads of a process that may wait for the store; the web process has 16
TURN_SECONDS = 2.0  # in which a thread gets its turn, or fails
PAUSE_SECONDS = 5.0  # for so long after the store did not answer, nobody asks it
AWAY = "The store does not answer."


class StoreTurns:
    """The turns of threads to ask a store. While it does not answer, all but one of them fail at once."""

    def __init__(self) -> None:
        self._threads = threading.BoundedSemaphore(AT_ONCE)
        self._away_until = 0.0  # monotonic; 0: it answered the last question

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A block that asks the store. Raises OSError if the store is away or too many threads wait for it, and
        what the block raises."""
        if time.monotonic() < self._away_until or not self._threads.acquire(timeout=TURN_SECONDS):
            raise OSError(errno.ETIMEDOUT, AWAY)
        try:
            if self._away_until:  # others fail while this thread tries
                self._away_until = time.monotonic() + PAUSE_SECONDS
            yield
            self._away_until = 0.0
        except (NoConnection, HTTPClientError):
            self._away_until = time.monotonic() + PAUSE_SECONDS
            raise
        finally:
            self._threads.release()


_turns = StoreTurns()


class LimitedS3Storage(S3Storage):
    """django-storages' S3 storage, whose methods take turns. A file that is opened for reading is fetched at
    once."""

    def _open(self, name: str, mode: str = "rb") -> Any:
        with _turns.turn():
            file = super()._open(name, mode)
            return file.open() if "r" in mode else file

    def _save(self, name: str, content: Any) -> Any:
        with _turns.turn():
            return super()._save(name, content)

    def delete(self, name: str) -> None:
        with _turns.turn():
            super().delete(name)

    def exists(self, name: str) -> bool:
        with _turns.turn():
            return bool(super().exists(name))

    def listdir(self, name: str) -> Any:
        with _turns.turn():
            return super().listdir(name)
