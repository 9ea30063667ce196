"""The charts of the figure and of the reports, each drawn on the Axes that it is given."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from ..measure.bins import NANO_NM, Histogram, auto_edges, histogram
from ..measure.distribution import WeightedSizes
from ..measure.fitting import LEAST, chance_words, density, unfit
from ..measure.quantities import significant
from ..measure.results import Statistics
from ..sample import SampleAnalysis
from ..tasks.base import Task
from .lengths import in_readable_unit, nanometre_in, sizes_in
from .wording import counted_from, doubtful_shares, interval_holds, per_cent, share_interval

INK = "#22262b"
FAINT = "#9aa4ae"
WARNED = "#b3261e"
BAR = "#6b7f94"
MEDIAN = "#0072b2"
MEAN = "#d55e00"
AREA = "#009e73"
TITLE = 11
NARROW, WIDE = 4.0, 6.0  # inches
LETTER = 0.075  # inches, the width of a letter of the marks
TITLE_LETTER = 0.088


@dataclass(frozen=True, eq=False)
class Distribution:
    """What is drawn of a sample: its statistics, the sizes of its kept objects, and what kind of objects they are.

    bars: None without objects.
    """

    statistics: Statistics
    sizes: WeightedSizes
    bars: Histogram | None
    task: Task

    @classmethod
    def of(cls, sample: SampleAnalysis) -> Distribution | None:
        """None without a size distribution. Lengths are in the unit that people read."""
        sample = in_readable_unit(sample)
        statistics = sample.pooled
        if statistics is None:
            return None
        tables = [member.sized for _, member in sample.counted]
        sizes = sizes_in(statistics.unit, WeightedSizes.of(*tables, edge=statistics.edge, by=statistics.size))
        bars = None
        if len(sizes):
            edges = auto_edges(sizes.size, sizes.unit, sample.pixel_size * nanometre_in(statistics.unit))
            bars = histogram(sizes.size, sizes.weights["number"], edges)
        return cls(statistics, sizes, bars, sample.task)

    @property
    def few(self) -> bool:
        """Whether the sizes themselves say more than curves."""
        return len(self.sizes) < LEAST

    @property
    def nano(self) -> float:
        """100 nm in the unit of the sizes."""
        return NANO_NM * nanometre_in(self.statistics.unit)

    @property
    def size_words(self) -> str:
        """The sizes one by one, or that there are none."""
        aside, task = self.statistics.n_set_aside, self.task
        if len(self.sizes):
            sizes = ", ".join(significant(size) for size in self.sizes.size.tolist())
            return f"{self.statistics.title}s ({self.statistics.unit}): {sizes}"
        if not aside:
            return f"No {task.things} were found"
        return f"All {aside} {task.things} were set aside" if aside > 1 else f"The only {task.thing} was set aside"


def room(ax: Axes) -> tuple[float, float]:
    """Width and height in inches of the room that the Axes were given."""
    box, figure = ax.get_position(original=True), ax.get_figure(root=True)
    assert figure is not None
    return box.width * figure.get_figwidth(), box.height * figure.get_figheight()


def is_narrow(ax: Axes) -> bool:
    return room(ax)[0] < NARROW


def set_title(ax: Axes, words: str) -> None:
    """Above the Axes, in as many lines as it needs."""
    ax.set_title(fill(words, int(room(ax)[0] / TITLE_LETTER)), loc="left", fontsize=TITLE)


def draw_histogram(ax: Axes, distribution: Distribution, letter: str = "") -> None:
    """The sizes of what was kept, with the log-normal law where it fits; few as they are."""
    statistics, things, bars = distribution.statistics, distribution.task.things, distribution.bars
    ax.set_xlabel(f"{statistics.title} ({statistics.unit})")
    ax.set_ylabel(f"Number of {things}" + (", edge-weighted" if statistics.edge == "weight" else ""))
    ax.spines[["top", "right"]].set_visible(False)
    set_title(ax, f"{letter}{_histogram_title(statistics)}")
    if bars is None or distribution.few:
        ax.set_axis_off()
        text = fill(distribution.size_words, int(room(ax)[0] / LETTER * 0.85))
        ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", fontsize=10, color=INK)
        return
    ax.bar(bars.edges[:-1], bars.sums, np.diff(bars.edges), align="edge", color=BAR, edgecolor="white", linewidth=0.5)
    highest = float(bars.sums.max())
    ax.ticklabel_format(style="plain", useOffset=False)
    ax.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.set_xlim(*_with_room(bars.edges[0], bars.edges[-1]))
    lines = [ax.get_xlabel()]
    ax.axvline(statistics.mean or 0.0, color=MEAN, linewidth=1.6, label=f"mean {significant(statistics.mean)}")
    ax.axvline(
        statistics.median or 0.0,
        color=MEDIAN,
        linewidth=1.6,
        linestyle="dashed",
        label=f"median {significant(statistics.median)}",
    )
    if statistics.fraction_100nm is not None:
        lines.append(_nano_words(statistics, things))
        if ax.get_xlim()[0] < distribution.nano < ax.get_xlim()[1]:
            ax.axvline(distribution.nano, color=INK, linestyle="dotted", linewidth=1.2, label="100 nm")
    if statistics.fit is not None and not unfit(statistics.fit):
        size = np.linspace(max(ax.get_xlim()[0], 1e-3 * bars.edges[-1]), bars.edges[-1], 300)
        expected = density(size, statistics.fit) * (bars.edges[-1] - bars.edges[-2]) * bars.sums.sum()
        highest = max(highest, float(expected.max()))
        ax.plot(size, expected, color=AREA, linewidth=1.4, label=f"log-normal, {chance_words(statistics.fit['p'])}")
    elif statistics.fit is not None:
        lines.append(unfit(statistics.fit))
    ax.set_ylim(0, 1.34 * highest)
    across = int(room(ax)[0] / LETTER)
    ax.set_xlabel("\n".join(fill(line, across) for line in lines))
    columns = 4 if room(ax)[0] > WIDE else 2
    ax.legend(loc="upper right", ncols=columns, fontsize=8, edgecolor="none", borderaxespad=0, columnspacing=1.2)


def _nano_words(statistics: Statistics, things: str) -> str:
    fraction = per_cent(statistics.fraction_100nm)
    limits = share_interval(statistics.fraction_low or 0.0, statistics.fraction_high or 1.0)
    counted = f"{things}{counted_from(statistics.nano)}"
    others = (f"; {each}" for each in doubtful_shares(statistics))
    holds = interval_holds(statistics, "fraction_100nm")
    return f"{fraction} of the {counted} are from 1 to 100 nm (95 %, {holds}: {limits}{''.join(others)})"


def draw_cumulative(ax: Axes, distribution: Distribution) -> None:
    """The share by number, of the area and of the volume up to each size."""
    _prepare(ax, f"{distribution.statistics.title} ({distribution.statistics.unit})", "Share up to this size")
    sizes = distribution.sizes
    for (weighting, weights), colour, style in zip(
        sizes.weights.items(), (BAR, AREA, MEAN), ("solid", "dashed", "dotted"), strict=True
    ):
        reached = np.cumsum(weights) / weights.sum()
        ax.step(
            np.r_[sizes.size[:1], sizes.size],
            np.r_[0.0, reached],
            where="post",
            color=colour,
            linestyle=style,
            linewidth=1.4,
            label=f"by {weighting}",
        )
    ax.set_ylim(0, 1)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    if distribution.statistics.fraction_100nm is not None and ax.get_xlim()[0] < distribution.nano < ax.get_xlim()[1]:
        ax.axvline(distribution.nano, color=INK, linestyle="dotted", linewidth=1)
    ax.legend(frameon=False, fontsize=7.5, loc="lower right", handlelength=2.4)


def draw_convergence(ax: Axes, statistics: Statistics, things: str) -> None:
    """The median and its interval as more and more are counted, of one image objects, of several images."""
    line = statistics.convergence
    assert line is not None
    by_image = line.get("by") == "image"
    _prepare(ax, f"{'Images' if by_image else things.capitalize()} counted", f"Median ({statistics.unit})")
    if by_image:
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.fill_between(line["n"], line["low"], line["high"], color=MEDIAN, alpha=0.18, linewidth=0)
    ax.plot(line["n"], line["median"], color=MEDIAN, linewidth=1.4)
    ax.axhline(line["median"][-1] * (1 + line["wanted"]), color=FAINT, linestyle="dotted", linewidth=1)
    ax.axhline(line["median"][-1] * (1 - line["wanted"]), color=FAINT, linestyle="dotted", linewidth=1)
    ax.set_xlim(0, line["n"][-1])


def draw_sensitivity(ax: Axes, statistics: Statistics) -> None:
    """The fraction from 1 to 100 nm and its interval under each other setting, beside the threshold."""
    assert statistics.nano is not None
    lines = statistics.nano["sensitivity"]
    _prepare(ax, "Fraction by number from 1 to 100 nm", "")
    for y, line in enumerate(lines):
        colour = MEDIAN if y == 0 else BAR
        ax.plot([line["low"], line["high"]], [y, y], color=colour, linewidth=1.6, solid_capstyle="butt")
        ax.plot([line["fraction"]], [y], color=colour, marker="o", markersize=4)
    ax.axvline(statistics.nano["threshold"], color=INK, linestyle="dotted", linewidth=1)
    ax.set_yticks(range(len(lines)), [line["name"] for line in lines], fontsize=6.5)
    ax.set_ylim(len(lines) - 0.5, -0.5)
    ax.set_xlim(0, 1)
    ax.xaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))


def _prepare(ax: Axes, x: str, y: str) -> None:
    ax.set_xlabel(x, fontsize=8)
    ax.set_ylabel(y, fontsize=8)
    ax.tick_params(labelsize=7.5)
    ax.spines[["top", "right"]].set_visible(False)


def _with_room(low: float, high: float) -> tuple[float, float]:
    room = 0.04 * (high - low)
    return (0.0 if low < 0.35 * high else low - room), high + room


def _histogram_title(statistics: Statistics) -> str:
    unit = statistics.unit
    if not statistics.n_kept:
        return "Size distribution: N = 0"
    sd = "SD –" if statistics.sd is None else f"SD {significant(statistics.sd)} {unit}"
    return (
        f"N = {statistics.n_kept:,}, mean {significant(statistics.mean)} {unit},"
        f" median {significant(statistics.median)} {unit}, {sd}"
    )
