"""Further processes of `analyse` and `measure`: one writes files while the next image is analysed, or several do both.

A new process imports this module before Django is set up, so this module must not import Django.
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

from segmentation.core.report.filing import Filing
from segmentation.core.report.wording import write_json
from segmentation.core.stages.pace import DONE, Progress, quiet

P, T = ParamSpec("P"), TypeVar("T")
_bars: list[Any] = []  # scale bars that this process has read, so that it does not read the same bar twice
DIED = "A process ended while it worked at this image. Perhaps it needs more memory than this machine has."


class Files(NamedTuple):
    """Which files of an image are written, and where. patterns: as for `choice.chosen_names`. keep_all: whether the
    files of outlines also hold left out objects. pooled: whether the image belongs to a sample."""

    folder: Path
    patterns: tuple[str, ...]
    keep_all: bool
    pooled: bool


class Words(NamedTuple):
    """The lines about an image on the terminal: its counts, warnings below them, and notes about the file."""

    outcome: str
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Measured:
    """An Analysis, the words about it, and when it was made. image: its file; None for a mask."""

    analysis: Any
    words: Words
    image: Path | None = None
    created: datetime = field(default_factory=lambda: datetime.now(UTC))


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def failed_future(error: BaseException) -> Future[Any]:
    """A future that raises this error when its result is read."""
    future: Future[Any] = Future()
    future.set_exception(error)
    return future


def run_here(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    """A finished future: the work is done in this process, at once. An error is raised when the result is read."""
    future: Future[T] = Future()
    try:
        future.set_result(work(*args, **kwargs))
    except Exception as error:
        return failed_future(error)
    return future


def write(measured: Measured, files: Files, progress: Progress = quiet) -> tuple[Words, Any]:
    """Write the files of an image, and timings.json. The files are the same in every run, except for their date.

    Returns the words about the image, and its Member for the sample, None without a sample.
    """
    from segmentation.core.report.exports.viewer import thumbnail
    from segmentation.core.report.files import write_chosen
    from segmentation.core.sample import Member

    def report(stage: str, fraction: float) -> None:
        progress(stage, DONE + (1 - DONE) * fraction)  # the analysis took it up to DONE

    analysis, filing = measured.analysis, Filing(measured.created, image=measured.image)
    folder, patterns = files.folder, files.patterns
    write_chosen(analysis, folder, patterns, keep_all=files.keep_all, filing=filing, progress=report)
    write_json(analysis.timings, files.folder / "timings.json", indent=2)
    return measured.words, Member.of(analysis, thumbnail(analysis)) if files.pooled else None


def write_pooled(name: str, members: Sequence[Any], rules: dict[str, Any], files: Files) -> tuple[str, list[str]]:
    """Pool images, and write the files of the sample. rules: keyword arguments of `combine`.

    Returns the number of pooled images and objects, in words, and the warnings.
    """
    from segmentation.core.combine import combine
    from segmentation.core.report.files import write_chosen

    sample = combine(name, members, **rules)
    write_chosen(sample, files.folder, files.patterns, filing=Filing(datetime.now(UTC)))
    return sample.extent, [str(flag) for flag in sample.flags]


def measure_and_write(
    command: type, path: Path, settings: Any, options: dict[str, Any], files: Files
) -> tuple[Words, Any]:
    """Analyse a file and write its results, in a further process. command: the subclass of `Measuring`."""
    return write(command().analyse_file(path, settings, {**options, "bars": _bars}, quiet), files)


class Processes:
    """A pool of `count` further processes, which end when this process ends. threads: number for each process that
    analyses images; 0 if they only write files.

    As a context manager it waits at the end until their work is done, and ends them after an error or Ctrl-C.
    """

    def __init__(self, count: int, threads: int = 0) -> None:
        self.count, self.threads = count, threads
        self._others = set(active_children())
        self._pool = self._new_pool()

    def _new_pool(self) -> ProcessPoolExecutor | None:
        if not self.count:
            return None
        # Not forked: a fork would lack the threads of OpenVINO and torch.
        return ProcessPoolExecutor(
            self.count, mp_context=get_context("spawn"), initializer=_prepare, initargs=(self.threads,)
        )

    def submit(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call a function in one of the processes; without further processes it is called here at once."""
        if self._pool is None:
            return run_here(work, *args, **kwargs)
        try:
            return self._pool.submit(work, *args, **kwargs)
        except BrokenProcessPool:
            self._pool = self._new_pool()
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
    """Set up a new process: it ignores Ctrl-C, which its parent handles, and ends with the parent. threads: as in
    `Processes`."""
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
