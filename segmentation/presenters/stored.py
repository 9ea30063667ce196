"""The numbers of a stored result, and how lists write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.flags import from_json, warning_texts
from ..core.measure.quantities import Value
from ..core.measure.results import Statistics
from ..core.report.entries import Entry
from ..core.report.summary import Summary
from ..core.tasks import every
from ..models import Job


def warning_of(job: Job) -> str:
    """The gravest warnings of a finished job with their level, "" without any."""
    return "; ".join(warning_texts(from_json(job.summary)))


def statistics_of(summary: Mapping[str, Any]) -> Statistics | None:
    """The size distribution of a stored result; None without one."""
    statistics = summary.get("statistics")
    return Statistics.from_dict(statistics) if statistics else None


def values_of(summary: Mapping[str, Any]) -> dict[str, Value]:
    """The quantities of a stored result, in the order of its kind of analysis ("order"; JSON in PostgreSQL has no
    order)."""
    return {name: Value.from_dict(summary["quantities"][name]) for name in summary.get("order", ())}


def numbers_of(summary: Mapping[str, Any]) -> Summary:
    """The numbers of a stored result, for a list."""
    words = next(((task.thing, task.things) for task in every() if task.name == summary.get("task")), ())
    return Summary(statistics_of(summary), values_of(summary), *words)


def count_words(numbers: Summary) -> str:
    """The number of objects in words, such as "273 grains"; "" if there is none."""
    entry = None if numbers.screened else next(iter(numbers.leading), None)
    if entry and entry.kind in ("integer", "halves"):
        return f"{entry.value} {entry.term.lower()}"
    return f"{numbers.kept:,} {numbers.thing if numbers.kept == 1 else numbers.things}" if numbers.statistics else ""


def main_number(numbers: Summary) -> Entry | None:
    """The number that stands for a result in a list: the median size, or without sizes the first known number; None
    without any."""
    candidates = numbers.headlines[:1] if numbers.kept else numbers.quantities
    return next((entry for entry in candidates if entry.number.value is not None), None)


def headline(numbers: Summary) -> str:
    """The `main_number` as lists write it, such as "median 31.2 nm"; "" without one."""
    entry = main_number(numbers)
    term = entry and ("median" if numbers.kept else entry.term)
    return " ".join(filter(None, (term, entry.value, entry.unit))) if entry else ""
