"""Draws the charts of figures and reports, such as the histogram, with their titles, legends and
axes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from textwrap import fill
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from ...measure.histograms import Bars, Population, bars_of
from ...measure.quantities import NUMBERS, nanometre_in, significant
from ...measure.results import Statistics
from ...measure.sizes.bins import FEWEST_IN_HISTOGRAM, LEAST_SIZES, NANO_NM
from ...measure.sizes.distribution import WeightedSizes
from ...measure.sizes.fitting import density, why_no_curve
from ...sample import SampleAnalysis
from ...tasks.base import Task
from ..entries import Entry

# Colours by their use; GREYS has those of a figure without colours.
INK = "#22262b"
FAINT = "#9aa4ae"
WARNED, DOUBTED = "#b3261e", "#7a4b00"  # "Do not use" and "Look at the picture", as on pages
BAR = "#6b7f94"
MEDIAN = "#0072b2"
MEAN = "#d55e00"
AREA = "#009e73"
BLACK = "#222222"
GREYS = {INK: BLACK, MEDIAN: BLACK, MEAN: BLACK, AREA: "#6b6b6b", BAR: "#a0a0a0", WARNED: BLACK, DOUBTED: BLACK}
LUMINANCE = (0.299, 0.587, 0.114)  # weights of red, green and blue in grey
LETTER_WIDTH = 0.56  # width of a letter, as a share of its height
# Gaps between a legend and bars or lines, as shares of the width and the height of the Axes.
LEGEND_GAP_X, LEGEND_GAP_Y = 0.01, 0.03
CONTRIBUTION_LETTERS = 24  # letters per line in the names of contributions to the uncertainty


@dataclass(frozen=True, eq=False)
class Distribution:
    """The size distribution of an image or a sample, as charts draw it. Lengths are in the readable
    unit: nm, µm or px.

    statistics: its numbers.
    sizes: of the counted objects.
    bars: of the histogram, None without objects.
    task: the kind of analysis.
    """

    statistics: Statistics
    sizes: WeightedSizes
    bars: Bars | None
    task: Task

    @classmethod
    def of(cls, sample: SampleAnalysis) -> Distribution | None:
        """The distribution of an image or a sample; None if it has none."""
        sample = sample.in_readable_unit()
        statistics = sample.pooled
        if statistics is None:
            return None
        tables = [member.sized for _, member in sample.counted]
        pieces = [member.pieces for _, member in sample.counted]
        pieces = pieces if any(table is not None for table in pieces) else []
        unscaled = WeightedSizes.of(*tables, edge=statistics.edge, by=statistics.size, pieces=pieces)
        unit, factor = statistics.unit, nanometre_in(statistics.unit)
        sizes = replace(unscaled, unit=unit, size=factor * unscaled.size, ecd=factor * unscaled.ecd)
        population = Population.of(
            tables,
            pieces,
            size=statistics.size,
            edge=statistics.edge,
            unit=unscaled.unit,
            pixel_size=sample.pixel_size,
        )
        bars = bars_of(population)
        return cls(statistics, sizes, bars and bars.rescaled(factor), sample.task)

    @property
    def has_few_sizes(self) -> bool:
        """Whether there are so few sizes that they are listed instead of drawn."""
        return len(self.sizes) < FEWEST_IN_HISTOGRAM

    @property
    def title(self) -> str:
        """Such as "N = 389, SD 21.4 nm"."""
        statistics = self.statistics
        if not statistics.n_kept:
            return "N = 0"
        if statistics.sd is None or statistics.n_kept < LEAST_SIZES:  # few sizes show no spread
            return f"N = {statistics.n_kept:,}"
        return f"N = {statistics.n_kept:,}, SD {self.by_number('sd')} {statistics.unit}"

    def by_number(self, name: str) -> str:
        """A number of the distribution by number (such as "mean") in words, without unit."""
        return Entry.of(name, self.statistics.value(name)).value

    def is_nano_shown(self, ax: Axes) -> bool:
        """Whether the chart marks 100 nm: sizes are in nm, and the axis reaches it."""
        low, high = ax.get_xlim()
        return self.statistics.fraction_100nm is not None and self.statistics.unit == "nm" and low < NANO_NM < high

    @property
    def size_words(self) -> str:
        """The list of all sizes in words, or a sentence that there are none."""
        left_out, task = self.statistics.n_set_aside, self.task
        if len(self.sizes):
            sizes = ", ".join(significant(size) for size in self.sizes.size.tolist())
            return f"{self.statistics.title}s ({self.statistics.unit}): {sizes}"
        if not left_out:
            return f"No {task.things} were found"
        return (
            f"All {left_out:,} {task.things} were left out" if left_out > 1 else f"The only {task.thing} was left out"
        )


class Sheet(Figure):
    """A matplotlib figure for charts that does not use pyplot.

    font: height of all letters, in points.
    grey: draw without colours.
    title, description: metadata of the file.
    insets: inches from the left edge of a panel to the Axes of its chart.
    """

    def __init__(self, inches: tuple[float, float], dpi: float = 200, font: float = 8.0, grey: bool = False) -> None:
        super().__init__(figsize=inches, dpi=dpi, facecolor="white")
        FigureCanvasAgg(self)
        self.font, self.grey, self.title, self.description = font, grey, "", ""
        self.insets: dict[Axes, float] = {}

    def letters_per_line(self, inches: float) -> int:
        """How many letters fit into a line of this width."""
        return max(1, int(inches * 72 / (LETTER_WIDTH * self.font)))

    def colour(self, name: str) -> str:
        """A colour of this module, or its grey if the sheet is grey."""
        return GREYS.get(name, name) if self.grey else name

    def shade(self, rgb: NDArray[np.uint8]) -> str:
        """A colour (3,) uint8 as "#rrggbb"; if the sheet is grey, the grey of the same
        luminance."""
        red, green, blue = [round(float(rgb @ LUMINANCE))] * 3 if self.grey else rgb.tolist()
        return f"#{red:02x}{green:02x}{blue:02x}"


def sheet_of(ax: Axes) -> Sheet:
    """The sheet on which the Axes are."""
    sheet = ax.get_figure(root=True)
    assert isinstance(sheet, Sheet)
    return sheet


def size_in_inches(ax: Axes) -> tuple[float, float]:
    """Width and height of the Axes in inches, before matplotlib changes them to keep an aspect
    ratio."""
    box, sheet = ax.get_position(original=True), sheet_of(ax)
    return box.width * sheet.get_figwidth(), box.height * sheet.get_figheight()


def width_of(sheet: Sheet, texts: Sequence[str]) -> float:
    """The width in inches of the broadest of the texts."""
    artists = [sheet.text(0, 0, words, fontsize=sheet.font, parse_math=False) for words in texts]
    widths = [float(text.get_window_extent().width) for text in artists]
    for text in artists:
        text.remove()
    return max(widths, default=0.0) / float(sheet.dpi)


def letters_in(ax: Axes) -> int:
    """How many letters fit into the width of the Axes."""
    return sheet_of(ax).letters_per_line(size_in_inches(ax)[0])


def set_title(ax: Axes, words: str) -> None:
    """Write a title on one line above the Axes. It begins at the left edge of the panel."""
    sheet, (width, _) = sheet_of(ax), size_in_inches(ax)
    inset = sheet.insets.get(ax, 0.0)
    size = sheet.font * min(1.0, 1.1 * sheet.letters_per_line(width + inset) / max(len(words), 1))
    # With y given, matplotlib does not measure all labels of the axes to find a free place above them, which is slow.
    ax.set_title(words, loc="left", fontsize=size, pad=4, x=-inset / width, y=1.0)


def set_legend(ax: Axes, handles: list[Patch]) -> None:
    """Draw the legend of a picture, inside the picture."""
    size = sheet_of(ax).font
    style: dict[str, Any] = {"loc": "lower left", "framealpha": 0.85, "borderpad": 0.3, "handlelength": 1.3}
    for _ in range(2):  # again with smaller letters if it is wider than the picture
        legend = ax.legend(handles=handles, fontsize=size, **style)
        size *= min(1.0, 0.95 * ax.bbox.width / legend.get_window_extent().width)


def set_chart_legend(ax: Axes, *, lower: bool = False, **style: Any) -> None:
    """Draw the legend of a chart whose y axis begins at 0, in a corner without bars and lines.

    If both upper corners are occupied, the y axis is made longer until the legend fits. lower:
    whether to try the lower right corner first.
    """
    legend = ax.legend(loc="upper right", frameon=False, borderpad=0.1, borderaxespad=0.1, **style)
    to_axes = ax.transAxes.inverted()
    box = legend.get_window_extent().transformed(to_axes)
    width, height = 1 - box.x0 + LEGEND_GAP_X, 1 - box.y0 + LEGEND_GAP_Y
    x, y = to_axes.transform(np.concatenate(list(_drawn_points(ax)))).T
    left, right = y[x < width], y[x > 1 - width]
    if lower and right.min(initial=1) > height:
        legend.set_loc("lower right")
        return
    highest_right, highest_left = (float(side.max(initial=0)) for side in (right, left))
    legend.set_loc("upper right" if highest_right <= highest_left else "upper left")
    ax.set_ylim(0, ax.get_ylim()[1] * max(1.0, min(highest_right, highest_left) / (1 - height)))


def _drawn_points(ax: Axes) -> Iterator[NDArray[np.float64]]:
    """Points (n, 2) on all bars and lines of a chart, in pixels of the sheet."""
    for bar in (bar for container in ax.containers for bar in container if isinstance(bar, Rectangle)):
        yield bar.get_window_extent().corners()
    for line in ax.lines:
        points = line.get_transform().transform(line.get_xydata())
        if len(points):
            places = np.linspace(0, len(points) - 1, max(2 * len(points), 50))
            yield np.stack([np.interp(places, np.arange(len(points)), side) for side in points.T], axis=1)


def inner_axes(frame: Axes, left: float, bottom: float, right: float, top: float) -> Axes:
    """Axes for a chart within a panel (frame). left, bottom, right, top: margins in inches for the
    labels of the axes."""
    sheet, box, (width, height) = sheet_of(frame), frame.get_position(original=True), size_in_inches(frame)
    x_per_inch, y_per_inch = box.width / width, box.height / height
    size = ((width - left - right) * x_per_inch, (height - bottom - top) * y_per_inch)
    ax = sheet.add_axes((box.x0 + left * x_per_inch, box.y0 + bottom * y_per_inch, *size))
    sheet.insets[ax] = left
    return ax


def label_axes(ax: Axes, x: str = "", y: str = "") -> Sheet:
    """Write the names of the axes of a chart; returns its sheet. A long name of the x axis is
    right-aligned."""
    sheet, longest = sheet_of(ax), max(map(len, x.split("\n")))
    loc: Literal["right", "center"] = "right" if longest > letters_in(ax) else "center"
    letters = sheet.letters_per_line(size_in_inches(ax)[0] + sheet.insets.get(ax, 0.0))
    ax.set_xlabel(x, fontsize=sheet.font * min(1.0, 1.1 * letters / max(longest, 1)), labelpad=2, loc=loc)
    ax.set_ylabel(y, fontsize=sheet.font, labelpad=3)
    ax.tick_params(labelsize=sheet.font)
    ax.spines[["top", "right"]].set_visible(False)
    return sheet


def draw_bars(ax: Axes, edges: NDArray[np.float64], heights: NDArray[np.float64]) -> None:
    """Draw the bars of a histogram. edges: (n + 1,), heights: (n,)."""
    colour = sheet_of(ax).colour(BAR)
    ax.bar(edges[:-1], heights, np.diff(edges), align="edge", color=colour, edgecolor="white", linewidth=0.5)


def draw_histogram(ax: Axes, distribution: Distribution, letter: str = "") -> None:
    """Draw the histogram of the counted sizes, with the log-normal law if it fits; few sizes are
    listed in words. letter: of the panel, written before the title."""
    statistics, things, bars = distribution.statistics, distribution.task.things, distribution.bars
    weighted = ", edge-weighted" if statistics.edge == "weight" else ""
    sheet = label_axes(ax, f"{statistics.title} ({statistics.unit})", f"{things.capitalize()}{weighted}")
    set_title(ax, f"{letter}{distribution.title}")
    if bars is None or distribution.has_few_sizes:
        ax.set_axis_off()
        text = fill(distribution.size_words, letters_in(ax))
        ax.text(0, 0.95, text, transform=ax.transAxes, va="top", fontsize=sheet.font, color=INK)
        return
    draw_bars(ax, bars.edges, bars.heights)
    if bars.doubtful.any():
        low, widths = bars.heights - bars.doubtful, np.diff(bars.edges)
        style_of_doubtful: dict[str, Any] = {
            "align": "edge",
            "color": "white",
            "alpha": 0.5,
            "label": "perhaps several",
        }
        ax.bar(bars.edges[:-1], bars.doubtful, widths, low, **style_of_doubtful)
    ax.ticklabel_format(style="plain", useOffset=False)
    ax.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.yaxis.set_major_formatter("{x:,.0f}")
    ax.xaxis.set_major_locator(MaxNLocator(max(4, min(8, letters_in(ax) // 5)), steps=[1, 2, 5, 10]))
    low, high, margin = bars.edges[0], bars.edges[-1], 0.04 * (bars.edges[-1] - bars.edges[0])
    ax.set_xlim(0.0 if low < 0.35 * high else low - margin, high + margin)
    size = np.linspace(max(ax.get_xlim()[0], 1e-3 * high), high, 300)
    expected, fit = np.zeros(len(size)), statistics.fit
    if fit is not None and not why_no_curve(fit):
        expected = density(size, fit) * (bars.edges[-1] - bars.edges[-2]) * bars.heights.sum()
    highest = max(float(bars.heights.max()), float(expected.max()))
    for name, colour, line_style in (("mean", MEAN, "solid"), ("median", MEDIAN, "dashed")):
        value = getattr(statistics, name) or 0.0
        style: dict[str, Any] = {"color": sheet.colour(colour), "linewidth": 1.6, "linestyle": line_style}
        ax.plot([value, value], [0, highest], label=f"{NUMBERS[name].label} {distribution.by_number(name)}", **style)
    if distribution.is_nano_shown(ax):
        style = {"color": sheet.colour(INK), "linewidth": 1.2, "linestyle": "dotted"}
        ax.plot([NANO_NM, NANO_NM], [0, highest], label="100 nm", **style)
    if expected.any():
        ax.plot(size, expected, color=sheet.colour(AREA), linewidth=1.4, label="log-normal")
    elif fit is not None:
        ax.plot([], [], " ", label="log-normal: poor fit")
    ax.set_ylim(0, 1.05 * highest)
    columns, font = 4 if letters_in(ax) > 70 else 2, sheet.font * min(1.0, letters_in(ax) / 34)
    set_chart_legend(
        ax, ncols=columns, fontsize=font, handlelength=1.2, handletextpad=0.4, columnspacing=1.2, labelspacing=0.2
    )


def draw_cumulative(ax: Axes, distribution: Distribution) -> None:
    """Draw the cumulative curves: the share up to each size, by number, by area and by volume."""
    label_axes(ax, f"{distribution.statistics.title} ({distribution.statistics.unit})", "Share up to this size")
    sizes = distribution.sizes
    for (weighting, weights), colour, style in zip(
        sizes.weights.items(), (BAR, AREA, MEAN), ("solid", "dashed", "dotted"), strict=True
    ):
        shares = np.cumsum(weights) / weights.sum()
        ax.plot(  # steps as lines, because `set_chart_legend` avoids lines
            np.repeat(sizes.size, 2),
            np.r_[0.0, np.repeat(shares, 2)[:-1]],
            color=colour,
            linestyle=style,
            linewidth=1.4,
            label=f"by {weighting}",
        )
    ax.set(ylim=(0, 1), yticks=np.linspace(0, 1, 6))
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    if distribution.is_nano_shown(ax):
        ax.plot([NANO_NM, NANO_NM], [0, 1], color=INK, linestyle="dotted", linewidth=1)
    set_chart_legend(ax, lower=True, fontsize=sheet_of(ax).font, handlelength=2.4)


def draw_convergence(ax: Axes, statistics: Statistics, things: str) -> None:
    """Draw the median and its interval against the number of counted objects, or of images for a
    sample. things: the plural word for an object."""
    curve = statistics.convergence
    assert curve is not None
    by_image = curve.get("by") == "image"
    label_axes(
        ax, f"{'Images' if by_image else things.capitalize()} counted", f"{NUMBERS['median'].title} ({statistics.unit})"
    )
    if by_image:
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.fill_between(curve["n"], curve["low"], curve["high"], color=MEDIAN, alpha=0.18, linewidth=0)
    ax.plot(curve["n"], curve["median"], color=MEDIAN, linewidth=1.4)
    for factor in (1 + curve["wanted"], 1 - curve["wanted"]):  # the limits of the wanted precision
        ax.axhline(curve["median"][-1] * factor, color=FAINT, linestyle="dotted", linewidth=1)
    ax.set_xlim(0, curve["n"][-1])


def draw_contributions(ax: Axes, entry: Entry) -> None:
    """Draw the known contributions to the uncertainty of a number (`Entry.parts`) as bars, the
    largest at the top."""
    titles, texts, shares = zip(*entry.parts, strict=True)
    sheet = label_axes(ax)
    font = sheet.font
    words_share = (width_of(sheet, texts) + 6 / 72) / size_in_inches(ax)[0]  # space right of the longest bar
    bars = ax.barh(range(len(shares)), shares, 0.6, color=BAR)
    ax.bar_label(bars, texts, padding=3, fontsize=font)
    ax.set_yticks(range(len(titles)), [fill(title, CONTRIBUTION_LETTERS) for title in titles], fontsize=font)
    ax.set(xticks=[], xlim=(0, 100 / (1 - words_share)), ylim=(len(titles) - 0.5, -0.5))
    ax.spines["bottom"].set_visible(False)
