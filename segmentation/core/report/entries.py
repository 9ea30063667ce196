"""`Entry`: one number of a result in words, with its term, value, unit, 95 % interval and
definition. Pages and files show numbers only by entries.

Functions at the end make the entries of groups of numbers: the arrangement of the objects, groups
of touching objects, classes of shape, and rods.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import floor
from typing import Any, NamedTuple

from ..measure.quantities import (
    ALL_DIGITS,
    COLUMNS,
    FEW_DIGITS,
    MEDIAN_TERM,
    OF,
    Kind,
    Quantity,
    UnknownQuantity,
    Value,
    decimals_beside,
    end_words,
    in_readable_units,
    number,
    readable,
    significant,
    value_in_micrometres,
)
from ..measure.results import Arrangement, Statistics
from ..measure.sizes.bins import LEAST_SIZES
from ..measure.uncertainty.budget_table import uncertainty_name
from .wording import capital, interval_words, per_cent_number

NOTHING = Value(None)
CAVEAT = (
    "The classes describe outlines, which show no height. A square may be a cube or a plate, a rod may be a plate on"
    " its edge, and a circle may be a sphere or a disc."
)
NEARLY_ALL = 0.9995  # an end of an interval above this is written as 100 %
ROUNDING = 1e-6  # by which a sum of fractions may differ from 1
LEAST_SHARE = 5e-4  # the smallest fraction that one decimal of a per cent shows
NO_DIRECTION = 0.05  # from this p value on, objects have no common direction


@dataclass(frozen=True)
class Entry:
    """One number of a result, or a word in place of a number.

    name: of its quantity.
    term: the name for people.
    number: the value with its unit and the ends of its 95 % interval.
    text: the word in place of a number.
    definition: one sentence.
    caution: why there is no interval.
    note: written below the number.
    contents_without_total: what the interval without the total uncertainty includes, in words; ""
    without an interval.
    parts: the contributions to its uncertainty: (title, words, per cent of the largest).
    ends_line: why the ends of the interval are not equally far from the value.
    missing_parts: contributions to the uncertainty that are not known.
    group: its heading in the table of all numbers.
    has_ends: whether the interval is shown; the digits of the number follow the interval in any
    case.
    share: the words of a fraction, if it is one part of a whole whose parts must sum to 100 %.
    outlines_note: only for the fraction from 1 to 100 nm: how few outlines decide it
    (`carried_words`).
    """

    name: str
    term: str
    number: Value = NOTHING
    text: str = ""
    definition: str = ""
    kind: Kind = "number"
    caution: str = ""
    note: str = ""
    contents_without_total: str = ""
    parts: Sequence[tuple[str, str, int]] = ()
    ends_line: str = ""
    missing_parts: Sequence[str] = ()
    group: str = ""
    has_ends: bool = True
    share: str = ""
    outlines_note: str = ""

    @classmethod
    def of(cls, name: str, value: Value, **more: Any) -> Entry:
        """The entry of a quantity by its name, also if the plug-in that registered the name was
        removed."""
        quantity = known_number(name)
        more.setdefault("note", quantity.half if (value.value or 0.0) % 1 else "")
        return cls(name, quantity.title, value, definition=quantity.definition, kind=quantity.kind, **more)

    @property
    def total(self) -> tuple[float, float] | None:
        """The ends of the interval with the total uncertainty; None if that is not known."""
        return self.number.total

    @property
    def write(self) -> Callable[[float], str]:
        """A function that writes a number with the digits of this entry, without unit.

        It writes no digit that the interval leaves uncertain, but two digits at least.
        """
        if self.kind == "integer":
            return "{:,.0f}".format
        if self.kind == "halves":
            return lambda count: f"{count:,.1f}".removesuffix(".0")
        places = self._most_decimals
        digits = FEW_DIGITS if places is None or self.number.reported.low is None else ALL_DIGITS
        return partial(per_cent_number if self.kind == "fraction" else significant, places=places, digits=digits)

    @property
    def _most_decimals(self) -> int | None:
        """The most decimals that the interval permits; None if the number of digits is fixed
        instead."""
        low, high = self.total or (self.number.low, self.number.high)
        value = self.number.value or 0.0
        if self.share:
            return 2 + len(self.share.partition(".")[2])
        if low is None or high is None:
            return (
                3 if self.kind == "fraction" and value >= 0.01 else None
            )  # so percentages of a list have equal decimals
        return decimals_beside(value, low, high, 2 if self.kind == "fraction" else None)

    def _end(self, end: float) -> str:
        """An end of the interval in words, without unit."""
        if self.kind == "fraction":  # the value may have one more decimal so that it does not round to 50 or 100 %
            end = 1.0 if end > NEARLY_ALL else end
            return per_cent_number(
                end, max(self._most_decimals or 0, 2 + len(self.value.partition(".")[2])), ALL_DIGITS
            )
        return end_words(end, self._most_decimals) if self.kind == "number" else self.write(end)

    @property
    def value(self) -> str:
        """The number in words, without unit; a dash if it is not known."""
        number = self.number.value
        if self.text or number is None:
            return self.text or "–"
        return self.share or self.write(number)

    @property
    def unit(self) -> str:
        if self.text or self.number.value is None:
            return ""
        return "%" if self.kind == "fraction" else self.number.unit

    @property
    def ends(self) -> str:
        """The interval that is shown, such as "148–163": with the total uncertainty if that is
        known, else `counting`.

        It is "" if there is none, or if it is not shown.
        """
        if not self.has_ends:
            return ""
        return interval_words(*self.total, self._end) if self.total else self.counting

    @property
    def ends_in_words(self) -> str:
        """The interval that is shown, as it is read aloud, such as "148 to 163"."""
        return self.ends.replace("–", " to ")

    @property
    def interval(self) -> str:
        """The interval that is shown, or the reason why there is none."""
        return self.ends or (self.caution if self.number.value is not None else "")

    @property
    def includes(self) -> str:
        """What the interval that is shown includes; "" without one."""
        return (
            f"the {uncertainty_name(self.missing_parts)}"
            if self.total and self.has_ends
            else self.contents_without_total
        )

    @property
    def reported(self) -> Value:
        """The number with the ends of the interval that is shown."""
        return self.number.reported if self.has_ends else Value(self.number.value, unit=self.number.unit)

    @property
    def in_cells(self) -> Value:
        """The number as `reported`, for the cells of a workbook: a fraction is in per cent."""
        return self.reported.times(100, "%") if self.kind == "fraction" else self.reported

    @property
    def counting(self) -> str:
        """The interval without the total uncertainty (see `contents_without_total`), such as
        "148–163"; "" if none."""
        low, high = self.number.low, self.number.high
        return "" if low is None or high is None else interval_words(low, high, self._end)

    @property
    def words(self) -> str:
        """Value, unit and interval on one line, such as "155 nm (148–163)" or "11 % (3–31; 2 of
        19)"."""
        text, more = f"{self.value} {self.unit}".strip(), "; ".join(filter(None, (self.ends, self.outlines_note)))
        return f"{text} ({more})" if more else text


class Line(NamedTuple):
    """One line of a table of numbers."""

    term: str
    definition: str
    cells: list[Entry]


@dataclass(frozen=True)
class LeftOut:
    """How many objects were left out for one reason, and what the reason means."""

    reason: str
    count: int
    definition: str


class BudgetTable(NamedTuple):
    """An uncertainty budget in words.

    names: of the k numbers. rows: of each contribution its title, its source and its k
    effects. sentences: one for each answer.
    """

    names: list[str]
    rows: list[tuple[str, str, list[str]]]
    sentences: list[str]


def is_special(entry: Entry) -> bool:
    """Whether a number is of interest to few people, such as a density in pixels."""
    return known_number(entry.name).special or "px⁻" in entry.unit


def known_number(name: str) -> Quantity:
    """The quantity of this name. If it is not registered (its plug-in was removed), it is made
    from the name."""
    try:
        return number(name)
    except UnknownQuantity:
        return Quantity(name, capital(name.replace("_", " ")), "")


def known_column(name: str) -> Quantity:
    """The quantity of a column. If it is not registered (its plug-in was removed), it is made from
    the name."""
    return COLUMNS.get(name) or Quantity(name, capital(name.replace("_", " ")), "", 1)


def quantity_entries(quantities: Mapping[str, Value], *, every: bool = False) -> list[Entry]:
    """The entries of the numbers of an analysis, in readable units (µm for long lengths).

    Fractions that are not known are left out unless `every` is true.
    """
    entries = [Entry.of(name, value) for name, value in in_readable_units(quantities).items()]
    for measure in {entry.name.partition(OF)[0] for entry in entries if entry.kind == "fraction"}:
        places = [index for index, entry in enumerate(entries) if entry.name.startswith(measure + OF)]
        for index, share in zip(
            places, shares_in_words([entries[index].number.value for index in places]), strict=False
        ):
            entries[index] = replace(entries[index], share=share)
    return [entry for entry in entries if every or entry.kind != "fraction" or entry.number.value is not None]


def shares_in_words(fractions: Sequence[float | None]) -> list[str]:
    """The parts of a whole in per cent, in words with equal decimals, so that they sum to 100.

    They are rounded by the method of the largest remainder. The list is empty if the fractions do
    not sum to 1.
    """
    parts = [fraction or 0.0 for fraction in fractions]
    if len(parts) < 2 or abs(sum(parts) - 1) > ROUNDING:
        return []
    places = 1 if min(filter(None, parts)) >= LEAST_SHARE else 2
    exact = [10 ** (2 + places) * fraction for fraction in parts]
    missing = round(sum(exact)) - sum(floor(part + ROUNDING) for part in exact)
    rounded_up = sorted(range(len(parts)), key=lambda index: floor(exact[index] + ROUNDING) - exact[index])[:missing]
    return [
        f"{(floor(part + ROUNDING) + (index in rounded_up)) / 10**places:.{places}f}"
        for index, part in enumerate(exact)
    ]


def arrangement_entries(arrangement: Arrangement) -> Iterator[Entry]:
    """The measured distances to the nearest neighbour, each with its value at random as a note, and
    the alignment."""
    centre, edge, unit = arrangement["centre"], arrangement["edge"], arrangement["unit"]
    is_long = readable(Value(centre["mean"] or edge["mean"], unit=unit)).unit != unit
    # All numbers have one unit.
    convert: Callable[[Value], Value] = value_in_micrometres if is_long else lambda value: value
    for name, neighbours in (("neighbour_distance", centre), ("neighbour_gap", edge)):
        if neighbours["mean"] is None:
            continue
        entry = Entry.of(name, convert(Value(neighbours["mean"], neighbours["low"], neighbours["high"], unit)))
        if "chance" in neighbours:
            chance = convert(Value(neighbours["chance"], neighbours["chance_low"], neighbours["chance_high"], unit))
            entry = replace(entry, note=f"at random: {Entry(name, '', chance).words}")
        yield entry
    if axes := arrangement["alignment"]:
        is_aligned = axes["p"] < NO_DIRECTION
        note = f"along {axes['direction']:.0f}°" if is_aligned else "no common direction"
        order = Value(axes["order"], axes["low"], axes["high"])
        yield Entry.of("alignment", order, note=f"{axes['n']:,} elongated, {note}")


def group_entries(statistics: Statistics) -> Iterator[Entry]:
    """The numbers of groups of touching objects, lengths in the unit of the statistics."""
    groups: dict[str, Any] = dict(statistics.agglomerates or {})
    if not groups.get("groups") or "share" not in groups:
        return
    yield Entry.of("share_in_groups", Value(groups["share"], *(groups["share_interval"] or (None, None))))
    yield Entry.of("mean_primaries", Value(groups["mean_primaries"]))
    inside = groups.get("fractal_groups", groups["groups"])  # the groups inside the frame: only their size is known
    note = f"of the {inside:,} inside the frame" if inside < groups["groups"] else ""
    yield Entry.of("agglomerate_diameter", Value(groups["diameter"], unit=statistics.unit), note=note)
    fractal = Value(groups["fractal_dimension"], *(groups["fractal_interval"] or (None, None)))
    if fractal.value is not None:
        yield Entry.of("fractal_dimension", fractal, note=f"of {groups['fractal_groups']:,} agglomerates")


def shape_entries(statistics: Statistics) -> Iterator[Entry]:
    """The share of each class of shape that occurs."""
    for name, kind in statistics.shape_classes.items():
        if kind["n"]:
            yield Entry(
                name,
                name,
                Value(kind["share"], kind["low"], kind["high"]),
                kind="fraction",
                note=f"{kind['n']:,} counted",
            )


def rod_entries(statistics: Statistics) -> Iterator[Entry]:
    """Median length, width and length / width of the rods, with D10 and D90."""
    rods: dict[str, Any] = dict(statistics.rods or {})
    for side in ("length", "width", "ratio") if rods else ():
        side_numbers, unit = rods[side], "" if side == "ratio" else statistics.unit
        title = "length / width" if side == "ratio" else side
        low, high = side_numbers["interval"] or (None, None)
        value = Value(side_numbers["median"], low, high, unit)
        d10, d90 = significant(side_numbers["d10"]), significant(side_numbers["d90"])
        spread = f"D10 {d10}, D90 {d90}" if rods["n"] >= LEAST_SIZES else ""
        definition = "" if side == "ratio" else COLUMNS[side].definition
        yield Entry(f"rod_{side}", f"{MEDIAN_TERM} {title}", value, definition=definition, note=spread)
