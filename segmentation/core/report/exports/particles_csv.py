"""The size file: a CSV that begins with mean, median and standard deviation.

At most six lines begin with "#", so that a reader that knows comments (`pandas.read_csv(..., comment="#")`) meets
only the table; result.json has all the rest. Each is one cell in a spreadsheet, and as it begins with "#" no file name
can act as a formula. The text is ASCII, equal in every encoding, unless a name is not: then it begins with the byte
order mark, without which Excel would read UTF-8 as the code page of the country. Open the file with UTF-8.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import groupby
from typing import Any

import numpy as np

from ...flags import warned
from ...measure.quantities import OF
from ...measure.table import Table
from ...sample import SampleAnalysis
from ..cells import comment, lines, name_cell, with_byte_order_mark
from ..entries import Entry, answers, known_number
from ..facts import edge_of
from ..wording import WHOLE, imported_words, version
from .base import FIRST, Export

DIGITS = 6
MOST = 6  # comments
MOST_KNOWN = 1 << 18  # numbers whose digits are remembered: most stay from one correction to the next
COMMENTS = re.compile(r"(?s)((?:\ufeff?#[^\n]*\n)*)(.*)")  # the comments of a file, and its table
DECIMAL = re.compile(r"^(-?\d+)\.(\d+)$")
WEIGHTED = "edge-weighted"
REST = f"{version()} - all other facts are in result.json"


def as_text(sample: SampleAnalysis) -> str:
    """The comments, the column names and one row per object, those that count first.

    Of several images the rows are those of the pooled ones, each with the name and the warnings in short of its image.
    Column `kept` is TRUE or FALSE and `reason` is empty while kept. Numbers have a decimal point and six significant
    digits, never an exponent; a cell is empty where there is no number. Lines end with "\\n".
    """
    table = next((member.table for _, member in sample.counted), sample.members[0].table)
    comments = "".join(f"# {comment(name)}: {comment(value)}\n" for name, value in _comments(sample))
    if sample.analysis is not None:
        return with_byte_order_mark(
            comments + lines([table.columns, *(row for kept in (True, False) for row in rows(table, kept))])
        )
    pooled = (
        (name_cell(image.name), image.warning, *row)
        for kept in (True, False)
        for image, member in sample.counted
        for row in rows(member.table, kept)
    )
    return with_byte_order_mark(comments + lines([("image", "warning", *table.columns), *pooled]))


def _comments(sample: SampleAnalysis) -> list[tuple[str, object]]:
    """Names and values of the lines before the table: at most MOST, the last of which says where to find the rest."""
    statistics, member = sample.pooled, sample.members[0]
    if statistics is None:
        numbers = list(_answers(sample))[: MOST - 3]
    else:
        names = {"mean": "mean", "median": "median", "sd": "SD"}
        numbers = [(f"{names[name]} ({statistics.unit})", as_decimal(getattr(statistics, name))) for name in names]
    counts = [sum(int((member.table.kept == kept).sum()) for _, member in sample.counted) for kept in (True, False)]
    weighted = any(edge_of(sample, member) == "weight" for _, member in sample.counted) and bool(sample.task.size)
    contents = f"{counts[0]} counted and {counts[1]} left out" if sample.task.screened else str(counts[0])
    contents += f" - {WEIGHTED}" if weighted else ""
    if sample.task.semantic:
        contents = str(max((len(member.table) for _, member in sample.counted), default=0))
    elif statistics is not None and statistics.n_kept < counts[0]:
        contents += f" - {WHOLE.format(statistics.n_kept, counts[0] - statistics.n_kept)}"
    scale, imported, note = sample.counted_images, "", sample.interval_note.removesuffix(".")
    if sample.analysis is not None:
        note = ""
        pixel, words = member.calibration.nm_per_pixel, member.calibration.source.words
        scale = f"{as_decimal(pixel)} nm per pixel {words}" if pixel else "scale not known"
        imported = imported_words(member.record.used)
    source = " - ".join(filter(None, (sample.name, scale, imported, note)))
    warning = "; ".join(warned(sample.flags))
    return [
        *numbers,
        (sample.task.things, contents),
        ("image" if sample.analysis is not None else "sample", source),
        ("warning", f"{warning} - {REST}") if warning else ("more", REST),
    ]


def _answers(sample: SampleAnalysis) -> Iterator[tuple[str, object]]:
    """The quantities with six digits, in the unit that people read; those of all classes in one line."""
    for measure, alike in groupby(answers(sample.quantities, every=True), lambda entry: entry.name.partition(OF)[0]):
        entries = [entry for entry in alike if entry.number.value is not None]
        if len(entries) == 1:
            yield entries[0].term, _with_limits(entries[0])
        else:
            classes = (f"{entry.name.partition(OF)[2]} {_with_limits(entry)}" for entry in entries)
            yield known_number(measure).title, " - ".join(classes)


def _with_limits(entry: Entry) -> str:
    value, low, high = entry.number.value, entry.number.low, entry.number.high
    unit = entry.number.unit if value is not None else ""
    limits = "" if low is None or high is None else f" ({as_decimal(low)} to {as_decimal(high)})"
    return f"{entry.value if entry.kind == 'integer' else as_decimal(value)} {unit}".strip() + limits


def as_decimal(value: float | None) -> str:
    """Six significant digits, never an exponent; "" for what is no finite number."""
    if value is None or not math.isfinite(value):
        return ""
    return _decimal(value) if value else _decimal.__wrapped__(value)  # 0.0 and -0.0 are one key


@lru_cache(MOST_KNOWN)
def _decimal(value: float) -> str:
    return np.format_float_positional(value, precision=DIGITS, fractional=False, trim="-")


def rows(table: Table, kept: bool) -> Iterator[tuple[Any, ...]]:
    """The cells of the row of each object that counts, or does not, as text where the type needs it."""
    return zip(*[_cells(values[table.kept == kept]) for values in table.columns.values()], strict=True)


def _cells(values: np.ndarray[Any, Any]) -> list[Any]:
    kinds: dict[str, Callable[[Any], Any]] = {
        "f": as_decimal,
        "b": lambda flag: "TRUE" if flag else "FALSE",
        "U": name_cell,
    }
    write = kinds.get(values.dtype.kind, lambda value: value)
    return [write(value) for value in values.tolist()]


def with_commas(text: str) -> str:
    """The same for spreadsheets that expect decimal commas, such as German Excel: cells are separated by semicolons."""
    comments, table = COMMENTS.match(text).groups()  # type: ignore[union-attr]
    cells = ([DECIMAL.sub(r"\1,\2", cell) for cell in row] for row in csv.reader(io.StringIO(table)))
    return re.sub(r"(?m)(: -?\d+)\.(\d+)$", r"\1,\2", comments) + lines(cells, delimiter=";")


EXPORTS = (
    Export(
        "{table}-comma.csv",
        "{Things}, CSV with decimal commas",
        place=61,
        write=lambda context, path: path.write_text(with_commas(as_text(context.sample)), encoding="utf-8", newline=""),
        both="the same for spreadsheets that expect decimal commas",
    ),
    Export(
        "{table}.csv",
        "{Things}, CSV",
        place=60,
        write=lambda context, path: path.write_text(as_text(context.sample), encoding="utf-8", newline=""),
        image="{figures}, then one row per {thing}",
        sample="{figures}, then one row per {thing} with the name and warnings of its image",
        stored=True,
        usual=True,
        turn=FIRST,
    ),
)
