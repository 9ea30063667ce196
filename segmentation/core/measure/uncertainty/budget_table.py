"""A stored uncertainty budget (`results.Budget`) as a table and in words, for pages and files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import log
from typing import Any

from ..quantities import NUMBERS

COVERAGE = 2  # the coverage factor k
ANSWERS = {"median": NUMBERS["median"].title, "fraction_100nm": "Fraction from 1 to 100 nm"}  # stored name: title
NOT_KNOWN = "not known"
UNRESOLVED = "Unresolved contacts"
NO_INTERVAL = "no interval"
LOPSIDED = 1.25  # longer / shorter distance of the two ends, from which on a sentence gives the reason

# Title, source, and standard uncertainty of the median and of the fraction, or a word in place of
# it.
Line = tuple[str, str, float | str, float | str]


def uncertainty_name(unknown: Sequence[str]) -> str:
    """The name of the uncertainty in an interval. unknown: the contributions that are missing; only
    without any is it the total uncertainty."""
    return "known uncertainty" if unknown else "total uncertainty"


def answers_of(nano: Any) -> list[str]:
    """The names of the answers that a budget is shown for. nano: the stored `results.Nano`; without
    it only the median."""
    return [name for name in ANSWERS if nano or name == "median"]


def lines(budget: Mapping[str, Any]) -> Iterator[Line]:
    """The lines of a budget's table: one for each contribution, and their combined uncertainty if
    an answer has an interval. The caller adds the last line, the interval itself."""
    for row in budget["rows"]:
        median, fraction = (NOT_KNOWN if row[answer] is None else row[answer] for answer in ANSWERS)
        yield row["title"], row["source"], median, fraction
    median, fraction = (budget[answer]["standard"] if budget[answer]["ends"] else NO_INTERVAL for answer in ANSWERS)
    if (median, fraction) != (NO_INTERVAL, NO_INTERVAL):
        source = "Square root of the sum of squares of the known contributions."
        yield "Combined standard uncertainty", source, median, fraction


def ends_words(budget: Mapping[str, Any], answer: str) -> str:
    """Why one end of an answer's interval is further away than the other, as a sentence; "" if the
    distances are similar. Only the median gets such a sentence."""
    ends = budget[answer].get("ends")
    if not ends:
        return ""
    if answer != "median" or not ends[0]:
        return ""
    value = budget[answer]["value"]
    down, up = value - ends[0], ends[1] - value
    if max(down, up) < LOPSIDED * min(down, up):
        return ""
    is_upper = up > down
    are_factors = is_upper and log(ends[1] / value) < LOPSIDED * log(value / ends[0])
    why = "its uncertainties are factors" if are_factors else "sizes differ more on that side"
    return f"The {'upper' if is_upper else 'lower'} end is further away, because {why}."


def uncertainty_words(value: float | str, answer: str) -> str:
    """A standard uncertainty in words: of the median in per cent of the median, of the fraction in
    percentage points. value: 0.05 is 5 %; words such as NOT_KNOWN are returned unchanged."""
    if isinstance(value, str):
        return value
    unit = "%" if answer == "median" else "points"
    return f"over 100 {unit}" if value > 1 else f"{100 * value:.1f} {unit}"
