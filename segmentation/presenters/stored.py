"""The numbers of a stored result, and the words by which lists name it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.flags import from_json, warned
from ..core.measure.quantities import Value
from ..core.measure.results import Statistics
from ..core.report.entries import Entry
from ..core.report.summary import Summary
from ..core.tasks import every
from ..models import Job


def warning_of(job: Job) -> str:
    """The gravest warnings of a finished job with their level, "" without any."""
    return "; ".join(warned(from_json(job.summary)))


def statistics_of(summary: Mapping[str, Any]) -> Statistics | None:
    """The size distribution of a stored result."""
    statistics = summary.get("statistics")
    return Statistics.from_dict(statistics) if statistics else None


def values_of(summary: Mapping[str, Any]) -> dict[str, Value]:
    """The quantities of a stored result, in the order of its kind of analysis: PostgreSQL's JSON keeps none."""
    return {name: Value.from_dict(summary["quantities"][name]) for name in summary.get("order", ())}


def numbers_of(summary: Mapping[str, Any]) -> Summary:
    """The numbers of a stored result, for a list."""
    words = next(((task.thing, task.things) for task in every() if task.name == summary.get("task")), ())
    return Summary(statistics_of(summary), values_of(summary), *words)


def counted(numbers: Summary) -> str:
    """How many, as the sentence of the result says it, such as "273 grains"."""
    entry = None if numbers.screened else next(iter(numbers.leading), None)
    if entry and entry.kind in ("integer", "halves"):
        return f"{entry.value} {entry.term.lower()}"
    return f"{numbers.kept:,} {numbers.thing if numbers.kept == 1 else numbers.things}" if numbers.statistics else ""


def main_number(numbers: Summary) -> Entry | None:
    """The number by which a result is known: the median size, or without sizes the first known number; None without
    any."""
    numbers_known = numbers.headlines[:1] if numbers.kept else numbers.quantities
    return next((entry for entry in numbers_known if entry.number.value is not None), None)


def headline(numbers: Summary) -> str:
    """The `main_number` in the words of lists, "" without one."""
    entry = main_number(numbers)
    term = entry and ("median" if numbers.kept else entry.term)
    return " ".join(filter(None, (term, entry.value, entry.unit))) if entry else ""
