"""The size file: a CSV that begins with the summary.

Summary lines begin with "#", so that a reader that knows comments (`pandas.read_csv(..., comment="#")`) meets
only the table. Each is one cell in a spreadsheet, and as it begins with "#" no file name can act as a formula.
The text is ASCII, equal in every encoding, unless a name is not: then it begins with the byte order mark,
without which Excel would read UTF-8 as the code page of the country. Open the file with UTF-8.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ...measure.quantities import COLUMNS, DOUBTFUL_FRACTIONS
from ...measure.table import Table
from ...micrograph.types import SOURCES
from ..cells import inert, lines, marked, name_cell
from ..entries import answers
from ..wording import counted_from, doubt_words, instrument_words, version
from .base import FIRST, Export

if TYPE_CHECKING:
    from ...sample import SampleAnalysis

DIGITS = 7
WEIGHTED = "every {thing} weighted by the inverse of its chance to touch no frame"


def as_text(sample: SampleAnalysis) -> str:
    """Of one image the summary lines; the column names and one row per object, set-aside ones included.

    Of several images those of the pooled ones, each row with the name and the warnings in short of its image. Column
    `kept` is TRUE or FALSE and `reason` is empty while kept. Numbers have a decimal point and seven significant digits,
    never an exponent; a cell is empty where there is no number. Lines end with "\\n".
    """
    table = next((member.table for _, member in sample.counted), sample.members[0].table)
    if sample.analysis is not None:
        summary = "".join(f"# {inert(name)}: {inert(value)}\n" for name, value in _summary(sample))
        return marked(summary + lines([table.columns, *rows(table)]))
    pooled = (
        (name_cell(image.name), image.warning, *line) for image, member in sample.counted for line in rows(member.table)
    )
    return marked(lines([("image", "warning", *table.columns), *pooled]))


def _summary(sample: SampleAnalysis) -> Iterator[tuple[str, object]]:
    from ...flags import shorts
    from ..facts import brief, model_words

    member = sample.members[0]
    calibration, record = member.calibration, member.record
    yield "software", version()
    yield "file", member.name
    yield "sha256", member.sha256
    yield "image size (px)", f"{record.width} x {record.height}"
    yield "nm per pixel", number(calibration.nm_per_pixel) or "not known"
    yield "calibration source", SOURCES[calibration.source]
    if calibration.detail:
        yield "calibration detail", calibration.detail.replace(", ", " - ")
    if calibration.nm_per_pixel is not None:
        yield "uncertainty by reading and rounding", doubt_words(calibration.relative_uncertainty)
        yield "uncertainty of the calibration of the microscope", instrument_words(calibration)
    yield "model", model_words(record.card)
    yield from brief(sample).items()
    for warning in shorts(sample.flags):
        yield "warning", warning
    yield from _numbers(sample)


def _numbers(sample: SampleAnalysis) -> Iterator[tuple[str, object]]:
    statistics, things = sample.pooled, sample.task.things
    own = not sample.task.screened
    if own:
        yield from _answers(sample)
    if statistics is None:
        from ..facts import edge_of

        if edge_of(sample, sample.members[0]) == "weight":
            yield "edges", WEIGHTED.format(thing=sample.task.thing)
        return
    if not own:
        yield f"{things} kept", statistics.n_kept
        yield f"{things} set aside", statistics.n_set_aside
        for reason, count in statistics.set_aside.items():
            yield f"set aside because: {reason}", count
    which = "whole" if own else "kept"
    yield "the sizes below", f"{COLUMNS[statistics.size].label}s of the {which} {things} by number"
    if statistics.edge == "weight":
        yield "edges", WEIGHTED.format(thing=sample.task.thing)
    for name in ("mean", "median", "sd", "d10", "d50", "d90"):
        if statistics.n_kept == 1 and getattr(statistics, name) is None:
            continue
        label = {"sd": "sample standard deviation"}.get(name, name.upper() if name[0] == "d" else name)
        yield f"{label} ({statistics.unit})", number(getattr(statistics, name))
        limits = statistics.intervals[name]
        if limits is not None:
            yield f"{label} 95 % interval ({statistics.unit})", f"{number(limits[0])} to {number(limits[1])}"
    if statistics.fraction_100nm is not None:
        yield f"fraction from 1 to 100 nm of {things}{counted_from(statistics.nano)}", number(statistics.fraction_100nm)
        low, high = number(statistics.fraction_low), number(statistics.fraction_high)
        yield "fraction from 1 to 100 nm 95 % interval", f"{low} to {high}"
        for name, words in DOUBTFUL_FRACTIONS.items():
            yield f"fraction from 1 to 100 nm {words}", number(getattr(statistics, name))
    if statistics.without_filter is not None:
        others: dict[str, Any] = {**statistics.without_filter}
        known = (f"{name}={number(value)}" for name, value in others.items() if value is not None)
        yield "without the filter", " ".join(known)


def _answers(sample: SampleAnalysis) -> Iterator[tuple[str, object]]:
    """The quantities with all their digits, in the unit that people read."""
    for each in answers(sample.quantities, every=True):
        value, low, high = each.number.value, each.number.low, each.number.high
        unit = each.number.unit if value is not None else ""
        limits = "" if low is None or high is None else f" ({number(low)} to {number(high)})"
        yield each.term, f"{each.value if each.kind == 'integer' else number(value)} {unit}".strip() + limits


def number(value: float | None) -> str:
    """Seven significant digits, never an exponent; "" for what is no finite number."""
    if value is None or not np.isfinite(value):
        return ""
    return np.format_float_positional(value, precision=DIGITS, fractional=False, trim="-")


def rows(table: Table) -> Iterator[tuple[Any, ...]]:
    """The cells of each particle's row, as text where the type needs it."""
    columns = [_cells(values) for values in table.columns.values()]
    return zip(*columns, strict=True)


def _cells(values: np.ndarray[Any, Any]) -> list[Any]:
    kinds: dict[str, Callable[[Any], Any]] = {
        "f": number,
        "b": lambda flag: "TRUE" if flag else "FALSE",
        "U": name_cell,
    }
    write = kinds.get(values.dtype.kind, lambda value: value)
    return [write(value) for value in values.tolist()]


EXPORTS = (
    Export(
        "{table}.csv",
        "{Things}, CSV",
        "text/csv",
        60,
        lambda of, to: to.write_text(as_text(of.sample), encoding="utf-8", newline=""),
        image="summary and one row per {thing}",
        sample="one row per {thing} with the name and warnings of its image",
        stored=True,
        turn=FIRST,
    ),
)
