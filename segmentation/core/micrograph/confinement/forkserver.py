"""The program that a `forking.ForkServer` runs: it imports modules, then forks children that run one of them.

`python -m segmentation.core.micrograph.confinement.forkserver IDLE MODULE ...` takes requests on its standard input,
a socket. A
request is four descriptors: standard input, output and errors of the child, and a socket on which this process sends
the child's process number and, at its end, its exit status. Only the child reads which module to run, so this process
reads nothing that comes from a user. It has one thread. It ends after IDLE seconds without a child or request (never
if IDLE is ""), and with the process that started it.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import selectors
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import ModuleType

from . import confined
from .children import run_in_fork

DESCRIPTORS = 4  # of a request


def main(arguments: Sequence[str]) -> int:
    """Import the modules and take requests. arguments: IDLE, then the names of the modules. Returns the exit status
    0."""
    idle, *names = arguments
    requests = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.close(null)
    programs = {name: _program(name) for name in names}
    before = _address_space()
    for program in programs.values():
        getattr(program, "preload", lambda: None)()
    # Preloaded modules do not count against the memory that a file may take, as a new process would not have them.
    confined.preloaded_bytes = _address_space() - before
    gc.collect()
    gc.freeze()  # so that children do not write to the objects that exist now, and share their memory
    _Server(requests, programs).serve(float(idle) if idle else None)
    return 0


class _Server:
    """The main loop of this process. requests: the socket. programs: modules by the name that a request gives."""

    def __init__(self, requests: socket.socket, programs: dict[str, ModuleType]) -> None:
        self._requests, self._programs = requests, programs
        self._controls = dict[int, socket.socket]()  # by process number of the child
        self._events = selectors.DefaultSelector()

    def serve(self, idle_seconds: float | None) -> None:
        """Take requests until the other end is closed, or until there was no work for `idle_seconds` (None: for
        ever)."""
        child_ended, wake = os.pipe()
        for end in (child_ended, wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._events.register(child_ended, selectors.EVENT_READ)
        self._events.register(self._requests, selectors.EVENT_READ)
        try:
            while ready := self._events.select(None if self._controls else idle_seconds):
                for key, _ in ready:
                    if key.fileobj is self._requests:
                        if not self._fork():
                            return
                    elif key.fd == child_ended:
                        os.read(child_ended, 4096)
                        self._reap()
                    elif key.data in self._controls:  # nobody waits for this child any more
                        self._events.unregister(key.fileobj)
                        _kill(key.data)
        finally:
            for pid in self._controls:
                _kill(pid)

    def _fork(self) -> bool:
        """Fork a child for the next request; returns False if there are no more requests."""
        message, descriptors, _, _ = socket.recv_fds(self._requests, 1, DESCRIPTORS)
        if not message:
            return False
        if len(descriptors) == DESCRIPTORS:
            *streams, number = descriptors
            parent, control = os.getpid(), socket.socket(fileno=number)
            try:
                pid = os.fork()
            except OSError:  # no memory, or too many processes; the other children run on
                _send_number(control, 0)
                control.close()
            else:
                if not pid:
                    run_in_fork(partial(self._run, parent), streams)
                self._controls[pid] = control
                self._events.register(control, selectors.EVENT_READ, pid)
                _send_number(control, pid)
            descriptors = streams
        for descriptor in descriptors:
            os.close(descriptor)
        return True

    def _run(self, parent: int) -> int:
        """In the child: become the leader of a group, and run the program that the first line of its input names.

        parent: process number of the server, with which the child ends."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        with suppress(PermissionError):  # if the server was started by a confined reader
            os.setsid()
        confined.end_with_parent()
        if os.getppid() != parent:
            return 1
        program, *arguments = json.loads(sys.stdin.buffer.readline())
        status: int = self._programs[program].main(arguments)
        return status

    def _reap(self) -> None:
        """Send the status of each child that has ended, and kill what it started."""
        for pid in list(self._controls):
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                continue
            _kill(pid)  # before waitpid, so that no other process has its number yet
            _, status = os.waitpid(pid, 0)
            control = self._controls.pop(pid)
            with suppress(KeyError):
                self._events.unregister(control)
            _send_number(control, os.waitstatus_to_exitcode(status))
            control.close()


def _program(name: str) -> ModuleType:
    """The module of this name; the `__main__` of a package."""
    module = importlib.import_module(name)
    return importlib.import_module(f"{name}.__main__") if hasattr(module, "__path__") else module


def _kill(pid: int) -> None:
    """Kill a child and all that it started; it may not lead its group yet."""
    for kill in (os.kill, os.killpg):
        with suppress(ProcessLookupError):
            kill(pid, signal.SIGKILL)


def _send_number(control: socket.socket, number: int) -> None:
    with suppress(OSError):  # nobody listens
        control.send(b"%d" % number)


def _address_space() -> int:
    """The address space of this process in bytes, as RLIMIT_AS counts it."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
