"""A network held by another process, the batcher, which predicts the windows of several jobs at once."""

from __future__ import annotations

import errno
import threading
import time
from contextlib import suppress
from multiprocessing.connection import Client, Connection
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from .cards import ModelCard, SilentDevice
from .parts import IN_PARTS, Box

Activation = Literal["sigmoid", "softmax"]
WAITS = (0.2, 1.0, 2.0, 4.0, 8.0, 15.0)  # s between tries: a batcher that ended starts again within some seconds
LONGEST = 300.0  # s for one answer
MOST_LOST = 3  # connections; a window that always kills the batcher must not come back for ever


class Window(NamedTuple):
    """What one message asks for. picture: (C, H, W) float32 in 0..1. kept: the part of it whose maps are wanted. total:
    px of the whole picture."""

    card: ModelCard
    maps: int
    activation: Activation
    picture: NDArray[np.float32]
    kept: Box
    total: int


class SharedNetwork(nn.Module):
    """Stands for the card's network of so many maps at the batcher's address, a socket. Each thread has a connection
    of its own."""

    def __init__(self, card: ModelCard, maps: int, address: str) -> None:
        super().__init__()
        self.card, self.maps, self.address = card, maps, address
        self._own = threading.local()
        setattr(self, IN_PARTS, card.architecture.get("name") == "unet")

    def predict(self, picture: NDArray[np.float32], kept: Box, activation: Activation, total: int) -> NDArray[np.uint8]:
        """The maps (M, h, w) of the part `kept` of a window. If the batcher ends, the window is sent to the next one.

        Raises what loading or predicting raised there, SilentDevice when no batcher answers, and RuntimeError when
        several have ended over this window.
        """
        window, lost = Window(self.card, self.maps, activation, picture, kept, total), 0
        for wait in (*WAITS, None):
            try:
                answer = self._ask(window)
                break
            except (EOFError, OSError) as error:
                lost += not isinstance(error, ConnectionRefusedError | FileNotFoundError | TimeoutError)
                if lost == MOST_LOST:
                    raise RuntimeError(f"The batcher ended {lost} times while it had this window.") from error
                if wait is None or isinstance(error, TimeoutError):
                    raise SilentDevice(errno.ECONNREFUSED, "the batcher does not answer") from error
                time.sleep(wait)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _ask(self, window: Window) -> NDArray[np.uint8] | Exception:
        try:
            if not hasattr(self._own, "connection"):
                self._own.connection = Client(self.address, "AF_UNIX")
            connection: Connection = self._own.connection
            connection.send(window)
            if not connection.poll(LONGEST):
                raise TimeoutError
            answer: NDArray[np.uint8] | Exception = connection.recv()
            return answer
        except BaseException:  # also a time limit: the next window must not receive a late answer
            with suppress(AttributeError, OSError):
                self._own.connection.close()
                del self._own.connection
            raise
