"""Networks of a GPU in one process, which calculates windows for its siblings: each of these would hold a context of
the device and the networks for itself, and use them for a twentieth of its time.

A window and its maps go through a socket. Windows wait for each other: torch's own convolutions calculate the pictures
of a batch one after another, and windows of two micrographs seldom have one size.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from typing import Any

from .cards import ModelCard
from .runtime import SERVER_KEY, Activation, Box, Maps, Picture, Runtime, load_network

START_SECONDS = 120.0  # until a server that starts, or starts again, answers
# A Linux socket without a file, so nothing is left behind. The rest of the key is secret.
ADDRESS = "\0deepsegm-{key:.16}"
WAITING = 64  # siblings that may connect at the same time
_one_at_a_time = threading.Lock()


class ServerGone(Exception):
    """The server ended while it calculated, most likely because memory is short. The message is a sentence."""

    def __init__(self) -> None:
        super().__init__("The process that calculates the networks ended: try again, or with a smaller image.")


def serve() -> None:
    """Calculate for the siblings until the process is killed."""
    key = os.environ.pop(SERVER_KEY)  # the networks of this process are its own
    with Listener(ADDRESS.format(key=key), backlog=WAITING, authkey=key.encode()) as listener:
        while True:
            with suppress(AuthenticationError, EOFError, OSError):  # of a sibling that is gone again
                threading.Thread(target=answer, args=[listener.accept()], daemon=True).start()


def answer(connection: Connection) -> None:
    """All questions of one sibling; what goes wrong is answered, too."""
    with connection, suppress(EOFError, OSError):
        while True:
            (card, runtime, maps), window = connection.recv()
            try:
                with _one_at_a_time:
                    network = load_network(card, runtime, maps)
                    reply: Any = network.maps(*window) if window else (network.engine, network.tile)
            except Exception as error:
                reply = error
            connection.send(reply)


class ServedNetwork:
    """A network of the server; `runtime.Network` says what it offers.

    Raises ServerGone, and as `load_network`. After ServerGone it waits for the server that follows.
    """

    def __init__(self, card: ModelCard, runtime: Runtime, maps: int) -> None:
        self._network = card, runtime, maps
        self._connection: Connection | None = None
        self.engine, self.tile = self._ask()

    def maps(self, pictures: Picture, box: Box, activation: Activation) -> Maps:
        levels: Maps = self._ask(pictures, box, activation)
        return levels

    def _ask(self, *window: Any) -> Any:
        connection = self._connection = self._connection or connected()
        try:
            connection.send((self._network, window))
            reply = connection.recv()
        except (EOFError, OSError):
            self._connection = None
            raise ServerGone from None
        if isinstance(reply, Exception):
            raise reply
        return reply


def connected() -> Connection:
    """A connection to the server, once it listens."""
    key, end = os.environ[SERVER_KEY], time.monotonic() + START_SECONDS
    while True:
        try:
            return Client(ADDRESS.format(key=key), authkey=key.encode())
        except (EOFError, ConnectionError):
            if time.monotonic() > end:
                raise ServerGone from None
            time.sleep(0.2)
