"""Reads and writes two stored files with the objects of a result: OUTLINES_FILE, which its page draws,
and TABLE_FILE, the unrounded measurements of the objects, from which samples are pooled."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np

from ...core import tasks
from ...core.measure.table import Table
from ...core.report.corrected.corrected_objects import OUTLINE_KEYS
from ...models import Job
from . import bundles

logger = logging.getLogger(__name__)
TABLE_FILE, OUTLINES_FILE = "table.npz", "outlines.json"
UNCORRECTED_FILE = "uncorrected.json"  # the content of OUTLINES_FILE before all corrections of the result
OBJECTS_KEY = "particles"  # key of the list of objects in OUTLINES_FILE, for every kind of analysis
# These bytes occur only between two objects, because the JSON is written without spaces and escapes
# the quotes in a text.
NEXT_OBJECT = b'},{"id":'
CHUNK = 1 << 18  # bytes of a file that are read at once
CLARITY, SCALE = "clarity", "nm_per_pixel"  # arrays in TABLE_FILE
COLUMN = "column "  # prefix of the names of the arrays that are columns of the table


def save(table: Table, clarity: float, path: Path) -> Path:
    """Write a table of objects to a new file TABLE_FILE at `path`; returns the path. clarity: how
    clearly the image shows the objects, 0 to 1."""
    scale = np.nan if table.nm_per_pixel is None else table.nm_per_pixel
    columns = {f"{COLUMN}{name}": values for name, values in table.columns.items()}
    np.savez_compressed(path, **{SCALE: scale, CLARITY: clarity}, **columns)
    return path


def load(file: BinaryIO) -> tuple[Table, float]:
    """The table and the clarity from a file that `save` wrote.

    Raises ValueError if the file is damaged or has a column unknown to this version.
    """
    tasks.every()  # importing the kinds registers their columns
    with np.load(file, allow_pickle=False) as arrays:
        columns = {name.removeprefix(COLUMN): arrays[name] for name in arrays.files if name.startswith(COLUMN)}
        scale = float(arrays[SCALE])
        return Table(columns, None if np.isnan(scale) else scale), float(arrays[CLARITY])


def objects_of(job: Job) -> list[dict[str, Any]] | None:
    """The objects of a result as dicts, without their outlines: the data that
    `core.report.exports.viewer.outlines` writes. None if they cannot be read."""
    return objects_in(job, OUTLINES_FILE)


def uncorrected_objects_of(job: Job) -> list[dict[str, Any]] | None:
    """The objects of a result before all its corrections, as `objects_of` returns them."""
    return objects_in(job, UNCORRECTED_FILE if job.artifact(UNCORRECTED_FILE) else OUTLINES_FILE)


def objects_in(job: Job, name: str) -> list[dict[str, Any]] | None:
    """The objects in a stored file of a result, as `objects_of` returns them. name: OUTLINES_FILE or
    UNCORRECTED_FILE."""
    artifact = job.artifact(name)
    if artifact is None:
        return None
    try:
        with bundles.open_file(artifact) as file:
            rows = (row for part in read_in_parts(file) for row in part[OBJECTS_KEY])
            return [{name: value for name, value in row.items() if name not in OUTLINE_KEYS} for row in rows]
    except (OSError, EOFError, ValueError, KeyError):
        logger.warning("The outlines of job %s cannot be read.", job.pk, exc_info=True)
        return None


def read_in_parts(file: IO[bytes]) -> Iterator[dict[str, Any]]:
    """Read a file OUTLINES_FILE in parts, because a large one takes much memory.

    The first part has all keys of the file and the first objects; further parts have only
    OBJECTS_KEY. This relies on the order in which `core.report.exports.viewer.outlines` writes: each
    object begins with its id, and the objects come last.
    """
    head, tail = b"", b""
    while chunk := file.read(CHUNK):
        objects, next_object, tail = (tail + chunk).rpartition(NEXT_OBJECT)
        if next_object:
            yield json.loads(head + objects + b"}]}")
            head = f'{{"{OBJECTS_KEY}":[{{"id":'.encode()
    yield json.loads(head + tail)
