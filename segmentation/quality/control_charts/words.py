"""A control chart as its page and the API show it: a sentence, pictures, and a row for each point."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from ...core.measure.quantities import decimals, number, significant
from ...core.quality.belonging import choice_words
from ...core.quality.control_chart import ChartState
from ...http.access import address_of
from ...models import ChartPoint, ControlChart
from ...presenters.drawings import Lines
from ...services.access.links import may_open
from .rows import prefetch_results

MOST_POINTS = 200  # the last ones, in a picture and in the table
LABEL_WIDTH = 8.0  # of the number above a point: per cent of the width of the picture on a phone


class Mark(NamedTuple):
    """A point of a picture. x, y: places in per cent. state: "alarm", "out" (does not count), "noted" (it has a note)
    or "". words: the tooltip. label: the text above the point."""

    x: float
    y: float
    state: str
    words: str
    label: str

    @property
    def radius(self) -> int:
        return 6 if self.state else 3


def _drop_overlapping_labels(marks: Sequence[Mark]) -> list[Mark]:
    """The same marks; where labels would overlap, only the later mark keeps its label."""
    labelled_marks: list[Mark] = []
    leftmost = 100.0 + LABEL_WIDTH
    for mark in reversed(marks):
        is_free = bool(mark.label) and leftmost - mark.x >= LABEL_WIDTH
        leftmost = mark.x if is_free else leftmost
        labelled_marks.append(mark if is_free else mark._replace(label=""))
    return labelled_marks[::-1]


@dataclass(frozen=True)
class Picture:
    """A chart with its marked points. Its curves are the points, the centre line, the lower and the upper limit."""

    lines: Lines
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class PointRow:
    """One point in the table. number: from 1 on. value, average, range: in words, "" if there is none. sentences: one
    for each of its alarms. name, address: of its result, "" if the caller may not see the result."""

    point: ChartPoint
    number: int
    value: str
    average: str
    range: str
    sentences: tuple[str, ...]
    name: str
    address: str

    @property
    def measured(self) -> datetime:
        return self.point.measured

    @property
    def waiting(self) -> str:
        """Why it counts only after a yes, or who said yes to what; "" if it counts without."""
        point = self.point
        if not point.waits:
            return ""
        return f"It waits for a yes: {point.waits}" if point.needs_agreement else choice_words(point.choice)


class ChartView:
    """A control chart in words and pictures. points: all points in the order of time."""

    def __init__(self, chart: ControlChart, points: Sequence[ChartPoint], request: Any = None) -> None:
        self.row, self.points, self.request = chart, list(points), request
        self.plan = chart.get_plan()
        self.quantity = number(self.plan.quantity)
        is_share = self.quantity.kind == "fraction"
        # Stored values times factor have the unit of the page.
        self.factor, self.unit = (100.0, "%") if is_share else (1.0, self.quantity.unit("nm"))

    @cached_property
    def control(self) -> ChartState:
        return self.row.control(self.points)

    @property
    def title(self) -> str:
        return str(self.row)

    @property
    def sentence(self) -> str:
        return self.control.sentence

    @property
    def extra_column_title(self) -> str:
        """The title of the table's column after the values."""
        return "Average" if self.plan.way == "ewma" else "Range"

    @property
    def is_out_of_control(self) -> bool:
        """Whether the last point that counts raises an alarm."""
        return bool(self.control.last_alarms)

    @property
    def facts(self) -> Iterator[tuple[str, str]]:
        """What the chart shows and its limits, as terms and their words."""
        yield "Number", f"{self.quantity.title}{f', {self.unit}' if self.unit else ''}"
        if self.row.reference:
            yield "Reference material", self.row.reference["name"]
        elif self.row.material is not None:
            yield "Material", self.row.material or "none is named"
        yield "Points", f"{len(self.points):,}{self._excluded()}"
        level = self.control.chart.level
        if level is not None:
            yield "Centre line", self.words(level.centre)
            yield "Standard deviation", self.words(level.sigma)
            yield "Limits from", "given values" if level.source == "given" else level.source
        chart = self.control.chart
        if level is not None and len(chart.upper):
            yield "Limits of the last point", f"{self.words(chart.lower[-1])} to {self.words(chart.upper[-1])}"
        if chart.greatest_range is not None:
            yield "Limit of ranges", self.words(chart.greatest_range)

    @cached_property
    def _decimals(self) -> int:
        """The number of decimals of all values of the chart."""
        largest = max((abs(self.factor * point.value) for point in self.points), default=1.0)
        return decimals(largest, 4)

    def _excluded(self) -> str:
        excluded = sum(bool(point.excluded) for point in self.points)
        waiting = len(self.points) - len(self.control.places) - excluded
        words = [f"{excluded} of them excluded"] if excluded else []
        return "".join(f", {text}" for text in [*words, *([f"{waiting} waiting for a yes"] if waiting else [])])

    def words(self, value: float) -> str:
        """A value in the unit of the page. All values have the decimals that four digits of the largest point have,
        because limits lie near each other."""
        return f"{significant(self.factor * float(value), 15, self._decimals)} {self.unit}".strip().replace("-", "−")

    @cached_property
    def main_picture(self) -> Picture | None:
        """The points with centre line and limits; None if there are fewer than two."""
        control, places_shown = self.control, range(len(self.points))[-MOST_POINTS:]
        # place: among all points. index_of[place]: among the points that count; `chart` has only these.
        chart, index_of = control.chart, {place: index for index, place in enumerate(control.places)}
        values = [
            self.factor * float(chart.values[index_of[place]] if place in index_of else control.values[place])
            for place in places_shown
        ]
        series: list[list[tuple[float, float | None]]] = [
            [
                (place + 1.0, value if place in index_of else None)
                for place, value in zip(places_shown, values, strict=True)
            ]
        ]
        if chart.level is not None:
            series.append([(place + 1.0, self.factor * chart.level.centre) for place in places_shown])
            for limits in (chart.lower, chart.upper):
                ends = [
                    (place + 1.0, max(0.0, self.factor * float(limits[index_of[place]])))
                    for place in places_shown
                    if place in index_of
                ]
                series.append([(x, y) for x, y in ends])
        # Excluded points are passed as whiskers without length: no curve joins them, but the axes include them.
        outside = [
            (place + 1.0, value, value)
            for place, value in zip(places_shown, values, strict=True)
            if place not in index_of
        ]
        name = "Weighted average" if self.plan.way == "ewma" else self.quantity.title
        return self._picture(series, f"{name}, {self.unit}" if self.unit else name, places_shown, values, outside)

    def _picture(
        self,
        series: Sequence[Sequence[tuple[float, float | None]]],
        title: str,
        places_shown: Sequence[int],
        values: Sequence[float],
        outside: Sequence[tuple[float, float, float]],
    ) -> Picture | None:
        lines = Lines.of(series, title, "point", outside)
        if lines is None:
            return None
        counted_dots, excluded_dots = iter(lines.dots), iter(lines.whiskers)
        marks = []
        for place, value in zip(places_shown, values, strict=True):
            x, y = next(counted_dots)[:2] if self.control.is_counted[place] else next(excluded_dots)[:2]
            point, alarms = self.points[place], self.control.alarms_at(place)
            state = "alarm" if alarms else "out" if not point.counts else "noted" if point.note else ""
            texts = [f"Point {place + 1}, {point.measured:%Y-%m-%d}: {significant(value, 4)} {self.unit}".strip()]
            texts += [*(alarm.sentence for alarm in alarms), point.excluded, point.note]
            texts += [f"It waits for a yes: {point.waits}"] if point.needs_agreement else []
            marks.append(Mark(x, y, state, ". ".join(filter(None, texts)), str(place + 1) if alarms else ""))
        return Picture(lines, tuple(_drop_overlapping_labels(marks)))

    @cached_property
    def ranges(self) -> Lines | None:
        """The moving ranges with their limit."""
        control, chart = self.control, self.control.chart
        if self.plan.way != "individuals" or not len(chart.ranges):
            return None
        xs = [place + 1.0 for place in control.places[1:]]
        series: list[list[tuple[float, float | None]]] = [
            [
                (x, self.factor * float(size))
                for x, size in zip(xs, chart.ranges, strict=True)
                if x > len(self.points) - MOST_POINTS
            ]
        ]
        if chart.greatest_range is not None:
            # From the first to the last point of `main_picture`.
            ends = max(1.0, len(self.points) - MOST_POINTS + 1.0), float(len(self.points))
            series.append([(x, self.factor * chart.greatest_range) for x in ends])
        title = f"Moving range, {self.unit}" if self.unit else "Moving range"
        return Lines.of(series, title, "point", from_zero=True)

    @property
    def last_rows(self) -> list[PointRow]:
        """The last points, the newest first."""
        prefetch_results(self.points[-MOST_POINTS:])
        control, chart = self.control, self.control.chart
        index_of = {place: index for index, place in enumerate(control.places)}
        rows = []
        for place in reversed(range(len(self.points))[-MOST_POINTS:]):
            point, index = self.points[place], index_of.get(place)
            is_average = self.plan.way == "ewma" and chart.level is not None and index is not None
            average = self.words(chart.values[index]) if is_average else ""
            has_range = bool(index) and len(chart.ranges) > 0
            address = self._address(point)
            rows.append(
                PointRow(
                    point,
                    place + 1,
                    self.words(point.value),
                    average,
                    self.words(chart.ranges[index - 1]) if has_range and index else "",
                    tuple(alarm.sentence for alarm in control.alarms_at(place)),
                    point.name if address else "",
                    address,
                )
            )
        return rows

    @property
    def is_in_control(self) -> bool | None:
        """Whether the last point that counts raises no alarm; None before there are limits."""
        return None if self.control.chart.level is None or not self.control.places else not self.is_out_of_control

    def level_as_dict(self) -> dict[str, Any] | None:
        """The limits for the API, in the unit of result.json; None while there are none."""
        chart = self.control.chart
        return chart.level and {**asdict(chart.level), "greatest_range": chart.greatest_range}

    def as_dicts(self) -> list[dict[str, Any]]:
        """All points for the API, with their limits and alarms, in the unit of result.json."""
        prefetch_results(self.points)
        control, chart = self.control, self.control.chart
        index_of = {place: index for index, place in enumerate(control.places)}
        rows = []
        for place, point in enumerate(self.points):
            index, is_seen = index_of.get(place), bool(self._address(point))
            has_limits = chart.level is not None and index is not None
            is_average, has_range = has_limits and self.plan.way == "ewma", bool(index) and len(chart.ranges)
            texts = {
                name: getattr(point, name) for name in ("value", "note", "excluded", "version", "departures", "waits")
            }
            texts |= {"counts": point.counts, "choice": choice_words(point.choice)}
            rows.append(
                {
                    **texts,
                    "id": point.pk,
                    "number": place + 1,
                    "measured": point.measured,
                    "average": float(chart.values[index]) if is_average else None,
                    "moving_range": float(chart.ranges[index - 1]) if has_range and index else None,
                    "lower": float(chart.lower[index]) if has_limits else None,
                    "upper": float(chart.upper[index]) if has_limits else None,
                    "alarms": [{"rule": alarm.rule, "sentence": alarm.sentence} for alarm in control.alarms_at(place)],
                    "job": str(point.job_id) if point.job_id and is_seen else None,
                    "sample": str(point.sample_id) if point.sample_id and is_seen else None,
                }
            )
        return rows

    def _address(self, point: ChartPoint) -> str:
        """The address of the result of a point; "" if the caller may not see the result."""
        result = point.result
        if result is None or self.request is None:
            return ""
        request = self.request
        is_seen = may_open(result, request.user, request.visitor, request.links)
        return address_of(result) if is_seen else ""
