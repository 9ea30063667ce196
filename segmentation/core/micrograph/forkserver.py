"""`python -m segmentation.core.micrograph.forkserver IDLE MODULE ...`: import modules, then fork a child that runs one
of them for each request on standard input, a socket; `forking` starts this.

A request is four descriptors: standard input, output and errors of the child, and a socket on which its process number
and, when it has ended, its status are said. The child reads which program to run, so nothing of a user comes here: this
process opens no file of anybody. It has one thread, ends after IDLE seconds without work ("": never), and with the
process that started it.
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

DESCRIPTORS = 4


def main(arguments: Sequence[str]) -> int:
    """Import the modules that follow the idle seconds, and serve."""
    idle, *names = arguments
    requests = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.close(nothing)
    programs = {name: _program(name) for name in names}
    alone = _address_space()
    for program in programs.values():
        getattr(program, "preload", lambda: None)()
    # A new process of such a program has not loaded all this: it takes nothing of the memory that a file may take.
    confined.preloaded = _address_space() - alone
    gc.collect()
    gc.freeze()  # so that no child writes to the memory of what is there already, which is then shared
    _Server(requests, programs).serve(float(idle) if idle else None)
    return 0


class _Server:
    """requests: where they come from. programs: by the name that a request has."""

    def __init__(self, requests: socket.socket, programs: dict[str, ModuleType]) -> None:
        self._requests, self._programs = requests, programs
        self._controls = dict[int, socket.socket]()  # by the process number of the child
        self._events = selectors.DefaultSelector()

    def serve(self, idle: float | None) -> None:
        """Until the other end is shut, or nobody has asked for so many seconds."""
        ended, wake = os.pipe()
        for end in (ended, wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._events.register(ended, selectors.EVENT_READ)
        self._events.register(self._requests, selectors.EVENT_READ)
        try:
            while ready := self._events.select(None if self._controls else idle):
                for key, _ in ready:
                    if key.fileobj is self._requests:
                        if not self._fork():
                            return
                    elif key.fd == ended:
                        os.read(ended, 4096)
                        self._reap()
                    elif key.data in self._controls:  # nobody waits for this child any more
                        self._events.unregister(key.fileobj)
                        _kill(key.data)
        finally:
            for pid in self._controls:
                _kill(pid)

    def _fork(self) -> bool:
        """Fork a child for the next request; False if there will be none."""
        message, descriptors, _, _ = socket.recv_fds(self._requests, 1, DESCRIPTORS)
        if not message:
            return False
        if len(descriptors) == DESCRIPTORS:
            *streams, number = descriptors
            parent, control = os.getpid(), socket.socket(fileno=number)
            try:
                pid = os.fork()
            except OSError:  # no memory, or too many processes: the other children go on
                _say(control, 0)
                control.close()
            else:
                if not pid:
                    run_in_fork(partial(self._run, parent), streams)
                self._controls[pid] = control
                self._events.register(control, selectors.EVENT_READ, pid)
                _say(control, pid)
            descriptors = streams
        for descriptor in descriptors:
            os.close(descriptor)
        return True

    def _run(self, parent: int) -> int:
        """In the child: lead a group, end with the server, and do what the first line of its input says."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        with suppress(PermissionError):  # in the group of a reader that is confined already
            os.setsid()
        confined.end_with_parent()
        if os.getppid() != parent:
            return 1
        program, *arguments = json.loads(sys.stdin.buffer.readline())
        status: int = self._programs[program].main(arguments)
        return status

    def _reap(self) -> None:
        """Say the status of each child that has ended, and end what it started."""
        for pid in list(self._controls):
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                continue
            _kill(pid)  # while it is not waited for, no other process gets its number
            _, status = os.waitpid(pid, 0)
            control = self._controls.pop(pid)
            with suppress(KeyError):
                self._events.unregister(control)
            _say(control, os.waitstatus_to_exitcode(status))
            control.close()


def _program(name: str) -> ModuleType:
    module = importlib.import_module(name)
    return importlib.import_module(f"{name}.__main__") if hasattr(module, "__path__") else module


def _kill(pid: int) -> None:
    """A child with all that it started; it may not lead its group yet."""
    for kill in (os.kill, os.killpg):
        with suppress(ProcessLookupError):
            kill(pid, signal.SIGKILL)


def _say(control: socket.socket, number: int) -> None:
    with suppress(OSError):  # nobody listens
        control.send(b"%d" % number)


def _address_space() -> int:
    """Bytes that RLIMIT_AS counts of this process."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
