"""A server of networks on a GPU: one process that calculates windows for all workers of a machine.

Without it each worker would need GPU memory for the driver's context and the networks, although it uses them only a
twentieth of its time.

A window and its maps go through a socket, in a folder that only this account can open. Nobody else can connect, so
there is no key, and no connection can block the server. Windows are calculated one after the other: a batch would not
be faster, and windows of two micrographs seldom have the same size.

The server may end, for example because a window needs too much memory. Each worker then sends its window to the next
server; a window that was being calculated is sent only once more.
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
# A server without a reply for so long is killed. A window and loading a network take seconds.
LONGEST_WAIT_SECONDS = 300.0
MOST_DEATHS = 2  # ServerGone is raised when so many servers ended while they calculated one window
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
    """Run the server in this process: calculate for the workers until the process is killed."""
    folder = Path(os.environ.pop(SERVER_FOLDER))  # without the variable `load_network` loads networks in this process
    (folder / PID).write_text(str(os.getpid()))
    (folder / SOCKET).unlink(missing_ok=True)  # left by the server before
    with Listener(str(folder / SOCKET), "AF_UNIX", backlog=MOST_WAITING) as listener:
        while True:
            with suppress(OSError):  # the worker has ended meanwhile
                threading.Thread(target=serve_worker, args=[listener.accept()], daemon=True).start()


def serve_worker(connection: Connection) -> None:
    """Answer all requests of one worker. For each request True is sent when the calculation begins, then the reply,
    which may be an exception."""
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
        self.engine, self.tile = self._request()

    def maps(self, pictures: Picture, box: Box, activation: Activation) -> Maps:
        levels: Maps = self._request(pictures, box, activation)
        return levels

    def rest(self) -> None:
        """Do nothing: the memory is the server's, and other workers may need it."""

    def _request(self, *window: Any) -> Any:
        reply = _server.request((self._network, window))
        if isinstance(reply, Exception):
            raise reply
        return reply


class _Server:
    """A worker's connection to the server, the same for all networks. It is made anew after an error."""

    def __init__(self) -> None:
        self._connection: Connection | None = None
        self._lock = threading.Lock()

    def request(self, message: Any) -> Any:
        """The server's reply, which may be an exception; raises ServerGone and ServerAway."""
        ended_servers = 0
        with self._lock:
            while ended_servers < MOST_DEATHS:
                has_begun = False
                try:
                    connection = self._connection = self._connection or connect_to_server()
                    with _time_limit():
                        connection.send(message)
                        has_begun = connection.recv()
                        return connection.recv()
                except (EOFError, OSError):
                    self._connection = None
                    ended_servers += has_begun
                except BaseException:  # else the late reply would be taken for the reply to the next request
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
def _time_limit() -> Iterator[None]:
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
