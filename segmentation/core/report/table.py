"""The nanoparticle size file: a CSV that begins with the summary.

Summary lines begin with "#", so that a reader told of comments (`pandas.read_csv(..., comment="#")`) meets
only the table. Each is one cell in a spreadsheet, and as it begins with "#" no file name can act as a formula.
The text is ASCII, equal in every encoding, unless a name is not: then it begins with the byte order mark,
without which Excel would read UTF-8 as the code page of the country. Open the file with UTF-8.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from typing import Any, TextIO

import numpy as np

from ..analysis import Analysis
from ..measure.table import Table
from .wording import SOURCES, model_words, settings, version

DIGITS = 7
BYTE_ORDER_MARK = "\ufeff"
# What could end a cell or a line in any spreadsheet's idea of CSV.
RISKY = ",;\"'"


def write_csv(analysis: Analysis, file: TextIO) -> None:
    """Write the summary lines, the column names and one row per particle, set-aside ones included.

    Column `kept` is TRUE or FALSE and `reason` is empty while kept. Numbers have a decimal point and seven
    significant digits, never an exponent; a cell is empty where there is no number. Lines end with "\\n".
    """
    text = io.StringIO()
    for name, value in _summary(analysis):
        text.write(f"# {name}: {_inert(value)}\n")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(analysis.table.columns)
    writer.writerows(rows(analysis.table))
    file.write(marked(text.getvalue()))


def _inert(value: object) -> str:
    """The value as text on one line and in one cell; risky characters as %XX of their UTF-8 bytes."""
    return "".join(c if c.isprintable() and c not in RISKY else _escaped(c) for c in str(value))


def name_cell(name: str) -> str:
    """A name as a cell that no spreadsheet takes for a formula; joins with the same name in another table."""
    safe = _inert(name)
    return _escaped(safe[0]) + safe[1:] if safe.startswith(("=", "+", "-", "@")) else safe


def marked(text: str) -> str:
    """The text of a whole file, with the byte order mark where it needs one."""
    return text if text.isascii() else BYTE_ORDER_MARK + text


def _escaped(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogateescape"))


def _summary(analysis: Analysis) -> Iterator[tuple[str, object]]:
    micrograph, calibration = analysis.micrograph, analysis.calibration
    yield "software", version()
    yield "file", micrograph.name
    yield "sha256", micrograph.sha256
    yield "image size (px)", f"{micrograph.shape[1]} x {micrograph.shape[0]}"
    yield "nm per pixel", number(calibration.nm_per_pixel) or "not calibrated"
    yield "calibration source", SOURCES[calibration.source]
    if calibration.detail:
        yield "calibration detail", calibration.detail.replace(", ", " - ")
    yield "model", model_words(analysis)
    yield from settings(analysis).items()
    yield from _numbers(analysis)


def _numbers(analysis: Analysis) -> Iterator[tuple[str, object]]:
    found = analysis.statistics
    yield "particles kept", found.n_kept
    yield "particles set aside", found.n_set_aside
    for reason, count in found.set_aside.items():
        yield f"set aside because: {reason}", count
    yield "the sizes below", "minimum Feret diameters of the kept particles by number"
    if found.edge == "weight":
        yield "edges", "every particle weighted by the inverse of its chance to touch no frame"
    for name in ("mean", "median", "sd", "d10", "d50", "d90"):
        label = {"sd": "sample standard deviation"}.get(name, name.upper() if name[0] == "d" else name)
        yield f"{label} ({found.unit})", number(getattr(found, name))
        limits = found.intervals[name]
        if limits is not None:
            yield f"{label} 95 % interval ({found.unit})", f"{number(limits[0])} to {number(limits[1])}"
    if found.fraction_100nm is not None:
        yield "fraction from 1 to 100 nm", number(found.fraction_100nm)
        low, high = number(found.fraction_low), number(found.fraction_high)
        yield "fraction from 1 to 100 nm 95 % interval (Wilson)", f"{low} to {high}"
    if found.without_filter is not None:
        yield (
            "without the filter",
            " ".join(f"{name}={number(value)}" for name, value in found.without_filter.items() if value is not None),
        )


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
    write: Callable[[Any], Any] = {"f": number, "b": lambda flag: "TRUE" if flag else "FALSE"}.get(
        values.dtype.kind, lambda value: value
    )
    return [write(value) for value in values.tolist()]
