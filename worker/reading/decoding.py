"""Decodes uploaded files in child processes, so that a malicious or damaged file cannot harm the
worker.

A child that takes too long is killed. If a child dies (lack of memory, fault in a decoder), the
worker goes on.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from django.conf import settings
from numpy.typing import NDArray
from PIL import Image

from segmentation.core.imported.reading import OUTLINES_JSON, Outlines
from segmentation.core.labels.segmentation import MOST_IDS
from segmentation.core.learning.dataset_files import UNLABELLED
from segmentation.core.micrograph.confinement import forking
from segmentation.core.micrograph.confinement.children import Child, NewProcess, OutOfTime, TooMuchOutput, output_of
from segmentation.core.micrograph.contrast import PREVIEW_SIDE
from segmentation.core.micrograph.pages import page_name
from segmentation.core.micrograph.types import Micrograph, UnreadableImage
from segmentation.core.micrograph.unpacking import DIRECTORY_SECONDS, SECONDS_PER_MB
from segmentation.core.names import file_name
from segmentation.plain import storable
from segmentation.services.ground.limits import most_pixels
from segmentation.services.ground.space import free_bytes, is_space_scarce
from segmentation.services.results.uploads import Note

from ..scratch import MAX_FILE_BYTES, keep_file, scratch_folder
from . import answers

logger = logging.getLogger(__name__)

MOST_FACTS_BYTES = 2**20  # bytes that a child may print about an image
LONGEST_SENTENCE = 500  # characters of a child's error
# A child is killed if it takes this many times its limit of processor time by the clock. The factor
# is large, because the machine may be busy.
PATIENCE_FACTOR = 10
KILLS = (signal.SIGKILL, signal.SIGTERM)
# Limits of processor time to decode a file (never more than DEEPSEGM_INSPECTION_SECONDS). Usual
# images take 0.5 s, and 0.1 s for each MB.
DECODING_SECONDS, DECODING_SECONDS_PER_MB = 10.0, 1.0
OPTIONS_WITHOUT_TEXT = ("--later", "--pixels", "--page-file")  # with one of these options no text is read
READ_COMMAND = [sys.executable, "-m", forking.INSPECT]
TOO_SLOW = "Reading the image took too long: it may be damaged, so save it again as TIFF or PNG and upload that."
DIED = "The image could not be read: it is damaged or needs too much memory; save it again as TIFF or PNG."
ARCHIVE_TOO_SLOW = "The ZIP archive takes too long to unpack: make it again, or drop the images themselves."
ARCHIVE_DIED = "The archive could not be read: it is damaged or needs too much memory. Make several smaller archives."
OUTLINES_TOO_SLOW = "Reading the outlines took too long: the file may be damaged, or split it into parts."
OUTLINES_DIED = "The outlines could not be read: their file is damaged or needs too much memory."


class Unreadable(UnreadableImage):
    """The child could not read the file; the message is one sentence for the user."""


class TooSlow(Unreadable):
    """The child took too long by the clock; another try may succeed. (`Unreadable` is raised if it took
    too much processor time, because another try would take as much.)"""


class Killed(Exception):
    """The child was killed, for example by a system without memory, so another try may succeed. The
    message is one sentence for the user."""


@dataclass(frozen=True)
class Inspection:
    """The outcome of an inspection. facts: fields of a `models.Micrograph` by name. preview: a PNG
    file. unread: whether the data bar shall be read later."""

    facts: dict[str, Any]
    preview: bytes
    unread: bool = False


def inspect(
    path: Path,
    *,
    name: str,
    side: Sequence[tuple[str, Path]] = (),
    read_bar: bool = True,
    later: bool = False,
    keep_as: str = "",
    known: Sequence[dict[str, Any]] = (),
    report_alive: Callable[[], None] = lambda: None,
) -> Inspection:
    """The facts about an image file; raises Unreadable, Killed.

    name: the file name of the uploader. side: (name, path) of the side files. read_bar: whether the
    text of a data bar is read, too, which takes seconds. later: leave the text for a second
    inspection. keep_as: a name under which the pixels are kept for an analysis on this machine
    (`scratch.keep_file`), unless they are too many; "": do not keep them. known: readings of data
    bars of the sender's earlier images: a reading is used if the bar is equal, also with `later`.
    report_alive: called now and then to report that the work goes on; if it raises an exception,
    the child is ended.
    """
    with scratch_folder() as folder:
        preview, pixels = folder / "preview.npy", folder / "pixels.npy"
        options = [f"--preview={preview}", *([] if read_bar else ["--no-reading"]), *(["--later"] if later else [])]
        options += [f"--pixels={pixels}", f"--most-bytes={MAX_FILE_BYTES}"] if keep_as else []
        options += [f"--known={json.dumps(reading)}" for reading in known]
        facts = _read_facts(path, name, side, options, report_alive)
        picture = io.BytesIO()
        with _checking_answer(facts):
            preview_pixels = answers.read_array(preview, [np.uint8], (PREVIEW_SIDE, PREVIEW_SIDE), at_most=True)
            Image.fromarray(preview_pixels).save(picture, format="PNG")
            if keep_as and os.path.lexists(pixels):
                answers.read_array(pixels, answers.PIXELS, (facts.height, facts.width))
                keep_file(pixels, keep_as)
        content = storable(facts.model_dump())
        return Inspection({**content, "reading": content["reading"] or {}}, picture.getvalue(), facts.reading is None)


def read_micrograph(
    path: Path, *, name: str, side: Sequence[tuple[str, Path]] = (), report_alive: Callable[[], None] = lambda: None
) -> Micrograph:
    """The image in a file, with its pixels, decoded in a child process. The arguments are those of
    `inspect`.

    Raises Unreadable; Killed if it took too long: at the upload it did not, so another try may
    succeed.
    """
    # Read here first, so that a fault of the storage is not reported as a damaged file.
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    with scratch_folder() as folder:
        pixels = folder / "pixels.npy"
        try:
            facts = _read_facts(path, name, side, [f"--pixels={pixels}"], report_alive)
        except TooSlow as error:
            raise Killed(str(error)) from None
        with _checking_answer(facts):
            values = answers.read_array(pixels, answers.PIXELS, (facts.height, facts.width))
    metadata = {**facts.metadata, "kind": facts.kind}
    return Micrograph(values, file_name(name), sha256, facts.calibration, metadata, facts.notes)


def take_page(
    path: Path,
    folder: Path,
    page: int,
    *,
    name: str,
    side: Sequence[tuple[str, Path]],
    report_alive: Callable[[], None],
) -> tuple[Path, int]:
    """Write one page of a stack as a file into `folder`, by a child process; returns its path and
    the number of pages. Of a file with a single page, returns the file itself. The arguments are
    those of `inspect`. Raises Unreadable."""
    file = folder / page_name("taken", page)
    facts = _read_facts(path, name, side, [f"--page={page}", f"--page-file={file}"], report_alive)
    with _checking_answer(facts):
        pages = int(facts.metadata.get("pages") or 1)
        if pages > 1 and (not file.is_file() or file.is_symlink()):
            raise ValueError("not a file")
    return (file if pages > 1 else path), pages


def unpack(
    path: Path, folder: Path, report_alive: Callable[[], None], *, images: int = 0
) -> tuple[list[list[tuple[str, Path]]], list[Note]]:
    """Unpack a ZIP archive into `folder`, by a child process; raises Unreadable. Returns groups of
    (name, path), and notes on everything that was left out.

    images: the most images; a group is then an image with its side files. 0: each file is a group.
    report_alive: as in `inspect`.
    """
    largest, free = settings.DEEPSEGM_MAX_ARCHIVE_MB, free_bytes()
    seconds = DIRECTORY_SECONDS + SECONDS_PER_MB * largest
    command = [
        *(sys.executable, "-m", forking.UNPACKING, str(path), str(folder)),
        *(f"--entry-mb={settings.DEEPSEGM_MAX_UPLOAD_MB}", f"--archive-mb={largest}", f"--images={images}"),
        *([] if free is None else [f"--room={free - settings.DEEPSEGM_MIN_FREE_MB * 2**20}"]),
        *(f"--max-memory-mb={settings.DEEPSEGM_INSPECTION_MEMORY_MB}", f"--seconds={seconds}"),
    ]
    output = _run(command, report_alive, ARCHIVE_DIED, ARCHIVE_TOO_SLOW, seconds)
    with _checking_answer(output, ARCHIVE_DIED):
        report = answers.Archive.model_validate(_report_of(output, ARCHIVE_DIED, needed=largest * 2**20))
        return report.files_in(folder), [Note(name, sentence, 422) for name, sentence in report.notes]


def read_outlines(path: Path, query: dict[str, Any], report_alive: Callable[[], None]) -> Outlines:
    """The outlines in a file of another tool, read in a child process; raises Unreadable.

    query: data on the image and the result that `segmentation.core.imported` needs. report_alive: as in
    `inspect`.
    """
    labels, report = _read_labels(path, query, report_alive)
    with _checking_answer(report, OUTLINES_DIED):
        outlines = OUTLINES_JSON.validate_python({**report, "labels": labels})
        if set(outlines.classes) != set(np.unique(labels[labels > 0]).tolist()):
            raise ValueError("the outlines have other numbers")
        if not set(outlines.classes.values()) <= set(range(len(query["names"]))):
            raise ValueError("there is no such class")
        return outlines


def read_truth(path: Path, query: dict[str, Any], report_alive: Callable[[], None]) -> NDArray[np.int32]:
    """The labels (H, W) in a file of training data, read as by `read_outlines`; raises
    Unreadable."""
    labels, report = _read_labels(path, {**query, "truth": True}, report_alive)
    with _checking_answer(report, OUTLINES_DIED):
        if query["names"] and not np.isin(labels, [*range(len(query["names"])), UNLABELLED]).all():
            raise ValueError("there is no such class")
    return labels


def _read_labels(
    path: Path, query: dict[str, Any], report_alive: Callable[[], None]
) -> tuple[NDArray[np.int32], dict[str, Any]]:
    """The labels (H, W) and the report of a child process that reads a file of outlines; raises
    Unreadable."""
    with scratch_folder() as folder:
        labels = folder / "labels.npy"
        command = [
            *(sys.executable, "-m", forking.IMPORTED, str(path)),
            *(f"--asked={json.dumps(query)}", f"--labels={labels}"),
            f"--max-memory-mb={settings.DEEPSEGM_INSPECTION_MEMORY_MB}",
            f"--seconds={settings.DEEPSEGM_INSPECTION_SECONDS}",
        ]
        output = _run(command, report_alive, OUTLINES_DIED, OUTLINES_TOO_SLOW)
        with _checking_answer(output, OUTLINES_DIED):
            report = _report_of(output, OUTLINES_DIED)
            height, columns, *_ = query["frame"]
            numbers = answers.read_array(labels, [np.int32], (height, columns))
            if not 0 <= numbers.min() <= numbers.max() < MOST_IDS:
                raise ValueError("numbers that no outline has")
            return numbers, report


def _read_facts(
    path: Path, name: str, side: Sequence[tuple[str, Path]], options: Sequence[str], report_alive: Callable[[], None]
) -> answers.Facts:
    """The facts that a child prints about an image. options: further options of its command
    line."""
    seconds = settings.DEEPSEGM_INSPECTION_SECONDS
    if any(option.startswith(OPTIONS_WITHOUT_TEXT) for option in options):
        seconds = min(seconds, DECODING_SECONDS + DECODING_SECONDS_PER_MB * path.stat().st_size / 2**20)
    output = _run(_command(path, name, side, [*options, f"--seconds={seconds}"]), report_alive, DIED, TOO_SLOW, seconds)
    with _checking_answer(output):
        if len(output) > MOST_FACTS_BYTES:
            raise ValueError("more than can be said of an image")
        return answers.Facts.model_validate(_report_of(output))


def _command(path: Path, name: str, side: Sequence[tuple[str, Path]], options: Sequence[str]) -> list[str]:
    """The command line of `segmentation.core.micrograph.inspect`."""
    return [
        *READ_COMMAND,
        str(path),
        f"--name={name}",
        *(f"--side={json.dumps([title, str(file)])}" for title, file in side),
        *options,
        f"--max-pixels={most_pixels()}",
        f"--max-memory-mb={settings.DEEPSEGM_INSPECTION_MEMORY_MB}",
    ]


def _run(command: list[str], report_alive: Callable[[], None], died: str, too_slow: str, seconds: float = 0.0) -> bytes:
    """Run a command as a child process; returns its standard output. Raises TooSlow, Killed if the
    child was killed, Unreadable if it died by itself.

    died, too_slow: the sentences of these errors. seconds: limit of processor time; 0.0 for
    DEEPSEGM_INSPECTION_SECONDS.
    """
    patience_seconds = PATIENCE_FACTOR * (seconds or settings.DEEPSEGM_INSPECTION_SECONDS)
    with _start_child(command) as child:
        try:
            output, errors = output_of(child, patience_seconds, alive=report_alive)
        except OutOfTime:
            raise TooSlow(too_slow) from None
        except TooMuchOutput:
            raise Unreadable(died) from None
        finally:
            child.kill_group()
    status = child.returncode or 0
    if status or errors:
        logger.warning("Inspection ended with %s: %s", status, errors.decode(errors="replace"))
    if -status == signal.SIGXCPU:
        raise Unreadable(too_slow)
    if -status in KILLS:
        raise Killed(died)
    if status:
        raise Unreadable(died)
    return output


def start_reader_process() -> None:
    """Start the process from which readers of files are forked, unless it runs, so that the next
    file need not wait for it."""
    forking.FILE_SERVER.keep_running()


def _start_child(command: list[str]) -> Child:
    """A child process that runs a command. One of our programs is forked from a server process that
    has loaded its modules."""
    if command[:2] != [sys.executable, "-m"]:
        return NewProcess(command)
    program, arguments = command[2], command[3:]
    server = forking.OUTLINE_SERVER if program == forking.IMPORTED else forking.FILE_SERVER
    if program == forking.INSPECT and not any(word.startswith(OPTIONS_WITHOUT_TEXT) for word in arguments):
        server = forking.TEXT_SERVER
    return server.start(program, arguments)


@contextmanager
def _checking_answer(report: Any, died: str = DIED) -> Iterator[None]:
    """A block that reads the answer of a child; raises Unreadable if the answer is wrong in any
    way. report: for the log."""
    try:
        yield
    except UnreadableImage:
        raise
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError, TokenError):
        logger.exception("A child that reads files said %.2000r", report)
        raise Unreadable(died) from None


def _report_of(output: bytes, died: str = DIED, needed: int = 0) -> dict[str, Any]:
    """The report that a child printed as one line of JSON. needed: bytes that the child may write.

    Raises Unreadable with the child's sentence, OSError for a full disk, Killed for another fault
    of the machine, and any other error if there is no report.
    """
    report = storable(json.loads(output))
    if report["ok"] is True:
        return dict(report)
    if "errno" not in report:
        raise Unreadable(str(report["error"])[:LONGEST_SENTENCE])
    if is_space_scarce(needed):  # checked here, because a malicious child could always claim this
        raise OSError(errno.ENOSPC, "the disk is full, says a child that reads files")
    raise Killed(died)
