"""`particles.xlsx` of an image, `sample.xlsx` of several: numbers, summary and metadata as sheets with typed cells.

No text can act as a formula: every text cell is stored as a text, and one that begins like a formula is also marked
as such (Excel's leading apostrophe). Written again, the file is the same: it carries no date.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, BinaryIO

from ...flags import shorts
from ...measure.budget_table import NOT_KNOWN, answers_of, lines
from ..summary import Summary
from ..wording import version
from .base import Export
from .images_csv import numbers_of

if TYPE_CHECKING:
    from xlsxwriter import Workbook

    from ...sample import SampleAnalysis, SampleImage
    from ..context import Context

FORMULAS = ("=", "+", "-", "@", "\t", "\r")
MOST_CHARACTERS = 32767
MOST_ROWS = 1_048_575
IMAGES = (36, 14, 50, 50, 50)  # widths in characters of what is no number
METADATA = (18, 36, 70, 36)
BUDGET = (36, 100, 30, 30)
EARLIEST = datetime(1980, 1, 1)


def write_xlsx(sample: SampleAnalysis, file: Path | BinaryIO) -> None:
    """Write sheets "summary" (with 95 % intervals), "uncertainty" (the budget) and "metadata"; of one image also its
    table, as in the CSV, of several "images" and "notes": their objects, often too many for a sheet, are in the CSV."""
    with _workbook(file) as book:
        if sample.analysis is None:
            heads, rows = numbers_of(sample)
            if sample.pooled is not None and sample.task.screened:
                heads = ["kept", "set aside", f"median ({sample.pooled.unit})", "95 % from", "to"]
            images = ((image.name, *row, *_remarks(image)) for image, row in zip(sample.images, rows, strict=True))
            widths = (*IMAGES[:1], *[max(12, len(head)) for head in heads], *IMAGES[1:])
            _add_sheet(
                book, "images", ["image", *heads, "nm per pixel", "outlier", "excluded", "warning"], images, widths
            )
        else:
            columns = sample.analysis.table.columns
            lines = zip(*(values[:MOST_ROWS].tolist() for values in columns.values()), strict=True)
            _add_sheet(book, sample.task.things, list(columns), lines)
        summary = ["group", "name", "value", "unit", "95 % interval from", "to"]
        _add_sheet(book, "summary", summary, _numbers(sample), (36, 44, 16, 8, 18, 16))
        if sample.pooled is not None and sample.pooled.budget is not None:
            head = ["contribution", "from", "of the median, relative", "of the fraction 1-100 nm"]
            _add_sheet(book, "uncertainty", head, _budget(sample.pooled.budget, sample.pooled.nano), BUDGET)
        width = 4 if sample.analysis is None else 3
        metadata = (line[:width] for line in _metadata(sample))
        _add_sheet(book, "metadata", ["group", "name", "value", "image"][:width], metadata, METADATA[:width])
        if sample.analysis is None:
            _add_sheet(book, "notes", ["note"], [(each,) for each in _notes(sample)], (120,))


@contextmanager
def _workbook(file: Path | BinaryIO) -> Iterator[Workbook]:
    """A workbook without dates, in `file` once the block ends; its rows wait on the disk beside it, not in memory."""
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


def _add_sheet(
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


def _numbers(sample: SampleAnalysis) -> Iterator[Sequence[Any]]:
    """Each warning in its short form, then every number: group, name, value, unit, ends of the interval."""
    for warning in shorts(sample.flags):
        yield "warning", warning
    for each in Summary.of(sample, readable=False).every():
        number = each.number
        yield each.group, each.term, each.text or number.value, number.unit, number.low, number.high


def _remarks(image: SampleImage) -> tuple[float | None, str, str, str]:
    pixel = None if image.member is None else image.member.calibration.nm_per_pixel
    return pixel, image.outlier, image.excluded, image.warning


def _budget(budget: Mapping[str, Any], nano: Any) -> Iterator[Sequence[Any]]:
    for title, source, *uncertainties in lines(budget):
        yield title, source, *(NOT_KNOWN if each is None else each for each in uncertainties)
    for answer in answers_of(nano):
        yield "", budget[answer]["sentence"]


def _metadata(sample: SampleAnalysis) -> Iterator[tuple[str, str, Any, str]]:
    """What all pooled images share, without an image's name, and then what each has of its own."""
    from ..facts import common, differing
    from .result import versions

    yield "software", "version", version(), ""
    for name, value in versions().items():
        yield "software", name, value, ""
    if sample.pooled is not None:
        yield "statistics", "95 % intervals", sample.pooled.interval_note or sample.pooled.interval_basis, ""
        for name in ("verdict", "reason", "sentence", "decides", "asked"):
            yield "2022/C 229/01", name, dict(sample.pooled.nano or {}).get(name, ""), ""
        for point in sample.pooled.recommendation["points"] if sample.pooled.recommendation else ():
            yield "2022/C 229/01", point["title"], point["said"], ""
        for sentence in sample.pooled.cautions:
            yield "statistics", "caution", sentence, ""
    for (group, name), value in common(sample).items():
        yield group, name, value, ""
    for image, each in differing(sample):
        for (group, name), value in each.items():
            yield group, name, value, image.name
    for image in sample.images:
        yield "image", "sha256", image.sha256, image.name
    if sample.analysis is not None:
        yield "image", "name", sample.name, ""
        for flag in sample.flags:
            yield "notes", "warning", flag.text, ""


def _notes(sample: SampleAnalysis) -> list[str]:
    from ..method import left_out_words

    left_out = left_out_words(sample)
    return [*([f"{left_out.removesuffix('.')}."] if left_out else []), *map(str, sample.flags)]


def _write(context: Context, path: Path) -> None:
    write_xlsx(context.sample, path)


XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
EXPORTS = (
    Export(
        "{table}.xlsx",
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
