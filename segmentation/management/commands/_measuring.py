"""The base class of the commands `analyse` and `measure`: they measure files, each into a folder, and may pool them."""

from __future__ import annotations

import argparse
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.errors import UserError
from segmentation.core.micrograph.kinds import sha256_of
from segmentation.core.micrograph.types import UnreadableImage
from segmentation.core.network.cards import AlteredWeights, NoDevice
from segmentation.core.sample import Member, SampleImage
from segmentation.core.stages.pace import DONE, Progress
from segmentation.core.tasks.base import Task

from . import _inputs as inputs
from ._processes import (
    Files,
    Measured,
    Processes,
    Words,
    cores,
    failed_future,
    measure_and_write,
    run_here,
    write,
    write_pooled,
)
from ._progress import Bar

FAILURES = (UnreadableImage, OSError, MemoryError, AlteredWeights, NoDevice, BrokenProcessPool)
MOST_JOBS = 64  # a limit against typing errors; no machine needs more
STOPPED_STATUS = 130  # exit status after Ctrl-C, as shells have it
JOBS_HELP = (
    "analyse so many images at a time (1), each in a process that needs 1.1 GB of memory for 1024 x 768 px and up to 4"
    " GB for 8192 x 8192 px. With 1, on two cores or more, one further process writes files while the next image is"
    " analysed: 0.4 GB for 1024 x 768 px, with all files 0.5 GB"
)


class Measuring(BaseCommand):
    """A command that measures files, each into its own folder, and may pool them. what: the word for one file."""

    requires_system_checks: list[str] = []
    what = "image"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")
        size = parser.add_mutually_exclusive_group()
        size.add_argument(
            "--width-nm",
            dest="size",
            type=inputs.calibration_from_width,
            metavar="W",
            help='image width: 7520, "7.52 um"',
        )
        size.add_argument(
            "--nm-per-pixel",
            dest="size",
            type=inputs.calibration_from_pixel_size,
            metavar="P",
            help="size of a pixel in nm",
        )
        inputs.add_files_option(parser)
        help_ = "left out particles in labels.tif and rois.zip, too (which files are written says --files)"
        parser.add_argument("--all", action="store_true", help=help_)
        help_ = f"pool the {self.what}s as one sample"
        parser.add_argument("--sample", type=inputs.sample_name, metavar="NAME", help=help_)
        help_ = f"pool {self.what}s, too, whose warning says “Do not use”"
        parser.add_argument("--count-unusable", action="store_true", help=help_)
        parser.add_argument("--jobs", type=_jobs, default=1, metavar="N", help=JOBS_HELP)

    def measurable_files(self, files: Sequence[Path], images: Sequence[Path]) -> list[Path]:
        """The files of a folder that are measured. files: all files of the folder. images: the images among them."""
        return list(images)

    def analyse_file(
        self, file: Path, settings: AnalysisSettings, options: dict[str, Any], progress: Progress
    ) -> Measured:
        """The analysis of a file, and the words about it; raises one of FAILURES."""
        raise NotImplementedError

    def prepare(self, options: dict[str, Any], tasks: Iterable[Task]) -> None:
        """Read the option --files, and make the folder of --out. tasks: the possible kinds of analysis."""
        options["files"] = inputs.file_patterns(options["files"], tasks, pooled=bool(options["sample"]))
        try:
            options["out"].mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CommandError(inputs.error_sentence(error), returncode=inputs.BAD_INPUT) from error

    def files(self, paths: Iterable[Path], out: Path) -> Iterator[Path]:
        """The files to measure: files in `paths`, and those in the folders in `paths`. The terminal lists the files of
        a folder that are left out."""
        for path in paths:
            if not path.is_dir():
                yield path
                continue
            images, others = inputs.images_in(path, excluded=out)
            names = self.measurable_files((*images, *others), images)
            yield from names
            left_out = [str(file.relative_to(path)) for file in (*images, *others) if file not in names]
            if not names:
                self.stderr.write(f"{path}: There is no {self.what} in this folder.")
            elif left_out:
                count = len(left_out)
                subject = "1 file is no image and was" if count == 1 else f"{count} files are no images and were"
                self.stderr.write(f"{path}: {subject} left out: {', '.join(left_out)}")

    def measure(self, paths: Iterable[Path], settings: AnalysisSettings, options: dict[str, Any]) -> None:
        """Analyse each file into its own folder, then write the files of the sample, if --sample names one.

        If a file cannot be analysed, the terminal and the files of the sample name it with the reason, and at the end
        the command exits with BAD_INPUT.
        """
        work = list(inputs.with_result_folders(list(self.files(paths, options["out"])), options["out"]))
        jobs = min(options["jobs"], len(work))
        threads = max(1, cores() // jobs) if jobs > 1 else 0
        # Several processes that analyse, or one process that writes files while this one analyses the next image.
        count = jobs if threads else int(cores() > 1 and len(work) > 1)
        try:
            with Processes(count, threads) as processes, Bar(len(work)) as bar:
                run = _Run(self, settings, options, processes, bar)
                run.measure_all(work)
                if options["sample"]:
                    run.pool(options["sample"])
        except KeyboardInterrupt:
            self.stderr.write("Stopped.")
            sys.exit(STOPPED_STATUS)
        if run.failed:
            sys.exit(inputs.BAD_INPUT)


class _Run:
    """One run of a command over all its files. members: the measured images, for the sample. failed: the images that
    could not be measured. finished_count: number of files that are done."""

    def __init__(
        self,
        command: Measuring,
        settings: AnalysisSettings,
        options: dict[str, Any],
        processes: Processes,
        bar: Bar,
    ) -> None:
        self.command, self.settings, self.processes, self.bar = command, settings, processes, bar
        self.options = {name: option for name, option in options.items() if name not in ("stdout", "stderr")}
        self.members: list[Member] = []
        self.failed: list[SampleImage] = []
        self.finished_count = 0

    def measure_all(self, work: Iterable[tuple[Path, Path]]) -> None:
        """Measure each file into its folder. A few are measured at the same time; the terminal shows them in order."""
        most_waiting = self.processes.count * (2 if self.processes.threads else 1)
        waiting: deque[tuple[Path, Path, Future[tuple[Words, Any]]]] = deque()
        for path, folder in work:
            waiting.append((path, folder, self._start(path, folder)))
            if len(waiting) > most_waiting:
                self._finish(*waiting.popleft())
        if waiting and not self.processes.threads:
            self.bar("writing the files", DONE)
        for image in waiting:
            self._finish(*image)

    def _files(self, folder: Path) -> Files:
        return Files(folder, self.options["files"], self.options["all"], bool(self.options["sample"]))

    def _start(self, path: Path, folder: Path) -> Future[tuple[Words, Any]]:
        """Start the work on a file: another process analyses it and writes its results, or this process analyses it and
        another one writes."""
        files, command = self._files(folder), self.command
        if self.processes.threads:
            return self.processes.submit(measure_and_write, type(command), path, self.settings, self.options, files)
        self.bar.begin(path.name)
        try:
            measured = command.analyse_file(path, self.settings, self.options, self.bar)
        except FAILURES as error:
            return failed_future(error)
        if self.processes.count:
            return self.processes.submit(write, measured, files)
        return run_here(write, measured, files, self.bar)

    def _finish(self, path: Path, folder: Path, future: Future[tuple[Words, Any]]) -> None:
        """Wait for the results of a file, and write its counts or its error on the terminal."""
        try:
            words, member = future.result()
        except FAILURES as error:
            reason, sha256 = inputs.error_sentence(error), ""
            with suppress(OSError):
                sha256 = sha256_of(path)
            self._say([], [f"{path}: {reason}"])
            self.failed.append(SampleImage.failed(path.name, reason, sha256))
        else:
            warnings = [f"  {warning}" for warning in words.warnings]
            self._say([f"{path} -> {folder}: {words.outcome}", *warnings], [f"{path}: {note}" for note in words.notes])
            if member is not None:
                self.members.append(member)
        self.finished_count += 1
        self.bar.show_written(self.finished_count)

    def pool(self, name: str) -> None:
        """Pool the images as a sample of this name, and write its files into --out."""
        measurement, out = self.settings.measurement, self.options["out"]
        if not self.members:
            self._say([], [f"{name}: No image could be measured, so there is nothing to pool."])
            return
        rules = {"edge": measurement.border_correction, "filter": measurement.filter, "left_out": self.failed}
        rules["count_unusable"] = self.options["count_unusable"]
        try:
            extent, flags = self.processes.submit(write_pooled, name, self.members, rules, self._files(out)).result()
        except (*FAILURES, UserError) as error:
            raise CommandError(f"{name}: {inputs.error_sentence(error)}", returncode=inputs.BAD_INPUT) from error
        missing = f", {len(self.failed)} could not be measured" if self.failed else ""
        self._say([f"{name} -> {out}: {extent}, pooled{missing}"], [f"{name}: {flag}" for flag in flags])

    def _say(self, lines: Sequence[str], notes: Sequence[str]) -> None:
        """Write notes to standard error, then lines to standard output; the progress bar is hidden meanwhile."""
        with tqdm.external_write_mode():
            for note in notes:
                self.command.stderr.write(note)
            for line in lines:
                self.command.stdout.write(line)


def _jobs(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_JOBS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {MOST_JOBS}")
    return int(text)
