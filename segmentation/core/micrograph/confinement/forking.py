"""Starts children that read files as forks of a `ForkServer`, a process that has imported the decoders already.

A fork takes some milliseconds. Starting Python and importing the decoders takes longer than reading most files.

The forkserver of multiprocessing (and billiard's, which is a copy) is not used, for four reasons. Its server and
children get all environment variables of their parent, also the keys. A process can have only one server. Each child
imports the program of its parent (Celery) again. A child leads no group that can be killed with all that it started.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from weakref import WeakSet

from ....location import ROOT
from .children import Child, ForkedChild, NewProcess, environment

CAN_FORK = sys.platform == "linux"  # on other systems the libraries do not work after a fork
TRIES = 2  # the first attempt fails if the server has ended meanwhile
START_SECONDS = 120.0  # on the clock, to import the programs and to fork; a busy machine is slow
END_SECONDS = 1.0  # on the clock, for a server to end by itself
IDLE_SECONDS = 180.0  # a server without a request ends after this time, to free its memory
LONGEST_MESSAGE_BYTES = 64  # bytes of a message from a server, which is a number

# Names of the modules that a child runs.
INSPECT, UNPACKING, OCR = (f"segmentation.core.micrograph.{name}" for name in ("inspect", "unpacking", "scale_bar.ocr"))
IMPORTED = "segmentation.core.imported"


class ForkOfServer(ForkedChild):
    """A child that a server forked.

    control: a socket on which the server sends the exit status of the child. If this process shuts it down, the server
    kills the child and all that it started. Children end with their server.
    """

    def __init__(self, pid: int, output: int, errors: int, control: socket.socket) -> None:
        super().__init__(pid, output, errors)
        self._control = control

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            poll = select.poll()
            poll.register(self._control, select.POLLIN)
            if not poll.poll(None if timeout is None else 1000 * timeout):
                raise subprocess.TimeoutExpired("a fork", timeout or 0.0)
            answer = self._control.recv(LONGEST_MESSAGE_BYTES)
            self.returncode = int(answer) if answer else -signal.SIGKILL
        return self.returncode

    def kill_group(self) -> None:
        with suppress(OSError):
            self._control.shutdown(socket.SHUT_WR)

    def __exit__(self, *error: object) -> None:
        super().__exit__()
        self._control.close()


class ForkServer:
    """A process that forks children, which run one of `programs` (names of modules with `main(arguments)`).

    It is started when it is needed. It ends after IDLE_SECONDS without a request, and with this process. Several
    threads may use it.
    """

    def __init__(self, *programs: str) -> None:
        self._programs = programs
        self._never_idle = False
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        _servers.add(self)

    def start(self, program: str, arguments: Sequence[str], data: bytes = b"") -> Child:
        """A child that runs `program`, with `data` on its standard input; it is a new process if it cannot be
        forked."""
        request = json.dumps([program, *arguments]).encode() + b"\n" + data
        for _ in range(TRIES if CAN_FORK else 0):
            with suppress(OSError):
                return self._fork(request)
        return NewProcess([sys.executable, "-m", program, *arguments], data)

    def keep_running(self) -> None:
        """Start the server now if it does not run; it does not end after IDLE_SECONDS then."""
        with self._lock:
            if CAN_FORK and self.pid is None:
                self._end()
                self._never_idle = True
                self._start_server()

    @property
    def pid(self) -> int | None:
        """The process number of the server; None if it does not run."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def close(self) -> None:
        """End the server and its children, if it runs."""
        with self._lock:
            self._end()

    def _start_server(self) -> socket.socket:
        """Start the server if it does not run; returns the socket on which it takes requests."""
        if self._socket is None:
            self._socket, server_socket = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            idle = "" if self._never_idle else str(IDLE_SECONDS)
            command = [sys.executable, "-m", f"{__package__}.forkserver", idle, *self._programs]
            with server_socket:
                self._process = subprocess.Popen(
                    command,
                    cwd=ROOT,
                    env=environment(),
                    stdin=server_socket.fileno(),
                    stdout=subprocess.DEVNULL,
                    start_new_session=True,  # so that Ctrl-C in the terminal does not end it
                )
        return self._socket

    def _fork(self, request: bytes) -> Child:
        """A child that the server forks for a request; raises OSError if the server has ended, or does not answer."""
        with ExitStack() as own_ends, ExitStack() as server_ends:
            to_input, to_output, to_errors = os.pipe(), os.pipe(), os.pipe()
            control, server_control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            for end in (to_input[1], to_output[0], to_errors[0]):
                own_ends.callback(os.close, end)
            for end in (to_input[0], to_output[1], to_errors[1]):
                server_ends.callback(os.close, end)
            own_ends.callback(control.close)
            server_ends.callback(server_control.close)
            with self._lock:
                requests = self._start_server()
                try:
                    ends = [to_input[0], to_output[1], to_errors[1], server_control.fileno()]
                    socket.send_fds(requests, [b"."], ends)
                except OSError:
                    self._end()
                    raise
            server_ends.close()
            try:
                control.settimeout(START_SECONDS)
                pid = int(control.recv(LONGEST_MESSAGE_BYTES))
                control.settimeout(None)
            except (OSError, ValueError) as error:
                with self._lock:
                    if self._socket is requests:
                        self._end()
                raise ConnectionError("the server of forks has ended") from error
            if not pid:
                raise ConnectionError("the system gives the server no process")
            own_ends.pop_all()  # the child keeps them
        child = ForkOfServer(pid, to_output[0], to_errors[0], control)
        with (
            suppress(BrokenPipeError),
            os.fdopen(to_input[1], "wb") as pipe,
        ):  # if the child died, `wait` gives its status
            pipe.write(request)
        return child

    def _end(self) -> None:
        """End the server. The caller holds the lock."""
        if self._socket and self._process:
            self._socket.close()
            try:
                self._process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._socket = self._process = None

    def forget(self) -> None:
        """Drop the server in a fork of the process that started it: the fork must not use it."""
        if self._socket:
            self._socket.close()
        self._lock, self._socket, self._process = threading.Lock(), None, None


def has_one_thread() -> bool:
    """Whether this process can be forked safely."""
    return CAN_FORK and len([*Path("/proc/self/task").iterdir()]) == 1


def _forget_all() -> None:
    for server in _servers:
        server.forget()


def _close_all() -> None:
    for server in _servers:
        server.close()


_servers = WeakSet[ForkServer]()
atexit.register(_close_all)
if CAN_FORK:
    os.register_at_fork(after_in_child=_forget_all)

# The servers of this process: their children read files, outlines, or files and the texts in them.
FILE_SERVER = ForkServer(INSPECT, UNPACKING)
OUTLINE_SERVER = ForkServer(IMPORTED)
TEXT_SERVER = ForkServer(INSPECT, OCR)  # preloads the networks that recognise text
