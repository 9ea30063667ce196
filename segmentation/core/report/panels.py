"""The four panels of the figure, each drawn on the Axes that it is given."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, log10
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from ..analysis import Analysis
from ..measure.statistics import Statistics
from .charts import TITLE, is_narrow, room
from .cracks import Cracks, find_cracks
from .outlines import smooth_outlines
from .pasted import Pasted, Print
from .picture import analysed, painted, sampled

KEPT = "#2ee6b8"
ASIDE = "#ff3b30"
LONGEST = 2000
LONGEST_BAR = 1.5
DASHES = (0, (3.0, 1.6))
NICE = (1, 2, 5)
LENGTH_UNITS = ((1e6, "mm"), (1e3, "µm"), (1.0, "nm"), (1e-3, "pm"))


@dataclass(frozen=True, eq=False)
class Scene:
    """What the image panels share: picture (h, w) uint8 and labels (h, w) of the analysed area of
    `shape` (H, W), both small enough to draw; cracks and outlines in px of the upload."""

    analysis: Analysis
    shape: tuple[int, int]
    picture: Print
    labels: NDArray[np.int32]
    cracks: Cracks
    outlines: list[NDArray[np.float64]]

    @classmethod
    def of(cls, analysis: Analysis) -> Scene:
        rows = analysis.segmentation.rows
        labels = analysis.segmentation.dense[:rows]
        picture = analysed(analysis, LONGEST)
        cracks = find_cracks(labels)
        outlines = smooth_outlines(cracks, len(analysis.table))
        rows, columns = labels.shape
        return cls(analysis, (rows, columns), Print(picture), sampled(labels, picture.shape), cracks, outlines)


def _show(ax: Axes, scene: Scene, picture: Print, title: str) -> None:
    rows, columns = scene.shape
    Pasted(ax, picture)
    ax.set(xlim=(0, columns), ylim=(rows, 0), xticks=[], yticks=[], aspect="equal")
    ax.patch.set_visible(False)
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


def _inches_per_pixel(ax: Axes, shape: tuple[int, int]) -> float:
    width, height = room(ax)
    return min(width / shape[1], height / shape[0])


def draw_segmentation(ax: Axes, scene: Scene) -> None:
    """B: every particle that was found, in colours that differ between neighbours."""
    found = len(scene.analysis.table)
    colours = painted(scene.picture.pixels, scene.labels, 0.82)
    _show(ax, scene, Print(colours), f"B  Segmentation ({_count(found)})")


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
            [], [], color=ASIDE, linewidth=1.8, linestyle=DASHES, label=_reasons(statistics, 1 if is_narrow(ax) else 3)
        ),
    ]
    ax.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0, 0),
        ncols=1 if is_narrow(ax) else 2,
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
    ax.add_collection(collection, autolim=False)
