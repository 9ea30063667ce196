"""The charts of fibres: length against diameter, and the rose of their directions."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from ..analysis import Analysis
from ..measure.quantities import LONG_NM, Unit, significant
from .charts import BAR, MEAN, begin, set_title, sheet_of
from .lengths import nanometre_in
from .picture import colours_by_direction

SECTORS = 18  # of half a turn
FULL_LENGTH, IN_PART = "both ends in view", "seen in part"


def draw_lengths(ax: Axes, analysis: Analysis, letter: str) -> None:
    """The length of each fibre against its diameter; hollow where an end is out of view."""
    table, sheet = analysis.table, sheet_of(ax)
    is_counted = table.kept
    diameter, length, full_length = (
        table.length(name)[is_counted] for name in ("fibre_diameter", "visible_length", "fibre_length")
    )
    units = [_unit(table.unit, values) for values in (diameter, length)]
    set_title(ax, f"{letter}Length against diameter")
    if not len(diameter):
        ax.set_axis_off()
        return
    begin(ax, f"Diameter ({units[0]})", f"Length ({units[1]})")
    x, y = (values * nanometre_in(unit) for values, unit in zip((diameter, length), units, strict=True))
    whole = ~np.isnan(full_length)
    size = 0.9 * sheet.font
    ax.scatter(
        x[~whole], y[~whole], size, facecolors="none", edgecolors=sheet.colour(BAR), linewidths=0.7, label=IN_PART
    )
    ax.scatter(x[whole], y[whole], size, color=sheet.colour(MEAN), linewidths=0, label=FULL_LENGTH)
    scales = [(ax.set_xscale, x), (ax.set_yscale, y)]
    for (set_scale, values), axis in zip(scales, (ax.xaxis, ax.yaxis), strict=True):
        if values.max() > 8 * max(values.min(), 1e-9):
            set_scale("log")
            axis.set_major_formatter(FuncFormatter(lambda value, _: significant(value, 2)))
            axis.set_minor_formatter(FuncFormatter(lambda value, _: ""))
        else:
            values_to = 1.15 * float(values.max())
            (ax.set_xlim if axis is ax.xaxis else ax.set_ylim)(0, values_to)
    ax.legend(loc="lower right", fontsize=0.85 * sheet.font, frameon=False, borderpad=0, handletextpad=0.2)


def _unit(unit: Unit, values: NDArray[np.float64]) -> Unit:
    return "µm" if unit == "nm" and len(values) and np.median(values) >= LONG_NM else unit


def draw_rose(ax: Axes, analysis: Analysis, letter: str) -> None:
    """The visible length of the fibres by direction, on both sides, as each fibre points both ways."""
    table = analysis.table
    is_counted = table.kept & ~np.isnan(table["direction"])
    degrees, lengths = table["direction"][is_counted], table.length("visible_length")[is_counted]
    set_title(ax, f"{letter}Directions, by length")
    ax.set_axis_off()
    if not len(degrees):
        return
    sums = np.histogram(degrees, SECTORS, (0, 180), weights=lengths)[0]
    radii = np.sqrt(sums / sums.max())  # so that areas compare
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
    ax.set(xlim=(-1.35, 1.35), ylim=(-1.35, 1.35), aspect="equal")
