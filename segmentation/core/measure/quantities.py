"""The registry of quantities: one definition of every column of a table and every number of a
result. Also: how numbers are written with the right digits, and their conversion from nm to µm.

Tables and their files, pages with their tooltips, the JSON Schema and docs/method/accuracy.md take
names, units and definitions from here. A quantity of one kind of analysis is declared in a TOML
file beside the module of the kind (`register_file`), a quantity of several kinds in quantities.toml.
Descriptors of shape register themselves (`descriptors`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from math import floor, isfinite, log10
from pathlib import Path
from typing import Any, Literal

Unit = Literal["nm", "px", "µm"]  # µm: only for people to read; tables and results have nm or px
Kind = Literal["number", "fraction", "integer", "halves", "boolean", "text"]
Registry = dict[str, "Quantity"]

ISO_SHAPE = "ISO 9276-6:2008"
OF = " of "  # between the names of a number and of a class, such as "area_fraction of ferrite"
UNKNOWN_COLUMN = "No column {} is known: register it with core.measure.quantities.add."
# The sources of 95 % intervals. The source for a sample is BETWEEN, except for POISSON and GROUPS.
COUNTING, POISSON, GROUPS = "counting", "counting, by Poisson's law", "counting of groups"
WITHIN, BETWEEN = "differences within the image", "differences between images"
ALONG = "how much the layer varies along its length"
# By their names in the TOML tables.
INTERVALS = {"within": WITHIN, "poisson": POISSON, "counting": COUNTING, "groups": GROUPS, "along": ALONG}
FEW_DIGITS, ALL_DIGITS = 3, 15  # significant digits: for reading, and as many as a float has
MOST_REMEMBERED = 1 << 16  # numbers whose text is kept in the cache, because most occur often
SUPERSCRIPTS = {-3: "⁻³", -2: "⁻²", -1: "⁻¹", 1: "", 2: "²"}  # of the powers of a unit


class UnknownQuantity(ValueError):
    """No quantity of this name is registered; the message says what to do."""


@lru_cache(MOST_REMEMBERED)
def significant(value: float | None, digits: int = 3, places: int | None = None) -> str:
    """The value as text with so many significant digits, without an exponent; a dash for None. From
    10,000 on commas separate the thousands. places: the most decimals; -1 rounds to tens."""
    if value is None or not isfinite(value):
        return "–"
    rounded = round(value, decimals(value, digits, places))
    if rounded == 0:
        return "0"
    text = f"{rounded:,.{max(0, decimals(rounded, digits, places))}f}"
    return text if abs(rounded) >= 10_000 else text.replace(",", "")  # 1,230 could be read as 1.23


def decimals(value: float, digits: int, places: int | None = None) -> int:
    """How many decimals a number with so many significant digits has, at most `places`."""
    of_digits = digits - 1 - floor(log10(abs(value))) if value else digits - 1
    return of_digits if places is None else min(of_digits, places)


def decimals_beside(value: float, low: float, high: float, finest: int | None = None) -> int | None:
    """How many decimals a number and both ends of its interval are written with; None if the
    interval has no width.

    Half the width of the interval has two significant digits, as the GUM (7.2.6) advises, or one if
    the number then has three. The number has at least two digits. finest: the most decimals for
    these two digits of the number, unless the number would then be written as 0.
    """
    if not (isfinite(high - low) and high > low):
        return None
    half = (high - low) / 2
    places = max(decimals(half, 2), decimals(value, 2, finest))
    if not value:
        return places
    return (
        min(places, max(decimals(half, 1), decimals(value, FEW_DIGITS))) if round(value, places) else decimals(value, 1)
    )


def end_words(end: float, places: int | None) -> str:
    """The end of an interval as text, with `places` decimals; an end that would be written as 0 has
    one digit. None: with the usual digits."""
    if places is None:
        return significant(end)
    return significant(end, ALL_DIGITS, places) if abs(end) >= 10.0**-places else significant(end, 1)


def uncapital(text: str) -> str:
    """The text for the middle of a line: with a small first letter, except in "SD", "ASTM number" and
    "D10"."""
    return text if text[1:2].isupper() or text[1:2].isdigit() else text[:1].lower() + text[1:]


@dataclass(frozen=True)
class Quantity:
    """One column of a table, or one number of a result.

    name: in code and files. title: on pages. definition: one sentence.
    power: of the length in its unit: 0 without a length, 2 for an area, -2 for a density.
    kind: "fraction" is a number from 0 to 1, "halves" a count in which some objects count half,
        "boolean" yes or no.
    half: the objects that count half, in words.
    source: of the definition, "" if it is our own.
    signed: whether it can be below zero.
    extreme: whether it is the value at one place, or a sum, so that it has no interval.
    interval: the source of its 95 % interval in one image.
    scaled: whether it depends on the scale although its unit has no length.
    above: the name of a number that is never below this one, such as D50 for D10.
    special: whether few people need it; pages show it last.
    """

    name: str
    title: str
    definition: str
    power: int = 0
    kind: Kind = "number"
    source: str = ""
    signed: bool = False
    extreme: bool = False
    interval: str = ""  # the default depends on other fields: see __post_init__
    scaled: bool = False
    above: str = ""
    half: str = ""
    special: bool = False

    def __post_init__(self) -> None:
        by_area = self.power < 0 or self.kind == "fraction"
        object.__setattr__(self, "interval", self.interval or (WITHIN if by_area else COUNTING))

    def basis(self, by_image: bool) -> str:
        """The source of its 95 % interval in one image, or in several images (`by_image`)."""
        return BETWEEN if by_image and self.interval not in (POISSON, GROUPS) else self.interval

    @property
    def of_amount(self) -> bool:
        """Whether it depends on how large the analysed area is: a count, a sum or an extreme."""
        return self.kind == "integer" or self.extreme or self.interval == POISSON

    @property
    def label(self) -> str:
        """Its title within a line: "geometric mean", "D10"."""
        return uncapital(self.title)

    def unit(self, length: Unit) -> str:
        """Its unit, such as "nm", "px²" or "". length: the unit of lengths."""
        return f"{length}{SUPERSCRIPTS[self.power]}" if self.power else ""

    def column(self, length: Unit) -> str:
        """The name of its column, with the unit: "area" in nm is "area_nm2"."""
        if not self.power:
            return self.name
        name = f"{self.name}_per" if self.power < 0 else self.name
        return f"{name}_{length}{abs(self.power) if abs(self.power) > 1 else ''}"


@dataclass(frozen=True)
class Value:
    """One number as measured. low, high: the ends of its 95 % interval; None where undefined. unit:
    "" without one. total: the ends of the interval with the total uncertainty, which pages show instead
    of low and high; None if it is not known. standard: the standard uncertainty of a share with the total
    uncertainty, which its interval does not give where it ends at 0 or 1; None if it is not known."""

    value: float | None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    total: tuple[float, float] | None = None
    standard: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """The value for JSON, as `from_dict` reads it. The key interval has the ends that pages
        show; low and high have the ends without the total uncertainty."""
        ends = None if self.low is None or self.high is None else [self.low, self.high]
        interval = list(self.total) if self.total else ends
        return {"value": self.value, "interval": interval, "low": self.low, "high": self.high, "unit": self.unit}

    def times(self, factor: float, unit: str) -> Value:
        """The same value in another unit: one old unit is `factor` new ones."""
        value, low, high = (None if end is None else end * factor for end in (self.value, self.low, self.high))
        total = self.total and (self.total[0] * factor, self.total[1] * factor)
        return Value(value, low, high, unit, total, self.standard and self.standard * factor)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Value:
        """The value that `as_dict` gave."""
        low, high = fields["low"], fields["high"]
        ends = fields.get("interval") or [low, high]  # results of 1.0.0 have no interval
        return cls(fields["value"], low, high, fields["unit"], None if ends == [low, high] else (ends[0], ends[1]))

    def fits(self, longest: float) -> bool:
        """Whether a mean length with its interval is possible: not longer than the picture (its
        longest side in the unit of the value)."""
        return max(self.value or 0.0, self.high or 0.0) <= longest

    @property
    def reported(self) -> Value:
        """The number with the ends of the interval that pages show as low and high."""
        return replace(self, low=self.total[0], high=self.total[1], total=None) if self.total else self


LONG_NM = 1000.0  # longer lengths are shown in µm
MICROMETRES = 1e-3  # µm in a nanometre
_POWERS = {f"nm{mark}": power for power, mark in SUPERSCRIPTS.items()}


def value_in_micrometres(value: Value) -> Value:
    """A length, an area or a density in nm converted to µm; any other value unchanged."""
    power = _POWERS.get(value.unit)
    return value if power is None else value.times(1e3**-power, f"µm{SUPERSCRIPTS[power]}")


def readable(value: Value) -> Value:
    """The value in the unit that pages show: µm for lengths of 1 µm and more, areas of 1 µm² and
    more, and all densities (3 µm⁻², not 0.000003 nm⁻²)."""
    power, number = _POWERS.get(value.unit, 0), abs(value.value or 0.0)
    is_long = number >= LONG_NM**power if power > 0 else power < 0
    return value_in_micrometres(value) if is_long else value


def in_readable_units(values: Mapping[str, Value]) -> dict[str, Value]:
    """The numbers by name in the units that pages show. Numbers that people compare get one unit:
    those of all classes, mean intercept and mean free path, and all figures of one distribution."""
    groups = {
        name: (value.unit, name.partition("_")[0] if OF in name else name.rpartition("_")[0] or name)
        for name, value in values.items()
    }
    long_groups = {groups[name] for name, value in values.items() if readable(value) is not value}
    return {
        name: value_in_micrometres(value) if groups[name] in long_groups else value for name, value in values.items()
    }


def micrometres(value: Any) -> Any:
    """A length in nm, or a list of them, converted to µm; None stays None."""
    if isinstance(value, list | tuple):
        return [micrometres(item) for item in value]
    return None if value is None else value * MICROMETRES


def nanometre_in(unit: str) -> float:
    """How much 1 nm is in the unit "µm" or "nm"; 1 for "px", too."""
    return MICROMETRES if unit == "µm" else 1.0


DOUBTFUL_FRACTIONS = {  # variants of the fraction from 1 to 100 nm: name, and words
    "fraction_100nm_with_doubtful": "with doubtful outlines",
    "fraction_100nm_without_doubtful": "without doubtful outlines",
}
COLUMNS: Registry = {}  # of tables
NUMBERS: Registry = {}  # of results


def add(registry: Registry, *quantities: Quantity) -> None:
    """Register quantities; raises ValueError if a quantity has the name of another one."""
    for item in quantities:
        if registry.setdefault(item.name, item) != item:
            raise ValueError(f"There are two definitions of the quantity {item.name!r}: give one of them another name.")


def of_class(name: str, class_name: str) -> str:
    """The name of a number of one class, such as "area_fraction of ferrite"."""
    return f"{name}{OF}{class_name}"


def number(name: str) -> Quantity:
    """The quantity of the number of this name, also of a number of one class (`of_class`); raises
    UnknownQuantity."""
    base, link, class_name = name.partition(OF)
    if base not in NUMBERS:
        raise UnknownQuantity(f"No number {base!r} is known: register it with core.measure.quantities.add.")
    quantity = NUMBERS[base]
    return replace(quantity, name=name, title=f"{quantity.title} of {class_name}") if link else quantity


def column(name: str) -> Quantity:
    """The quantity of a table's column of this name (without its unit); raises UnknownQuantity."""
    if name not in COLUMNS:
        raise UnknownQuantity(UNKNOWN_COLUMN.format(name))
    return COLUMNS[name]


def quantity_of_column(name: str, length: Unit) -> Quantity:
    """The quantity of a column named with its unit, as "area_nm2"; raises UnknownQuantity."""
    columns = _columns(length, tuple(COLUMNS))
    if name not in columns:
        raise UnknownQuantity(UNKNOWN_COLUMN.format(f"{name} (lengths in {length})"))
    return columns[name]


@cache
def _columns(length: Unit, names: tuple[str, ...]) -> Registry:
    """The quantities of the columns, by name with unit. names: of all columns, as the key of the
    cache."""
    return {COLUMNS[name].column(length): COLUMNS[name] for name in names}


def register_file(file: str) -> tuple[str, ...]:
    """Register the quantities in the TOML file beside a module, and return the names of its numbers
    in order.

    file: the path of the module; the TOML file has the same name. Its tables "numbers", "columns"
    and "both" say whether a quantity is a number of results, a column of tables, or both.
    """
    tables = tomllib.loads(Path(file).with_suffix(".toml").read_text("utf-8"))
    for registry, key in ((COLUMNS, "columns"), (NUMBERS, "numbers")):
        for name, entry in (tables.get("both", {}) | tables.get(key, {})).items():
            basis = {"interval": INTERVALS[entry["interval"]]} if "interval" in entry else {}
            add(registry, Quantity(name, **entry | basis))
    return tuple(tables.get("both", {}) | tables.get("numbers", {}))


register_file(__file__)
MEDIAN_TERM = NUMBERS["median"].label  # within a sentence
