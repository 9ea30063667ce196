"""The numbers of a stored result, and how lists write them."""

from __future__ import annotations

from ..core.measure.quantities import MEDIAN_TERM
from ..core.report.entries import Entry
from ..core.report.summary import Summary
from ..core.stored import StoredResult
from ..core.tasks import every


def numbers_of(stored: StoredResult) -> Summary:
    """The numbers of a stored result, for a list."""
    words = next(((task.thing, task.things) for task in every() if task.name == stored.task), ())
    return Summary(stored.statistics, stored.quantities, *words)


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
    term = entry and (MEDIAN_TERM if numbers.kept else entry.term)
    return " ".join(filter(None, (term, entry.value, entry.unit))) if entry else ""
