"""A stored uncertainty budget (`measure.budget`) as a table, for pages and files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

COVERAGE = 2  # k
ANSWERS = {"median": "Median", "fraction_100nm": "Fraction from 1 to 100 nm"}
NOT_KNOWN = "not known"
UNRESOLVED = "Unresolved contacts"
ONE_SIDED = f"{UNRESOLVED} act in one direction: sizes may be smaller, a fraction higher."

Line = tuple[str, str, float | None, float | None]  # title, where it is from, its effect on both answers


def uncertainty_name(unknown: Sequence[str]) -> str:
    """The name of an interval; total only where no contribution is missing. unknown: those that are missing."""
    return "known uncertainty" if unknown else "total uncertainty"


def answers_of(nano: Any) -> list[str]:
    """The answers that a budget is shown for. nano: the stored nano card; without one only the median."""
    return [name for name in ANSWERS if nano or name == "median"]


def lines(budget: Mapping[str, Any]) -> Iterator[Line]:
    """The table of a budget but for its last line, the interval: the contributions, and their sum where there is an
    interval."""
    for row in budget["rows"]:
        yield row["title"], row["source"], row["median"], row["fraction_100nm"]
    source = "Square root of the sum of squares of the known contributions."
    median, fraction = (budget[answer]["standard"] if budget[answer]["ends"] else None for answer in ANSWERS)
    yield "Combined standard uncertainty", source, median, fraction


def ends_words(budget: Mapping[str, Any], things: str) -> str:
    """How the ends of the interval come of the contributions, and why one may be further away than the other. things:
    whose number sampling depends on."""
    is_one_sided = any(row["title"] == UNRESOLVED and row["fraction_100nm"] for row in budget["rows"])
    joined = f"The interval holds all known contributions. With few {things} one end is further away."
    return f"{joined}{f' {ONE_SIDED}' * is_one_sided}"


def uncertainty_words(value: float | None, answer: str = "median") -> str:
    """A standard uncertainty in words: of the median in per cent of it, of the fraction in percentage points."""
    if value is None:
        return NOT_KNOWN
    unit = "%" if answer == "median" else "points"
    return f"over 100 {unit}" if value > 1 else f"{100 * value:.1f} {unit}"
