"""Draws the panels of an image's figure that are charts or texts: sizes, numbers, area fractions,
thickness of a layer, lengths and directions of fibres."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Annotation
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from ...measure.quantities import LONG_NM, Unit, nanometre_in, of_class, readable
from ...tasks.layers import layer_profile
from ..entries import Entry, quantity_entries
from ..wording import one_line
from .charts import (
    BAR,
    FAINT,
    MEAN,
    Distribution,
    draw_histogram,
    label_axes,
    letters_in,
    set_chart_legend,
    set_title,
    sheet_of,
    size_in_inches,
)
from .fonts import drawable_text
from .picture import COLOURS, colours_by_direction

if TYPE_CHECKING:
    from .panels import Drawing

LONGEST_CLASS_NAME = 26  # letters
BAR_HEIGHT = 0.44  # as a share of the height for one class
SECTORS = 18  # of 180 degrees


def draw_lengths(ax: Axes, drawing: Drawing, letter: str) -> None:
    """The panel "lengths": visible length of each fibre against its diameter; hollow points if an
    end is not visible."""
    table, sheet = drawing.analysis.table, sheet_of(ax)
    is_counted = table.kept
    diameter, length, full_length = (
        table.length(name)[is_counted] for name in ("fibre_diameter", "visible_length", "fibre_length")
    )
    is_long = [table.unit == "nm" and len(values) and np.median(values) >= LONG_NM for values in (diameter, length)]
    units: list[Unit] = ["µm" if long else table.unit for long in is_long]
    is_whole = ~np.isnan(full_length)
    hollow = "" if is_whole.all() else "; hollow: seen in part"
    set_title(ax, f"{letter}Fibres{hollow}")
    if not len(diameter):
        ax.set_axis_off()
        return
    label_axes(ax, f"Diameter ({units[0]})", f"Length ({units[1]})")
    x, y = (values * nanometre_in(unit) for values, unit in zip((diameter, length), units, strict=True))
    size = 0.9 * sheet.font
    hollow_style: dict[str, Any] = {"facecolors": "none", "edgecolors": sheet.colour(BAR), "linewidths": 0.9}
    full_style: dict[str, Any] = {"color": sheet.colour(MEAN), "linewidths": 0}
    for is_drawn, style in ((~is_whole, hollow_style), (is_whole, full_style)):
        if is_drawn.any():
            ax.scatter(x[is_drawn], y[is_drawn], 1.4 * size, **style)
    scales = [(ax.set_xscale, x), (ax.set_yscale, y)]
    for (set_scale, values), axis in zip(scales, (ax.xaxis, ax.yaxis), strict=True):
        if values.max() > 8 * max(values.min(), 1e-9):
            set_scale("log")
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_minor_formatter(NullFormatter())
        else:
            (ax.set_xlim if axis is ax.xaxis else ax.set_ylim)(0, 1.15 * float(values.max()))


def draw_rose(ax: Axes, drawing: Drawing, letter: str) -> None:
    """The panel "rose": visible length of the fibres by direction, drawn on both sides, because
    a fibre has no front."""
    table = drawing.analysis.table
    is_counted = table.kept & ~np.isnan(table["direction"])
    degrees, lengths = table["direction"][is_counted], table.length("visible_length")[is_counted]
    set_title(ax, f"{letter}Directions, by length")
    ax.set_axis_off()
    if not len(degrees):
        return
    sums = np.histogram(degrees, SECTORS, (0, 180), weights=lengths)[0]
    radii = np.sqrt(sums / sums.max())  # so that areas, not radii, are proportional to lengths
    step = np.pi / SECTORS
    middles = np.rad2deg((np.arange(SECTORS) + 0.5) * step)
    for colour, start, radius in zip(
        colours_by_direction(middles) / 255, np.arange(SECTORS) * step, radii, strict=True
    ):
        for turn in (0, np.pi):
            arc = np.linspace(start, start + step, 8) + turn
            shade = "0.45" if sheet_of(ax).grey else tuple(colour)
            ax.fill(radius * np.r_[0, np.cos(arc)], radius * np.r_[0, np.sin(arc)], color=shade, linewidth=0)
    ring = np.linspace(0, 2 * np.pi, 100)
    ax.plot(np.cos(ring), np.sin(ring), color="0.6", linewidth=0.6)
    for angle, words in ((0, "0°"), (np.pi / 2, "90°")):
        ax.text(1.2 * np.cos(angle), 1.2 * np.sin(angle), words, ha="center", va="center", fontsize=sheet_of(ax).font)
    ax.set(xlim=(-1.35, 1.35), ylim=(-1.35, 1.35), aspect="equal", anchor="N")


def draw_fractions(ax: Axes, drawing: Drawing, letter: str) -> None:
    """The panel "fractions": for each class its name, its area fraction, and a bar with the 95 %
    interval."""
    classes = drawing.analysis.segmentation.class_names
    entries = {entry.name: entry for entry in quantity_entries(drawing.sample.quantities, every=True)}
    sheet = label_axes(ax, "% of the area")
    ax.set(xlim=(0, 100), ylim=(len(classes) - 0.6, -0.85), xticks=range(0, 101, 25), yticks=[])
    gap_points = (1 - BAR_HEIGHT) * 72 * size_in_inches(ax)[1] / (len(classes) + 0.25)  # between two bars
    labels: list[tuple[Annotation, Annotation, str]] = []
    for position, name in enumerate(classes):
        entry, top = entries[of_class("area_fraction", name)], position - BAR_HEIGHT / 2 - 0.05
        fraction = entry.reported
        share, low, high = (100 * (part or 0.0) for part in (fraction.value, fraction.low, fraction.high))
        style: dict[str, Any] = {
            "textcoords": "offset points",
            "fontsize": min(sheet.font, gap_points / 1.2),
            "va": "bottom",
        }
        label = ax.annotate(one_line(name, LONGEST_CLASS_NAME), (0, top), (2, 0), **style)
        number = ax.annotate(entry.words, (100, top), (0, 0), ha="right", **style)
        labels.append((label, number, f"{entry.value} {entry.unit}"))
        colour = sheet.shade(COLOURS[position % len(COLOURS)])
        ax.barh(position, share, BAR_HEIGHT, color=colour, edgecolor="#57606a", linewidth=0.6)
        if fraction.low is not None:
            ends = [[share - low], [high - share]]
            ax.errorbar(share, position, xerr=ends, color="#1b1f24", capsize=4, linewidth=1.2)
    gap = 0.4 * sheet.font * sheet.dpi / 72
    if any(label.get_window_extent().x1 + gap > number.get_window_extent().x0 for label, number, _ in labels):
        for _, number, words in labels:  # there is no room for intervals in words: the bars show them
            number.set_text(words)
    set_title(ax, f"{letter}Area fractions")


def draw_thickness(ax: Axes, drawing: Drawing, letter: str) -> None:
    """The panel "thickness": the thickness of a layer along its middle line, its mean and its 95 %
    interval.

    Both ends are grey, because the thickness cannot be measured near the ends of the line.
    """
    layer, profile = layer_profile(drawing.analysis.segmentation, drawing.analysis.settings.measurement)
    mean = readable(drawing.sample.quantities[of_class("thickness_mean", layer)]).reported
    set_title(ax, f"{letter}Thickness of {layer}")
    if profile is None or mean.value is None:
        ax.set_axis_off()
        ax.text(0, 0.95, "No thickness is given", transform=ax.transAxes, va="top", fontsize=sheet_of(ax).font)
        return
    unit = mean.unit
    size = nanometre_in(unit) * (drawing.analysis.calibration.nm_per_pixel or 1.0)
    sheet = label_axes(ax, f"Along the layer ({unit})", f"Thickness ({unit})")
    ax.plot(profile.along * size, profile.thickness * size, color=sheet.colour(BAR), linewidth=1.2)
    ax.set_xlim(0, profile.line * size)
    words = Entry("", "", mean).value
    ax.axhline(mean.value, color=sheet.colour(MEAN), linewidth=1.6, label=f"mean {words} {unit}")
    if mean.low is not None and mean.high is not None:
        ax.axhspan(mean.low, mean.high, color=sheet.colour(MEAN), alpha=0.15, label="its 95 % interval")
    ends: dict[str, Any] = {"color": FAINT, "alpha": 0.35, "linewidth": 0}
    ax.axvspan(0, profile.start * size, label="not measured", **ends)
    ax.axvspan((profile.start + len(profile.thickness) * profile.step) * size, profile.line * size, **ends)
    ax.set_ylim(0, 1.08 * float(ax.get_ylim()[1]))  # so that the topmost label does not touch the title
    ax.ticklabel_format(style="plain", useOffset=False)
    ax.locator_params(axis="x", nbins=5)
    set_chart_legend(ax, lower=True, fontsize=sheet.font)


def draw_sizes(ax: Axes, drawing: Drawing, letter: str) -> None:
    """The panels "histogram" and "sizes": the size distribution, if there is one."""
    distribution = Distribution.of(drawing.sample)
    if distribution is None:
        ax.set_axis_off()
    else:
        draw_histogram(ax, distribution, letter)


def draw_quantities(ax: Axes, drawing: Drawing, letter: str) -> None:
    """The panel "quantities": the numbers of the kind of analysis with their 95 % intervals, as
    lines of text."""
    ax.set_axis_off()
    has_intervals = any(value.low is not None for value in drawing.sample.quantities.values())
    set_title(ax, f"{letter}Numbers{', 95 % intervals in brackets' if has_intervals else ''}")
    draw_lines(ax, quantity_entries(drawing.sample.quantities, every=True), least=8)


def draw_lines(ax: Axes, entries: Iterable[Entry], least: int = 1) -> None:
    """Write each number with its term and its 95 % interval on a line. least: with
    fewer lines the lower part of the Axes stays empty."""
    rows = {entry.term: entry.words for entry in entries}
    height = 1 / max(len(rows) + 0.5, least)
    longest = max((len(title) + len(words) + 2 for title, words in rows.items()), default=1)
    size = sheet_of(ax).font * min(1.0, letters_in(ax) / longest)
    style: dict[str, Any] = {"transform": ax.transAxes, "fontsize": size, "va": "center", "parse_math": False}
    for i, (title, words) in enumerate(rows.items(), 1):
        for x, text, side in ((0, title, "left"), (1, words, "right")):
            ax.text(x, 1 - i * height, drawable_text(text), ha=side, **style)
