"""Writes the objects of many results into one CSV table, for the download of selected results."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ...core.flags import short_forms
from ...core.report.tables.cells import BYTE_ORDER_MARK, comment_text, csv_text, name_cell
from ...core.tasks import UnknownTask, find
from ...models import Artifact, Job
from ..ground import bundles

FIRST_COLUMNS = ("image", "result", "corrected_by_hand", "warning")


class _Table(NamedTuple):
    """The stored table of one result. marked: whether its file begins with a byte order mark."""

    job: Job
    artifact: Artifact
    columns: list[str]
    marked: bool


def combined_table(jobs: Iterable[Job]) -> Iterator[str]:
    """The objects of finished results as one CSV text, piece by piece; empty if no result has a
    table.

    A row begins with FIRST_COLUMNS: the image, the id of the result, the number of outlines of the
    result that were corrected by hand, and its warnings in short. Columns that a result lacks are
    empty; lengths in nm and lengths in pixels have separate columns. Results whose table is missing
    or cannot be read are named in lines that begin with "#".
    """
    tables, missing = [], []
    for job in jobs:
        table = _table_of(job)
        (tables if table else missing).append(table or job)
    if not tables:
        return
    columns = list(dict.fromkeys(name for table in tables for name in table.columns))
    yield BYTE_ORDER_MARK if any(table.marked for table in tables) else ""
    yield from (f"# not included: {comment_text(job.micrograph.name)}\n" for job in missing)
    yield csv_text([(*FIRST_COLUMNS, *columns)])
    for table in tables:
        yield csv_text(_aligned_rows(table, columns))


def _table_of(job: Job) -> _Table | None:
    """The table of a result; None if it is missing or cannot be read."""
    try:
        name = f"{find(job.settings['task']).table}.csv".replace(" ", "-")
    except UnknownTask:
        return None
    artifact = job.artifact(name) if job.is_done else None
    if artifact is None:
        return None
    try:
        text = _read(artifact)
    except (OSError, ValueError):
        return None
    return _Table(job, artifact, next(_rows_in(text), []), text.startswith(BYTE_ORDER_MARK))


def _read(artifact: Artifact) -> str:
    with bundles.open_file(artifact) as file:
        return file.read().decode()


def _rows_in(text: str) -> Iterator[list[str]]:
    """The names of the columns, then the rows of objects. Lines of the summary, which begin with
    "#", are left out."""
    file = io.StringIO(text.removeprefix(BYTE_ORDER_MARK), newline="")
    return csv.reader(line for line in file if not line.startswith("#"))


def _aligned_rows(table: _Table, columns: Sequence[str]) -> Iterator[list[str]]:
    """The rows of a table, with FIRST_COLUMNS and then these columns. A column that the table lacks
    is empty."""
    rows, job = _rows_in(_read(table.artifact)), table.job
    index = {name: column for column, name in enumerate(next(rows, []))}
    corrected = str(job.stored.corrections["outlines"])
    warning = "; ".join(short_forms(job.stored.flags))
    head = [name_cell(job.micrograph.name), str(job.pk), corrected, warning]
    for row in rows:
        yield [*head, *(row[index[name]] if name in index else "" for name in columns)]
