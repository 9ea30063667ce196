"""The charts of a sample's images: a number of every image, and a small histogram for each."""

from __future__ import annotations

from math import ceil, sqrt
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..measure.quantities import number
from ..sample import SampleAnalysis, SampleImage
from .charts import BAR, FAINT, INK, MEDIAN, begin
from .entries import answers
from .fonts import writable
from .picture import ASIDE
from .wording import in_hundredths, one_line

MOST_SMALL = 48  # histograms; more would be too small to read
MOST_NAMES = 24
SHORT = 22
TOP, FOOT, NAME = 0.49, 0.065, 0.035  # of the small histograms in the height of the figure; NAME: room for a name
MOST_ABREAST = 6  # charts; more would be too narrow to read


def draw_by_image(ax: Axes, sample: SampleAnalysis, name: str) -> None:
    """A number of each image that has it, with its interval; outliers and excluded ones in red, with open marks.
    Shaded: the interval of all together, where it is no size."""
    whole = in_hundredths(name, sample.quantities[name])
    of_images = zip(sample.images, sample.by_image(name), strict=True)
    values = [(image, in_hundredths(name, value)) for image, value in of_images if value.value is not None]
    if not values:
        ax.set_axis_off()
    images = [image for image, _ in values]
    thin = min(1.0, 40 / max(len(images), 1))
    for y, (image, value) in enumerate(values):
        apart = image.outlier or image.excluded
        colour = ASIDE if apart else MEDIAN
        if value.low is not None and value.high is not None:
            ax.plot([value.low, value.high], [y, y], color=colour, linewidth=max(1.2 * thin, 0.4))
        style: dict[str, Any] = {"color": colour, "markersize": max(3.5 * thin, 1.6), "mfc": "w" if apart else colour}
        mark = ax.plot([value.value or 0.0], [y], "o", **style)
        if apart:
            ax.legend(mark, ["left out, or\nunlike the others"], fontsize=7, framealpha=0.7, edgecolor="none")
    if whole.value is not None:
        ax.axvline(whole.value, color=INK, linestyle="dashed", linewidth=1)
    if not sample.task.screened and whole.low is not None and whole.high is not None:
        left, right = ax.get_xlim()
        wide = right - left  # the interval of few images may be so wide that the images would be one point
        ax.axvspan(whole.low, whole.high, color=FAINT, alpha=0.4, linewidth=0)
        ax.set_xlim(max(left - wide, min(left, whole.low)), min(right + wide, max(right, whole.high)))
    title = number(name).title
    if sample.pooled is not None and sample.task.screened:
        title = sample.pooled.title
    begin(ax)
    ax.set_xlabel(f"{writable(title)} ({whole.unit})" if whole.unit else writable(title)).set_parse_math(False)
    ax.set_ylim(max(len(images), 1) - 0.5, -0.5)
    if len(images) <= MOST_NAMES:
        ax.set_yticks(range(len(images)), [_name(image) for image in images], fontsize=7.5)
        for label in ax.get_yticklabels():
            label.set_parse_math(False)
    else:
        ax.set_ylabel("Image, in the order given")


def own_intervals(sample: SampleAnalysis, name: str) -> str:
    """What the intervals of each image beside the others come from, as a part of a sentence; "" without any."""
    within = "" if sample.task.screened else f" ({number(name).interval})"  # else the total uncertainty
    return f", with its own 95 % interval{within}" * any(value.low is not None for value in sample.by_image(name))


def draw_numbers(figure: Figure, sample: SampleAnalysis, columns: int) -> None:
    """The numbers of all images together, in one or two columns; below them the main numbers of each image, side by
    side."""
    numbers = [(entry.term, entry.words) for entry in answers(sample.quantities) if entry.number.value is not None]
    lines = -(-len(numbers) // columns)
    for row, (title, words) in enumerate(numbers):
        left, y = 0.035 + 0.485 * (row // lines), 0.885 - 0.3 / max(lines, 6) * (row % lines)
        for x, text, side in ((left, title, "left"), (left + 0.455, words, "right")):
            figure.text(x, y, writable(text), ha=side, va="center", fontsize=9, color=INK).set_parse_math(False)
    first = None
    for column, name in enumerate(names := sample.headline_quantities[:MOST_ABREAST]):
        wide = 0.82 / len(names)
        ax = figure.add_axes((0.155 + wide * column, 0.12, 0.88 * wide, 0.4), sharey=first)
        draw_by_image(ax, sample, name)
        ax.tick_params(labelleft=first is None)
        ax.locator_params(axis="x", nbins=4)
        ax.xaxis.label.set_fontsize(9)
        first = first or ax


def draw_multiples(figure: Figure, sample: SampleAnalysis) -> str:
    """One small histogram per image that counts or has sizes, in common bins, over the pooled one in outline; returns
    their title, "" where there are none."""
    if sample.histogram is None or sample.pooled is None:
        return ""
    edges = np.array(sample.histogram["edges"])
    every = zip(sample.images, np.array(sample.histogram["counts"], float), strict=False)
    multiples = [(image, counts) for image, counts in every if counts.any() or not image.excluded]
    pooled: Any = np.sum([counts for _, counts in multiples], axis=0)
    number = min(len(multiples), MOST_SMALL)
    columns = min(number, ceil(sqrt(number * 2.6)))
    lines = ceil(number / columns)
    wide, high = 0.95 / columns, (TOP - FOOT) / lines
    for i, (image, counts) in enumerate(multiples[:number]):
        left, bottom = 0.035 + wide * (i % columns), TOP - high * (i // columns + 1)
        ax = figure.add_axes((left, bottom, wide - 0.02, high - NAME))
        _draw_small(ax, edges, counts, pooled, image, i + columns >= number, 9 if columns < 5 else 6)
    of = f"first {MOST_SMALL} of {len(multiples)} images" if len(multiples) > MOST_SMALL else "images"
    return f"C  Histograms of the {of}, in common bins ({sample.pooled.unit}); outline: all images together, scaled"


def _draw_small(ax: Axes, edges: Any, counts: Any, pooled: Any, image: SampleImage, last: bool, font: int) -> None:
    ax.bar(
        edges[:-1],
        counts,
        np.diff(edges),
        align="edge",
        color=ASIDE if image.outlier or image.excluded else BAR,
        linewidth=0,
    )
    ax.stairs(pooled * counts.sum() / pooled.sum(), edges, color=INK, linewidth=0.7)
    ax.set_ylim(bottom=0)
    ax.set(yticks=[], xlim=(edges[0], edges[-1]))
    ax.tick_params(labelsize=font, length=2, labelbottom=last)
    ax.locator_params(axis="x", nbins=3)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.spines["bottom"].set_color(FAINT)
    title = ax.set_title(f"{_name(image)}  N {counts.sum():.0f}", loc="left", fontsize=font, pad=2)
    title.set_parse_math(False)


def _name(image: SampleImage) -> str:
    return writable(one_line(image.name, SHORT))
