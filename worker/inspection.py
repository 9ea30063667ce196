"""Foreign files are decoded in a child process, so that none can harm the worker.

A child that takes too long is killed. If a child dies (lack of memory, fault in a decoder), the worker is not affected.
"""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from django.conf import settings
from numpy.typing import NDArray
from PIL import Image

from segmentation.core.micrograph.kinds import clean_name
from segmentation.core.micrograph.types import Calibration, Micrograph, UnreadableImage
from segmentation.plain import plain
from segmentation.services.limits import most_pixels

if TYPE_CHECKING:
    from segmentation.core.imported.reading import Outlines

from .scratch import scratch

logger = logging.getLogger(__name__)

LONGEST_KIND = 100
# The variables of our environment that a child gets. No key, password or address of the site is among them.
TOLD = ("PATH", "LANG", "TZ", "HOME", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
TOLD_BEGINNINGS = ("LC_", "PYTHON", "OMP_")
KILLS = (signal.SIGKILL, signal.SIGTERM)
LOOK_SECONDS = 0.5  # between two looks at whether anybody still wants the answer
TOO_SLOW = "Reading the image took too long: it may be damaged, so save it again as TIFF or PNG and upload that."
DIED = "The image could not be read: it is damaged or needs too much memory; save it again as TIFF or PNG."
OUTLINES_TOO_SLOW = "Reading the outlines took too long: the file may be damaged, or split it into parts."
OUTLINES_DIED = "The outlines could not be read: their file is damaged or needs too much memory."


class Unreadable(UnreadableImage):
    """The child could not read the file; the message is one sentence for the user."""


class Killed(Exception):
    """Somebody killed the child, such as a system without memory: another try may succeed. The message is a sentence,
    too."""


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
        preview = folder / "preview.npy"
        options = [f"--preview={preview}", *([] if read_bar else ["--no-reading"]), *(["--later"] if later else [])]
        said = _parse(_run(_command(path, name, side, options), alive))
        picture = io.BytesIO()
        with _understanding(said):
            Image.fromarray(_array(preview, np.uint8)).save(picture, format="PNG")
        return Inspection(said, picture.getvalue(), said.pop("unread"))


def read_micrograph(
    path: Path, *, name: str, side: Sequence[tuple[str, Path]] = (), alive: Callable[[], None] = lambda: None
) -> Micrograph:
    """The Micrograph in the file at `path`, decoded in the same way; raises Unreadable. The rest: as for `inspect`."""
    with scratch() as folder:
        pixels = folder / "pixels.npy"
        said = _parse(_run(_command(path, name, side, [f"--pixels={pixels}"]), alive))
        with _understanding(said):
            found = _array(pixels, np.uint8, np.uint16, np.float32)
            calibration = Calibration(**said["calibration"])
            metadata = {"kind": said["kind"], **said["metadata"]}
            return Micrograph(found, clean_name(name), said["sha256"], calibration, metadata, tuple(said["notes"]))


def read_outlines(path: Path, asked: dict[str, Any], alive: Callable[[], None]) -> Outlines:
    """The outlines in a file of another tool, read in a child process; raises Unreadable.

    asked: what `segmentation.core.imported` must know of the image and the result. alive: as for `inspect`.
    """
    from segmentation.core.imported.reading import heard

    labels, said = _outlines(path, asked, alive)
    with _understanding(said, OUTLINES_DIED):
        return heard(said=said, labels=labels)


def read_truth(path: Path, asked: dict[str, Any], alive: Callable[[], None]) -> NDArray[np.int32]:
    """(H, W) the labels in a file of training data, read in the same way; raises Unreadable."""
    return _outlines(path, {**asked, "truth": True}, alive)[0]


def _outlines(path: Path, asked: dict[str, Any], alive: Callable[[], None]) -> tuple[NDArray[np.int32], dict[str, Any]]:
    with scratch() as folder:
        labels = folder / "labels.npy"
        command = [
            *(sys.executable, "-m", "segmentation.core.imported", str(path)),
            *(f"--asked={json.dumps(asked)}", f"--labels={labels}"),
            f"--max-memory-mb={settings.DEEPSEGM_INSPECTION_MEMORY_MB}",
            f"--seconds={settings.DEEPSEGM_INSPECTION_SECONDS}",
        ]
        output = _run(command, alive, OUTLINES_DIED, OUTLINES_TOO_SLOW)
        with _understanding(output, OUTLINES_DIED):
            said = _said(output)
            return _array(labels, np.int32), said


def _command(path: Path, name: str, side: Sequence[tuple[str, Path]], options: Sequence[str]) -> list[str]:
    return [
        *(sys.executable, "-m", "segmentation.core.micrograph.inspect"),
        str(path),
        f"--name={name}",
        *(f"--side={json.dumps([given, str(place)])}" for given, place in side),
        *options,
        f"--seconds={settings.DEEPSEGM_INSPECTION_SECONDS}",
        f"--max-pixels={most_pixels()}",
        f"--max-memory-mb={settings.DEEPSEGM_INSPECTION_MEMORY_MB}",
    ]


def _run(command: list[str], alive: Callable[[], None], died: str = DIED, too_slow: str = TOO_SLOW) -> bytes:
    """The child's standard output; if the child dies or is too slow, the file is reported as the cause."""
    end = time.monotonic() + settings.DEEPSEGM_INSPECTION_SECONDS
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    known = {name: value for name, value in os.environ.items() if name in TOLD or name.startswith(TOLD_BEGINNINGS)}
    told = {**known, "OPENBLAS_NUM_THREADS": "1"}  # a child multiplies no matrices, and threads take time to start
    with subprocess.Popen(command, cwd=settings.BASE_DIR, env=told, start_new_session=True, **pipes) as child:
        try:
            output, errors = _heard(child, end, alive, too_slow)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)  # with all that it started
    if child.returncode or errors:
        logger.warning("Inspection ended with %s: %s", child.returncode, errors[-2000:].decode(errors="replace"))
    if -child.returncode in KILLS:
        raise Killed(died)
    if child.returncode:
        raise Unreadable(died)
    return output


def _heard(child: subprocess.Popen[bytes], end: float, alive: Callable[[], None], too_slow: str) -> tuple[bytes, bytes]:
    """The child's output until it ends by itself; raises Unreadable at the time `end`."""
    while True:
        try:
            return child.communicate(timeout=LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            if time.monotonic() > end:
                raise Unreadable(too_slow) from None
            alive()


def _array(file: Path, *dtypes: type[np.generic]) -> NDArray[Any]:
    """(H, W) what the child wrote; raises ValueError for another kind of array."""
    with file.open("rb") as opened:
        found = np.lib.format.read_array(opened, allow_pickle=False)
    if found.ndim != 2 or found.dtype not in dtypes:
        raise ValueError(f"an array of {found.dtype}, {found.ndim} dimensions")
    return found


@contextmanager
def _understanding(said: Any, died: str = DIED) -> Iterator[None]:
    """Raises Unreadable where what the child said is no answer."""
    try:
        yield
    except Unreadable:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, FileNotFoundError):
        logger.exception("The child that reads files said %r", said[:2000] if isinstance(said, bytes) else said)
        raise Unreadable(died) from None


def _parse(output: bytes) -> dict[str, Any]:
    """The facts of the child's one line, as the fields of a Micrograph; raises OSError for a fault of the machine."""
    with _understanding(output):
        said = _said(output)
        names = ("width", "height", "sha256", "calibration", "metadata", "notes", "data_bar")
        reading = said.get("reading") or {}
        own = {"kind": said["kind"][:LONGEST_KIND], "reading": reading, "unread": said.get("reading", {}) is None}
        return {**{name: said[name] for name in names}, **own}


def _said(output: bytes) -> dict[str, Any]:
    """The report in the child's one line; raises Unreadable with the child's sentence, OSError for a fault of the
    machine, ValueError, KeyError or TypeError for no report."""
    said = plain(json.loads(output))
    if not said["ok"]:
        raise OSError(said["errno"], said["error"]) if "errno" in said else Unreadable(said["error"])
    return dict(said)
