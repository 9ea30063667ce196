"""Child processes that read foreign files: how each is started, what it knows, and what it says."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import IO, NoReturn, Self

from ...location import ROOT

# The variables of our environment that a child gets. No key, password or address of the site is among them.
PASSED = ("PATH", "LANG", "TZ", "HOME", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
PASSED_BEGINNINGS = ("LC_", "PYTHON", "OMP_")
# A child multiplies no matrices, threads take time to start, and a process that has some cannot be forked.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENCV_FOR_THREADS_NUM": "1"}
LOOK_SECONDS = 0.2  # between two looks at a child, and at whether anybody still wants its answer
MOST_SAID, LAST_ERRORS = 2**25, 2000  # bytes that a child may say, as of 100,000 outlines; kept of its errors
MOST_OPEN = 4096  # files that a process which forks readers has open: a handful, and one for each child


class Late(Exception):
    """A child did not end in time on the clock."""


class Endless(Exception):
    """A child says more than any may say."""


class NewProcess(subprocess.Popen[bytes]):
    """A child that is started by a command line, with `data` on its standard input."""

    def __init__(self, command: Sequence[str], data: bytes = b"") -> None:
        with tempfile.TemporaryFile() as file:
            file.write(data)
            file.seek(0)
            streams = {"stdin": file, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            super().__init__(command, cwd=ROOT, env=environment(), start_new_session=True, **streams)  # type: ignore[call-overload]

    def kill_group(self) -> None:
        """End it with all that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


class Forked:
    """A child that was forked, with the names of subprocess.Popen. output, errors: the near ends of its pipes."""

    def __init__(self, pid: int, output: int, errors: int) -> None:
        self.pid = pid
        self.stdout: IO[bytes] | None = os.fdopen(output, "rb", 0)
        self.stderr: IO[bytes] | None = os.fdopen(errors, "rb", 0)
        self.returncode: int | None = None

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        raise NotImplementedError

    def kill_group(self) -> None:
        """End it with all that it started."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for pipe in (self.stdout, self.stderr):
            assert pipe
            pipe.close()
        self.wait()


Child = NewProcess | Forked


class ForkOfThis(Forked):
    """A fork of this process, which must have one thread: it does `work`, and ends with the status that it returns."""

    def __init__(self, work: Callable[[], int]) -> None:
        (output, to_output), (errors, to_errors) = os.pipe(), os.pipe()
        nothing = os.open(os.devnull, os.O_RDONLY)
        pid = os.fork()
        if not pid:
            become(work, (nothing, to_output, to_errors))
        for end in (nothing, to_output, to_errors):
            os.close(end)
        super().__init__(pid, output, errors)

    def wait(self, timeout: float | None = None) -> int:
        began = time.monotonic()
        while self.returncode is None:
            pid, status = os.waitpid(self.pid, 0 if timeout is None else os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
            elif timeout is not None and time.monotonic() - began >= timeout:
                raise subprocess.TimeoutExpired("a fork", timeout)
            else:
                time.sleep(0.01)
        return self.returncode

    def kill_group(self) -> None:
        """It starts nothing, and may not leave the group of a confined process."""
        if self.returncode is None:
            os.kill(self.pid, signal.SIGKILL)


def become(work: Callable[[], int], streams: Sequence[int]) -> NoReturn:
    """In a fork: have these standard input, output and errors and nothing else that is open, do `work`, end."""
    status = 1
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.closerange(len(streams), MOST_OPEN)
        # The parent's may hold what it has not written yet, or be others than these.
        # They close nothing when they go: a fork of this one has the same numbers.
        sys.stdin, sys.stdout, sys.stderr = (os.fdopen(at, mode, closefd=False) for at, mode in enumerate("rww"))
        status = work()
        sys.stdout.flush()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(status)


def environment() -> dict[str, str]:
    """The environment of a process that reads foreign files."""
    passed = {name: value for name, value in os.environ.items() if name in PASSED or name.startswith(PASSED_BEGINNINGS)}
    return {**passed, **ONE_THREAD}


def output_of(
    child: Child, seconds: float, byte_limit: int = MOST_SAID, alive: Callable[[], None] = lambda: None
) -> tuple[bytes, bytes]:
    """What the child said, and the last of its errors, when it has ended by itself; raises Late after so many seconds,
    Endless for more bytes than `byte_limit`. alive: called now and then; what it raises comes through."""
    outputs = {child.stdout: bytearray(), child.stderr: bytearray()}
    looked = time.monotonic()
    end = looked + seconds
    with selectors.DefaultSelector() as pipes:
        for pipe in outputs:
            pipes.register(pipe, selectors.EVENT_READ)  # type: ignore[arg-type]
        while pipes.get_map() or child.poll() is None:
            for key, _ in pipes.select(LOOK_SECONDS) if pipes.get_map() else ():
                piece = os.read(key.fd, MOST_SAID)
                outputs[key.fileobj] += piece  # type: ignore[index]
                if not piece:
                    pipes.unregister(key.fileobj)
            if not pipes.get_map():
                with suppress(subprocess.TimeoutExpired):
                    child.wait(LOOK_SECONDS)
            del outputs[child.stderr][:-LAST_ERRORS]
            now = time.monotonic()
            if len(outputs[child.stdout]) > byte_limit:
                raise Endless
            if now > end:
                raise Late
            if now - looked > LOOK_SECONDS:
                looked = now
                alive()
    output, errors = outputs.values()
    return bytes(output), bytes(errors)
