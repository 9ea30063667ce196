"""The batcher: one process holds the networks on its device and predicts windows of several jobs in one batch.

    a job's process ──window──> its thread here ──> waiting windows ──batch of equal shape──> device
                    <──maps────        │       <────────────────────── maps ──────────────────┘

Each process waits in a connection of its own, so that one that is killed takes no other's window along. A batch that
fails is repeated window by window, so that only the window that fails gets the error.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Listener

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError
from .inference import forward
from .runtime import Runtime, load_network
from .shared import Window

Maps = NDArray[np.uint8]
Work = Callable[[Sequence[Window]], Sequence[Maps]]


@dataclass(frozen=True, eq=False)
class Waiting:
    """A window that waits for its batch, since `arrived` (s)."""

    window: Window
    maps: Future[Maps] = field(default_factory=Future)
    arrived: float = field(default_factory=time.monotonic)

    @property
    def kind(self) -> tuple[object, ...]:
        """Only windows of one kind fit into one batch."""
        card, maps, activation, picture, kept, _ = self.window
        return card.sha256, str(card.architecture), maps, activation, picture.shape, str(kept)


class Batcher:
    """Collects windows and gives them to the device.

    work: predicts windows of one kind. size: of a batch at most. delay: s that a window waits for others of its kind.
    patience: s that a window of a large picture gives way to those of smaller ones; 0: in the order of arrival.
    """

    def __init__(self, work: Work, *, size: int, delay: float, patience: float) -> None:
        self._work, self._size, self._delay, self._patience = work, size, delay, patience
        self._waiting: list[Waiting] = []
        self._asking = 0  # connections whose process is there
        self._free = 0.0  # since when the device is free: whoever gets an answer sends the next window right after it
        self._changed = threading.Condition()

    def serve(self, listener: Listener) -> None:
        """Accept connections and predict, until the process ends."""
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        while True:
            self._predict(self._next())
            self._free = time.monotonic()

    def _accept(self, listener: Listener) -> None:
        while True:
            connection = listener.accept()
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: Connection) -> None:
        """Answer one connection, window by window, until its process is gone."""
        with self._changed:
            self._asking += 1
        try:
            with connection:
                while True:
                    waiting = Waiting(connection.recv())
                    with self._changed:
                        self._waiting.append(waiting)
                        self._changed.notify()
                    error = waiting.maps.exception()
                    connection.send(_sendable(error) if error else waiting.maps.result())
        except (EOFError, OSError):
            pass
        finally:
            with self._changed:
                self._asking -= 1
                self._changed.notify()

    def _next(self) -> list[Waiting]:
        """The next batch: complete, or of everything that anybody can send just now, or `delay` old."""
        with self._changed:
            while True:
                while not self._waiting:
                    self._changed.wait()
                now = time.monotonic()
                ordered = sorted(self._waiting, key=lambda each: self._rank(each, now))
                batch = [each for each in ordered if each.kind == ordered[0].kind][: self._size]
                left = max(self._free, min(each.arrived for each in batch)) + self._delay - now
                if len(batch) == self._size or len(ordered) >= self._asking or left <= 0:
                    self._waiting = [each for each in self._waiting if each not in batch]
                    return batch
                self._changed.wait(left)

    def _rank(self, waiting: Waiting, now: float) -> tuple[bool, int, float]:
        gives_way = now - waiting.arrived < self._patience
        return gives_way, waiting.window.total if gives_way else 0, waiting.arrived

    def _predict(self, batch: Sequence[Waiting]) -> None:
        try:
            for each, maps in zip(batch, self._work([each.window for each in batch]), strict=True):
                each.maps.set_result(maps)
        except Exception as error:
            if len(batch) == 1:
                batch[0].maps.set_exception(error)
                return
            for each in batch:
                self._predict([each])


def _sendable(error: BaseException) -> Exception:
    """An error that every process can read."""
    return error if isinstance(error, UserError) else RuntimeError(f"{type(error).__name__}: {error}")


def on_device(runtime: Runtime) -> Work:
    """The work of a real device."""

    def work(windows: Sequence[Window]) -> Sequence[Maps]:
        first = windows[0]
        network = load_network(first.card, runtime, first.maps)
        pictures = np.stack([each.picture for each in windows])
        return list(forward(network, pictures, first.kept, first.activation, runtime))

    return work
