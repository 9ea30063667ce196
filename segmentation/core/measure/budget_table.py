"""A stored uncertainty budget (`measure.budget`) as a table, for pages and files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

COVERAGE = 2  # k
ANSWERS = {"median": "Median", "fraction_100nm": "Fraction from 1 to 100 nm"}
NOT_KNOWN = "not known"
EXPANDED = "Expanded uncertainty"
UNRESOLVED = "Unresolved contacts"
ONE_SIDED = f"{UNRESOLVED} count on one side: sizes may be smaller, a fraction higher."


def answers_of(nano: Any) -> list[str]:
    """The answers that a budget is shown for. nano: the stored nano card; without one only the median."""
    return [name for name in ANSWERS if nano or name == "median"]


def lines(budget: Mapping[str, Any]) -> Iterator[tuple[str, str, float | None, float | None]]:
    """The table of a budget: contribution, where it is from, and its effect on both answers; the sums only of answers
    that have an interval."""
    for row in budget["rows"]:
        yield row["title"], row["source"], row["median"], row["fraction_100nm"]
    for title, source, key in (
        ("Combined standard uncertainty", "Square root of the sum of squares of the known contributions.", "standard"),
        (EXPANDED, expanded_source(budget), "expanded"),
    ):
        median, fraction = (budget[answer][key] if budget[answer]["ends"] else None for answer in ANSWERS)
        yield title, source, median, fraction


def expanded_source(budget: Mapping[str, Any]) -> str:
    """How far the total reaches, and why it may reach further on one side."""
    is_one_sided = any(row["title"] == UNRESOLVED and row["fraction_100nm"] for row in budget["rows"])
    return f"k = {COVERAGE}.{f' {ONE_SIDED} The interval reaches further there.' * is_one_sided}"


def uncertainty_words(value: float | None, answer: str = "median") -> str:
    """A standard uncertainty in words: of the median in per cent of it, of the fraction in percentage points."""
    return NOT_KNOWN if value is None else f"{100 * value:.1f} {'%' if answer == 'median' else 'points'}"
