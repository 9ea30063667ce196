"""Images in several processes: one writes files while the next image is analysed, or several do both.

A new process imports this module before Django is set up: it imports nothing of it.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing import active_children, get_context, parent_process
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, ParamSpec, Self, TypeVar

from segmentation.core.pace import DONE, Progress, quiet
from segmentation.core.report.filing import Filing
from segmentation.core.report.wording import write_json

P, T = ParamSpec("P"), TypeVar("T")
_bars: list[Any] = []  # that this process has read: it reads those of its next images only where they differ
DIED = "A process ended while it worked at this image. Perhaps it needs more memory than this machine has."


class Files(NamedTuple):
    """Where the files of an image go, and which: folder, patterns of `choice.chosen_names`, keep_all of `write_chosen`.
    pooled: whether the image belongs to a sample."""

    folder: Path
    patterns: tuple[str, ...]
    keep_all: bool
    pooled: bool


class Words(NamedTuple):
    """What the terminal says of an image: what was found, warnings below that, and notes about the file."""

    outcome: str
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Measured:
    """An analysis, when it was made, and what is said of it. image: the file, where it is an image."""

    analysis: Any
    words: Words
    image: Path | None = None
    created: datetime = field(default_factory=lambda: datetime.now(UTC))


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def failed(error: BaseException) -> Future[Any]:
    """An error that waits until the result is asked for."""
    future: Future[Any] = Future()
    future.set_exception(error)
    return future


def done_here(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    """What is done in this process, at once; an error waits, too."""
    future: Future[T] = Future()
    try:
        future.set_result(work(*args, **kwargs))
    except Exception as error:
        return failed(error)
    return future


def write(measured: Measured, files: Files, progress: Progress = quiet) -> tuple[Words, Any]:
    """Write the files of an image, the same in every run but for their date, and timings.json.

    Gives what is said of the image, and what pooling needs of it, None without a sample.
    """
    from segmentation.core.report.exports.viewer import thumbnail
    from segmentation.core.report.files import write_chosen
    from segmentation.core.sample import Member

    def report(stage: str, fraction: float) -> None:
        progress(stage, DONE + (1 - DONE) * fraction)

    analysis, filing = measured.analysis, Filing(measured.created, image=measured.image)
    chosen = files.folder, files.patterns
    write_chosen(analysis, *chosen, keep_all=files.keep_all, filing=filing, progress=report)
    write_json(analysis.timings, files.folder / "timings.json", indent=2)
    return measured.words, Member.of(analysis, thumbnail(analysis)) if files.pooled else None


def write_pooled(name: str, members: Sequence[Any], rules: dict[str, Any], files: Files) -> tuple[str, list[str]]:
    """Pool images under the rules of `combine`, and write the files of the sample.

    Gives how much was pooled, in words, and the warnings.
    """
    from segmentation.core.combine import combine
    from segmentation.core.report.files import write_chosen

    sample = combine(name, members, **rules)
    write_chosen(sample, files.folder, files.patterns, filing=Filing(datetime.now(UTC)))
    return sample.extent, [str(flag) for flag in sample.flags]


def measure_and_write(
    command: type, path: Path, settings: Any, options: dict[str, Any], files: Files
) -> tuple[Words, Any]:
    """Both in one process. command: whose `measured` is asked."""
    return write(command().measured(path, settings, {**options, "bars": _bars}, quiet), files)


class Processes:
    """So many further processes, which end with this one. threads: of each, where they analyse, else 0.

    As a context it waits for their work, and ends them after an error or Ctrl-C.
    """

    def __init__(self, count: int, threads: int = 0) -> None:
        self.count, self.threads = count, threads
        self._others = set(active_children())
        self._pool = self._started()

    def _started(self) -> ProcessPoolExecutor | None:
        if not self.count:
            return None
        # Never forked: the threads of OpenVINO and torch would be missing in the copy.
        return ProcessPoolExecutor(
            self.count, mp_context=get_context("spawn"), initializer=_prepare, initargs=(self.threads,)
        )

    def submit(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Work for one of them; without any it is done at once."""
        if self._pool is None:
            return done_here(work, *args, **kwargs)
        try:
            return self._pool.submit(work, *args, **kwargs)
        except BrokenProcessPool:
            self._pool = self._started()
            return self.submit(work, *args, **kwargs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is None:
            return
        if kind is not None:
            for process in set(active_children()) - self._others:
                process.terminate()
        self._pool.shutdown(cancel_futures=True)


def _prepare(threads: int) -> None:
    """A new process: it leaves Ctrl-C to its parent, ends with it, and, where it analyses, has so many threads."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if threads:
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))
        import django

        django.setup()


def _end_with_parent() -> None:
    if parent := parent_process():
        parent.join()
        os._exit(1)
