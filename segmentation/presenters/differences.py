"""The differences between two results: each number of both, its difference, and the digits that all three get."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from math import floor, log10
from typing import Any, NamedTuple

from ..core.compare.results import DifferenceInterval, difference_interval, with_like_intervals
from ..core.measure.quantities import Value, micrometres, value_in_micrometres
from ..core.measure.uncertainty.budget_table import ANSWERS
from ..core.report.entries import Entry
from ..core.report.wording import capital

TERMS = {"n_kept": "Counted", "n_set_aside": "Left out"}
LARGEST_RELATIVE = 1  # share of the number: a larger difference is not also written in per cent
MORE_DECIMALS = 1  # so many decimals are added at most to make two rounded numbers agree with their difference
TOLERANCE = 0.05  # share of a difference by which the difference of the rounded numbers may deviate from it
LEAST_WITH_COMMAS = 10_000  # smaller numbers have no comma between thousands


class Cell(NamedTuple):
    """One of the two numbers as the page writes it."""

    value: str
    unit: str
    interval: str


@dataclass(frozen=True)
class Difference:
    """One number of two results.

    before, after: the number of the first and of the second result. difference: the second minus the first one in
    words, "" if one is missing. texts: both numbers, with so many digits that their difference is the one shown.
    interval: the 95 % interval of the difference in words, "" without one. value, low, high: difference and interval
    as numbers, in the unit of `after.number`.
    """

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
    stored_limits: Mapping[str, DifferenceInterval],
    use_both_intervals: bool = False,
) -> Iterator[Difference]:
    """The numbers that both results have. stored_limits: known intervals of differences by name, in the unit of files.
    use_both_intervals: whether the interval of a difference is computed from the intervals of both numbers."""
    for key, later in after.items():
        earlier = before.get(key)
        if earlier is None or later.text or earlier.text:
            continue
        # A number with an uncertainty budget is compared by its interval from counting alone, like the other one.
        has_ends = all(side.has_ends or side.name in ANSWERS for side in (earlier, later))
        earlier, later = (
            replace(
                side,
                number=number,
                contents_without_total=side.includes if number == side.number.reported else side.contents_without_total,
            )
            for side, number in zip((earlier, later), with_like_intervals(earlier.number, later.number), strict=True)
        )
        first_number, second_number = earlier.number, later.number
        if first_number.unit != second_number.unit:
            first_number, second_number = value_in_micrometres(first_number), value_in_micrometres(second_number)
        if first_number.unit != second_number.unit or first_number.value is second_number.value is None:
            continue
        interval = stored_limits.get(later.name)
        limits = (micrometres(interval) if second_number.unit == "µm" else interval) or (
            difference_interval(first_number, second_number) if use_both_intervals and has_ends else None
        )
        yield difference_of(replace(earlier, number=first_number), replace(later, number=second_number), limits)


def difference_of(before: Entry, after: Entry, limits: DifferenceInterval | None) -> Difference:
    """One number of two results. limits: the 95 % interval of the difference, in the unit of both."""
    first_value, second_value = before.number.value, after.number.value
    term = TERMS.get(after.name, capital(after.term))
    if first_value is None or second_value is None:
        return Difference(term, after.definition, before, after, "")
    change = second_value - first_value
    first_text, second_text, digits = agreeing_texts(before, after)
    unit = "points" if after.kind == "fraction" else after.unit
    text = f"{_sign(change, digits) or '±'}{digits} {unit}".strip()
    if digits != "0" and after.kind != "fraction" and abs(change) < LARGEST_RELATIVE * abs(first_value):
        text += f" ({100 * change / first_value:+.1f} %)".replace("-", "−")
    ends = [(limit, _writer(after, limits)(abs(limit))) for limit in limits or ()]
    interval = " to ".join(f"{_sign(limit, end)}{end}" for limit, end in ends)  # such as "−12 to +5"
    numbers = (first_text, second_text), interval, change
    return Difference(term, after.definition, before, after, text, *numbers, *(limits or (None, None)))


def _writer(after: Entry, limits: DifferenceInterval | None) -> Callable[..., str]:
    """The function that writes a difference and the ends of its interval: with the digits that its interval allows,
    else with those of a number without an interval."""
    number = Value(max(map(abs, limits)), *limits) if limits else Value(after.number.value)
    return replace(after, number=number).write


def agreeing_texts(before: Entry, after: Entry) -> tuple[str, str, str]:
    """Both numbers and their difference as texts, without sign and unit. All have the same number of decimals, so that
    a reader who subtracts gets the difference shown: 4.4 %, 7.6 % and 3.2 points, not 4 %, 8 % and 3.

    They get the decimals of the number that has more on its own page; one more if only that shows a difference; and up
    to MORE_DECIMALS more if the difference would deviate by more than TOLERANCE. The difference is "0" if it rounds to
    zero.
    """
    if after.kind in ("integer", "halves"):
        return before.value, after.value, after.write(abs((after.number.value or 0.0) - (before.number.value or 0.0)))
    factor = 100 if after.kind == "fraction" else 1
    values = [factor * (entry.number.value or 0.0) for entry in (before, after)]
    places_of_each = [_decimals(entry.value) for entry in (before, after)]
    places, change = max(places_of_each), abs(values[1] - values[0])
    first_digit = -floor(log10(change)) if change else places
    start = places + 1 if first_digit == places + 1 else places
    for decimals_tried in (*range(start, places + MORE_DECIMALS + 1), start):
        texts = [
            entry.value if decimals_tried == decimals else _with_decimals(value, decimals_tried)
            for entry, decimals, value in zip((before, after), places_of_each, values, strict=True)
        ]
        shown_change = abs(_number(texts[1]) - _number(texts[0]))
        if (
            shown_change == _number(_with_decimals(change, decimals_tried))
            or abs(float(shown_change) - change) <= TOLERANCE * change
        ):
            break
    digits = _with_decimals(float(shown_change), decimals_tried)
    return texts[0], texts[1], digits if shown_change else "0"


def _decimals(text: str) -> int:
    """The number of decimals of a text: 1 for "4.4", 0 for "44", -1 for "440", whose zero may not be significant."""
    whole, _, part = text.replace(",", "").partition(".")
    return len(part) or -(len(whole) - len(whole.rstrip("0")) if whole.strip("-0") else 0)


def _with_decimals(value: float, decimals: int) -> str:
    """A rounded number as text. decimals: negative to round to tens or hundreds."""
    rounded = round(value, decimals)
    text = f"{rounded:,.{max(decimals, 0)}f}"
    return text if abs(rounded) >= LEAST_WITH_COMMAS else text.replace(",", "")


def _number(text: str) -> Decimal:
    return Decimal(text.replace(",", ""))


def _sign(value: float, text: str) -> str:
    """The sign of a number; "" if it rounds to zero, so that its text is "0"."""
    return "" if text == "0" else "−" if value < 0 else "+"
