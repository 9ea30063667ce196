"""The exports `particles.csv` and `particles-comma.csv`: mean, median and SD, then a table of all
objects.

The first lines, six at most, are comments that begin with "#"; a reader that knows comments
(`pandas.read_csv(..., comment="#")`) sees only the table. All other facts are in result.json. A
comment is one cell in a spreadsheet, and because of the "#" no file name in it can run as a
formula. If a name is not ASCII, the file begins with a byte order mark, without which Excel would
not read it as UTF-8.
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

from ...flags import warning_texts
from ...measure.quantities import OF
from ...measure.table import Table
from ...sample import SampleAnalysis
from ..entries import Entry, known_number, quantity_entries
from ..facts import edge_of
from ..tables.cells import comment_text, csv_text, name_cell, with_byte_order_mark
from ..wording import WHOLE_AND_CUT, imported_words, version
from .base import FIRST, Export

DIGITS = 6  # significant digits
MOST_COMMENTS = 6  # lines
MOST_CACHED_NUMBERS = 1 << 18  # in the cache of `_decimal`: most numbers stay the same after a correction
COMMENTS = re.compile(r"(?s)((?:\ufeff?#[^\n]*\n)*)(.*)")  # groups: the comments of a file, its table
DECIMAL = re.compile(r"^(-?\d+)\.(\d+)$")
WEIGHTED = "edge-weighted"
REFERENCE_TO_JSON = f"{version()} - all other facts are in result.json"


def as_text(sample: SampleAnalysis) -> str:
    """The content of particles.csv: comments, names of columns, one row per object; counted objects
    come first.

    For a sample the rows are those of the pooled images; each begins with the name and the short
    warnings of its image. The column "kept" is TRUE or FALSE; "reason" is empty for counted
    objects. Numbers have a decimal point and six significant digits, never an exponent; a cell is
    empty if there is no number. Lines end with "\\n".
    """
    table = next((member.table for _, member in sample.counted), sample.members[0].table)
    comments = "".join(f"# {comment_text(name)}: {comment_text(value)}\n" for name, value in _comments(sample))
    if sample.analysis is not None:
        return with_byte_order_mark(
            comments + csv_text([table.columns, *(row for kept in (True, False) for row in rows(table, kept))])
        )
    pooled = (
        (name_cell(image.name), image.warning, *row)
        for kept in (True, False)
        for image, member in sample.counted
        for row in rows(member.table, kept)
    )
    return with_byte_order_mark(comments + csv_text([("image", "warning", *table.columns), *pooled]))


def _comments(sample: SampleAnalysis) -> list[tuple[str, object]]:
    """Names and values of the comments, MOST_COMMENTS at most. The last one names the file with all
    other facts."""
    statistics, member = sample.pooled, sample.members[0]
    if statistics is None:
        numbers = list(_quantity_comments(sample))[: MOST_COMMENTS - 3]
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
        contents += f" - {WHOLE_AND_CUT.format(statistics.n_kept, counts[0] - statistics.n_kept)}"
    scale, imported, note = sample.counted_images_words, "", sample.interval_note.removesuffix(".")
    if sample.analysis is not None:
        note = ""
        pixel, words = member.calibration.nm_per_pixel, member.calibration.source.words
        scale = f"{as_decimal(pixel)} nm per pixel {words}" if pixel else "scale not known"
        imported = imported_words(member.record.used)
    source = " - ".join(filter(None, (sample.name, scale, imported, note)))
    warning = "; ".join(warning_texts(sample.flags))
    return [
        *numbers,
        (sample.task.things, contents),
        ("image" if sample.analysis is not None else "sample", source),
        ("warning", f"{warning} - {REFERENCE_TO_JSON}") if warning else ("more", REFERENCE_TO_JSON),
    ]


def _quantity_comments(sample: SampleAnalysis) -> Iterator[tuple[str, object]]:
    """Names and texts of the quantities, with six digits in the unit that people read. All classes
    are on one line."""
    for measure, group in groupby(
        quantity_entries(sample.quantities, every=True), lambda entry: entry.name.partition(OF)[0]
    ):
        entries = [entry for entry in group if entry.number.value is not None]
        if len(entries) == 1:
            yield entries[0].term, _with_limits(entries[0])
        else:
            classes = (f"{entry.name.partition(OF)[2]} {_with_limits(entry)}" for entry in entries)
            yield known_number(measure).title, " - ".join(classes)


def _with_limits(entry: Entry) -> str:
    """A number with its unit and the ends of its interval."""
    value, low, high = entry.number.value, entry.number.low, entry.number.high
    unit = entry.number.unit if value is not None else ""
    limits = "" if low is None or high is None else f" ({as_decimal(low)} to {as_decimal(high)})"
    return f"{entry.value if entry.kind == 'integer' else as_decimal(value)} {unit}".strip() + limits


def as_decimal(value: float | None) -> str:
    """A number with six significant digits, never an exponent; "" for None or if it is not
    finite."""
    if value is None or not math.isfinite(value):
        return ""
    # Zeros are not cached, because 0.0 and -0.0 are equal keys of a cache.
    return _decimal(value) if value else _decimal.__wrapped__(value)


@lru_cache(MOST_CACHED_NUMBERS)
def _decimal(value: float) -> str:
    return np.format_float_positional(value, precision=DIGITS, fractional=False, trim="-")


def rows(table: Table, kept: bool) -> Iterator[tuple[Any, ...]]:
    """The cells of the row of each counted object (kept), or of each left out object."""
    return zip(*[_cells(values[table.kept == kept]) for values in table.columns.values()], strict=True)


def _cells(values: np.ndarray[Any, Any]) -> list[Any]:
    writers: dict[str, Callable[[Any], Any]] = {  # by the kind of a numpy type
        "f": as_decimal,
        "b": lambda flag: "TRUE" if flag else "FALSE",
        "U": name_cell,
    }
    write = writers.get(values.dtype.kind, lambda value: value)
    return [write(value) for value in values.tolist()]


def with_commas(text: str) -> str:
    """The text of `as_text` with decimal commas, and semicolons between cells, as German Excel
    expects it."""
    comments, table = COMMENTS.match(text).groups()  # type: ignore[union-attr]
    cells = ([DECIMAL.sub(r"\1,\2", cell) for cell in row] for row in csv.reader(io.StringIO(table)))
    return re.sub(r"(?m)(: -?\d+)\.(\d+)$", r"\1,\2", comments) + csv_text(cells, delimiter=";")


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
