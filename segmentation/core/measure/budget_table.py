"""A stored uncertainty budget (`measure.budget`) as a table, for pages and files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

COVERAGE = 2  # k
ANSWERS = {"median": "Median", "fraction_100nm": "Fraction from 1 to 100 nm"}
NOT_KNOWN = "not known"
UNRESOLVED = "Unresolved contacts"
ONE_SIDED = f"{UNRESOLVED} act in one direction: sizes may be smaller, a fraction higher."

Line = tuple[str, str, float | None, float | None]  # title, where it is from, its effect on both answers


def answers_of(nano: Any) -> list[str]:
    """The answers that a budget is shown for. nano: the stored nano card; without one only the median."""
    return [name for name in ANSWERS if nano or name == "median"]


def lines(budget: Mapping[str, Any]) -> Iterator[Line]:
    """The table of a budget but for its last line: the contributions and their sum."""
    for row in budget["rows"]:
        yield row["title"], row["source"], row["median"], row["fraction_100nm"]
    source = "Square root of the sum of squares of the known contributions."
    yield _sum(budget, "Combined standard uncertainty", source, "standard")


def expanded(budget: Mapping[str, Any]) -> Line:
    """The last line as numbers; people read the interval in its place, which few sizes and contacts make uneven."""
    return _sum(budget, "Expanded uncertainty", expanded_source(budget), "expanded")


def _sum(budget: Mapping[str, Any], title: str, source: str, key: str) -> Line:
    """A sum of the contributions, only of answers that have an interval."""
    median, fraction = (budget[answer][key] if budget[answer]["ends"] else None for answer in ANSWERS)
    return title, source, median, fraction


def expanded_source(budget: Mapping[str, Any]) -> str:
    """How far the total reaches, and why it may reach further on one side."""
    is_one_sided = any(row["title"] == UNRESOLVED and row["fraction_100nm"] for row in budget["rows"])
    return f"k = {COVERAGE}.{f' {ONE_SIDED} So the interval is longer on that side.' * is_one_sided}"


def uncertainty_words(value: float | None, answer: str = "median") -> str:
    """A standard uncertainty in words: of the median in per cent of it, of the fraction in percentage points."""
    return NOT_KNOWN if value is None else f"{100 * value:.1f} {'%' if answer == 'median' else 'points'}"
