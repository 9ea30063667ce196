"""One number of a result with its words: term, value, unit, 95 % interval and definition."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from ..measure.quantities import (
    COLUMNS,
    OF,
    Kind,
    Quantity,
    UnknownQuantity,
    Value,
    decimals_between,
    in_micrometres,
    number,
    readable,
    significant,
)
from .wording import capital, hundredths, interval_words

NOTHING = Value(None)


@dataclass(frozen=True)
class Entry:
    """One number. name: of its quantity. term: what it is called. number: with its unit and the ends of its 95 %
    interval; text instead of it where it is a word. definition: one sentence. caution: why it has no interval. below:
    what stands below it. holds: what its interval includes. total: the ends of its range by all that is known; parts:
    what that consists of. group: of a table of all numbers.
    """

    name: str
    term: str
    number: Value = NOTHING
    text: str = ""
    definition: str = ""
    kind: Kind = "number"
    caution: str = ""
    below: str = ""
    holds: str = ""
    total: tuple[float, float] | None = None
    parts: Sequence[tuple[str, str, int]] = ()
    group: str = ""

    @classmethod
    def of(cls, name: str, value: Value, **more: Any) -> Entry:
        """A number of the registry, also where the kind of analysis that measured it is gone."""
        quantity = known_number(name)
        return cls(name, quantity.title, value, definition=quantity.definition, kind=quantity.kind, **more)

    @property
    def write(self) -> Callable[[float], str]:
        """What writes a number of its kind, without unit: no digit that its interval leaves open."""
        if self.kind == "integer":
            return "{:,.0f}".format
        low, high = self.total or (self.number.low, self.number.high)
        write = hundredths if self.kind == "fraction" else significant
        return write if low is None or high is None else partial(write, most=decimals_between(low, high))

    @property
    def value(self) -> str:
        """As people read it, without unit."""
        number = self.number.value
        if self.text or number is None:
            return self.text or "–"
        return self.write(number)

    @property
    def unit(self) -> str:
        if self.text or self.number.value is None:
            return ""
        return "%" if self.kind == "fraction" else self.number.unit

    @property
    def interval(self) -> str:
        """Such as "148–163", or why there is none."""
        low, high = self.number.low, self.number.high
        if low is None or high is None:
            return self.caution if self.number.value is not None else ""
        return interval_words(low, high, self.write)

    @property
    def whole(self) -> str:
        """Its range by all that is known, such as "143–291 nm"; "" where there is none."""
        return f"{interval_words(*self.total, self.write)} {self.unit}" if self.total else ""

    @property
    def words(self) -> str:
        """On one line, such as "155 nm (148–163)"."""
        text = f"{self.value} {self.unit}".strip()
        return f"{text} ({self.interval})" if self.interval else text


class Line(NamedTuple):
    """One line of a table of numbers."""

    term: str
    definition: str
    cells: list[Entry]


@dataclass(frozen=True)
class Aside:
    """The objects that were set aside for one reason."""

    reason: str
    count: int
    definition: str


class BudgetTable(NamedTuple):
    """An uncertainty budget in words: contributions with their source and their effect on each answer."""

    answers: list[str]
    rows: list[tuple[str, str, list[str]]]
    sentences: list[str]


def known_number(name: str) -> Quantity:
    """The quantity of this name, also where the kind of analysis that measured it is gone."""
    try:
        return number(name)
    except UnknownQuantity:
        return Quantity(name, capital(name.replace("_", " ")), "")


def known_column(name: str) -> Quantity:
    """The quantity of a column, also where the kind of analysis that measured it is gone."""
    return COLUMNS.get(name) or Quantity(name, capital(name.replace("_", " ")), "", 1)


def answers(quantities: Mapping[str, Value], *, every: bool = False) -> list[Entry]:
    """What an analysis answers with, in the unit that people read, which all classes share; fractions only where they
    are known, unless every one is wanted."""
    long = {name.partition(OF)[0] for name, value in quantities.items() if readable(value) is not value}
    entries = (
        Entry.of(name, in_micrometres(value) if name.partition(OF)[0] in long else value)
        for name, value in quantities.items()
    )
    return [entry for entry in entries if every or entry.kind != "fraction" or entry.number.value is not None]
