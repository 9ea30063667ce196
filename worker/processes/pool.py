"""The pool of processes of a worker: Celery's own, but an idle process waits for work without a lock."""

from __future__ import annotations

from functools import partial
from typing import Any

from billiard.context import ForkContext
from billiard.pool import Pool
from billiard.queues import SimpleQueue
from celery.concurrency import prefork


class WaitingQueue(SimpleQueue):
    """A pipe from which several processes receive messages. A process takes the lock of the pipe
    only when there is a message; billiard's own queue takes it first and then waits.

    If a process that holds the lock is killed, no other process ever receives a message again.
    """

    def get_payload(self) -> bytes:
        """The bytes of the next message. Waits until there is one."""
        while True:
            self._reader.poll(None)
            with self._rlock:
                if self._reader.poll(0):
                    payload: bytes = self._reader.recv_bytes()
                    return payload


class WaitingContext(ForkContext):
    """The context of billiard that forks processes, with a `WaitingQueue` where it has a
    `SimpleQueue`."""

    def SimpleQueue(self) -> WaitingQueue:  # noqa: N802 - the name is that of billiard
        return WaitingQueue(ctx=self.get_context())


class TaskPool(prefork.TaskPool):
    """Celery's pool of processes with a `WaitingQueue`. Redis needs none: there each process has a
    pipe of its own."""

    BlockingPool: Any = partial(Pool, context=WaitingContext())
