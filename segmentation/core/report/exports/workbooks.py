"""`particles.xlsx` of an image, `sample.xlsx` of several: numbers, summary and metadata as sheets with typed cells.

No text can act as a formula: every text cell is stored as a text, and one that begins like a formula is also marked
as such (Excel's leading apostrophe). Written again, the file is the same: it carries no date.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from ... import archive
from ..wording import version
from .base import Export
from .images_csv import NUMBERS

if TYPE_CHECKING:
    from openpyxl import Workbook

    from ...sample import Sample
    from ..context import Context

FORMULAS = ("=", "+", "-", "@", "\t", "\r")
MOST_CHARACTERS = 32767
MOST_ROWS = 1_048_575
IMAGES = (36, 10, 10, 14, 12, 12, 14, 50, 50)  # widths in characters
METADATA = (18, 36, 70, 36)
DATES = re.compile(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*")
NEVER = rb"\g<1>1980-01-01T00:00:00Z"


def write_xlsx(sample: Sample, file: Path | BinaryIO) -> None:
    """Write sheets "summary" (with 95 % intervals) and "metadata"; of one image also its table, as in the CSV, of
    several "images" and "notes": their objects, often too many for a sheet, are in the CSV."""
    from openpyxl import Workbook

    from .. import numbers

    book = Workbook(write_only=True)
    if sample.analysis is None:
        head = ["image", "kept", "set aside", "median", "95 % from", "to", "nm per pixel", "outlier", "excluded"]
        head[3] += f" ({sample.pooled.unit})" if sample.pooled else ""
        _add_sheet(book, "images", head, _images(sample), IMAGES)
    else:
        columns = sample.analysis.table.columns
        cells = [_values(values)[:MOST_ROWS] for values in columns.values()]
        _add_sheet(book, sample.task.things, list(columns), zip(*cells, strict=True))
    summary = ["group", "name", "value", "unit", "95 % interval from", "to"]
    _add_sheet(book, "summary", summary, numbers.rows(sample), (36, 44, 16, 8, 18, 16))
    width = 4 if sample.analysis is None else 3
    said = (line[:width] for line in _metadata(sample))
    _add_sheet(book, "metadata", ["group", "name", "value", "image"][:width], said, METADATA[:width])
    if sample.analysis is None:
        _add_sheet(book, "notes", ["note"], [(each,) for each in _notes(sample)], (120,))
    _save(book, file)


def _add_sheet(
    book: Workbook, title: str, head: Sequence[str], lines: Iterable[Sequence[Any]], widths: Sequence[int] = ()
) -> None:
    """A sheet with a bold first line that stays in view, and a filter; numbers, truths and texts as themselves."""
    from openpyxl.utils import get_column_letter

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


def _save(book: Workbook, file: Path | BinaryIO) -> None:
    """Write the workbook without its dates."""
    written = io.BytesIO()
    book.save(written)
    with zipfile.ZipFile(written) as made:
        parts = [(name, made.read(name)) for name in made.namelist()]
    core = "docProps/core.xml"
    archive.write_zip(file, [(name, DATES.sub(NEVER, data) if name == core else data) for name, data in parts])


def _text(sheet: Any, words: str, bold: bool = False) -> Any:
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
    from openpyxl.styles import Font

    if not words:
        return None
    clean = ILLEGAL_CHARACTERS_RE.sub(" ", words.encode("utf-8", "replace").decode())[:MOST_CHARACTERS]
    cell = WriteOnlyCell(sheet, clean)
    cell.data_type = "s"
    if clean.startswith(FORMULAS):
        cell.quotePrefix = True
    if bold:
        cell.font = Font(bold=True)
    return cell


def _values(values: np.ndarray[Any, Any]) -> list[Any]:
    if values.dtype.kind != "f":
        return list(values.tolist())
    return [value if np.isfinite(value) else None for value in values.tolist()]


def _images(sample: Sample) -> Iterator[Sequence[Any]]:
    for image in sample.images:
        pixel = None if image.member is None else image.member.calibration.nm_per_pixel
        yield image.name, *(getattr(image, name) for name in NUMBERS), pixel, image.outlier, image.excluded


def _metadata(sample: Sample) -> Iterator[tuple[str, str, Any, str]]:
    """What all pooled images share, without an image's name, and then what each has of its own."""
    from ..facts import common, differing
    from .result import versions

    yield "software", "version", version(), ""
    for name, value in versions().items():
        yield "software", name, value, ""
    if sample.pooled is not None:
        yield "statistics", "95 % intervals", sample.pooled.interval_note or sample.pooled.interval_basis, ""
    for (group, name), value in common(sample).items():
        yield group, name, value, ""
    for image, each in differing(sample):
        for (group, name), value in each.items():
            yield group, name, value, image.name
    for image in sample.images:
        yield "image", "sha256", image.sha256, image.name
    if sample.analysis is not None:
        yield "image", "name", sample.name, ""
        for sentence in sample.warnings:
            yield "notes", "warning", sentence, ""


def _notes(sample: Sample) -> list[str]:
    from ..facts import unknown
    from ..method import left_out_words

    said = (left_out_words(sample), unknown(sample))
    return [*(f"{each.removesuffix('.')}." for each in said if each), *sample.warnings]


def _write(context: Context, path: Path) -> None:
    write_xlsx(context.sample, path)


XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
EXPORTS = (
    Export(
        "{things}.xlsx",
        "{Things}, XLSX",
        XLSX,
        70,
        _write,
        image="the same as a workbook: {things}, summary with intervals, metadata",
    ),
    Export(
        "sample.xlsx",
        "Images and numbers, XLSX",
        XLSX,
        75,
        _write,
        sample="images, summary with intervals, metadata, notes",
    ),
)
