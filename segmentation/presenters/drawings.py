"""The small charts of a result: positions and texts from which templates draw SVG, without JavaScript."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from math import ceil, floor, log10
from typing import Any, NamedTuple

import numpy as np

from ..core.flags import Flag, beside_numbers
from ..core.measure.quantities import MEDIAN_TERM, NUMBERS, OF, Quantity, Value, significant
from ..core.measure.shape.descriptors import DESCRIPTORS, measures_of
from ..core.report.entries import CAVEAT, Entry, is_special, known_column, known_number, quantity_entries
from ..core.report.figures.picture import PALETTE
from ..core.report.summary import Summary
from ..core.report.wording import per_cent
from ..core.tasks.base import Curve, Task

TICKS = 5
PAIRS = {"Mean, SD": ("mean", "sd"), "D10, D90": ("d10", "d90")}  # two numbers on one line
MAIN_FACTS = 4  # so many lines of numbers stand beside the picture
MAIN_OTHERS = 3  # so many further numbers of a class are in the main sentence


@dataclass(frozen=True)
class Bar:
    """A fraction with its interval, drawn as a bar. value, interval: in words, interval "" if not known. place, left,
    right: the fraction and both ends of its interval in per cent, as positions on the axis. n: the number of all
    objects, of which this is a fraction; 0 if that is not shown."""

    name: str
    value: str
    interval: str
    n: int
    place: float
    left: float
    right: float

    @classmethod
    def of(cls, result: Mapping[str, Any]) -> Bar | None:
        """The bar of a stored result; None if its fraction is not known."""
        fraction, low, high = result.get("fraction"), result.get("low"), result.get("high")
        if fraction is None:
            return None
        entry = result.get("entry") or Entry("", "", Value(fraction, low, high), kind="fraction")
        places = (round(100 * (fraction if share is None else share), 2) for share in (fraction, low, high))
        interval = f"{entry.ends} %" if entry.ends else ""
        return cls(result.get("name", ""), f"{entry.value} %", interval, result["n"], *places)


@dataclass(frozen=True)
class Tick:
    """A tick of an axis. place: in per cent of the length of the axis."""

    place: float
    text: str


def _round_steps(low: float, high: float) -> list[float]:
    """Round numbers from low to high, as ticks of an axis: about TICKS multiples of 1, 2 or 5 times a power of ten."""
    wanted_step = (high - low) / TICKS
    power = 10.0 ** floor(log10(wanted_step))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= wanted_step * 0.7)
    return [float(f"{number * step:.12g}") for number in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)]


def polygon(edges: Sequence[float], heights: Sequence[float]) -> list[tuple[float, float | None]]:
    """The frequency polygon of a histogram: points (x, y) at the middles of its bins, with y = 0 at both ends."""
    bins = zip(edges, edges[1:], heights, strict=False)
    return [(edges[0], 0.0), *(((low + high) / 2, height) for low, high, height in bins), (edges[-1], 0.0)]


def lines_of(curve: Curve, names: Iterable[str]) -> list[list[tuple[float, float | None]]]:
    """The lines of these names in a stored curve (core.tasks.base.Curve), or its only line, as points (x, y)."""
    x, lines = curve.x, curve.lines
    ys = [lines.get(name, []) for name in names] if len(lines) > 1 else lines.values()
    return [polygon(x, y) if len(x) > len(y) > 0 else list(zip(x, y, strict=False)) for y in ys]


def rebin_to_common_edges(curves: Sequence[Curve]) -> list[Curve]:
    """Stored curves of one line each, ready to be drawn over each other. If all are histograms (each has equal bins),
    they get common bins, as wide as the widest, so that equal heights are equal shares."""
    lines = [(curve.x, *curve.lines.values()) for curve in curves]
    if any(len(x) <= len(y) for x, y in lines):
        return list(curves)
    width = max(x[-1] - x[-2] for x, _ in lines)
    first_edge, last_edge = (
        floor(min(x[0] for x, _ in lines) / width),
        ceil(max(x[-1] for x, _ in lines) / width - 1e-9),
    )
    edges = width * np.arange(first_edge, last_edge + 1)
    shares = (np.diff(np.interp(edges, x, np.cumsum([0, *y]))).tolist() for x, y in lines)
    return [replace(curve, x=edges.tolist(), lines={"": share}) for curve, share in zip(curves, shares, strict=True)]


class Band(NamedTuple):
    """The area between two curves."""

    low: Sequence[tuple[float, float]]
    high: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Lines:
    """Curves over one axis. Places are in per cent of the chart: x goes right and y down.

    paths: SVG paths, one for each curve. dots: x, y and words of the points of the first curve. whiskers: x, low, high.
    y_title, x_title: titles of the axes. words: the alternative text. bands: areas behind the curves, as
    closed SVG paths.
    """

    paths: tuple[str, ...]
    dots: tuple[tuple[float, float, str], ...]
    whiskers: tuple[tuple[float, float, float], ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    y_title: str
    x_title: str
    words: str
    bands: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        series: Sequence[Sequence[tuple[float, float | None]]],
        y_title: str,
        x_title: str,
        intervals: Sequence[tuple[float, float, float]] = (),
        *,
        bands: Sequence[Band] = (),
        from_zero: bool = False,
    ) -> Lines | None:
        """The chart of curves, each a series of points (x, y); None if no curve has two points.

        intervals: (x, low, high), drawn as whiskers. bands: areas behind the curves. from_zero: whether the
        y axis begins at 0.
        """
        drawable = [[(x, y) for x, y in points if y is not None] for points in series]
        if not any(len(points) > 1 for points in drawable):
            return None
        all_points = [*chain(*drawable), *chain(*(side for band in bands for side in band))]
        ys = [y for _, y in all_points] + [end for _, *ends in intervals for end in ends]
        xs = [x for x, _ in all_points]
        leftmost, rightmost = min(xs), max(xs)
        low, high = 0.0 if from_zero else min(ys), max(ys)
        margin = 0.06 * (high - low) or abs(high) or 1.0  # above and below the curves
        bottom, top = max(0.0, low - margin), high + margin
        if rightmost == leftmost:
            return None

        def right(x: float) -> float:
            return round(100 * (x - leftmost) / (rightmost - leftmost), 2)

        def down(y: float) -> float:
            return round(100 * (top - y) / (top - bottom), 2)

        def path(points: Iterable[tuple[float, float]]) -> str:
            return "M" + " L".join(f"{right(x)} {down(y)}" for x, y in points)

        steps = _round_steps(leftmost, rightmost)
        steps = steps[::2] if len(steps) > TICKS else steps  # so that their texts fit on a phone
        return cls(
            tuple(path(points) if len(points) > 1 else "" for points in drawable),
            tuple((right(x), down(y), f"{significant(x)} {x_title}: {significant(y)}") for x, y in drawable[0]),
            tuple((right(x), down(low), down(high)) for x, low, high in intervals),
            tuple(Tick(right(x), f"{x:,.12g}") for x in steps),
            tuple(Tick(down(y), f"{y:.6g}") for y in _round_steps(bottom, top)),
            y_title,
            x_title,
            f"{y_title}: " + "; ".join(_course(points) for points in drawable if points),
            tuple(f"{path([*band.low, *reversed(band.high)])} Z" for band in bands),
        )


def _course(points: Sequence[tuple[float, float]]) -> str:
    """A curve in words: its ends, or its peak where it rises and falls."""
    start, end, peak = points[0][1], points[-1][1], max(points, key=lambda point: point[1])
    if peak[1] > max(start, end):
        return f"highest at {significant(peak[0])}: {significant(peak[1])}"
    return f"from {significant(start)} to {significant(end)}"


@dataclass(frozen=True)
class ClassRow:
    """The numbers of one class, and its colour in the figure as a web colour. cells: the numbers that every class has;
    others: numbers that only some classes have, such as the thickness of a layer."""

    name: str
    colour: str
    cells: list[Entry]
    others: list[Entry]

    @property
    def main_others(self) -> list[Entry]:
        """The `others` that are in the main sentence."""
        return self.others[:MAIN_OTHERS]

    @property
    def more_others(self) -> list[Entry]:
        """The `others` that are only in the table of all numbers."""
        return self.others[MAIN_OTHERS:]

    @property
    def share(self) -> Bar | None:
        """The share of the class: the first fraction among `cells`, as a bar; None if not known."""
        fraction = next((cell for cell in self.cells if cell.kind == "fraction"), None)
        number = fraction.number if fraction else Value(None)
        low, high = number.total or (number.low, number.high)
        return Bar.of(
            {"name": self.name, "fraction": number.value, "low": low, "high": high, "n": 0, "entry": fraction}
        )


def class_rows(quantities: Iterable[Entry]) -> list[ClassRow]:
    """A row for each class, in the order of the classes. quantities: entries whose names are "QUANTITY" + OF +
    "CLASS"."""
    by_quantity: dict[str, dict[str, Entry]] = {}  # name of a quantity -> class -> its number
    for entry in quantities:
        quantity, _, name = entry.name.partition(OF)
        if name:
            by_quantity.setdefault(quantity, {})[name] = replace(entry, term=known_number(quantity).title)
    names = list(max(by_quantity.values(), key=len, default=[]))
    shared = [by_class for by_class in by_quantity.values() if len(by_class) == len(names)]
    partial = [by_class for by_class in by_quantity.values() if len(by_class) < len(names)]
    return [
        ClassRow(
            name,
            PALETTE[i % len(PALETTE)],
            [by_class[name] for by_class in shared],
            [by_class[name] for by_class in partial if name in by_class and by_class[name].number.value is not None],
        )
        for i, name in enumerate(names)
    ]


class ChartedSummary(Summary):
    """The numbers of a result, with sentences and small charts that only its page shows.

    Base class of `Result` (one image) and `PooledResult` (a sample). notices: the warnings and buttons of the page.
    """

    task: Task
    notices: Sequence[Any]
    shape_caveat = CAVEAT

    @property
    def notices_beside(self) -> list[Any]:
        """The `notices` shown beside the numbers: the gravest warnings; without warnings the first notice."""
        doubts = [notice for notice in self.notices if isinstance(notice, Flag) and notice.doubt]
        return beside_numbers(doubts) or list(self.notices[:1])

    @property
    def listed_notices(self) -> list[Any]:
        """The `notices` in the list below the numbers: all, except the first if it is written in full beside the
        numbers."""
        return [
            notice for place, notice in enumerate(self.notices) if place or (isinstance(notice, Flag) and notice.short)
        ]

    @property
    def main_numbers_are_shares(self) -> bool:
        """Whether the main numbers are shares of the area, one for each class; these need no scale."""
        return bool(self.leading) and self.leading[0].kind == "fraction"

    @property
    def classes(self) -> list[ClassRow]:
        """The numbers of each class, for a kind of analysis with classes; else []."""
        has_classes = self.task.semantic and not self.statistics
        entries = map(self.with_basis, quantity_entries(self.stored_quantities, every=True) if has_classes else ())
        return class_rows(map(self._with_sure_ends, entries))

    @property
    def measures(self) -> list[Quantity]:
        """What a histogram may show, the size first."""
        return [known_column(name) for name in measures_of(self.size.name)]

    @property
    def shapes(self) -> list[Quantity]:
        """The descriptors of shape, as columns of the table of objects."""
        return [known_column(name) for name in DESCRIPTORS]

    @property
    def classes_in_sentence(self) -> list[ClassRow]:
        """The classes in the order of the main sentence: first those with a further number, such as a thickness."""
        return sorted(self.classes, key=lambda row: not row.others)

    @property
    def size_line(self) -> str:
        """A sentence that says what the sizes are."""
        definition = self.size.definition
        return f"Sizes are {self.size.label}s, by number: {definition[:1].lower()}{definition[1:]}"

    @property
    def further_numbers(self) -> list[Entry]:
        """The numbers that are not among the sizes."""
        return [entry for entry in self.known_quantities if not (self.sizes and entry.name in self.task.figures)]

    @property
    def further_numbers_listed(self) -> list[Entry]:
        """The `further_numbers` that are neither in the main sentence nor among `special_numbers`."""
        headlines = {entry.name for entry in self.leading}
        return [entry for entry in self.further_numbers if entry.name not in headlines and not is_special(entry)]

    @property
    def main_facts(self) -> list[tuple[str, str]]:
        """The numbers beside the picture, after those of the sentence: (terms, words)."""
        sizes = {entry.name: entry for entry in self.answer_sizes}
        pairs = [
            (terms, [sizes[name] for name in names if name in sizes])
            for terms, names in PAIRS.items()
            if names[0] in sizes
        ]
        others = [] if self.classes else [(entry.term, [entry]) for entry in self.further_numbers_listed]
        return [
            (terms, ", ".join(f"{entry.value} {entry.unit}".strip() for entry in entries))
            for terms, entries in [*pairs, *others][:MAIN_FACTS]
        ]

    @property
    def special_numbers(self) -> list[Entry]:
        """The `further_numbers` that few people need, which the page shows last."""
        return list(filter(is_special, self.further_numbers))

    @property
    def convergence(self) -> Lines | None:
        """The median with its interval against the number of counted objects or images, over a band around the final
        median, as wide as `wanted_precision`. None if the result has no such curve."""
        curve = self.statistics.convergence if self.statistics and self.kept else None
        if not self.statistics or not curve or len(curve["n"]) < 2 or None in curve["median"]:
            return None
        numbers, medians, unit, wanted = curve["n"], curve["median"], self.statistics.unit, curve["wanted"]
        unit_of_count = "images" if curve.get("by") == "image" else self.things
        lows, highs = (
            [median if end is None else end for end, median in zip(curve[name], medians, strict=True)]
            for name in ("low", "high")
        )
        least, greatest = (medians[-1] * factor for factor in (1 - wanted, 1 + wanted))
        in_range = Band(*([(0, end), (numbers[-1], end)] for end in (least, greatest)))
        line, *interval = (list(zip(numbers, values, strict=True)) for values in (medians, lows, highs))
        chart = Lines.of(
            [line], f"{NUMBERS['median'].title} ({unit})", unit_of_count, bands=[in_range, Band(*interval)]
        )
        words = (
            f"{n:,} {unit_of_count}: {MEDIAN_TERM} {Entry('', '', Value(median, low, high, unit)).words}"
            for n, median, low, high in zip(numbers, medians, lows, highs, strict=True)
        )
        return chart and replace(
            chart,
            dots=tuple((x, y, text) for (x, y, _), text in zip(chart.dots, words, strict=True)),
            words=f"The {MEDIAN_TERM} and its 95 % interval against the number of {unit_of_count}. {self.enough}",
        )

    @property
    def wanted_precision(self) -> str:
        """How close to the final median the interval should be, such as "5 %"; "" without `convergence`."""
        curve = self.statistics.convergence if self.statistics else None
        return per_cent(curve["wanted"]) if curve else ""

    @property
    def nano_bar(self) -> Bar | None:
        """The share of particles from 1 to 100 nm as a bar, with the interval that the page shows."""
        share = next((entry for entry in self.headlines if entry.name == "fraction_100nm"), None)
        if not self.nano or share is None or share.total is None:
            return Bar.of(self.nano) if self.nano else None
        low, high = share.total
        return Bar.of({**self.nano, "low": low, "high": high})

    @property
    def sensitivity(self) -> list[Bar]:
        """The share of particles from 1 to 100 nm under other settings."""
        rows = self.nano["sensitivity"] if self.nano else []
        return [bar for bar in map(Bar.of, rows) if bar]
