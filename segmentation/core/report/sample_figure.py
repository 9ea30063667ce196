"""The figure of a sample: the pooled distribution, the median of every image, and a small histogram for each."""

from __future__ import annotations

from math import ceil, sqrt
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..sample import Image, Sample
from .charts import BAR, FAINT, INK, MEDIAN, TITLE, Distribution, draw_histogram
from .figure import DPI, INCHES
from .method import left_out_words
from .panels import ASIDE
from .pdf import writable
from .wording import one_line, version

MOST_SMALL = 48  # histograms; more would be too small to read
MOST_NAMES = 24
SHORT = 22


def draw(sample: Sample, shown: Distribution) -> Figure:
    """12 x 9 inches: A the pooled sizes, B the medians of the images, below the histograms of the images."""
    figure = Figure(figsize=INCHES, dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    _text(figure, 0.035, 0.974, one_line(sample.name), fontsize=13, fontweight="bold")
    _text(figure, 0.035, 0.948, _line(sample), fontsize=9.5)
    _text(figure, 0.985, 0.02, version(), fontsize=8, ha="right")
    draw_histogram(figure.add_axes((0.07, 0.56, 0.42, 0.335)), shown, "A  ")
    medians = figure.add_axes((0.66, 0.56, 0.325, 0.335))
    draw_medians(medians, sample)
    medians.set_title("B  Median of each image; dashed: pooled", loc="left", fontsize=TITLE)
    _draw_multiples(figure, sample)
    return figure


def _line(sample: Sample) -> str:
    images = len(sample.counted)
    said = f"{images} image{'' if images == 1 else 's'}, {sample.pooled.n_kept:,} particles kept"
    left_out = left_out_words(sample)
    said += f"; {left_out}" if left_out else ""
    between = sample.pooled.between
    if between is None:
        return said
    return f"{said}; {100 * between['share']:.0f} % of the variance of ln(size) lies between the images"


def draw_medians(ax: Axes, sample: Sample) -> None:
    """The median of each image with its interval; outliers and excluded ones in red, with open marks."""
    pooled, images = sample.pooled, sample.images
    thin = min(1.0, 40 / max(len(images), 1))
    for y, image in enumerate(images):
        if image.median is None:
            continue
        apart = bool(image.outlier or image.excluded)
        colour = ASIDE if apart else MEDIAN
        if image.low is not None and image.high is not None:
            ax.plot([image.low, image.high], [y, y], color=colour, linewidth=max(1.2 * thin, 0.4))
        ax.plot(
            [image.median],
            [y],
            color=colour,
            marker="o",
            markersize=max(3.5 * thin, 1.6),
            markerfacecolor="w" if apart else colour,
        )
    if pooled.median is not None:
        ax.axvline(pooled.median, color=INK, linestyle="dashed", linewidth=1)
    ax.set_xlabel(f"Minimum Feret diameter ({pooled.unit})")
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_ylim(len(images) - 0.5, -0.5)
    if len(images) <= MOST_NAMES:
        ax.set_yticks(range(len(images)), [_name(image) for image in images], fontsize=7.5)
        for label in ax.get_yticklabels():
            label.set_parse_math(False)
    else:
        ax.set_ylabel("Image, in the order given")


def _draw_multiples(figure: Figure, sample: Sample) -> None:
    """One small histogram per image that was to be pooled, in common bins, over the pooled one in outline."""
    if sample.histogram is None:
        return
    edges = np.array(sample.histogram["edges"])
    counts = [np.array(each, float) for each in sample.histogram["counts"]]
    pooled = np.sum(counts, axis=0)
    number = min(len(counts), MOST_SMALL)
    columns = ceil(sqrt(number * 2.6))
    lines = ceil(number / columns)
    wide, high = 0.95 / columns, 0.37 / lines
    for i in range(number):
        left, bottom = 0.035 + wide * (i % columns), 0.435 - high * (i // columns + 1)
        ax = figure.add_axes((left + 0.06 * wide, bottom + 0.12 * high, 0.88 * wide, 0.6 * high))
        _draw_small(ax, edges, counts[i], pooled, sample.images[i], bottom_line=i + columns >= number)
    _text(figure, 0.035, 0.46, _multiples_title(len(counts), sample.pooled.unit), fontsize=TITLE)


def _multiples_title(images: int, unit: str) -> str:
    shown = f"first {MOST_SMALL} of {images} images" if images > MOST_SMALL else "images"
    return f"C  Histograms of the {shown}, in common bins ({unit}); outline: all images together, scaled"


def _draw_small(ax: Axes, edges: Any, counts: Any, pooled: Any, image: Image, *, bottom_line: bool) -> None:
    apart = bool(image.outlier or image.excluded)
    ax.bar(edges[:-1], counts, np.diff(edges), align="edge", color=ASIDE if apart else BAR, linewidth=0)
    if counts.sum():
        ax.stairs(pooled * counts.sum() / pooled.sum(), edges, color=INK, linewidth=0.7)
    ax.set(yticks=[], xlim=(edges[0], edges[-1]))
    ax.tick_params(labelsize=6, length=2, labelbottom=bottom_line)
    ax.locator_params(axis="x", nbins=3)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.spines["bottom"].set_color(FAINT)
    title = ax.set_title(f"{_name(image)}  N {image.n}", loc="left", fontsize=6, pad=2)
    title.set_parse_math(False)


def _name(image: Image) -> str:
    return writable(one_line(image.name, SHORT)) + (" !" if image.outlier or image.excluded else "")


def _text(figure: Figure, x: float, y: float, words: str, **style: Any) -> None:
    text = figure.text(x, y, writable(words), va="center", color=INK, **style)
    text.set_parse_math(False)
