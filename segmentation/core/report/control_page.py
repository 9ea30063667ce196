"""Writes the PDF of a control chart for one month: its state in a sentence, the chart, and a table
of the month's points."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from matplotlib.axes import Axes
from reportlab.platypus import Flowable

from ..quality.control import ChartState
from .charts import BAR, FAINT, INK, MEDIAN, WARNED, label_axes
from .document import LEAD, SMALL, TITLE, WIDTH, chart, facts_table, heading, paragraph, space, table, write

MOST_POINTS = 100  # in a chart: only the last points are drawn
# Inches: sizes of the chart of values and of the chart of moving ranges.
VALUES_SIZE, RANGES_SIZE = (WIDTH / 72, 2.5), (WIDTH / 72, 1.6)
TESTS = (
    "Tests for special causes are those of L. S. Nelson, J. Qual. Technol. 16 (1984) 237, which ISO 8258:1991 took"
    " over; the weighted average is that of S. W. Roberts (1959), with λ = 0.2 and limits of 2.962 standard deviations."
)


@dataclass(frozen=True, eq=False)
class Month:
    """The content of the PDF for one month.

    title: of the chart.
    month: in words, such as "November 2026".
    sentence: the state at the end of the month.
    facts: names and values of the limits.
    label: title of the vertical axis.
    factor: values of `control` times this are in the unit of the axis.
    control: all points up to the end of the month.
    head: titles of the columns of `lines`.
    lines: the texts of a table, with a row for each point of the month.
    """

    title: str
    month: str
    sentence: str
    facts: Sequence[tuple[str, str]]
    label: str
    factor: float
    control: ChartState
    head: Sequence[str]
    lines: Sequence[Sequence[str]]


def write_month(month: Month, file: Path | BinaryIO, date: datetime | None = None) -> None:
    """Write the PDF. date: the date of creation in it, if it is to have one."""
    write(file, f"{month.title}, {month.month}", list(_parts(month)), date)


def _parts(month: Month) -> Iterator[Flowable]:
    yield paragraph(f"Control chart: {month.title}", TITLE)
    yield space(3)
    yield paragraph(f"{month.month}. {month.sentence}", LEAD)
    yield space(6)
    control = month.control
    if control.places:
        yield chart(lambda ax: _draw_points(ax, month), 0.09, VALUES_SIZE)
        yield paragraph(
            f"The last points up to the end of the month, {MOST_POINTS} at most. Dashed: centre line; dotted: limits."
            " Numbered: out of control. Hollow: does not count.",
            SMALL,
        )
    if len(control.chart.ranges):
        yield chart(lambda ax: _draw_ranges(ax, month), 0.09, RANGES_SIZE)
    yield heading("Limits")
    yield facts_table(list(month.facts))
    yield heading("Points of the month")
    if month.lines:
        yield table(month.head, month.lines, (0.5, 1.1, 0.9, 0.9, 3.6), numbers_from=9)
    else:
        yield paragraph("None.")
    yield space(4)
    yield paragraph(TESTS, SMALL)


def _draw_points(ax: Axes, month: Month) -> None:
    control, factor = month.control, month.factor
    label_axes(ax, "Point", month.label)
    state, places = control.chart, np.asarray(control.places)
    first_drawn = len(control.values) - MOST_POINTS
    is_drawn = places >= first_drawn
    x, values = places[is_drawn] + 1, factor * state.values[is_drawn]
    ax.plot(x, values, color=BAR, linewidth=1, marker="o", markersize=3, markerfacecolor=MEDIAN, markeredgewidth=0)
    if state.level is not None:
        ax.axhline(factor * state.level.centre, color=FAINT, linestyle="dashed", linewidth=1)
        for limits in (state.lower, state.upper):
            ax.plot(x, factor * limits[is_drawn], color=INK, linestyle="dotted", linewidth=1.2)
    heights = dict(zip(places.tolist(), (factor * state.values).tolist(), strict=True))
    for place in sorted({alarm.point for alarm in control.alarms}):
        if place >= first_drawn:
            ax.plot([place + 1], [heights[place]], "o", color=WARNED, markersize=5)
            style: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "fontsize": 7, "color": WARNED}
            ax.annotate(str(place + 1), (place + 1, heights[place]), (0, 5), **style)
    excluded = [place for place, is_counted in enumerate(control.is_counted) if not is_counted and place >= first_drawn]
    hollow: dict[str, Any] = {"color": INK, "markersize": 5, "markerfacecolor": "none"}
    ax.plot([place + 1 for place in excluded], factor * control.values[excluded], "o", **hollow)
    _set_ends(ax, control)


def _draw_ranges(ax: Axes, month: Month) -> None:
    state, places = month.control.chart, np.asarray(month.control.places[1:])
    label_axes(ax, "Point", "Moving range")
    is_drawn = places >= len(month.control.values) - MOST_POINTS
    ax.plot(
        places[is_drawn] + 1, month.factor * state.ranges[is_drawn], color=BAR, linewidth=1, marker="o", markersize=2.5
    )
    if state.greatest_range is not None:
        ax.axhline(month.factor * state.greatest_range, color=INK, linestyle="dotted", linewidth=1.2)
    ax.set_ylim(bottom=0)
    _set_ends(ax, month.control)


def _set_ends(ax: Axes, control: ChartState) -> None:
    """Give both charts the same horizontal axis: the numbers of the points."""
    n = len(control.values)
    ax.set_xlim(max(0, n - MOST_POINTS) + 0.5, n + 0.5)
