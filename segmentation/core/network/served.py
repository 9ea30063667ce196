"""A server of networks on a GPU: one process that calculates windows for the others (its siblings, the workers).

Otherwise each worker would need memory of the GPU for the driver's context and the networks, and use them a twentieth
of its time.

A window and its maps go through a socket, in a folder that only this account can open. Nobody else can connect, so
there is no key, and no connection can block the server. Windows are calculated one after the other: a batch would not
be faster, and windows of two micrographs seldom have the same size.

The server may end, for example because a window needs too much memory. A worker sends a window that only waited to the
next server; a window that was being calculated gets one more try.
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

START_SECONDS = 120.0  # time in which a server must have started
LONGEST_WAIT_SECONDS = (
    300.0  # a server without an answer for so long is killed; a window takes seconds, loading a network, too
)
MOST_DEATHS = 2  # a window is given up when so many servers ended while they calculated it
SOCKET, PID = "socket", "pid"  # names of files in SERVER_FOLDER
MOST_WAITING = 64  # workers that may connect at the same time
_one_at_a_time = threading.Lock()


class ServerGone(Exception):
    """Servers ended twice while they calculated one window, most likely because memory is short. The message is a
    sentence for the user."""

    def __init__(self) -> None:
        super().__init__("The process that calculates the networks ended: try again, or with a smaller image.")


class ServerAway(Exception):
    """No server listens: a fault of the machine, not of the image."""


def serve() -> None:
    """Be the server: calculate for the workers until the process is killed."""
    folder = Path(os.environ.pop(SERVER_FOLDER))  # without the variable `load_network` loads networks in this process
    (folder / PID).write_text(str(os.getpid()))
    (folder / SOCKET).unlink(missing_ok=True)  # left by the server before
    with Listener(str(folder / SOCKET), "AF_UNIX", backlog=MOST_WAITING) as listener:
        while True:
            with suppress(OSError):  # the worker has ended meanwhile
                threading.Thread(target=serve_worker, args=[listener.accept()], daemon=True).start()


def serve_worker(connection: Connection) -> None:
    """Answer all questions of one worker. Each gets True when the calculation begins, then the answer or an error."""
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
    """A network that the server calculates, as a `runtime.Network`.

    Raises ServerGone, ServerAway, and what `load_network` raises.
    """

    def __init__(self, card: ModelCard, runtime: Runtime, maps: int) -> None:
        self._network = card, runtime, maps
        self.engine, self.tile = self._ask()

    def maps(self, pictures: Picture, box: Box, activation: Activation) -> Maps:
        levels: Maps = self._ask(pictures, box, activation)
        return levels

    def rest(self) -> None:
        """Do nothing: the memory is the server's, and other workers may need it."""

    def _ask(self, *window: Any) -> Any:
        reply = _server.ask((self._network, window))
        if isinstance(reply, Exception):
            raise reply
        return reply


class _Server:
    """A worker's connection to the server, the same for all networks. It is made anew after an error."""

    def __init__(self) -> None:
        self._connection: Connection | None = None
        self._lock = threading.Lock()

    def ask(self, question: Any) -> Any:
        """The server's answer, which may be an exception; raises ServerGone and ServerAway."""
        deaths = 0
        with self._lock:
            while deaths < MOST_DEATHS:
                has_begun = False
                try:
                    connection = self._connection = self._connection or connect_to_server()
                    with _killing_what_hangs():
                        connection.send(question)
                        has_begun = connection.recv()
                        return connection.recv()
                except (EOFError, OSError):
                    self._connection = None
                    deaths += has_begun
                except BaseException:  # else the answer that is still to come would be taken for the next question's
                    self._connection = None
                    raise
        raise ServerGone


_server = _Server()


def connect_to_server() -> Connection:
    """A connection to the server; waits up to START_SECONDS until it listens. Raises ServerAway."""
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
    """Kill the server if the block takes longer than LONGEST_WAIT_SECONDS, so that the workers can go on with a new
    one."""
    timer = threading.Timer(LONGEST_WAIT_SECONDS, _kill)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _kill() -> None:
    with suppress(OSError, ValueError):  # the server has ended meanwhile
        os.kill(int(Path(os.environ[SERVER_FOLDER], PID).read_text()), signal.SIGKILL)
