"""Two stored files about the objects of a result: OUTLINES (outlines.json), from which its page
draws, and NAME (table.npz), the table of its objects with all digits, from which samples are
pooled."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np

from ...core import tasks
from ...core.measure.table import Table
from ...core.report.corrected_objects import OUTLINE_KEYS
from ...models import Job
from . import bundles

logger = logging.getLogger(__name__)
NAME, OUTLINES = "table.npz", "outlines.json"
UNCORRECTED = "uncorrected.json"  # as OUTLINES, from before all corrections of the result
OBJECTS = "particles"  # key of the list of objects in OUTLINES, for every kind
# These bytes stand only between two objects: JSON is written without spaces, and escapes quotes in
# a text.
NEXT_OBJECT = b'},{"id":'
CHUNK = 1 << 18  # bytes of a file that are read at once
CLARITY, SCALE = "clarity", "nm_per_pixel"  # arrays in NAME
COLUMN = "column "  # prefix of the arrays that hold the columns of the table


def save(table: Table, clarity: float, path: Path) -> Path:
    """Write a table of objects to a file NAME, and how clearly the image shows them; returns the
    path."""
    scale = np.nan if table.nm_per_pixel is None else table.nm_per_pixel
    columns = {f"{COLUMN}{name}": values for name, values in table.columns.items()}
    np.savez_compressed(path, **{SCALE: scale, CLARITY: clarity}, **columns)
    return path


def load(file: BinaryIO) -> tuple[Table, float]:
    """The table and the clarity that `save` wrote.

    Raises ValueError if the file is damaged or has a column unknown to this version.
    """
    tasks.every()  # importing the kinds registers their columns
    with np.load(file, allow_pickle=False) as arrays:
        columns = {name.removeprefix(COLUMN): arrays[name] for name in arrays.files if name.startswith(COLUMN)}
        scale = float(arrays[SCALE])
        return Table(columns, None if np.isnan(scale) else scale), float(arrays[CLARITY])


def objects_of(job: Job) -> list[dict[str, Any]] | None:
    """The objects of a result, as `core.report.exports.viewer.outlines` writes them but without
    their lines; None if they cannot be read."""
    return objects_in(job, OUTLINES)


def uncorrected_objects_of(job: Job) -> list[dict[str, Any]] | None:
    """The objects of a result before all its corrections; otherwise as `objects_of`."""
    return objects_in(job, UNCORRECTED if job.artifact(UNCORRECTED) else OUTLINES)


def objects_in(job: Job, name: str) -> list[dict[str, Any]] | None:
    """The objects in a stored file of a result, as in `objects_of`. name: OUTLINES or
    UNCORRECTED."""
    artifact = job.artifact(name)
    if artifact is None:
        return None
    try:
        with bundles.opened(artifact) as file:
            rows = (row for part in parts(file) for row in part[OBJECTS])
            return [{name: value for name, value in row.items() if name not in OUTLINE_KEYS} for row in rows]
    except (OSError, EOFError, ValueError, KeyError):
        logger.warning("The outlines of job %s cannot be read.", job.pk, exc_info=True)
        return None


def parts(file: IO[bytes]) -> Iterator[dict[str, Any]]:
    """The content of a file OUTLINES in parts, so that little of it is in memory at a time.

    The first part has all keys of the file and the first objects; the others have only OBJECTS.
    This relies on `core.report.exports.viewer.outlines`: each object begins with its id, and the
    objects come last.
    """
    head, tail = b"", b""
    while chunk := file.read(CHUNK):
        objects, next_object, tail = (tail + chunk).rpartition(NEXT_OBJECT)
        if next_object:
            yield json.loads(head + objects + b"}]}")
            head = f'{{"{OBJECTS}":[{{"id":'.encode()
    yield json.loads(head + tail)
