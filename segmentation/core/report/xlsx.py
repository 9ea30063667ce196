"""`particles.xlsx`: the sizes, the summary and the metadata as sheets with typed cells.

No text can act as a formula: every text cell is stored as a text, and one that begins like a formula is also marked
as such (Excel's leading apostrophe). Written again, the file is the same: it carries no date.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from .. import archive
from ..analysis import Analysis
from ..measure.statistics import Statistics
from . import numbers
from .method import chosen
from .result import as_dict
from .wording import SOURCES, model_words, version

FORMULAS = ("=", "+", "-", "@", "\t", "\r")
MOST_CHARACTERS = 32767
MOST_ROWS = 1_048_575
HEAD = Font(bold=True)
DATES = re.compile(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*")
NEVER = rb"\g<1>1980-01-01T00:00:00Z"


def write_xlsx(analysis: Analysis, file: Path | BinaryIO) -> None:
    """Write sheets "particles" (one row each, as in the CSV), "summary" (with 95 % intervals) and "metadata"."""
    book = Workbook(write_only=True)
    table = analysis.table
    columns = [_values(values)[:MOST_ROWS] for values in table.columns.values()]
    add_sheet(book, "particles", list(table.columns), zip(*columns, strict=True))
    add_summary(book, analysis.statistics)
    add_sheet(book, "metadata", ["group", "name", "value"], _metadata(analysis), widths=(18, 30, 70))
    save(book, file)


def add_summary(book: Workbook, found: Statistics) -> None:
    """The sheet "summary": every number with its unit and interval."""
    head = ["group", "name", "value", "unit", "95 % interval from", "to"]
    add_sheet(book, "summary", head, numbers.rows(found), widths=(36, 44, 16, 8, 18, 16))


def add_sheet(
    book: Workbook, title: str, head: Sequence[str], lines: Iterable[Sequence[Any]], widths: Sequence[int] = ()
) -> None:
    """A sheet with a bold first line that stays in view, and a filter; numbers, truths and texts as themselves."""
    sheet = book.create_sheet(title)
    sheet.freeze_panes = "A2"
    wide = widths or [max(10, len(name) + 3) for name in head]
    for i, width in enumerate(wide, 1):
        sheet.column_dimensions[get_column_letter(i)].width = width
    sheet.append([_text(sheet, name, bold=True) for name in head])
    count = 1
    for line in lines:
        sheet.append([_text(sheet, value) if isinstance(value, str) else value for value in line])
        count += 1
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(head))}{count}"


def save(book: Workbook, file: Path | BinaryIO) -> None:
    """Write the workbook without its dates."""
    written = io.BytesIO()
    book.save(written)
    with zipfile.ZipFile(written) as made:
        parts = [(name, made.read(name)) for name in made.namelist()]
    core = "docProps/core.xml"
    archive.write_zip(file, [(name, DATES.sub(NEVER, data) if name == core else data) for name, data in parts])


def _text(sheet: Any, words: str, bold: bool = False) -> Any:
    if not words:
        return None
    clean = ILLEGAL_CHARACTERS_RE.sub(" ", words.encode("utf-8", "replace").decode())[:MOST_CHARACTERS]
    cell = WriteOnlyCell(sheet, clean)
    cell.data_type = "s"
    if clean.startswith(FORMULAS):
        cell.quotePrefix = True
    if bold:
        cell.font = HEAD
    return cell


def _values(values: np.ndarray[Any, Any]) -> list[Any]:
    if values.dtype.kind != "f":
        return list(values.tolist())
    return [value if np.isfinite(value) else None for value in values.tolist()]


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
