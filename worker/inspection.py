"""Inspection of an uploaded file in a child process, so that no file can harm the worker.

A child that takes too long is killed. If a child dies (lack of memory, fault in a decoder), the worker is not affected.
"""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from segmentation.plain import plain
from segmentation.services.limits import most_pixels

from .scratch import scratch

logger = logging.getLogger(__name__)

LONGEST_KIND = 100
KILLS = (signal.SIGKILL, signal.SIGTERM)
LOOK_SECONDS = 0.5  # between two looks at whether anybody still wants the answer
TOO_SLOW = "Reading the image took too long: it may be damaged, so save it again as TIFF or PNG and upload that."
DIED = "The image could not be read: it is damaged or needs too much memory; save it again as TIFF or PNG."


class Unreadable(Exception):
    """The file is no image that can be analysed; the message is one sentence for the user."""


class Killed(Unreadable):
    """Somebody killed the child, such as a system without memory: another try may succeed."""


@dataclass(frozen=True)
class Inspection:
    """facts: the fields of a Micrograph by name. preview: a PNG. unread: whether a data bar has been left for later."""

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
    alive: Callable[[], None] = lambda: None,
) -> Inspection:
    """The facts about the file at `path`, called `name` by its uploader; raises Unreadable.

    side: the names and places of files that the microscope wrote beside it. read_bar: whether the text of a data bar
    is read too, as a suggestion: some seconds of work. later: not now. alive: called now and then; whatever it raises
    ends the child.
    """
    with scratch() as folder:
        preview = folder / "preview.png"
        command = [*_command(path, name, preview, side, read_bar), *(["--later"] if later else [])]
        said = _parse(_run(command, alive))
        return Inspection(said, preview.read_bytes(), said.pop("unread"))


def _command(
    path: Path, name: str, preview: Path, side: Sequence[tuple[str, Path]] = (), read_bar: bool = True
) -> list[str]:
    return [
        *(sys.executable, "-m", "segmentation.core.micrograph.inspect"),
        str(path),
        f"--name={name}",
        f"--preview={preview}",
        *(f"--side={json.dumps([given, str(place)])}" for given, place in side),
        *([] if read_bar else ["--no-reading"]),
        f"--seconds={settings.DEEPSEGM_INSPECTION_SECONDS}",
        f"--max-pixels={most_pixels()}",
        f"--max-memory-mb={settings.DEEPSEGM_INSPECTION_MEMORY_MB}",
    ]


def _run(command: list[str], alive: Callable[[], None]) -> bytes:
    """The child's standard output; if the child dies or is too slow, the file is reported as the cause."""
    end = time.monotonic() + settings.DEEPSEGM_INSPECTION_SECONDS
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=settings.BASE_DIR, **pipes) as child:
        try:
            output, errors = _heard(child, end, alive)
        finally:
            child.kill()
    if child.returncode or errors:
        logger.warning("Inspection ended with %s: %s", child.returncode, errors[-2000:].decode(errors="replace"))
    if -child.returncode in KILLS:
        raise Killed(DIED)
    if child.returncode:
        raise Unreadable(DIED)
    return output


def _heard(child: subprocess.Popen[bytes], end: float, alive: Callable[[], None]) -> tuple[bytes, bytes]:
    """The child's output until it ends by itself; raises Unreadable at the time `end`."""
    while True:
        try:
            return child.communicate(timeout=LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            if time.monotonic() > end:
                raise Unreadable(TOO_SLOW) from None
            alive()


def _parse(output: bytes) -> dict[str, Any]:
    """The facts of the child's one line, as the fields of a Micrograph; raises OSError for a fault of the machine."""
    try:
        said = plain(json.loads(output))
        if not said["ok"]:
            raise OSError(said["errno"], said["error"]) if "errno" in said else Unreadable(said["error"])
        names = ("width", "height", "sha256", "calibration", "metadata", "notes", "data_bar")
        reading = said.get("reading") or {}
        own = {"kind": said["kind"][:LONGEST_KIND], "reading": reading, "unread": said.get("reading", {}) is None}
        return {**{name: said[name] for name in names}, **own}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        logger.exception("Inspection said %r", output[:2000])
        raise Unreadable(DIED) from None
