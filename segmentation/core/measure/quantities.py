"""The registry of quantities: the one definition of every column of a table and every number of a result.

Tables and their files, the summary numbers, the page with its tooltips, the JSON Schema and docs/method/accuracy.md
take names, units and definitions from here. They are declared in TOML tables beside the code that measures them
(`registered`), those of every kind of analysis beside this file. Descriptors of shape add themselves (`descriptors`).
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
OF = " of "
NO_INTERVALS = "Without a scale, sizes have no 95 % intervals."
UNKNOWN = "No column {} is known: register it with core.measure.quantities.add."
# What a 95 % interval comes from; a sample's comes from the differences between images, but for POISSON and GROUPS.
COUNTING, POISSON, GROUPS = "counting", "counting, by Poisson's law", "counting of groups"
WITHIN, BETWEEN = "differences within the image", "differences between images"
ALONG = "how much the layer varies along its length"
INTERVALS = {"within": WITHIN, "poisson": POISSON, "counting": COUNTING, "groups": GROUPS, "along": ALONG}
ENOUGH, EVERY = 3, 15  # significant digits
MOST_KNOWN = 1 << 16  # numbers whose words are remembered: most are short and occur often
MARKS = {-3: "⁻³", -2: "⁻²", -1: "⁻¹", 1: "", 2: "²"}  # of the powers of a unit


class UnknownQuantity(ValueError):
    """No quantity of this name is registered; the message says what to do."""


@lru_cache(MOST_KNOWN)
def significant(value: float | None, digits: int = 3, places: int | None = None) -> str:
    """The value to so many significant digits, without an exponent; a dash where there is none. From 10,000 on the
    thousands are parted by commas. places: decimals that are written at most, -1 for tens."""
    if value is None or not isfinite(value):
        return "–"
    rounded = round(value, decimals(value, digits, places))
    if rounded == 0:
        return "0"
    text = f"{rounded:,.{max(0, decimals(rounded, digits, places))}f}"
    return text if abs(rounded) >= 10_000 else text.replace(",", "")  # where a comma is the decimal sign, 1,230 is 1.23


def decimals(value: float, digits: int, places: int | None = None) -> int:
    """The decimals of a number with so many significant digits, and `places` of them at most."""
    of_digits = digits - 1 - floor(log10(abs(value))) if value else digits - 1
    return of_digits if places is None else min(of_digits, places)


def decimals_beside(value: float, low: float, high: float, finest: int | None = None) -> int | None:
    """The decimals of a number and of both ends of its interval: half of the width to two significant digits, as the
    GUM (7.2.6) advises, to one if the number has three digits then, and two digits of the number at least; None where
    the interval has no width. finest: the most decimals that these two digits may ask for, unless it would be 0."""
    if not (isfinite(high - low) and high > low):
        return None
    half = (high - low) / 2
    places = max(decimals(half, 2), decimals(value, 2, finest))
    if not value:
        return places
    return min(places, max(decimals(half, 1), decimals(value, ENOUGH))) if round(value, places) else decimals(value, 1)


def end_words(end: float, places: int | None) -> str:
    """The end of an interval with the decimals of its number; one that is less than a unit of the last has a digit."""
    if places is None:
        return significant(end)
    return significant(end, EVERY, places) if abs(end) >= 10.0**-places else significant(end, 1)


def uncapital(text: str) -> str:
    """Within a line: "SD", "ASTM number" and "D10" stay as they are."""
    return text if text[1:2].isupper() or text[1:2].isdigit() else text[:1].lower() + text[1:]


@dataclass(frozen=True)
class Quantity:
    """One column of a table, or one number of a result.

    name: in code and files. title: on pages. definition: one sentence. power: of the length in its
    unit, 0 for none, 2 for an area, -2 for a density. kind: "fraction" is a number from 0 to 1,
    "halves" a count in which some objects count half, "boolean" yes or no. half: which objects
    count half, in words. source: of the definition, "" where it is our own. signed: whether it can
    be below zero. extreme: whether it is of one place, or a sum, so without an interval. interval:
    what its 95 % interval comes from in one image. scaled: whether the scale is in it although the
    unit has no length. above: the number that this one is never below, such as D10 of D50. special:
    whether few people ask for it, so that pages show it last.
    """

    name: str
    title: str
    definition: str
    power: int = 0
    kind: Kind = "number"
    source: str = ""
    signed: bool = False
    extreme: bool = False
    interval: str = ""  # by default see __post_init__
    scaled: bool = False
    above: str = ""
    half: str = ""
    special: bool = False

    def __post_init__(self) -> None:
        by_area = self.power < 0 or self.kind == "fraction"
        object.__setattr__(self, "interval", self.interval or (WITHIN if by_area else COUNTING))

    def basis(self, by_image: bool) -> str:
        """What its 95 % interval comes from, of one image or `by_image`, of several."""
        return BETWEEN if by_image and self.interval not in (POISSON, GROUPS) else self.interval

    @property
    def of_amount(self) -> bool:
        """Whether it depends on how much was looked at: a count, a sum or an extreme."""
        return self.kind == "integer" or self.extreme or self.interval == POISSON

    @property
    def label(self) -> str:
        """Its title within a line: "geometric mean", "D10"."""
        return uncapital(self.title)

    def unit(self, length: Unit) -> str:
        """Such as "nm", "px²" or ""."""
        return f"{length}{MARKS[self.power]}" if self.power else ""

    def column(self, length: Unit) -> str:
        """The name of its column, with the unit: "area" in nm is "area_nm2"."""
        if not self.power:
            return self.name
        name = f"{self.name}_per" if self.power < 0 else self.name
        return f"{name}_{length}{abs(self.power) if abs(self.power) > 1 else ''}"


@dataclass(frozen=True)
class Value:
    """One number as measured, with the ends of its 95 % interval; None where undefined. unit: "" where it has none.
    total: the ends with the total uncertainty, which people read in their place; None where it is not known."""

    value: float | None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    total: tuple[float, float] | None = None

    def as_dict(self) -> dict[str, Any]:
        """As `from_dict` reads it. interval: the ends that people read; low and high: those without the total
        uncertainty, the same where it is not known."""
        ends = None if self.low is None or self.high is None else [self.low, self.high]
        interval = list(self.total) if self.total else ends
        return {"value": self.value, "interval": interval, "low": self.low, "high": self.high, "unit": self.unit}

    def times(self, factor: float, unit: str) -> Value:
        """The same value in another unit: one old unit is `factor` new ones."""
        value, low, high = (None if end is None else end * factor for end in (self.value, self.low, self.high))
        return Value(value, low, high, unit, self.total and (self.total[0] * factor, self.total[1] * factor))

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Value:
        low, high = fields["low"], fields["high"]
        ends = fields.get("interval") or [low, high]  # results of 1.0.0 have no interval
        return cls(fields["value"], low, high, fields["unit"], None if ends == [low, high] else (ends[0], ends[1]))

    def fits(self, longest: float) -> bool:
        """Whether a picture of this side can hold a mean length, with its interval: a longer one is no result."""
        return max(self.value or 0.0, self.high or 0.0) <= longest

    @property
    def reported(self) -> Value:
        """The number with the ends of the interval that people read."""
        return replace(self, low=self.total[0], high=self.total[1], total=None) if self.total else self


LONG_NM = 1000.0  # longer lengths are shown in µm
MICROMETRES = 1e-3  # µm in a nanometre
_POWERS = {f"nm{mark}": power for power, mark in MARKS.items()}


def in_micrometres(value: Value) -> Value:
    """A length, an area or a density in nm converted to µm; anything else unchanged."""
    power = _POWERS.get(value.unit)
    return value if power is None else value.times(1e3**-power, f"µm{MARKS[power]}")


def readable(value: Value) -> Value:
    """The same in µm where nm would be long: 1 µm and more, and all densities (3 µm⁻², not 0.000003 nm⁻²)."""
    power, number = _POWERS.get(value.unit, 0), abs(value.value or 0.0)
    is_long = number >= LONG_NM**power if power > 0 else power < 0
    return in_micrometres(value) if is_long else value


def in_readable_units(values: Mapping[str, Value]) -> dict[str, Value]:
    """Numbers by name in the unit that people read. All classes have one unit. So have mean intercept and mean free
    path, and so have all figures of one distribution."""
    measures = {
        name: (value.unit, name.partition("_")[0] if OF in name else name.rpartition("_")[0] or name)
        for name, value in values.items()
    }
    long = {measures[name] for name, value in values.items() if readable(value) is not value}
    return {name: in_micrometres(value) if measures[name] in long else value for name, value in values.items()}


def micrometres(value: Any) -> Any:
    """A length in nm, or several, in µm; None as it is."""
    if isinstance(value, list | tuple):
        return [micrometres(item) for item in value]
    return None if value is None else value * MICROMETRES


def nanometre_in(unit: str) -> float:
    """A nanometre in µm or nm; 1 also in px."""
    return MICROMETRES if unit == "µm" else 1.0


DOUBTFUL_FRACTIONS = {  # variants of the fraction from 1 to 100 nm
    "fraction_100nm_with_doubtful": "with doubtful outlines",
    "fraction_100nm_without_doubtful": "without doubtful outlines",
}
COLUMNS: Registry = {}
NUMBERS: Registry = {}


def add(registry: Registry, *quantities: Quantity) -> None:
    """Register quantities; raises ValueError where one of the name is defined otherwise."""
    for item in quantities:
        if registry.setdefault(item.name, item) != item:
            raise ValueError(f"There are two definitions of the quantity {item.name!r}: give one of them another name.")


def of_class(name: str, class_name: str) -> str:
    """The name of a number that there is for each class, such as "area_fraction of ferrite"."""
    return f"{name}{OF}{class_name}"


def number(name: str) -> Quantity:
    """The quantity of a number, also of one of a class (`of_class`); raises UnknownQuantity."""
    base, link, class_name = name.partition(OF)
    if base not in NUMBERS:
        raise UnknownQuantity(f"No number {base!r} is known: register it with core.measure.quantities.add.")
    quantity = NUMBERS[base]
    return replace(quantity, name=name, title=f"{quantity.title} of {class_name}") if link else quantity


def column(name: str) -> Quantity:
    """The quantity of a table's column of this name (without its unit); raises UnknownQuantity."""
    if name not in COLUMNS:
        raise UnknownQuantity(UNKNOWN.format(name))
    return COLUMNS[name]


def of_column(name: str, length: Unit) -> Quantity:
    """The quantity of a column named with its unit, as "area_nm2"; raises UnknownQuantity."""
    columns = _columns(length, tuple(COLUMNS))
    if name not in columns:
        raise UnknownQuantity(UNKNOWN.format(f"{name} (lengths in {length})"))
    return columns[name]


@cache
def _columns(length: Unit, names: tuple[str, ...]) -> Registry:
    """The columns of these names by those with units."""
    return {COLUMNS[name].column(length): COLUMNS[name] for name in names}


def registered(file: str) -> tuple[str, ...]:
    """Register the quantities of the TOML table beside a file, and return the names of its numbers in order. A quantity
    can be a number, a column, or both."""
    tables = tomllib.loads(Path(file).with_suffix(".toml").read_text("utf-8"))
    for registry, key in ((COLUMNS, "columns"), (NUMBERS, "numbers")):
        for name, entry in (tables.get("both", {}) | tables.get(key, {})).items():
            basis = {"interval": INTERVALS[entry["interval"]]} if "interval" in entry else {}
            add(registry, Quantity(name, **entry | basis))
    return tuple(tables.get("both", {}) | tables.get("numbers", {}))


registered(__file__)
