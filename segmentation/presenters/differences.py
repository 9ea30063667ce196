"""The differences of two results: each number of both with its difference and how all three are written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from math import floor, log10
from typing import Any, NamedTuple

from ..core.compare.results import Limits, difference_interval, with_like_intervals
from ..core.measure.budget_table import ANSWERS
from ..core.measure.quantities import Value, in_micrometres, micrometres
from ..core.report.entries import Entry
from ..core.report.wording import capital

TERMS = {"n_kept": "Counted", "n_set_aside": "Left out"}
FAR = 1  # no per cent stand beside a difference of at least this many times the number
FINER = 1  # decimals more with which two numbers and their difference may be written so that they agree
NEARLY = 0.05  # share of a difference by which the written numbers may differ from it
PARTED = 10_000  # from here on thousands are parted by commas


class Cell(NamedTuple):
    """One of the two numbers as the page writes it."""

    value: str
    unit: str
    interval: str


@dataclass(frozen=True)
class Difference:
    """One number of two results; difference: the second less the first one, "" where one of them is missing;
    texts: both numbers, written so that it is their difference; interval: its 95 % interval in words,
    "" where there is none; value, low, high: the same in the unit of `after.number`."""

    term: str
    definition: str
    before: Entry
    after: Entry
    difference: str
    texts: tuple[str, str] = ("", "")
    interval: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def cells(self) -> list[Cell]:
        sides = zip((self.before, self.after), self.texts, strict=True)
        return [Cell(text or entry.value, entry.unit, entry.interval) for entry, text in sides]


def differences(
    before: Mapping[Any, Entry],
    after: Mapping[Any, Entry],
    stored_limits: Mapping[str, Limits],
    from_both: bool = False,
) -> Iterator[Difference]:
    """The numbers that both results have. stored_limits: known intervals of differences by name, in the unit of files.
    from_both: whether the interval of a difference is computed from the intervals of both numbers."""
    for key, later in after.items():
        earlier = before.get(key)
        if earlier is None or later.text or earlier.text:
            continue
        # One with a budget keeps its interval by counting, to compare like with like.
        has_ends = all(side.has_ends or side.name in ANSWERS for side in (earlier, later))
        earlier, later = (
            replace(side, number=number, holds=side.includes if number == side.number.reported else side.holds)
            for side, number in zip((earlier, later), with_like_intervals(earlier.number, later.number), strict=True)
        )
        one, two = earlier.number, later.number
        if one.unit != two.unit:
            one, two = in_micrometres(one), in_micrometres(two)
        if one.unit != two.unit or one.value is two.value is None:
            continue
        interval = stored_limits.get(later.name)
        limits = (micrometres(interval) if two.unit == "µm" else interval) or (
            difference_interval(one, two) if from_both and has_ends else None
        )
        yield difference_of(replace(earlier, number=one), replace(later, number=two), limits)


def difference_of(before: Entry, after: Entry, limits: Limits | None) -> Difference:
    """One number of two results. limits: the 95 % interval of the difference, in the unit of both."""
    first_value, second_value = before.number.value, after.number.value
    term = TERMS.get(after.name, capital(after.term))
    if first_value is None or second_value is None:
        return Difference(term, after.definition, before, after, "")
    change = second_value - first_value
    first_text, second_text, digits = agreeing(before, after)
    unit = "points" if after.kind == "fraction" else after.unit
    text = f"{_sign(change, digits) or '±'}{digits} {unit}".strip()
    if digits != "0" and after.kind != "fraction" and abs(change) < FAR * abs(first_value):
        text += f" ({100 * change / first_value:+.1f} %)".replace("-", "−")
    ends = [(limit, _writer(after, limits)(abs(limit))) for limit in limits or ()]
    interval = " to ".join(f"{_sign(limit, end)}{end}" for limit, end in ends)  # such as "−12 to +5"
    numbers = (first_text, second_text), interval, change
    return Difference(term, after.definition, before, after, text, *numbers, *(limits or (None, None)))


def _writer(after: Entry, limits: Limits | None) -> Callable[..., str]:
    """What writes a difference and its ends: as fine as its own interval, else as a number without one."""
    number = Value(max(map(abs, limits)), *limits) if limits else Value(after.number.value)
    return replace(after, number=number).write


def agreeing(before: Entry, after: Entry) -> tuple[str, str, str]:
    """Both numbers and their difference, without sign and unit. All have the same decimals, so that a reader who
    subtracts gets the difference shown: 4.4 %, 7.6 % and 3.2 points, not 4 %, 8 % and 3.

    As fine as the finer of both on its own page; by a digit finer where only that shows a difference, and by FINER at
    most where the difference would be too far off else. It is "0" where it rounds to zero.
    """
    if after.kind in ("integer", "halves"):
        return before.value, after.value, after.write(abs((after.number.value or 0.0) - (before.number.value or 0.0)))
    factor = 100 if after.kind == "fraction" else 1
    values = [factor * (entry.number.value or 0.0) for entry in (before, after)]
    places_of_each = [_decimals(entry.value) for entry in (before, after)]
    places, change = max(places_of_each), abs(values[1] - values[0])
    first_digit = -floor(log10(change)) if change else places
    start = places + 1 if first_digit == places + 1 else places
    for decimals_tried in (*range(start, places + FINER + 1), start):
        texts = [
            entry.value if decimals_tried == decimals else _with_decimals(value, decimals_tried)
            for entry, decimals, value in zip((before, after), places_of_each, values, strict=True)
        ]
        apart = abs(_number(texts[1]) - _number(texts[0]))
        if apart == _number(_with_decimals(change, decimals_tried)) or abs(float(apart) - change) <= NEARLY * change:
            break
    digits = _with_decimals(float(apart), decimals_tried)
    return texts[0], texts[1], digits if apart else "0"


def _decimals(text: str) -> int:
    """With how many decimals a number is written, -1 for tens; at most so many where zeros leave it open."""
    whole, _, part = text.replace(",", "").partition(".")
    return len(part) or -(len(whole) - len(whole.rstrip("0")) if whole.strip("-0") else 0)


def _with_decimals(value: float, decimals: int) -> str:
    rounded = round(value, decimals)
    text = f"{rounded:,.{max(decimals, 0)}f}"
    return text if abs(rounded) >= PARTED else text.replace(",", "")


def _number(text: str) -> Decimal:
    return Decimal(text.replace(",", ""))


def _sign(value: float, text: str) -> str:
    """The sign of a number. A number that rounds to zero, and so has the text "0", has none."""
    return "" if text == "0" else "−" if value < 0 else "+"
