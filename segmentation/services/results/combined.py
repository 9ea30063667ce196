"""The objects of many results in one table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ...core.flags import from_json, shorts
from ...core.report.cells import BYTE_ORDER_MARK, lines, name_cell
from ...core.tasks import UnknownTask, find
from ...models import Artifact, Job
from ..ground import bundles

FIRST = ("image", "result", "corrected_by_hand", "warning")


class _Stored(NamedTuple):
    """The table of one result; marked: whether it begins with a byte order mark."""

    job: Job
    artifact: Artifact
    columns: list[str]
    marked: bool


def combined_table(jobs: Iterable[Job]) -> Iterator[str]:
    """CSV of all objects of finished results, piece by piece; empty without any.

    A row names its image, its result (the id), how many outlines of the result were corrected by hand, and its warnings
    in short. Columns that a result does not have stay empty; lengths in nm and in pixels are columns of their own.
    Results without a table that can be read are named in lines that begin with "#".
    """
    tables, missing = [], []
    for job in jobs:
        table_of_job = _stored(job)
        (tables if table_of_job else missing).append(table_of_job or job)
    if not tables:
        return
    columns = list(dict.fromkeys(name for table in tables for name in table.columns))
    yield BYTE_ORDER_MARK if any(table.marked for table in tables) else ""
    yield from (f"# not included: {name_cell(job.micrograph.name)}\n" for job in missing)
    yield lines([(*FIRST, *columns)])
    for table in tables:
        yield lines(_rows(table, columns))


def _stored(job: Job) -> _Stored | None:
    try:
        name = f"{find(job.settings['task']).table}.csv".replace(" ", "-")
    except UnknownTask:
        return None
    artifact = job.artifact(name) if job.is_done else None
    if artifact is None:
        return None
    try:
        text = _text(artifact)
    except (OSError, ValueError):
        return None
    return _Stored(job, artifact, next(_table(text), []), text.startswith(BYTE_ORDER_MARK))


def _text(artifact: Artifact) -> str:
    with bundles.opened(artifact) as file:
        return file.read().decode()


def _table(text: str) -> Iterator[list[str]]:
    """The head and the rows, without the lines of the summary."""
    lines = io.StringIO(text.removeprefix(BYTE_ORDER_MARK), newline="")
    return csv.reader(line for line in lines if not line.startswith("#"))


def _rows(of: _Stored, columns: Sequence[str]) -> Iterator[list[str]]:
    table = _table(_text(of.artifact))
    places = {name: column for column, name in enumerate(next(table, []))}
    corrected = str(of.job.summary["used"].get("corrected", 0))
    warning = "; ".join(shorts(from_json(of.job.summary)))
    first = [name_cell(of.job.micrograph.name), str(of.job.pk), corrected, warning]
    for row in table:
        yield [*first, *(row[places[name]] if name in places else "" for name in columns)]
