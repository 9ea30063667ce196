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
from .wording import counted_from, doubtful_shares, per_cent, share_interval

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

    found: Statistics
    sizes: WeightedSizes
    bars: Histogram | None
    task: Task

    @classmethod
    def of(cls, sample: SampleAnalysis) -> Distribution | None:
        """None without a size distribution. Lengths are in the unit that people read."""
        sample = in_readable_unit(sample)
        found = sample.pooled
        if found is None:
            return None
        tables = [member.sized for _, member in sample.counted]
        sizes = sizes_in(found.unit, WeightedSizes.of(*tables, edge=found.edge, by=found.size))
        bars = None
        if len(sizes):
            edges = auto_edges(sizes.size, sizes.unit, sample.pixel_size * nanometre_in(found.unit))
            bars = histogram(sizes.size, sizes.weights["number"], edges)
        return cls(found, sizes, bars, sample.task)

    @property
    def few(self) -> bool:
        """Whether the sizes themselves say more than curves."""
        return len(self.sizes) < LEAST

    @property
    def nano(self) -> float:
        """100 nm in the unit of the sizes."""
        return NANO_NM * nanometre_in(self.found.unit)

    @property
    def size_words(self) -> str:
        """The sizes one by one, or that there are none."""
        aside, task = self.found.n_set_aside, self.task
        if len(self.sizes):
            sizes = ", ".join(significant(size) for size in self.sizes.size.tolist())
            return f"{self.found.title}s ({self.found.unit}): {sizes}"
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


def draw_histogram(ax: Axes, shown: Distribution, letter: str = "") -> None:
    """The sizes of what was kept, with the log-normal law where it fits; few as they are."""
    found, things, bars = shown.found, shown.task.things, shown.bars
    ax.set_xlabel(f"{found.title} ({found.unit})")
    ax.set_ylabel(f"Number of {things}" + (", edge-weighted" if found.edge == "weight" else ""))
    ax.spines[["top", "right"]].set_visible(False)
    set_title(ax, f"{letter}{_histogram_title(found)}")
    if bars is None or shown.few:
        ax.set_axis_off()
        said = fill(shown.size_words, int(room(ax)[0] / LETTER * 0.85))
        ax.text(0.5, 0.5, said, transform=ax.transAxes, ha="center", va="center", fontsize=10, color=INK)
        return
    ax.bar(bars.edges[:-1], bars.sums, np.diff(bars.edges), align="edge", color=BAR, edgecolor="white", linewidth=0.5)
    highest = float(bars.sums.max())
    ax.ticklabel_format(style="plain", useOffset=False)
    ax.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.set_xlim(*_with_room(bars.edges[0], bars.edges[-1]))
    lines = [ax.get_xlabel()]
    ax.axvline(found.mean or 0.0, color=MEAN, linewidth=1.6, label=f"mean {significant(found.mean)}")
    ax.axvline(
        found.median or 0.0,
        color=MEDIAN,
        linewidth=1.6,
        linestyle="dashed",
        label=f"median {significant(found.median)}",
    )
    if found.fraction_100nm is not None:
        lines.append(_nano_words(found, things))
        if ax.get_xlim()[0] < shown.nano < ax.get_xlim()[1]:
            ax.axvline(shown.nano, color=INK, linestyle="dotted", linewidth=1.2, label="100 nm")
    if found.fit is not None and not unfit(found.fit):
        size = np.linspace(max(ax.get_xlim()[0], 1e-3 * bars.edges[-1]), bars.edges[-1], 300)
        expected = density(size, found.fit) * (bars.edges[-1] - bars.edges[-2]) * bars.sums.sum()
        highest = max(highest, float(expected.max()))
        ax.plot(size, expected, color=AREA, linewidth=1.4, label=f"log-normal, {chance_words(found.fit['p'])}")
    elif found.fit is not None:
        lines.append(unfit(found.fit))
    ax.set_ylim(0, 1.34 * highest)
    across = int(room(ax)[0] / LETTER)
    ax.set_xlabel("\n".join(fill(line, across) for line in lines))
    columns = 4 if room(ax)[0] > WIDE else 2
    ax.legend(loc="upper right", ncols=columns, fontsize=8, edgecolor="none", borderaxespad=0, columnspacing=1.2)


def _nano_words(found: Statistics, things: str) -> str:
    fraction = per_cent(found.fraction_100nm)
    limits = share_interval(found.fraction_low or 0.0, found.fraction_high or 1.0)
    counted = f"{things}{counted_from(found.nano)}"
    others = (f"; {each}" for each in doubtful_shares(found))
    return f"{fraction} of the {counted} are from 1 to 100 nm (95 % interval {limits}{''.join(others)})"


def draw_cumulative(ax: Axes, shown: Distribution) -> None:
    """The share by number, of the area and of the volume up to each size."""
    _prepare(ax, f"{shown.found.title} ({shown.found.unit})", "Share up to this size")
    sizes = shown.sizes
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
    if shown.found.fraction_100nm is not None and ax.get_xlim()[0] < shown.nano < ax.get_xlim()[1]:
        ax.axvline(shown.nano, color=INK, linestyle="dotted", linewidth=1)
    ax.legend(frameon=False, fontsize=7.5, loc="lower right", handlelength=2.4)


def draw_convergence(ax: Axes, found: Statistics, things: str) -> None:
    """The median and its interval as more and more are counted, of one image objects, of several images."""
    line = found.convergence
    assert line is not None
    by_image = line.get("by") == "image"
    _prepare(ax, f"{'Images' if by_image else things.capitalize()} counted", f"Median ({found.unit})")
    if by_image:
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.fill_between(line["n"], line["low"], line["high"], color=MEDIAN, alpha=0.18, linewidth=0)
    ax.plot(line["n"], line["median"], color=MEDIAN, linewidth=1.4)
    ax.axhline(line["median"][-1] * (1 + line["wanted"]), color=FAINT, linestyle="dotted", linewidth=1)
    ax.axhline(line["median"][-1] * (1 - line["wanted"]), color=FAINT, linestyle="dotted", linewidth=1)
    ax.set_xlim(0, line["n"][-1])


def draw_sensitivity(ax: Axes, found: Statistics) -> None:
    """The fraction from 1 to 100 nm and its interval under each other setting, beside the threshold."""
    assert found.nano is not None
    lines = found.nano["sensitivity"]
    _prepare(ax, "Fraction by number from 1 to 100 nm", "")
    for y, line in enumerate(lines):
        colour = MEDIAN if y == 0 else BAR
        ax.plot([line["low"], line["high"]], [y, y], color=colour, linewidth=1.6, solid_capstyle="butt")
        ax.plot([line["fraction"]], [y], color=colour, marker="o", markersize=4)
    ax.axvline(found.nano["threshold"], color=INK, linestyle="dotted", linewidth=1)
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
