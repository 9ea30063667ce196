"""The panels of a sample's figure: charts of all images together, and charts that compare the
images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from math import ceil
from textwrap import fill
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ...flags import Flag, opening_words
from ...measure.quantities import NUMBERS, Value, number
from ...sample import SampleAnalysis, SampleImage
from ..entries import Entry, quantity_entries
from ..file_options import FONT
from ..summary import Summary
from ..tables.images_table import contents_of_intervals
from ..wording import in_per_cent, short_names
from .charts import (
    BAR,
    FAINT,
    INK,
    MEDIAN,
    Distribution,
    draw_histogram,
    inner_axes,
    label_axes,
    letters_in,
    set_title,
    sheet_of,
    size_in_inches,
    width_of,
)
from .fonts import drawable_text
from .panel_charts import draw_lines
from .picture import LEFT_OUT_COLOUR

MOST_SMALL_HISTOGRAMS = 18  # more would make the figure longer than a page
# Most letters of an image's name left of several charts in a row, and left of one chart alone.
NAME_LETTERS, NAME_LETTERS_ALONE = 22, 30
MOST_CHARTED = 6  # numbers that have a chart; more charts would be too narrow to read
LINE_HEIGHT = 1.35  # height of a line of text, in heights of letters
# Inches: height of letters on a page of two columns; they have FONT points after the page is reduced to one column.
LETTER_INCHES = 2 * FONT / 72
POOLED_HEIGHT, SMALL_HEIGHT = 2.4, 1.3  # inches: of the histogram of all images together, and of a small one
# Smallest and greatest height of a chart with one point for each image.
LEAST_CHART_INCHES, MOST_CHART_INCHES = 0.8, 2.6
LABELS_LEFT, LABELS_BELOW = 4.2, 2.7  # heights of letters: margins for the labels of the axes


class SamplePanel(NamedTuple):
    """One panel. height: in inches. draw(frame, letter): draws it on Axes as wide as the figure."""

    height: float
    draw: Callable[[Axes, str], None]


def panels_of(sample: SampleAnalysis) -> Iterator[SamplePanel]:
    """The panels of the figure, from top to bottom.

    For screened particles: the sizes of all images together, then median and histogram of each
    image. For other kinds: the numbers of all images together, their sizes if they have any, then
    the main numbers of each image.
    """
    distribution = Distribution.of(sample)
    names = charted_names(sample)
    if not sample.task.screened:
        entries = [entry for entry in quantity_entries(sample.quantities) if entry.number.value is not None]
        yield SamplePanel(LINE_HEIGHT * LETTER_INCHES * (len(entries) + 0.5), partial(_draw_numbers, entries=entries))
    if distribution is not None:
        margins, height = (LABELS_LEFT * LETTER_INCHES, LABELS_BELOW * LETTER_INCHES, LETTER_INCHES, 0.0), POOLED_HEIGHT
        if distribution.has_few_sizes:  # they are listed
            margins, height = (0.0, 0.0, LETTER_INCHES, 0.0), 2 * LINE_HEIGHT * LETTER_INCHES
        yield SamplePanel(
            height, lambda frame, letter: draw_histogram(inner_axes(frame, *margins), distribution, letter)
        )
    if names := [name for name in names if has_several_values(sample, name)]:
        rows = ceil(len(names) / _charts_per_row(len(names)))
        yield SamplePanel(rows * sum(_heights(sample, names)), partial(_draw_charts, sample=sample, names=names))
    has_bars = distribution is not None and not distribution.has_few_sizes
    if sample.task.screened and has_bars and len(histograms := _histograms_of_images(sample)) > 1:
        rows = ceil(min(len(histograms), MOST_SMALL_HISTOGRAMS) / _histograms_per_row(len(histograms)))
        height = rows * SMALL_HEIGHT + 1.2 * LINE_HEIGHT * LETTER_INCHES
        yield SamplePanel(height, partial(_draw_histograms_of_images, sample=sample, histograms=histograms))


def charted_names(sample: SampleAnalysis) -> list[str]:
    """The names of the numbers for which a chart compares the images."""
    return ["median"] if sample.task.screened else sample.headline_quantities[:MOST_CHARTED]


def _draw_numbers(frame: Axes, letter: str, entries: Sequence[Entry]) -> None:
    ends = ", 95 % intervals in brackets" if any(entry.ends for entry in entries) else ""
    set_title(frame, f"{letter}All images together{ends}")
    draw_lines(frame, entries)


def _charts_per_row(count: int) -> int:
    """How many of `count` charts are side by side in a row."""
    return 2 if count in (2, 4) else min(count, 3)


def _heights(sample: SampleAnalysis, names: Sequence[str]) -> tuple[float, float]:
    """The heights in inches of a chart with one point for each image, and of the texts below it."""
    lines = 1 if len(names) == 1 else 3 if _charts_per_row(len(names)) == 3 else 2
    chart_height = max(LEAST_CHART_INCHES, LINE_HEIGHT * LETTER_INCHES * len(sample.images))
    return min(chart_height, MOST_CHART_INCHES), LETTER_INCHES * (LABELS_BELOW + 1.25 * lines - 0.8)


def _draw_charts(frame: Axes, letter: str, sample: SampleAnalysis, names: Sequence[str]) -> None:
    """Draw a chart for each of the numbers, side by side. A chart has one point for each image."""
    heading = f"{NUMBERS['median'].title} of each image" if sample.task.screened else "Each image"
    has_band = any(has_interval_band(sample, name) for name in names)
    last_words = "; red: left out or unlike others" if has_red_points(sample, names) else " together"
    set_title(frame, f"{letter}{heading}; {'dashed and shaded' if has_band else 'dashed'}: all{last_words}")
    letters = NAME_LETTERS_ALONE if len(names) == 1 else NAME_LETTERS
    left = width_of(sheet_of(frame), _numbered(sample, letters)) + LETTER_INCHES
    per_row = _charts_per_row(len(names))
    for ax, name in zip(_charts(frame, len(names), per_row, left, (0, *_heights(sample, names))), names, strict=True):
        draw_by_image(ax, sample, name, letters)
        ax.locator_params(axis="x", nbins=8 if per_row == 1 else 4)


def _charts(frame: Axes, count: int, columns: int, left: float, heights: tuple[float, float, float]) -> Iterator[Axes]:
    """`count` Axes in rows of `columns`. Only the first one of a row has labels at its y axis.

    left: margin left of a row. heights: of the margin above the Axes, of the Axes, and of the
    margin below. In inches.
    """
    gap = 1.6 * LETTER_INCHES  # for half of the last label of the x axis
    (width, frame_height), (margin_above, chart_height, _) = size_in_inches(frame), heights
    chart_width = (width - left) / columns
    for index in range(count):
        start, top = left + index % columns * chart_width, index // columns * sum(heights) + margin_above
        ax = inner_axes(frame, start, frame_height - top - chart_height, width - start - chart_width + gap, top)
        ax.tick_params(labelleft=not index % columns)
        yield ax


def has_red_points(sample: SampleAnalysis, names: Iterable[str]) -> bool:
    """Whether the charts of these numbers show red points: images that are left out or outliers."""
    return any(
        value.value is not None and bool(image.outlier or image.excluded)
        for name in names
        for image, value in zip(sample.images, sample.by_image(name), strict=True)
    )


def draw_by_image(ax: Axes, sample: SampleAnalysis, name: str, letters: int = NAME_LETTERS) -> None:
    """Draw one number of each image that has it, with its 95 % interval as a line.

    Outliers and left out images are red and hollow. A dashed line and a shaded band show the number
    of all images together and its interval. letters: most letters of an image's name.
    """
    pooled, names = in_per_cent(name, _reported(sample.quantities[name], sample.flags)), _numbered(sample, letters)
    estimates = enumerate(zip(sample.images, _reported_by_image(sample, name), strict=True), 1)
    values = [
        (position, image, in_per_cent(name, estimate))
        for position, (image, estimate) in estimates
        if estimate.value is not None
    ]
    if not values:
        ax.set_axis_off()
    scale = min(1.0, 40 / max(len(values), 1))  # of points and lines: smaller if there are many
    for y, (_, image, value) in enumerate(values):
        is_red = image.outlier or image.excluded
        colour = LEFT_OUT_COLOUR if is_red else MEDIAN
        if value.low is not None and value.high is not None:
            ax.plot([value.low, value.high], [y, y], color=colour, linewidth=max(1.2 * scale, 0.4))
        style: dict[str, Any] = {
            "color": colour,
            "markersize": max(3.5 * scale, 1.6),
            "mfc": "w" if is_red else colour,
        }
        ax.plot([value.value or 0.0], [y], "o", **style)
    if pooled.value is not None:
        ax.axvline(pooled.value, color=INK, linestyle="dashed", linewidth=1)
    if has_interval_band(sample, name) and pooled.low is not None and pooled.high is not None:
        left, right = ax.get_xlim()
        width = right - left  # so that a very wide interval does not press the points of the images together
        ax.axvspan(pooled.low, pooled.high, color=FAINT, alpha=0.4, linewidth=0)
        ax.set_xlim(max(left - width, min(left, pooled.low)), min(right + width, max(right, pooled.high)))
    title = sample.pooled.title if sample.pooled is not None and sample.task.screened else number(name).title
    sheet = label_axes(ax, fill(drawable_text(f"{title} ({pooled.unit})" if pooled.unit else title), letters_in(ax)))
    ax.xaxis.label.set_parse_math(False)
    ax.set_ylim(max(len(values), 1) - 0.5, -0.5)
    if len(values) * sheet.font <= 72 * size_in_inches(ax)[1]:
        ax.set_yticks(range(len(values)), [names[position - 1] for position, *_ in values])
        for label in ax.get_yticklabels():
            label.set_parse_math(False)
    else:
        ax.set_ylabel("Image, in the order given", fontsize=sheet.font)
        ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: str(values[int(y)][0]) if 0 <= y < len(values) else ""))


def _reported(value: Value, flags: Sequence[Flag]) -> Value:
    """The number with the interval that pages show: none if the flags say that the result is
    probably wrong."""
    return Value(value.value, unit=value.unit) if opening_words(flags) else value.reported


def _reported_by_image(sample: SampleAnalysis, name: str) -> list[Value]:
    """The number of each image, with the interval that the page of the image shows."""
    flags = (image.member.flags if image.member else () for image in sample.images)
    return list(map(_reported, sample.by_image(name), flags))


def has_several_values(sample: SampleAnalysis, name: str) -> bool:
    """Whether more than one image has the number, so that a chart can compare them."""
    return sum(value.value is not None for value in sample.by_image(name)) > 1


def has_interval_band(sample: SampleAnalysis, name: str) -> bool:
    """Whether the chart of the number has a shaded band: the interval of all images together."""
    return _reported(sample.quantities[name], sample.flags).low is not None


def interval_sentence(sample: SampleAnalysis, name: str) -> str:
    """A sentence that explains the intervals in the chart of a number; "" if it shows none."""
    with_ends = [value.low is not None for value in _reported_by_image(sample, name)]
    if not has_several_values(sample, name) or not any(with_ends):
        return ""
    parts = filter(None, [Summary.of(sample).scale_in(number(name)), number(name).interval])
    images_by_contents: dict[str, list[str]] = {}  # what an interval includes -> numbers of the images
    for index, includes in enumerate(contents_of_intervals(sample) or [" and ".join(parts)] * len(with_ends)):
        if with_ends[index]:
            images_by_contents.setdefault(includes, []).append(str(index + 1))
    lines = (
        contents if len(images_by_contents) == 1 else f"{contents}: {', '.join(numbers)}"
        for contents, numbers in images_by_contents.items()
    )
    return f"Lines: 95 % interval of each image ({'; '.join(lines)})."


def _histograms_of_images(sample: SampleAnalysis) -> list[tuple[int, SampleImage, Any]]:
    """Number, image and counts (bins,) of each image that is not left out, or that has sizes."""
    counts = np.array(sample.histogram["counts"], float) if sample.histogram and sample.pooled else ()
    numbered = enumerate(zip(sample.images, counts, strict=False), 1)
    return [
        (position, image, image_counts)
        for position, (image, image_counts) in numbered
        if image_counts.any() or not image.excluded
    ]


def _histograms_per_row(count: int) -> int:
    """How many of the small histograms of `count` images are side by side in a row."""
    return min(count, 4) if count <= 12 else 6


def _draw_histograms_of_images(
    frame: Axes, letter: str, sample: SampleAnalysis, histograms: Sequence[tuple[int, SampleImage, Any]]
) -> None:
    """Draw one small histogram per image, all with the same bins; a line shows the histogram of all
    images together."""
    assert sample.histogram is not None and sample.pooled is not None
    edges, pooled = np.array(sample.histogram["edges"]), sum(counts for *_, counts in histograms)
    shown_histograms, columns = histograms[:MOST_SMALL_HISTOGRAMS], _histograms_per_row(len(histograms))
    highest = max(float((counts / max(counts.sum(), 1)).max()) for *_, counts in (*shown_histograms, (0, None, pooled)))
    heading = (
        f"First {MOST_SMALL_HISTOGRAMS} of {len(histograms)} images"
        if len(histograms) > MOST_SMALL_HISTOGRAMS
        else "Each image"
    )
    set_title(frame, f"{letter}{heading}, % of its {sample.task.things}; outline: all together")
    line = LINE_HEIGHT * LETTER_INCHES
    heights = line, SMALL_HEIGHT - 2 * line, line
    charts = _charts(frame, len(shown_histograms), columns, LABELS_LEFT * LETTER_INCHES, heights)
    for chart_number, (ax, (position, image, counts)) in enumerate(zip(charts, shown_histograms, strict=True), 1):
        is_red = image.outlier or image.excluded
        shares, colour = counts / max(counts.sum(), 1), LEFT_OUT_COLOUR if is_red else BAR
        ax.bar(edges[:-1], shares, np.diff(edges), align="edge", color=colour, linewidth=0)
        ax.stairs(pooled / pooled.sum(), edges, color=INK, linewidth=0.7)
        ax.set(xlim=(edges[0], edges[-1]), ylim=(0, 1.05 * highest))
        label_axes(ax)
        ax.tick_params(labelbottom=chart_number + columns > len(shown_histograms))
        ax.xaxis.set_major_locator(MaxNLocator(max(1, letters_in(ax) // 6), steps=[1, 2, 4, 5, 10]))
        ax.yaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.3g} %"))
        ax.set_title(f"{position}  N {counts.sum():,.0f}", loc="left", fontsize=72 * LETTER_INCHES, pad=2)
    axis = f"{sample.pooled.title} ({sample.pooled.unit})"
    frame.text(0.5, 0, axis, transform=frame.transAxes, ha="center", va="bottom", fontsize=72 * LETTER_INCHES)


def _numbered(sample: SampleAnalysis, letters: int) -> list[str]:
    """The names of the images with their numbers, as labels of a chart."""
    names = short_names([image.name for image in sample.images], letters)
    return [f"{position}  {drawable_text(name)}" for position, name in enumerate(names, 1)]
