"""Writes the sheets of an XLSX file, whose content comes from `exports/workbooks.py`.

A text never runs as a formula: each text cell is stored as a text, and one that begins like a
formula also has Excel's mark for texts (a leading apostrophe). The same content gives the same
bytes: no date of writing is stored.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, BinaryIO

from .cells import begins_like_formula

if TYPE_CHECKING:
    from xlsxwriter import Workbook

MOST_CHARACTERS = 32767  # Excel's limit for a cell
DIGITS, DETAIL_DIGITS = 4, 6  # significant digits: usually, and in the sheet "Details"; outlines are not more exact
EARLIEST = datetime(1980, 1, 1)  # in place of the date of writing
Cells = Sequence[Any]


@contextmanager
def workbook(file: Path | BinaryIO) -> Iterator[Workbook]:
    """A workbook to fill within the block; at the end of the block it is written to `file`.

    Until then its rows are in a temporary folder next to the file.
    """
    from xlsxwriter import Workbook
    from xlsxwriter.exceptions import FileCreateError

    with TemporaryDirectory(dir=file.parent if isinstance(file, Path) else None) as folder:
        book = Workbook(file, {"constant_memory": True, "tmpdir": folder})
        book.set_properties({"created": EARLIEST})
        yield book
        try:
            book.close()
        except FileCreateError as error:
            raise error.args[0] from None  # the OSError of a full disk


def add_sheet(
    book: Workbook,
    title: str,
    head: Sequence[str],
    lines: Iterable[Cells],
    widths: Sequence[int] = (),
    *,
    filters: bool = True,
) -> Any:
    """Add a sheet whose first line `head` is bold and has filters; it and the first column stay in view; returns it.

    lines: the cells of each row: numbers, booleans, texts or dates. None, "" and numbers that are
    not finite leave a cell empty. widths: of the columns, in characters.
    """
    sheet = book.add_worksheet(title)
    sheet.freeze_panes(1, 1)
    for column, width in enumerate(widths or [max(10, len(name) + 3) for name in head]):
        sheet.set_column(column, column, width)
    sheet.write_row(0, 0, head, book.add_format({"bold": True}))
    text_format, date_format = (
        book.add_format({"quote_prefix": True}),
        book.add_format({"num_format": "yyyy-mm-dd hh:mm"}),
    )
    row = 0
    for row, line in enumerate(lines, 1):
        for column, value in enumerate(line):
            if value is None or value == "":
                continue
            if isinstance(value, bool):
                sheet.write_boolean(row, column, value)
            elif isinstance(value, str):
                text = value.encode("utf-8", "replace").decode()[:MOST_CHARACTERS]
                sheet.write_string(row, column, text, text_format if begins_like_formula(text) else None)
            elif isinstance(value, datetime):
                sheet.write_datetime(row, column, value, date_format)
            elif math.isfinite(value):
                sheet.write_number(row, column, value)
    if filters:
        sheet.autofilter(0, 0, row, len(head) - 1)
    return sheet


def rounded_cell(value: Any, digits: int = DIGITS) -> Any:
    """A float with `digits` significant digits; other values unchanged."""
    if not isinstance(value, float) or not math.isfinite(value):
        return value
    return float(f"{value:.{digits}g}")
