"""Reads an untrusted image file in a child process: `python -m segmentation.core.micrograph.inspect INPUT`.

A file may make a decoder crash or take all memory; then only this process ends. It prints a report as one line of JSON.
Arrays are written as npy files, which the parent can read without a decoder.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import json
import logging
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from . import formats
from .confinement.confined import LARGEST_FILE, confine
from .contrast import preview
from .pages import write_page
from .reader import MAX_PIXELS, MEMORY, read
from .scale_bar.databar import first_bar_row
from .scale_bar.readings import LEAST_SIDE
from .types import Micrograph, UnreadableImage

logger = logging.getLogger(__name__)

MAX_MEMORY_MB = 4096
INSPECT_SECONDS = 60.0  # of processor time for one file
LATER_IMPORTS = ("cv2", "numpy.ma")  # modules that functions import when they read some of the files


def main(arguments: list[str] | None = None) -> int:
    """Inspect the file that the command line names, and print the report. Returns the exit status, which is always 0.

    With --pixels, --page-file or --later no text is recognised; then this process is not allowed to start children.
    """
    options = _options(arguments)
    writable = [file.parent for file in (options.preview, options.pixels, options.page_file) if file]
    readable = [options.input, *(Path(path) for _, path in options.side)]
    reads_no_text = bool(options.pixels or options.page_file) or options.later
    largest_written_bytes = 4 * options.max_pixels + 2**20  # float32 pixels and a header
    bounds = options.max_memory_mb, options.seconds, writable, readable
    return report_confined(
        lambda: _inspect(options),
        *bounds,
        out_of_memory_sentence=MEMORY,
        forbid_children=reads_no_text,
        largest_written_bytes=largest_written_bytes,
    )


def preload() -> None:
    """Import all modules that reading a file may import, before a process is forked."""
    for name in (*LATER_IMPORTS, *(name for entry in formats.every() for name in entry.imports)):
        with suppress(Exception, SystemExit):  # of a plug-in; `reader.read` reports it later
            importlib.import_module(name)
    Image.preinit()


def report_confined(
    make_report: Callable[[], dict[str, Any]],
    megabytes: int,
    seconds: float,
    writable: Sequence[Path],
    readable: Sequence[Path],
    *,
    out_of_memory_sentence: str,
    forbid_children: bool = True,
    largest_written_bytes: int = LARGEST_FILE,
) -> int:
    """Confine this process, and print the report of `make_report`, or the error, as one line of JSON.

    out_of_memory_sentence: the error if the memory is too little. The other arguments are those of `confine`."""
    confine(
        megabytes,
        seconds,
        writable,
        readable,
        forbid_children=forbid_children,
        largest_written_bytes=largest_written_bytes,
    )
    try:
        with redirect_stdout(sys.stderr):  # a reader of a plug-in may print, too
            report = make_report()
    except UnreadableImage as error:
        report = {"ok": False, "error": str(error)}
    except MemoryError:
        report = {"ok": False, "error": out_of_memory_sentence}
    except OSError as error:  # of the disk; a bad image raises UnreadableImage
        report = {"ok": False, "errno": error.errno or errno.EIO, "error": str(error)}
    sys.stdout.write(json.dumps(report, allow_nan=False) + "\n")
    return 0


def save(file: Path, array: NDArray[Any]) -> None:
    """Write an array as npy. Unlike numpy's `save` it raises OSError with its errno on a full disk."""
    with file.open("wb") as out:
        rows = np.ascontiguousarray(array)
        np.lib.format.write_array_header_1_0(out, np.lib.format.header_data_from_array_1_0(rows))
        out.write(rows.data)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description="Read an image and say what it is, as one line of JSON.")
    parser.add_argument("input", type=Path)
    parser.add_argument("--name", help="the file's name as the user knows it")
    parser.add_argument("--preview", type=Path, help="where the preview is written, as npy")
    parser.add_argument("--pixels", type=Path, help="where the pixels are written, as npy; alone, no bar is read")
    parser.add_argument("--page", type=int, default=0, help="number of the image in a stack, from 1")
    parser.add_argument("--page-file", type=Path, help="where a page of a stack is written, as TIFF; no more is done")
    parser.add_argument("--most-bytes", type=int, default=2**62, help="largest size of the pixels that are written")
    parser.add_argument(
        "--side",
        type=json.loads,
        action="append",
        default=[],
        help='a side file, as JSON: ["its name", "its path"]',
    )
    parser.add_argument(
        "--no-reading", action="store_true", help="do not read the data bar of a file that knows its scale"
    )
    parser.add_argument(
        "--known", type=json.loads, action="append", default=[], help="an earlier reading of a data bar, as JSON"
    )
    parser.add_argument(
        "--later", action="store_true", help="do not read the bar now; report `reading: null` if one may be there"
    )
    parser.add_argument("--seconds", type=float, default=INSPECT_SECONDS, help="limit of processor time")
    parser.add_argument("--max-pixels", type=int, default=MAX_PIXELS)
    parser.add_argument("--max-memory-mb", type=int, default=MAX_MEMORY_MB)
    return parser.parse_args(arguments)


def _inspect(options: argparse.Namespace) -> dict[str, Any]:
    """Read the file, write the files that the options ask for, and return the report."""
    side = [(name, Path(path)) for name, path in options.side]
    limits = {"max_pixels": options.max_pixels, "page": options.page}
    micrograph = read(options.input, name=options.name, side=side, **limits)
    if options.page_file is not None:
        if micrograph.metadata.get("pages", 1) > 1:
            write_page(micrograph, options.page_file)
        return _report(micrograph, None)
    if options.pixels is not None and micrograph.pixels.nbytes <= options.most_bytes:
        save(options.pixels, micrograph.pixels)
    if options.pixels is not None and options.preview is None:
        return _report(micrograph, None)
    bar_row = first_bar_row(micrograph)
    report = _report(micrograph, bar_row if bar_row < len(micrograph.pixels) else None)
    if options.preview is not None:
        save(options.preview, preview(micrograph))
    has_bar, has_scale = report["data_bar"] is not None, bool(micrograph.calibration.nm_per_pixel)
    may_have_scale_bar = has_bar or min(micrograph.shape) >= LEAST_SIDE
    if (may_have_scale_bar and not has_scale) or (has_bar and not options.no_reading):
        known_reading = _known_reading(micrograph, bar_row, options.known)
        report["reading"] = known_reading or (None if options.later else _reading(micrograph))
    return report


def _known_reading(micrograph: Micrograph, bar_row: int, known: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The one of the earlier readings `known` (as JSON) whose data bar is the same; {} without one, and after any
    error, so that an upload is never lost because of it.

    bar_row: first row of the data bar.
    """
    from .scale_bar.barresult import BarReading, reading_of_same_bar

    try:
        reading = reading_of_same_bar(micrograph, bar_row, [BarReading.of(stored) for stored in known])
    except Exception:
        logger.exception("The data bar could not be compared")
        return {}
    return {} if reading is None else asdict(reading)


def _reading(micrograph: Micrograph) -> dict[str, Any]:
    """The reading of the data bar or scale bar; {} without one, and after any error, so that an upload is never lost
    because of it."""
    from .scale_bar.barreading import read_bar

    try:
        reading = read_bar(micrograph)
    except Exception:
        logger.exception("The data bar could not be read")
        return {}
    return {} if reading is None else asdict(reading)


def _report(micrograph: Micrograph, bar_row: int | None) -> dict[str, Any]:
    """The report on an image, still without a reading. bar_row: first row of the data bar; None without a bar, or if it
    was not searched."""
    rows, columns = micrograph.shape
    metadata = dict(micrograph.metadata)
    return {
        "ok": True,
        "width": columns,
        "height": rows,
        "name": micrograph.name,
        "sha256": micrograph.sha256,
        "kind": metadata.pop("kind"),
        "calibration": asdict(micrograph.calibration),
        "metadata": metadata,
        "notes": list(micrograph.notes),
        "data_bar": bar_row,
        "reading": {},
    }


if __name__ == "__main__":
    sys.exit(main())
