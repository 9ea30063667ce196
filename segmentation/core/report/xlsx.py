"""`particles.xlsx`: the sizes, the summary and the metadata as sheets with typed cells.

No text can act as a formula: every text cell is stored as a text, and one that begins like a formula is also marked
as such (Excel's leading apostrophe). Written again, the file is the same: it carries no date.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

from xlsxwriter import Workbook
from xlsxwriter.exceptions import FileCreateError

from ..analysis import Analysis
from ..measure.statistics import Statistics
from . import numbers
from .method import chosen
from .result import as_dict
from .wording import SOURCES, model_words, version

FORMULAS = ("=", "+", "-", "@", "\t", "\r")
MOST_CHARACTERS = 32767
MOST_ROWS = 1_048_575
EARLIEST = datetime(1980, 1, 1)


def write_xlsx(analysis: Analysis, file: Path | BinaryIO) -> None:
    """Write sheets "particles" (one row each, as in the CSV), "summary" (with 95 % intervals) and "metadata"."""
    table = analysis.table
    lines = zip(*(values[:MOST_ROWS].tolist() for values in table.columns.values()), strict=True)
    with workbook(file) as book:
        add_sheet(book, "particles", list(table.columns), lines)
        add_summary(book, analysis.statistics)
        add_sheet(book, "metadata", ["group", "name", "value"], _metadata(analysis), widths=(18, 30, 70))


@contextmanager
def workbook(file: Path | BinaryIO) -> Iterator[Workbook]:
    """A workbook without dates, in `file` once the block ends; its rows wait on the disk, not in memory."""
    with TemporaryDirectory() as folder:
        book = Workbook(file, {"constant_memory": True, "tmpdir": folder})
        book.set_properties({"created": EARLIEST})
        yield book
        try:
            book.close()
        except FileCreateError as error:
            raise error.args[0] from None  # the OSError by which a full disk is known


def add_summary(book: Workbook, found: Statistics) -> None:
    """The sheet "summary": every number with its unit and interval."""
    head = ["group", "name", "value", "unit", "95 % interval from", "to"]
    add_sheet(book, "summary", head, numbers.rows(found), widths=(36, 44, 16, 8, 18, 16))


def add_sheet(
    book: Workbook, title: str, head: Sequence[str], lines: Iterable[Sequence[Any]], widths: Sequence[int] = ()
) -> None:
    """A sheet with a bold first line that stays in view, and a filter; numbers, truths and texts as themselves.

    None, the empty text and what is no finite number leave a cell empty.
    """
    sheet = book.add_worksheet(title)
    sheet.freeze_panes(1, 0)
    for column, name in enumerate(head):
        sheet.set_column(column, column, widths[column] if widths else max(10, len(name) + 3))
    sheet.write_row(0, 0, head, book.add_format({"bold": True}))
    quoted = book.add_format({"quote_prefix": True})
    row = 0
    for row, line in enumerate(lines, 1):
        for column, value in enumerate(line):
            if value is None or value == "":
                continue
            if isinstance(value, bool):
                sheet.write_boolean(row, column, value)
            elif isinstance(value, str):
                text = value.encode("utf-8", "replace").decode()[:MOST_CHARACTERS]
                sheet.write_string(row, column, text, quoted if text.startswith(FORMULAS) else None)
            elif math.isfinite(value):
                sheet.write_number(row, column, value)
    sheet.autofilter(0, 0, row, len(head) - 1)


def _metadata(analysis: Analysis) -> Iterable[tuple[str, str, Any]]:
    said = as_dict(analysis)
    calibration = analysis.calibration
    yield "software", "version", version()
    for name, value in said["versions"].items():
        yield "software", name, value
    for name in ("name", "sha256", "width", "height", "data_bar"):
        yield "image", name, said["image"][name]
    yield "calibration", "nm per pixel", calibration.nm_per_pixel
    yield "calibration", "source", SOURCES[calibration.source]
    yield "calibration", "detail", calibration.detail
    yield "calibration", "relative standard uncertainty", calibration.relative_uncertainty
    yield "model", "model", model_words(analysis)
    yield "model", "sha256", analysis.segmentation.provenance.weights
    for name, value in chosen(analysis).items():
        yield "settings", name, value
    yield from basis(analysis.statistics)
    for name, value in said["metadata"].items():
        yield "instrument", name, value if isinstance(value, int | float | str) else str(value)
    for sentence in said["warnings"]:
        yield "notes", "warning", sentence


def basis(found: Statistics) -> Iterable[tuple[str, str, Any]]:
    """What the intervals beside the numbers rest on, as lines of the metadata."""
    yield "statistics", "95 % intervals", found.interval_note or found.interval_basis
