"""A stored uncertainty budget (`measure.budget`) as a table, for pages and files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import log
from typing import Any

COVERAGE = 2  # k
ANSWERS = {"median": "Median", "fraction_100nm": "Fraction from 1 to 100 nm"}
NOT_KNOWN = "not known"
UNRESOLVED = "Unresolved contacts"
NO_INTERVAL = "no interval"
FURTHER = 1.25  # times from which on it is said that one end is further away

Line = tuple[str, str, float | str, float | str]  # title, where it is from, its effect on both answers


def uncertainty_name(unknown: Sequence[str]) -> str:
    """The name of an interval; total only where no contribution is missing. unknown: those that are missing."""
    return "known uncertainty" if unknown else "total uncertainty"


def answers_of(nano: Any) -> list[str]:
    """The answers that a budget is shown for. nano: the stored nano card; without one only the median."""
    return [name for name in ANSWERS if nano or name == "median"]


def lines(budget: Mapping[str, Any]) -> Iterator[Line]:
    """The table of a budget but for its last line, the interval: the contributions, and their sum where an answer has
    an interval."""
    for row in budget["rows"]:
        median, fraction = (NOT_KNOWN if row[answer] is None else row[answer] for answer in ANSWERS)
        yield row["title"], row["source"], median, fraction
    median, fraction = (budget[answer]["standard"] if budget[answer]["ends"] else NO_INTERVAL for answer in ANSWERS)
    if (median, fraction) != (NO_INTERVAL, NO_INTERVAL):
        source = "Square root of the sum of squares of the known contributions."
        yield "Combined standard uncertainty", source, median, fraction


def ends_words(budget: Mapping[str, Any], answer: str) -> str:
    """Why one end of an answer is further away than the other; "" where neither is."""
    ends = budget[answer].get("ends")
    if not ends:
        return ""
    if answer != "median" or not ends[0]:
        return ""
    value = budget[answer]["value"]
    down, up = value - ends[0], ends[1] - value
    if max(down, up) < FURTHER * min(down, up):
        return ""
    is_upper = up > down
    are_factors = is_upper and log(ends[1] / value) < FURTHER * log(value / ends[0])
    why = "its uncertainties are factors" if are_factors else "sizes differ more on that side"
    return f"The {'upper' if is_upper else 'lower'} end is further away, because {why}."


def uncertainty_words(value: float | str, answer: str) -> str:
    """A standard uncertainty in words: of the median in per cent of it, of the fraction in percentage points."""
    if isinstance(value, str):
        return value
    unit = "%" if answer == "median" else "points"
    return f"over 100 {unit}" if value > 1 else f"{100 * value:.1f} {unit}"
