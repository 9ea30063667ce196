"""Starts child processes that read untrusted files, gives them their environment, and reads their output.

A child is either a new process or a fork.
"""

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

from ....location import ROOT

# Environment variables that a child gets. None of them holds a key, a password or an address of the site.
PASSED_VARIABLES = ("PATH", "LANG", "TZ", "HOME", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
PASSED_PREFIXES = ("LC_", "PYTHON", "OMP_")
# A child needs no more threads: it multiplies no matrices, threads take time to start, and a process with several
# threads cannot be forked.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENCV_FOR_THREADS_NUM": "1"}
POLL_SECONDS = 0.2  # longest wait for output of a child, and least time between two calls of `alive`
MOST_OUTPUT_BYTES = 2**25  # enough for 100,000 outlines
ERROR_TAIL_BYTES = 2000  # at the end of the standard errors, which are kept
MOST_DESCRIPTORS = 4096  # open in a process that forks children: a few, and one for each child


class OutOfTime(Exception):
    """A child did not end in the allowed time on the clock."""


class TooMuchOutput(Exception):
    """A child wrote more output than is allowed."""


class NewProcess(subprocess.Popen[bytes]):
    """A child that is started by a command line, with `data` on its standard input."""

    def __init__(self, command: Sequence[str], data: bytes = b"") -> None:
        with tempfile.TemporaryFile() as file:
            file.write(data)
            file.seek(0)
            streams = {"stdin": file, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            super().__init__(command, cwd=ROOT, env=environment(), start_new_session=True, **streams)  # type: ignore[call-overload]

    def kill_group(self) -> None:
        """Kill the child and all processes that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


class ForkedChild:
    """A forked child with the interface of subprocess.Popen; subclasses define `wait` and `kill_group`.

    output, errors: file descriptors from which its standard output and errors are read."""

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
        """Kill the child and all processes that it started."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for pipe in (self.stdout, self.stderr):
            assert pipe
            pipe.close()
        self.wait()


Child = NewProcess | ForkedChild


class ForkOfThisProcess(ForkedChild):
    """A fork of this process, which must have one thread only. The fork calls `work` and exits with the status that
    `work` returns."""

    def __init__(self, work: Callable[[], int]) -> None:
        (output, to_output), (errors, to_errors) = os.pipe(), os.pipe()
        no_input = os.open(os.devnull, os.O_RDONLY)
        pid = os.fork()
        if not pid:
            run_in_fork(work, (no_input, to_output, to_errors))
        for end in (no_input, to_output, to_errors):
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
        """Kill the fork. It starts no processes and leads no process group, because a confined process may make
        none."""
        if self.returncode is None:
            os.kill(self.pid, signal.SIGKILL)


def run_in_fork(work: Callable[[], int], streams: Sequence[int]) -> NoReturn:
    """Call `work` in a fork and exit with its status. streams: descriptors that become standard input, output and
    errors; all others are closed."""
    status = 1
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.closerange(len(streams), MOST_DESCRIPTORS)
        # The parent's file objects may hold unwritten output, so the fork gets new ones. They do not close the
        # descriptors when they are deleted, because a fork of this fork uses the same numbers.
        sys.stdin, sys.stdout, sys.stderr = (
            os.fdopen(number, mode, closefd=False) for number, mode in enumerate("rww")
        )
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
    """The environment variables of a process that reads untrusted files."""
    passed = {
        name: value
        for name, value in os.environ.items()
        if name in PASSED_VARIABLES or name.startswith(PASSED_PREFIXES)
    }
    return {**passed, **ONE_THREAD}


def output_of(
    child: Child, seconds: float, byte_limit: int = MOST_OUTPUT_BYTES, alive: Callable[[], None] = lambda: None
) -> tuple[bytes, bytes]:
    """(standard output, end of the standard errors) of a child, after it has ended by itself.

    alive: called every POLL_SECONDS while the child runs; it may raise an exception to stop waiting.
    Raises OutOfTime after `seconds` on the clock, TooMuchOutput for more than `byte_limit` bytes."""
    outputs = {child.stdout: bytearray(), child.stderr: bytearray()}
    last_call = time.monotonic()
    end = last_call + seconds
    with selectors.DefaultSelector() as pipes:
        for pipe in outputs:
            pipes.register(pipe, selectors.EVENT_READ)  # type: ignore[arg-type]
        while pipes.get_map() or child.poll() is None:
            for key, _ in pipes.select(POLL_SECONDS) if pipes.get_map() else ():
                chunk = os.read(key.fd, MOST_OUTPUT_BYTES)
                outputs[key.fileobj] += chunk  # type: ignore[index]
                if not chunk:
                    pipes.unregister(key.fileobj)
            if not pipes.get_map():
                with suppress(subprocess.TimeoutExpired):
                    child.wait(POLL_SECONDS)
            del outputs[child.stderr][:-ERROR_TAIL_BYTES]
            now = time.monotonic()
            if len(outputs[child.stdout]) > byte_limit:
                raise TooMuchOutput
            if now > end:
                raise OutOfTime
            if now - last_call > POLL_SECONDS:
                last_call = now
                alive()
    output, errors = outputs.values()
    return bytes(output), bytes(errors)
