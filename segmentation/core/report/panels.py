"""The four panels of the figure, each drawn on the Axes that it is given."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ..analysis import Analysis
from ..measure.statistics import NANO_NM, Statistics
from .outlines import trace
from .picture import analysed, painted, sampled
from .wording import per_cent, significant

KEPT = "#2ee6b8"
ASIDE = "#ff3b30"
INK = "#22262b"
TITLE = 11
BAR = "#6b7f94"
MEDIAN = "#0072b2"
MEAN = "#d55e00"
LONGEST = 2000
LONGEST_BAR = 1.5
FEWEST_BINS, MOST_BINS = 8, 60
DASHES = (0, (3.0, 1.6))
RASTER_ABOVE = 600
NICE = (1, 2, 5)
LENGTH_UNITS = ((1e6, "mm"), (1e3, "µm"), (1.0, "nm"), (1e-3, "pm"))


@dataclass(frozen=True, eq=False)
class Scene:
    """What the image panels share: picture (h, w) uint8 and labels (h, w) of the analysed area of
    `shape` (H, W), small enough to draw; outlines in px of the upload."""

    analysis: Analysis
    shape: tuple[int, int]
    picture: NDArray[np.uint8]
    labels: NDArray[np.int32]
    outlines: list[NDArray[np.float64]]

    @classmethod
    def of(cls, analysis: Analysis) -> Scene:
        rows = analysis.segmentation.rows
        labels = analysis.segmentation.labels[:rows]
        picture = analysed(analysis, LONGEST)
        outlines = trace(labels, len(analysis.table))
        rows, columns = labels.shape
        return cls(analysis, (rows, columns), picture, sampled(labels, picture.shape), outlines)


def _show(ax: Axes, scene: Scene, picture: NDArray[np.uint8], title: str) -> None:
    rows, columns = scene.shape
    smooth = "antialiased" if max(picture.shape) > 400 else "nearest"
    ax.imshow(
        picture, cmap="gray", vmin=0, vmax=255, extent=(0, columns, rows, 0), interpolation=smooth, aspect="equal"
    )
    ax.set(xlim=(0, columns), ylim=(rows, 0), xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.set_anchor("NW")
    ax.set_title(title, loc="left", fontsize=TITLE)


def draw_image(ax: Axes, scene: Scene) -> None:
    """A: the image as acquired, with a scale bar."""
    excluded = ", data bar excluded" if scene.shape[0] < scene.analysis.micrograph.shape[0] else ""
    _show(ax, scene, scene.picture, f"A  Image{excluded}")
    _scale_bar(ax, scene.shape, scene.analysis.calibration.nm_per_pixel)


def round_length(longest: float) -> float:
    """The greatest 1, 2 or 5 times a power of ten that is not longer than `longest`."""
    power = 10.0 ** floor(log10(longest))
    return max(step * power for step in NICE if step * power <= longest * (1 + 1e-9))


def length_words(value: float, calibrated: bool) -> str:
    """A length in nm (or px) with the unit that suits it."""
    if not calibrated:
        return f"{value:g} px"
    factor, unit = next((pair for pair in LENGTH_UNITS if value >= pair[0]), LENGTH_UNITS[-1])
    return f"{value / factor:g} {unit}"


def _scale_bar(ax: Axes, shape: tuple[int, int], nm_per_pixel: float | None) -> None:
    rows, columns = shape
    scale = _inches_per_pixel(ax, shape)
    value = round_length(min(columns / 4, LONGEST_BAR / scale) * (nm_per_pixel or 1.0))
    length = value / (nm_per_pixel or 1.0) / columns
    words = length_words(value, nm_per_pixel is not None)
    high = 0.34 / max(scale * rows, 0.34)
    left, pad = 0.02, 0.012
    wide = max(length + 2 * pad, 0.75 / max(scale * columns, 0.75))
    kwargs: dict[str, Any] = {"transform": ax.transAxes, "linewidth": 0}
    ax.add_patch(Rectangle((left, 0.02), wide, high, facecolor="black", alpha=0.65, **kwargs))
    start = left + (wide - length) / 2
    ax.add_patch(Rectangle((start, 0.02 + 0.18 * high), length, 0.16 * high, facecolor="white", **kwargs))
    ax.text(
        left + wide / 2,
        0.02 + 0.66 * high,
        words,
        transform=ax.transAxes,
        color="white",
        ha="center",
        va="center",
        fontsize=8.5,
    )


def _inches(ax: Axes) -> tuple[float, float]:
    """Width and height of the room that the Axes were given."""
    box, figure = ax.get_position(original=True), ax.get_figure(root=True)
    assert figure is not None
    return box.width * figure.get_figwidth(), box.height * figure.get_figheight()


def _inches_per_pixel(ax: Axes, shape: tuple[int, int]) -> float:
    width, height = _inches(ax)
    return min(width / shape[1], height / shape[0])


def _is_narrow(ax: Axes) -> bool:
    return _inches(ax)[0] < 4


def draw_segmentation(ax: Axes, scene: Scene) -> None:
    """B: every particle that was found, in colours that differ between neighbours."""
    found = len(scene.analysis.table)
    _show(ax, scene, painted(scene.picture, scene.labels, 0.82), f"B  Segmentation ({_count(found)})")


def draw_doubts(ax: Axes, scene: Scene) -> None:
    """C: outlines over the image, solid where kept, red and dashed where possibly wrong, with the reasons."""
    statistics = scene.analysis.statistics
    _show(ax, scene, scene.picture, "C  Kept and possibly wrong")
    width = _line_width(ax, scene)
    kept = [line for line, keep in zip(scene.outlines, scene.analysis.table.kept, strict=True) if keep]
    aside = [line for line, keep in zip(scene.outlines, scene.analysis.table.kept, strict=True) if not keep]
    _outline(ax, kept, "black", width * 1.8, "solid", 0.45)
    _outline(ax, kept, KEPT, width, "solid", 1.0)
    _outline(ax, aside, "black", width * 2.2, "solid", 0.45)
    _outline(ax, aside, ASIDE, width * 1.25, DASHES, 1.0)
    handles = [
        Line2D([], [], color=KEPT, linewidth=1.8, label=f"kept: {statistics.n_kept:,}"),
        Line2D(
            [], [], color=ASIDE, linewidth=1.8, linestyle=DASHES, label=_reasons(statistics, 1 if _is_narrow(ax) else 3)
        ),
    ]
    ax.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0, 0),
        ncols=1 if _is_narrow(ax) else 2,
        frameon=False,
        fontsize=8,
        handlelength=2.2,
        borderaxespad=0.3,
        borderpad=0,
        columnspacing=1.6,
        alignment="left",
    )


def _count(n: int) -> str:
    return "no particles" if n == 0 else "1 particle" if n == 1 else f"{n:,} particles"


def _reasons(statistics: Statistics, abreast: int) -> str:
    words = [f"{reason} {count:,}" for reason, count in statistics.set_aside.items()]
    lines = [", ".join(words[i : i + abreast]) for i in range(0, len(words), abreast)]
    return f"possibly wrong: {statistics.n_set_aside:,}" + "".join(f"\n{line}" for line in lines)


def _line_width(ax: Axes, scene: Scene) -> float:
    """Points, so that the outline of a typical particle stays thin beside the particle."""
    if not len(scene.analysis.table):
        return 1.0
    points = 72 * _inches_per_pixel(ax, scene.shape)
    typical = float(np.median(scene.analysis.table.rescaled(None).length("ecd")))
    return float(np.clip(0.05 * typical * points, 0.3, 1.4))


def _outline(
    ax: Axes, lines: list[NDArray[np.float64]], colour: str, width: float, style: object, alpha: float
) -> None:
    closed = [np.r_[line, line[:1]] for line in lines]
    collection = LineCollection(
        closed, colors=colour, linewidths=width, linestyles=[style], alpha=alpha, joinstyle="round"
    )
    collection.set_rasterized(len(lines) > RASTER_ABOVE)
    ax.add_collection(collection, autolim=False)


def bin_edges(sizes: NDArray[np.float64], pixel: float) -> NDArray[np.float64]:
    """Edges of 8 to 60 equal bins, as wide as Freedman and Diaconis ask to the nearest whole `pixel`.

    Widths of particles are mostly whole pixels, and bins of other widths would show a comb that is not there.
    """
    low, high = float(sizes.min()), float(sizes.max())
    if high - low < 1e-9 * max(high, 1.0):
        return np.linspace(low * 0.9, high * 1.1 + 1e-12, FEWEST_BINS + 1)
    quartiles = np.percentile(sizes, (25, 75))
    asked = 2 * float(quartiles[1] - quartiles[0]) / len(sizes) ** (1 / 3)
    span = high - low + pixel
    width = pixel * max(round(asked / pixel), ceil(span / pixel / MOST_BINS), 1)
    bins = ceil(span / width)
    if bins < FEWEST_BINS:
        return np.linspace(low, high, FEWEST_BINS + 1)
    edges: NDArray[np.float64] = low - pixel / 2 + width * np.arange(bins + 1)
    return edges


def draw_histogram(ax: Axes, scene: Scene) -> None:
    """D: the minimum Feret diameters of the kept particles, by number."""
    analysis, statistics = scene.analysis, scene.analysis.statistics
    sizes = analysis.table.length("min_feret")[analysis.table.kept]
    ax.set_xlabel(f"Minimum Feret diameter ({statistics.unit})")
    ax.set_ylabel("Number of particles")
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_title(_histogram_title(statistics, "\n" if _is_narrow(ax) else " "), loc="left", fontsize=TITLE)
    if not len(sizes):
        _say_empty(ax, len(analysis.table))
        return
    edges = bin_edges(sizes, analysis.table.nm_per_pixel or 1.0)
    counts, _, _ = ax.hist(sizes, bins=edges.tolist(), color=BAR, edgecolor="white", linewidth=0.5)
    top = float(np.max(counts))
    ax.set_ylim(0, 1.34 * top)
    ax.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.set_xlim(*_with_room(edges[0], edges[-1]))
    _mark_mean_and_median(ax, statistics)
    if statistics.unit == "nm":
        _mark_nano(ax, statistics)


def _with_room(low: float, high: float) -> tuple[float, float]:
    room = 0.04 * (high - low)
    return (0.0 if low < 0.35 * high else low - room), high + room


def _histogram_title(statistics: Statistics, space: str) -> str:
    unit = statistics.unit
    if not statistics.n_kept:
        return "D  Size distribution: N = 0"
    sd = "SD –" if statistics.sd is None else f"SD {significant(statistics.sd)} {unit}"
    return (
        f"D  N = {statistics.n_kept:,}, mean {significant(statistics.mean)} {unit},"
        f"{space}median {significant(statistics.median)} {unit}, {sd}"
    )


def _say_empty(ax: Axes, found: int) -> None:
    ax.set(xticks=[], yticks=[])
    words = (
        (f"All {found} particles were set aside" if found > 1 else "The only particle was set aside")
        if found
        else "No particles were found"
    )
    ax.text(0.5, 0.5, words, transform=ax.transAxes, ha="center", va="center", fontsize=12, color=INK)


def _mark_mean_and_median(ax: Axes, statistics: Statistics) -> None:
    """Two lines with their names on the outer sides, so that close ones do not write over each other."""
    marks = [(statistics.mean or 0.0, "mean", MEAN, "solid"), (statistics.median or 0.0, "median", MEDIAN, "dashed")]
    for (value, name, colour, style), side in zip(sorted(marks), ("right", "left"), strict=True):
        ax.axvline(value, color=colour, linestyle=style, linewidth=1.6)
        shift = -4 if side == "right" else 4
        ax.annotate(
            f"{name} {significant(value)}",
            (value, 0.985),
            xycoords=("data", "axes fraction"),
            xytext=(shift, 0),
            textcoords="offset points",
            ha=side,
            va="top",
            color=colour,
            fontsize=8.5,
            annotation_clip=False,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1},
        )


def _mark_nano(ax: Axes, statistics: Statistics) -> None:
    """The 100 nm line where it is in range, and the fraction below it in any case."""
    fraction, low, high = (
        per_cent(value) for value in (statistics.fraction_100nm, statistics.fraction_low, statistics.fraction_high)
    )
    space = "\n" if _is_narrow(ax) else " "
    words = f"{fraction} of the particles are ≤ 100 nm{space}(95 % interval {low} to {high})"
    ax.set_xlabel(f"{ax.get_xlabel()}\n{words}")
    if not ax.get_xlim()[0] < NANO_NM < ax.get_xlim()[1]:
        return
    ax.axvline(NANO_NM, color=INK, linestyle="dotted", linewidth=1.2)
    ax.annotate(
        "100 nm",
        (NANO_NM, 0.9),
        xycoords=("data", "axes fraction"),
        xytext=(-3, 0),
        textcoords="offset points",
        ha="right",
        va="top",
        rotation=90,
        fontsize=8,
        color=INK,
    )
