"""Writes the validation report of a method as PDF: the precision that a study found, and all
results of the study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from reportlab.platypus import Flowable

from ...measure.quantities import number, significant
from ...quality.study_report import parts_of, unit_of
from . import sections
from .document import LEAD, SMALL, TITLE, facts_table, heading, paragraph, space, table, together, write

SOURCE = (
    "A fully nested analysis of variance after ISO 5725-3, repeatability after ISO 5725-2; unlike numbers of results"
    " after Henderson's method 1 (Searle, Casella and McCulloch, 1992). Intervals hold at 95 %."
)


def write_report(content: Mapping[str, Any], file: Path | BinaryIO) -> None:
    """Write the report. content: the fields of a stored `Study` by name, such as "quantity", "rows"
    and "result"."""
    title = f"Validation report: {content['method']}"
    write(file, title, list(_parts(content, title)), content["created"], content.get("number", ""))


def _parts(content: Mapping[str, Any], title: str) -> Iterator[Flowable]:
    rows, result, names = content["rows"], content["result"], content["names"]
    unit, label = unit_of(content["quantity"]), number(content["quantity"]).label
    yield paragraph(title, TITLE)
    yield space(4)
    yield paragraph(content["title"], LEAD)
    versions = sorted({row["version"] for row in rows})
    yield facts_table(
        [
            ("Number", f"{label}{f', in {unit}' if unit else ''}"),
            ("Versions of the method", ", ".join(map(str, versions))),
            ("Results", f"{len(rows)}, mean {significant(result['mean'], 4)} {unit}".rstrip()),
            *(
                (f"Version {number}", f"SHA-256 of the method {method}, of the weights {weights}")
                for number, method, weights in content.get("checksums", ())
            ),
            ("Conditions, the outer first", ", ".join(names)),
            ("Made", f"{content['created']:%Y-%m-%d %H:%M} UTC by {content['author']}"),
        ]
    )
    for part in parts_of(content["quantity"], rows, result, content.get("requirements")):
        lines = [paragraph(line) for line in part.lines]
        title = heading(f"{part.title}{'' if part.is_measured else ' (not measured)'}")
        grid = []
        if part.table:
            widths = (2.0, *[1.5] * (len(part.table.head) - 1))
            grid = [table(part.table.head, part.table.rows, widths)]
        source = [paragraph(SOURCE, SMALL)] if part.title == "Precision" else []
        yield together(title, *lines, *grid, *source)
    yield heading("Every result of the study")
    lines = [[*(row["labels"][name] for name in names), row["name"], *_numbers(row), row["id"][:8]] for row in rows]
    widths = (*[1.9] * len(names), 1.6, 1.0, 1.3, 1.1, 1.4)
    head = (*(name.capitalize() for name in names), "Result", "Value", "95 % interval", "Count", "Id")
    yield table(head, lines, widths, numbers_from=len(names) + 1)
    departures = [
        f"{row['name']}: {row.get('waits') or ' '.join(row['departures'])}"
        f"{' Counted all the same by ' + row['agreed_by'] + '.' if row.get('agreed_by') else ''}"
        for row in rows
        if row["departures"] or row.get("waits")
    ]
    yield heading("What departs from the method")
    yield from map(paragraph, departures or ["Nothing departs in these results."])
    yield heading("Signature")
    yield from sections.signatures(content.get("signatures", ()))


def _numbers(row: Mapping[str, Any]) -> list[str]:
    """Value, 95 % interval and count of a result, in words."""
    ends = "–" if row["low"] is None else f"{significant(row['low'], 4)} to {significant(row['high'], 4)}"
    return [significant(row["value"], 4), ends, "–" if row["n"] is None else f"{row['n']:,}"]
