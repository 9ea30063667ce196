"""Sheets of an XLSX file with typed cells, as `exports/workbooks.py` fills them.

No text can act as a formula: every text cell is stored as a text, and one that begins like a formula is also marked as
such (Excel's leading apostrophe). Written again, the file is the same: its only date is that of the result.
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

MOST_CHARACTERS = 32767
DIGITS, IN_DETAIL = 4, 6  # of measured numbers: an outline is not more certain
EARLIEST = datetime(1980, 1, 1)
Cells = Sequence[Any]


@contextmanager
def workbook(file: Path | BinaryIO) -> Iterator[Workbook]:
    """A workbook without the date of writing, in `file` once the block ends; rows wait on the disk beside it."""
    from xlsxwriter import Workbook
    from xlsxwriter.exceptions import FileCreateError

    with TemporaryDirectory(dir=file.parent if isinstance(file, Path) else None) as folder:
        book = Workbook(file, {"constant_memory": True, "tmpdir": folder})
        book.set_properties({"created": EARLIEST})
        yield book
        try:
            book.close()
        except FileCreateError as error:
            raise error.args[0] from None  # the OSError by which a full disk is known


def add_sheet(
    book: Workbook,
    title: str,
    head: Sequence[str],
    lines: Iterable[Cells],
    widths: Sequence[int] = (),
    *,
    filters: bool = True,
) -> Any:
    """A sheet with a bold first line that stays in view, with filters; numbers, truths and texts as themselves.

    None, the empty text and what is no finite number leave a cell empty.
    """
    sheet = book.add_worksheet(title)
    sheet.freeze_panes(1, 0)
    for column, width in enumerate(widths or [max(10, len(name) + 3) for name in head]):
        sheet.set_column(column, column, width)
    sheet.write_row(0, 0, head, book.add_format({"bold": True}))
    quoted, date = book.add_format({"quote_prefix": True}), book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
    row = 0
    for row, line in enumerate(lines, 1):
        for column, value in enumerate(line):
            if value is None or value == "":
                continue
            if isinstance(value, bool):
                sheet.write_boolean(row, column, value)
            elif isinstance(value, str):
                text = value.encode("utf-8", "replace").decode()[:MOST_CHARACTERS]
                sheet.write_string(row, column, text, quoted if begins_like_formula(text) else None)
            elif isinstance(value, datetime):
                sheet.write_datetime(row, column, value, date)
            elif math.isfinite(value):
                sheet.write_number(row, column, value)
    if filters:
        sheet.autofilter(0, 0, row, len(head) - 1)
    return sheet


def rounded_cell(value: Any, digits: int = DIGITS) -> Any:
    """A measured number with as many digits as it deserves; anything else as it is."""
    if not isinstance(value, float) or not math.isfinite(value):
        return value
    return float(f"{value:.{digits}g}")
