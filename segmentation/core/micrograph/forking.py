"""Children that are forked by a process that has imported what reads files (`forkserver`): a fork takes some
milliseconds, a new Python with its decoders longer than most files.

multiprocessing's forkserver (and billiard's, a copy of an earlier one) is not used: its server and children have the
environment of their parent with all keys, a process has only one, each child imports the program of its parent
(Celery) again, and none leads a group that can be killed with all that it started.
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

from ...location import ROOT
from .children import Child, Forked, NewProcess, environment

POSSIBLE = sys.platform == "linux"  # elsewhere libraries of the system do not survive a fork
TRIES = 2  # a server may have ended without our knowledge
START_SECONDS = 120.0  # on the clock, to import the programs and to fork; a busy machine is slow
END_SECONDS = 1.0  # on the clock, for a server to end by itself
IDLE_SECONDS = 180.0  # without a request, after which a server ends because of its memory
LONGEST = 64  # bytes of a message of a server: a number

INSPECT, UNPACKING, OCR = (f"{__package__}.{name}" for name in ("inspect", "unpacking", "ocr"))
IMPORTED = "segmentation.core.imported"


class ForkOfServer(Forked):
    """A child of a server. control: a socket on which the server says its exit status when it has ended. When we shut
    it, the server kills the child with all that it started. A server that dies takes its children with it."""

    def __init__(self, pid: int, output: int, errors: int, control: socket.socket) -> None:
        super().__init__(pid, output, errors)
        self._control = control

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            look = select.poll()
            look.register(self._control, select.POLLIN)
            if not look.poll(None if timeout is None else 1000 * timeout):
                raise subprocess.TimeoutExpired("a fork", timeout or 0.0)
            answer = self._control.recv(LONGEST)
            self.returncode = int(answer) if answer else -signal.SIGKILL
        return self.returncode

    def kill_group(self) -> None:
        with suppress(OSError):
            self._control.shutdown(socket.SHUT_WR)

    def __exit__(self, *error: object) -> None:
        super().__exit__()
        self._control.close()


class ForkServer:
    """A process that forks children that run `programs` (modules with `main(arguments)`), started when it is needed.

    It ends after IDLE_SECONDS without a request, and with this process. Several threads may use it.
    """

    def __init__(self, *programs: str) -> None:
        self._programs = programs
        self._stays = False
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        _servers.add(self)

    def start(self, program: str, arguments: Sequence[str], data: bytes = b"") -> Child:
        """A child that runs `program`, with `data` on its standard input; a new Python where none can be forked."""
        request = json.dumps([program, *arguments]).encode() + b"\n" + data
        for _ in range(TRIES if POSSIBLE else 0):
            with suppress(OSError):
                return self._fork(request)
        return NewProcess([sys.executable, "-m", program, *arguments], data)

    def keep(self) -> None:
        """Start the server now, where there is none, and let it stay also without requests."""
        with self._lock:
            if POSSIBLE and self.pid is None:
                self._end()
                self._stays = True
                self._requests()

    @property
    def pid(self) -> int | None:
        """Of the server, None while there is none."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def close(self) -> None:
        """End the server and its children, if there are any."""
        with self._lock:
            self._end()

    def _requests(self) -> socket.socket:
        """The socket on which the server takes requests; starts it where there is none."""
        if self._socket is None:
            self._socket, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            idle = "" if self._stays else str(IDLE_SECONDS)
            command = [sys.executable, "-m", f"{__package__}.forkserver", idle, *self._programs]
            with far:
                self._process = subprocess.Popen(
                    command,
                    cwd=ROOT,
                    env=environment(),
                    stdin=far.fileno(),
                    stdout=subprocess.DEVNULL,
                    start_new_session=True,  # out of reach of the terminal's Ctrl-C
                )
        return self._socket

    def _fork(self, request: bytes) -> Child:
        """A child that was forked for a request; raises OSError where the server has ended, or does not answer."""
        with ExitStack() as near, ExitStack() as far:
            to_input, to_output, to_errors = os.pipe(), os.pipe(), os.pipe()
            control, of_server = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            for end in (to_input[1], to_output[0], to_errors[0]):
                near.callback(os.close, end)
            for end in (to_input[0], to_output[1], to_errors[1]):
                far.callback(os.close, end)
            near.callback(control.close)
            far.callback(of_server.close)
            with self._lock:
                requests = self._requests()
                try:
                    ends = [to_input[0], to_output[1], to_errors[1], of_server.fileno()]
                    socket.send_fds(requests, [b"."], ends)
                except OSError:
                    self._end()
                    raise
            far.close()
            try:
                control.settimeout(START_SECONDS)
                pid = int(control.recv(LONGEST))
                control.settimeout(None)
            except (OSError, ValueError) as error:
                with self._lock:
                    if self._socket is requests:
                        self._end()
                raise ConnectionError("the server of forks has ended") from error
            if not pid:
                raise ConnectionError("the system gives the server no process")
            near.pop_all()
        child = ForkOfServer(pid, to_output[0], to_errors[0], control)
        with suppress(BrokenPipeError), os.fdopen(to_input[1], "wb") as pipe:  # a child that has died says so itself
            pipe.write(request)
        return child

    def _end(self) -> None:
        if self._socket and self._process:
            self._socket.close()
            try:
                self._process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._socket = self._process = None

    def forget(self) -> None:
        """In a fork of the process whose server this is: it is not ours."""
        if self._socket:
            self._socket.close()
        self._lock, self._socket, self._process = threading.Lock(), None, None


def has_one_thread() -> bool:
    """Whether this process can be forked safely."""
    return POSSIBLE and len([*Path("/proc/self/task").iterdir()]) == 1


def _forget_all() -> None:
    for server in _servers:
        server.forget()


def _close_all() -> None:
    for server in _servers:
        server.close()


_servers = WeakSet[ForkServer]()
atexit.register(_close_all)
if POSSIBLE:
    os.register_at_fork(after_in_child=_forget_all)

FILES = ForkServer(INSPECT, UNPACKING)
OUTLINES = ForkServer(IMPORTED)
TEXTS = ForkServer(INSPECT, OCR)  # with the networks that read text
