"""Networks of a GPU in one process, which calculates windows for its siblings: each of these would hold a context of
the device and the networks for itself, and use them for a twentieth of its time.

A window and its maps go through a socket, in a folder that only this account can open: the system lets nobody else
connect, so there is no key, and nobody whose greeting the server would wait for. Windows wait for each other: torch's
own convolutions calculate the pictures of a batch one after another, and windows of two micrographs seldom have one
size.

The server may die, by a window that needs too much memory or by no fault of any. A sibling whose window only waited
sends it to the server that follows; a window that was being calculated gets a second try.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

from .cards import ModelCard
from .runtime import SERVER_FOLDER, Activation, Box, Maps, Picture, Runtime, load_network

START_SECONDS = 120.0  # until a server that starts, or starts again, answers
HANGS_SECONDS = 300.0  # without an answer, after which the server is killed: a window takes seconds, a network to load
MOST_DEATHS = 2  # of servers that calculated one window
SOCKET, PID = "socket", "pid"  # files of the folder
WAITING = 64  # siblings that may connect at the same time
_one_at_a_time = threading.Lock()


class ServerGone(Exception):
    """The server ended twice while it calculated one window, most likely because memory is short. The message is a
    sentence."""

    def __init__(self) -> None:
        super().__init__("The process that calculates the networks ended: try again, or with a smaller image.")


class ServerAway(Exception):
    """No server listens: a fault of the machine, which no image is to blame for."""


def serve() -> None:
    """Calculate for the siblings until the process is killed."""
    folder = Path(os.environ.pop(SERVER_FOLDER))  # the networks of this process are its own
    (folder / PID).write_text(str(os.getpid()))
    (folder / SOCKET).unlink(missing_ok=True)  # of the server before
    with Listener(str(folder / SOCKET), "AF_UNIX", backlog=WAITING) as listener:
        while True:
            with suppress(OSError):  # of a sibling that is gone again
                threading.Thread(target=answer, args=[listener.accept()], daemon=True).start()


def answer(connection: Connection) -> None:
    """All questions of one sibling: True when the turn of its window has come, then the answer, or what went wrong."""
    with connection, suppress(EOFError, OSError):
        while True:
            (card, runtime, maps), window = connection.recv()
            with _one_at_a_time:
                connection.send(True)
                try:
                    network = load_network(card, runtime, maps)
                    reply: Any = network.maps(*window) if window else (network.engine, network.tile)
                except Exception as error:
                    reply = error
            connection.send(reply)


class ServedNetwork:
    """A network of the server; `runtime.Network` says what it offers.

    Raises ServerGone, ServerAway, and as `load_network`.
    """

    def __init__(self, card: ModelCard, runtime: Runtime, maps: int) -> None:
        self._network = card, runtime, maps
        self.engine, self.tile = self._ask()

    def maps(self, pictures: Picture, box: Box, activation: Activation) -> Maps:
        levels: Maps = self._ask(pictures, box, activation)
        return levels

    def rest(self) -> None:
        """The server has the memory, also for siblings that work."""

    def _ask(self, *window: Any) -> Any:
        reply = _server.ask((self._network, window))
        if isinstance(reply, Exception):
            raise reply
        return reply


class _Server:
    """The server as a sibling sees it: one connection for all networks, made anew for all of them."""

    def __init__(self) -> None:
        self._connection: Connection | None = None
        self._lock = threading.Lock()

    def ask(self, question: Any) -> Any:
        """The answer; raises ServerGone and ServerAway."""
        deaths = 0
        with self._lock:
            while deaths < MOST_DEATHS:
                has_begun = False
                try:
                    connection = self._connection = self._connection or connected()
                    with _killing_what_hangs():
                        connection.send(question)
                        has_begun = connection.recv()
                        return connection.recv()
                except (EOFError, OSError):
                    self._connection = None
                    deaths += has_begun
                except BaseException:  # an answer that nobody waits for must not be taken for the next one
                    self._connection = None
                    raise
        raise ServerGone


_server = _Server()


def connected() -> Connection:
    """A connection to the server, once it listens."""
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            return Client(str(Path(os.environ[SERVER_FOLDER], SOCKET)), "AF_UNIX")
        except (EOFError, OSError):
            if time.monotonic() > end:
                raise ServerAway("the process that calculates the networks does not start") from None
            time.sleep(0.2)


@contextmanager
def _killing_what_hangs() -> Iterator[None]:
    """End the server if the block takes longer than HANGS_SECONDS: then this and all other siblings go on."""
    timer = threading.Timer(HANGS_SECONDS, _kill)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _kill() -> None:
    with suppress(OSError, ValueError):  # where it has ended meanwhile
        os.kill(int(Path(os.environ[SERVER_FOLDER], PID).read_text()), signal.SIGKILL)
