"""Looking into an uploaded file in a child process, so that no file can harm the web server.

A child that takes too long is killed; one that dies (of memory, or of a fault in a decoder) takes nothing with it.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from .plain import plain

logger = logging.getLogger(__name__)

AT_ONCE = 2
WAIT_SECONDS = 60
LONGEST_KIND = 100
TOO_SLOW = "Reading the image took too long: it may be damaged, so save it again as TIFF or PNG and upload that."
DIED = "The image could not be read: it is damaged or needs too much memory; save it again as TIFF or PNG."
BUSY = "The server is busy reading other images: please upload this one again in a minute."

_slots = threading.BoundedSemaphore(AT_ONCE)


class Unreadable(Exception):
    """The file is no image that can be analysed; the message is one sentence for the user."""


class Busy(Exception):
    """Too many inspections at once; the message is one sentence for the user."""


@dataclass(frozen=True)
class Inspection:
    """facts: the fields of an Upload by name. preview: a PNG."""

    facts: dict[str, Any]
    preview: bytes


def inspect(path: Path, *, name: str, side: Sequence[tuple[str, Path]] = (), read_bar: bool = True) -> Inspection:
    """What the file at `path` is, its uploader calling it `name`; raises Unreadable or Busy.

    side: the names and places of files that the microscope wrote beside it. read_bar: whether the text of a data bar
    is read too, as a suggestion: some seconds of work.
    """
    if not _slots.acquire(timeout=WAIT_SECONDS):
        raise Busy(BUSY)
    try:
        with tempfile.TemporaryDirectory(dir=settings.FILE_UPLOAD_TEMP_DIR) as folder:
            preview = Path(folder, "preview.png")
            said = _parse(_run(_command(path, name, preview, side, read_bar)))
            return Inspection(said, preview.read_bytes())
    finally:
        _slots.release()


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
        f"--max-pixels={settings.DEEPSEGM_MAX_MEGAPIXELS * 1_000_000}",
        f"--max-memory-mb={settings.DEEPSEGM_INSPECTION_MEMORY_MB}",
    ]


def _run(command: list[str]) -> bytes:
    """The child's standard output; its death and its slowness are the file's fault as far as the user can help."""
    try:
        child = subprocess.run(
            command,
            cwd=settings.BASE_DIR,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=settings.DEEPSEGM_INSPECTION_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Unreadable(TOO_SLOW) from None
    if child.returncode or child.stderr:
        logger.warning("Inspection ended with %s: %s", child.returncode, child.stderr[-2000:].decode(errors="replace"))
    if child.returncode:
        raise Unreadable(DIED)
    return child.stdout


def _parse(output: bytes) -> dict[str, Any]:
    """The facts of the child's one line, as the fields of an Upload."""
    try:
        said = plain(json.loads(output))
        if not said["ok"]:
            raise Unreadable(said["error"])
        names = ("width", "height", "sha256", "calibration", "metadata", "notes", "data_bar")
        reading = said.get("reading") or {}
        return {**{name: said[name] for name in names}, "kind": said["kind"][:LONGEST_KIND], "reading": reading}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        logger.exception("Inspection said %r", output[:2000])
        raise Unreadable(DIED) from None
