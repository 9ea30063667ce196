"""Foreign files are decoded in a child process, so that none can harm the worker.

A child that takes too long is killed. If a child dies (lack of memory, fault in a decoder), the worker is not affected.
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

from segmentation.core.dataset_files import UNLABELLED
from segmentation.core.imported.reading import OUTLINES, Outlines
from segmentation.core.labels.segmentation import MOST_IDS
from segmentation.core.micrograph import forking
from segmentation.core.micrograph.children import Child, NewProcess, OutOfTime, TooMuchOutput, output_of
from segmentation.core.micrograph.contrast import PREVIEW_SIDE
from segmentation.core.micrograph.pages import page_name
from segmentation.core.micrograph.types import Micrograph, UnreadableImage
from segmentation.core.micrograph.unpacking import DIRECTORY_SECONDS, SECONDS_PER_MB
from segmentation.core.names import file_name
from segmentation.plain import storable
from segmentation.services.ground.limits import most_pixels
from segmentation.services.ground.space import free_bytes, is_scarce
from segmentation.services.results.uploads import Note

from . import answers
from .scratch import LARGEST_KEPT, keep, scratch

logger = logging.getLogger(__name__)

MOST_FACTS = 2**20  # bytes that a child may say of an image
LONGEST_SENTENCE = 500
PATIENCE = 10  # times the processor time on the clock, after which a child hangs; a busy machine changes no result
KILLS = (signal.SIGKILL, signal.SIGTERM)
# Of the processor, to decode a file: images take 0.5 s and 0.1 s a MB. Never more than DEEPSEGM_INSPECTION_SECONDS.
DECODING_SECONDS, DECODING_SECONDS_PER_MB = 10.0, 1.0
DECODES_ONLY = ("--later", "--pixels", "--page-file")  # options: no text is read
READER = [sys.executable, "-m", forking.INSPECT]
TOO_SLOW = "Reading the image took too long: it may be damaged, so save it again as TIFF or PNG and upload that."
DIED = "The image could not be read: it is damaged or needs too much memory; save it again as TIFF or PNG."
ARCHIVE_TOO_SLOW = "The ZIP archive takes too long to unpack: make it again, or drop the images themselves."
ARCHIVE_DIED = "The archive could not be read: it is damaged or needs too much memory. Make several smaller archives."
OUTLINES_TOO_SLOW = "Reading the outlines took too long: the file may be damaged, or split it into parts."
OUTLINES_DIED = "The outlines could not be read: their file is damaged or needs too much memory."


class Unreadable(UnreadableImage):
    """The child could not read the file; the message is one sentence for the user."""


class TooSlow(Unreadable):
    """The child did not end in time on the clock, which another one may. What took too much of the processor would
    do so again: that is `Unreadable`."""


class Killed(Exception):
    """Somebody killed the child, such as a system without memory: another try may succeed. The message is a sentence,
    too."""


@dataclass(frozen=True)
class Inspection:
    """facts: the fields of a row by name. preview: a PNG. unread: whether a data bar has been left for later."""

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
    alive: Callable[[], None] = lambda: None,
) -> Inspection:
    """The facts about the file at `path`, called `name` by its uploader; raises Unreadable, Killed.

    side: the names and places of files that the microscope wrote beside it. read_bar: whether the text of a data bar
    is read too, as a suggestion: some seconds of work. later: not now. keep_as: a name by which the pixels are kept for
    an analysis on this machine (`scratch.keep`), if they are not too many; "": not kept. known: readings of the data
    bars of earlier images of the same sender: one counts where the bar is the same, also with `later`. alive: called
    now and then; whatever it raises ends the child.
    """
    with scratch() as folder:
        preview, pixels = folder / "preview.npy", folder / "pixels.npy"
        options = [f"--preview={preview}", *([] if read_bar else ["--no-reading"]), *(["--later"] if later else [])]
        options += [f"--pixels={pixels}", f"--most-bytes={LARGEST_KEPT}"] if keep_as else []
        options += [f"--known={json.dumps(reading)}" for reading in known]
        facts = _facts(path, name, side, options, alive)
        picture = io.BytesIO()
        with _understanding(facts):
            preview_pixels = answers.array(preview, [np.uint8], (PREVIEW_SIDE, PREVIEW_SIDE), at_most=True)
            Image.fromarray(preview_pixels).save(picture, format="PNG")
            if keep_as and os.path.lexists(pixels):
                answers.array(pixels, answers.PIXELS, (facts.height, facts.width))
                keep(pixels, keep_as)
        content = storable(facts.model_dump())
        return Inspection({**content, "reading": content["reading"] or {}}, picture.getvalue(), facts.reading is None)


def read_micrograph(
    path: Path, *, name: str, side: Sequence[tuple[str, Path]] = (), alive: Callable[[], None] = lambda: None
) -> Micrograph:
    """The Micrograph in the file at `path`, decoded in the same way; raises Unreadable; Killed if it took too long,
    because its upload did not. The rest: as for `inspect`."""
    with path.open("rb") as file:  # a storage that fails now fails here, and is not taken for a damaged file
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    with scratch() as folder:
        pixels = folder / "pixels.npy"
        try:
            facts = _facts(path, name, side, [f"--pixels={pixels}"], alive)
        except TooSlow as error:
            raise Killed(str(error)) from None
        with _understanding(facts):
            values = answers.array(pixels, answers.PIXELS, (facts.height, facts.width))
    metadata = {**facts.metadata, "kind": facts.kind}
    return Micrograph(values, file_name(name), sha256, facts.calibration, metadata, facts.notes)


def take_page(
    path: Path, folder: Path, page: int, *, name: str, side: Sequence[tuple[str, Path]], alive: Callable[[], None]
) -> tuple[Path, int]:
    """A page of the stack at `path` as a file of its own in `folder`, and how many pages there are; of a file with one
    page the file itself. Written by a child process that knows what the files beside it say; raises Unreadable."""
    file = folder / page_name("taken", page)
    facts = _facts(path, name, side, [f"--page={page}", f"--page-file={file}"], alive)
    with _understanding(facts):
        pages = int(facts.metadata.get("pages") or 1)
        if pages > 1 and (not file.is_file() or file.is_symlink()):
            raise ValueError("not a file")
    return (file if pages > 1 else path), pages


def unpack(
    path: Path, folder: Path, alive: Callable[[], None], *, images: int = 0
) -> tuple[list[list[tuple[str, Path]]], list[Note]]:
    """The files of a ZIP archive, unpacked into `folder` by a child process, and a note on everything left out; raises
    Unreadable. images: at most so many, each with its side files; 0: every file by itself. alive: as for `inspect`."""
    largest, free = settings.DEEPSEGM_MAX_ARCHIVE_MB, free_bytes()
    seconds = DIRECTORY_SECONDS + SECONDS_PER_MB * largest
    command = [
        *(sys.executable, "-m", forking.UNPACKING, str(path), str(folder)),
        *(f"--entry-mb={settings.DEEPSEGM_MAX_UPLOAD_MB}", f"--archive-mb={largest}", f"--images={images}"),
        *([] if free is None else [f"--room={free - settings.DEEPSEGM_MIN_FREE_MB * 2**20}"]),
        *(f"--max-memory-mb={settings.DEEPSEGM_INSPECTION_MEMORY_MB}", f"--seconds={seconds}"),
    ]
    output = _run(command, alive, ARCHIVE_DIED, ARCHIVE_TOO_SLOW, seconds)
    with _understanding(output, ARCHIVE_DIED):
        report = answers.Archive.model_validate(_report_of(output, ARCHIVE_DIED, needed=largest * 2**20))
        return report.files_in(folder), [Note(name, sentence, 422) for name, sentence in report.notes]


def read_outlines(path: Path, query: dict[str, Any], alive: Callable[[], None]) -> Outlines:
    """The outlines in a file of another tool, read in a child process; raises Unreadable.

    query: what `segmentation.core.imported` must know of the image and the result. alive: as for `inspect`.
    """
    labels, report = _outlines(path, query, alive)
    with _understanding(report, OUTLINES_DIED):
        outlines = OUTLINES.validate_python({**report, "labels": labels})
        if set(outlines.classes) != set(np.unique(labels[labels > 0]).tolist()):
            raise ValueError("the outlines have other numbers")
        if not set(outlines.classes.values()) <= set(range(len(query["names"]))):
            raise ValueError("there is no such class")
        return outlines


def read_truth(path: Path, query: dict[str, Any], alive: Callable[[], None]) -> NDArray[np.int32]:
    """(H, W) the labels in a file of training data, read in the same way; raises Unreadable."""
    labels, report = _outlines(path, {**query, "truth": True}, alive)
    with _understanding(report, OUTLINES_DIED):
        if query["names"] and not np.isin(labels, [*range(len(query["names"])), UNLABELLED]).all():
            raise ValueError("there is no such class")
    return labels


def _outlines(path: Path, query: dict[str, Any], alive: Callable[[], None]) -> tuple[NDArray[np.int32], dict[str, Any]]:
    """The labels (H, W) and the report of a confined child that reads a file of outlines; raises Unreadable."""
    with scratch() as folder:
        labels = folder / "labels.npy"
        command = [
            *(sys.executable, "-m", forking.IMPORTED, str(path)),
            *(f"--asked={json.dumps(query)}", f"--labels={labels}"),
            f"--max-memory-mb={settings.DEEPSEGM_INSPECTION_MEMORY_MB}",
            f"--seconds={settings.DEEPSEGM_INSPECTION_SECONDS}",
        ]
        output = _run(command, alive, OUTLINES_DIED, OUTLINES_TOO_SLOW)
        with _understanding(output, OUTLINES_DIED):
            report = _report_of(output, OUTLINES_DIED)
            height, columns, *_ = query["frame"]
            numbers = answers.array(labels, [np.int32], (height, columns))
            if not 0 <= numbers.min() <= numbers.max() < MOST_IDS:
                raise ValueError("numbers that no outline has")
            return numbers, report


def _facts(
    path: Path, name: str, side: Sequence[tuple[str, Path]], options: Sequence[str], alive: Callable[[], None]
) -> answers.Facts:
    seconds = settings.DEEPSEGM_INSPECTION_SECONDS
    if any(option.startswith(DECODES_ONLY) for option in options):
        seconds = min(seconds, DECODING_SECONDS + DECODING_SECONDS_PER_MB * path.stat().st_size / 2**20)
    output = _run(_command(path, name, side, [*options, f"--seconds={seconds}"]), alive, DIED, TOO_SLOW, seconds)
    with _understanding(output):
        if len(output) > MOST_FACTS:
            raise ValueError("more than can be said of an image")
        return answers.Facts.model_validate(_report_of(output))


def _command(path: Path, name: str, side: Sequence[tuple[str, Path]], options: Sequence[str]) -> list[str]:
    return [
        *READER,
        str(path),
        f"--name={name}",
        *(f"--side={json.dumps([title, str(file)])}" for title, file in side),
        *options,
        f"--max-pixels={most_pixels()}",
        f"--max-memory-mb={settings.DEEPSEGM_INSPECTION_MEMORY_MB}",
    ]


def _run(command: list[str], alive: Callable[[], None], died: str, too_slow: str, seconds: float = 0.0) -> bytes:
    """The child's standard output; raises TooSlow, Killed where somebody killed the child, Unreadable where it died by
    itself. seconds: of the processor; 0.0 stands for DEEPSEGM_INSPECTION_SECONDS."""
    patience = PATIENCE * (seconds or settings.DEEPSEGM_INSPECTION_SECONDS)
    with _start_child(command) as child:
        try:
            output, errors = output_of(child, patience, alive=alive)
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


def keep_reader() -> None:
    """Have the process that forks readers ready for the next file, and let it stay: nobody need wait for its start."""
    forking.FILES.keep()


def _start_child(command: list[str]) -> Child:
    """A child that runs a program; by a fork of the server that has loaded what it needs, if it is one of ours."""
    if command[:2] != [sys.executable, "-m"]:
        return NewProcess(command)
    program, arguments = command[2], command[3:]
    server = forking.OUTLINES if program == forking.IMPORTED else forking.FILES
    if program == forking.INSPECT and not any(word.startswith(DECODES_ONLY) for word in arguments):
        server = forking.TEXTS
    return server.start(program, arguments)


@contextmanager
def _understanding(report: Any, died: str = DIED) -> Iterator[None]:
    """Raises Unreadable where what the child said is no answer."""
    try:
        yield
    except UnreadableImage:
        raise
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError, TokenError):
        logger.exception("A child that reads files said %.2000r", report)
        raise Unreadable(died) from None


def _report_of(output: bytes, died: str = DIED, needed: int = 0) -> dict[str, Any]:
    """The report in the child's one line; raises Unreadable with the child's sentence, OSError for a full disk, Killed
    for another fault of the machine, another error for no report. needed: bytes that the child may write."""
    report = storable(json.loads(output))
    if report["ok"] is True:
        return dict(report)
    if "errno" not in report:
        raise Unreadable(str(report["error"])[:LONGEST_SENTENCE])
    if is_scarce(needed):  # what the child says alone would let its file be tried for ever
        raise OSError(errno.ENOSPC, "the disk is full, says a child that reads files")
    raise Killed(died)
