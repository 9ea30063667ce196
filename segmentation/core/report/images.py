"""The panels of the figure of a sample: sizes or numbers of all images together, numbers and histograms of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from math import ceil
from textwrap import fill
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ..flags import Flag, begins
from ..measure.quantities import Value, number
from ..sample import SampleAnalysis, SampleImage
from .charts import (
    BAR,
    FAINT,
    INK,
    MEDIAN,
    Distribution,
    draw_histogram,
    inside,
    label_axes,
    letters_in,
    set_title,
    sheet_of,
    size_in_inches,
    width_of,
)
from .entries import Entry, answers
from .fonts import writable
from .images_table import contents_of_intervals
from .looks import FONT
from .panel_charts import draw_lines
from .picture import ASIDE
from .summary import Summary
from .wording import in_hundredths, short_names

MOST_SMALL = 18  # histograms; more would make the figure longer than a page
SHORT, ALONE = 22, 30  # letters of a name beside charts, and beside one
MOST_ABREAST = 6  # charts; more would be too narrow to read
LINE = 1.35  # of the height of letters
LETTER = 2 * FONT / 72  # inches: so high are letters of FONT points where the figure is one column wide
POOLED, SMALL = 2.4, 1.3  # inches: heights of the histogram of all sizes, and of a small one
LEAST, MOST = 0.8, 2.6  # inches: heights of a chart of images
BESIDE, BELOW = 4.2, 2.7  # heights of letters: room for the marks of a chart and their names


class Panel(NamedTuple):
    """high: inches. draw(frame, letter): onto Axes as wide as the figure."""

    high: float
    draw: Callable[[Axes, str], None]


def panels_of(sample: SampleAnalysis) -> Iterator[Panel]:
    """Of screened particles the sizes of all images together, and the median and the histogram of each. Of other kinds
    the numbers of all images together, their sizes if any, and the main numbers of each."""
    distribution = Distribution.of(sample)
    names = charted(sample)
    if not sample.task.screened:
        entries = [entry for entry in answers(sample.quantities) if entry.number.value is not None]
        yield Panel(LINE * LETTER * (len(entries) + 0.5), partial(_draw_numbers, entries=entries))
    if distribution is not None:
        room, high = (BESIDE * LETTER, BELOW * LETTER, LETTER, 0.0), POOLED
        if distribution.has_few_sizes:  # they are listed
            room, high = (0.0, 0.0, LETTER, 0.0), 2 * LINE * LETTER
        yield Panel(high, lambda frame, letter: draw_histogram(inside(frame, *room), distribution, letter))
    if names := [name for name in names if is_compared(sample, name)]:
        rows = ceil(len(names) / _charts_per_row(len(names)))
        yield Panel(rows * sum(_heights(sample, names)), partial(_draw_charts, sample=sample, names=names))
    has_bars = distribution is not None and not distribution.has_few_sizes
    if sample.task.screened and has_bars and len(multiples := _histograms_of_images(sample)) > 1:
        rows = ceil(min(len(multiples), MOST_SMALL) / _histograms_per_row(len(multiples)))
        high = rows * SMALL + 1.2 * LINE * LETTER
        yield Panel(high, partial(_draw_histograms_of_images, sample=sample, multiples=multiples))


def charted(sample: SampleAnalysis) -> list[str]:
    """The numbers of each image that a chart shows."""
    return ["median"] if sample.task.screened else sample.headline_quantities[:MOST_ABREAST]


def _draw_numbers(frame: Axes, letter: str, entries: Sequence[Entry]) -> None:
    ends = ", 95 % intervals in brackets" if any(entry.ends for entry in entries) else ""
    set_title(frame, f"{letter}All images together{ends}")
    draw_lines(frame, entries)


def _charts_per_row(count: int) -> int:
    """How many of so many charts stand side by side."""
    return 2 if count in (2, 4) else min(count, 3)


def _heights(sample: SampleAnalysis, names: Sequence[str]) -> tuple[float, float]:
    """Inches of a chart of the images, and of what stands below it."""
    lines = 1 if len(names) == 1 else 3 if _charts_per_row(len(names)) == 3 else 2
    return min(max(LEAST, LINE * LETTER * len(sample.images)), MOST), LETTER * (BELOW + 1.25 * lines - 0.8)


def _draw_charts(frame: Axes, letter: str, sample: SampleAnalysis, names: Sequence[str]) -> None:
    """The numbers of these names of each image, side by side."""
    heading = "Median of each image" if sample.task.screened else "Each image"
    shaded = any(is_shaded(sample, name) for name in names)
    apart = "; red: left out or unlike others" if are_apart(sample, names) else " together"
    together = "dashed and shaded" if shaded else "dashed"
    set_title(frame, f"{letter}{heading}; {together}: all{apart}")
    letters = ALONE if len(names) == 1 else SHORT
    left, abreast = width_of(sheet_of(frame), _numbered(sample, letters)) + LETTER, _charts_per_row(len(names))
    high, foot = _heights(sample, names)
    for ax, name in zip(_charts(frame, len(names), abreast, left, (0, high, foot)), names, strict=True):
        draw_by_image(ax, sample, name, letters)
        ax.locator_params(axis="x", nbins=8 if abreast == 1 else 4)


def _charts(frame: Axes, count: int, columns: int, left: float, heights: tuple[float, float, float]) -> Iterator[Axes]:
    """Axes in rows, right of `left`, the first of each with marks of y. heights: of what stands above, the Axes and
    what stands below. All in inches."""
    gap = 1.6 * LETTER  # half of the last mark
    (wide, tall), (head, high, _) = size_in_inches(frame), heights
    across = (wide - left) / columns
    for at in range(count):
        start, top = left + at % columns * across, at // columns * sum(heights) + head
        ax = inside(frame, start, tall - top - high, wide - start - across + gap, top)
        ax.tick_params(labelleft=not at % columns)
        yield ax


def are_apart(sample: SampleAnalysis, names: Iterable[str]) -> bool:
    """Whether charts of these numbers show images that are left out, or unlike the others."""
    return any(
        value.value is not None and bool(image.outlier or image.excluded)
        for name in names
        for image, value in zip(sample.images, sample.by_image(name), strict=True)
    )


def draw_by_image(ax: Axes, sample: SampleAnalysis, name: str, letters: int = SHORT) -> None:
    """A number of each image that has it; outliers and excluded ones in red, open. Dashed: the number of all together.
    The intervals are those that people read: a line for each image, and a shaded band for all together."""
    whole, names = in_hundredths(name, _reported(sample.quantities[name], sample.flags)), _numbered(sample, letters)
    of_images = enumerate(zip(sample.images, _reported_by_image(sample, name), strict=True), 1)
    values = [
        (at, image, in_hundredths(name, estimate)) for at, (image, estimate) in of_images if estimate.value is not None
    ]
    if not values:
        ax.set_axis_off()
    thin = min(1.0, 40 / max(len(values), 1))
    for y, (_, image, value) in enumerate(values):
        apart = image.outlier or image.excluded
        colour = ASIDE if apart else MEDIAN
        if value.low is not None and value.high is not None:
            ax.plot([value.low, value.high], [y, y], color=colour, linewidth=max(1.2 * thin, 0.4))
        style: dict[str, Any] = {"color": colour, "markersize": max(3.5 * thin, 1.6), "mfc": "w" if apart else colour}
        ax.plot([value.value or 0.0], [y], "o", **style)
    if whole.value is not None:
        ax.axvline(whole.value, color=INK, linestyle="dashed", linewidth=1)
    if is_shaded(sample, name) and whole.low is not None and whole.high is not None:
        left, right = ax.get_xlim()
        wide = right - left  # the interval of few images may be so wide that the images would be one point
        ax.axvspan(whole.low, whole.high, color=FAINT, alpha=0.4, linewidth=0)
        ax.set_xlim(max(left - wide, min(left, whole.low)), min(right + wide, max(right, whole.high)))
    title = sample.pooled.title if sample.pooled is not None and sample.task.screened else number(name).title
    sheet = label_axes(ax, fill(writable(f"{title} ({whole.unit})" if whole.unit else title), letters_in(ax)))
    ax.xaxis.label.set_parse_math(False)
    ax.set_ylim(max(len(values), 1) - 0.5, -0.5)
    if len(values) * sheet.font <= 72 * size_in_inches(ax)[1]:
        ax.set_yticks(range(len(values)), [names[at - 1] for at, *_ in values])
        for label in ax.get_yticklabels():
            label.set_parse_math(False)
    else:
        ax.set_ylabel("Image, in the order given", fontsize=sheet.font)
        ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: str(values[int(y)][0]) if 0 <= y < len(values) else ""))


def _reported(value: Value, flags: Sequence[Flag]) -> Value:
    """With the interval of its own page: none where most is probably wrong."""
    return Value(value.value, unit=value.unit) if begins(flags) else value.reported


def _reported_by_image(sample: SampleAnalysis, name: str) -> list[Value]:
    flags = (image.member.flags if image.member else () for image in sample.images)
    return list(map(_reported, sample.by_image(name), flags))


def is_compared(sample: SampleAnalysis, name: str) -> bool:
    """Whether several images have the number, so that a chart has something to compare."""
    return sum(value.value is not None for value in sample.by_image(name)) > 1


def is_shaded(sample: SampleAnalysis, name: str) -> bool:
    """Whether a chart of the number shows the interval of all images together."""
    return _reported(sample.quantities[name], sample.flags).low is not None


def own_intervals(sample: SampleAnalysis, name: str) -> str:
    """What the intervals of images beside each other include; "" without any."""
    with_ends = [value.low is not None for value in _reported_by_image(sample, name)]
    if not is_compared(sample, name) or not any(with_ends):
        return ""
    parts = filter(None, [Summary.of(sample).scale_in(number(name)), number(name).interval])
    of_images: dict[str, list[str]] = {}
    for at, includes in enumerate(contents_of_intervals(sample) or [" and ".join(parts)] * len(with_ends)):
        if with_ends[at]:
            of_images.setdefault(includes, []).append(str(at + 1))
    lines = (image if len(of_images) == 1 else f"{image}: {', '.join(numbers)}" for image, numbers in of_images.items())
    return f"Lines: 95 % interval of each image ({'; '.join(lines)})."


def _histograms_of_images(sample: SampleAnalysis) -> list[tuple[int, SampleImage, Any]]:
    """Number, image and counts (bins,) of the images that count or have sizes."""
    counts = np.array(sample.histogram["counts"], float) if sample.histogram and sample.pooled else ()
    numbered = enumerate(zip(sample.images, counts, strict=False), 1)
    return [(at, image, of_image) for at, (image, of_image) in numbered if of_image.any() or not image.excluded]


def _histograms_per_row(count: int) -> int:
    """How many of the small histograms of so many images stand side by side."""
    return min(count, 4) if count <= 12 else 6


def _draw_histograms_of_images(
    frame: Axes, letter: str, sample: SampleAnalysis, multiples: Sequence[tuple[int, SampleImage, Any]]
) -> None:
    """One small histogram per image that counts or has sizes, in common bins, over the one of all images in outline."""
    assert sample.histogram is not None and sample.pooled is not None
    edges, pooled = np.array(sample.histogram["edges"]), sum(counts for *_, counts in multiples)
    drawn, columns = multiples[:MOST_SMALL], _histograms_per_row(len(multiples))
    highest = max(float((counts / max(counts.sum(), 1)).max()) for *_, counts in (*drawn, (0, None, pooled)))
    heading = f"First {MOST_SMALL} of {len(multiples)} images" if len(multiples) > MOST_SMALL else "Each image"
    set_title(frame, f"{letter}{heading}, % of its {sample.task.things}; outline: all together")
    line = LINE * LETTER
    heights = line, SMALL - 2 * line, line
    charts = _charts(frame, len(drawn), columns, BESIDE * LETTER, heights)
    for at, (ax, (position, image, counts)) in enumerate(zip(charts, drawn, strict=True), 1):
        apart = image.outlier or image.excluded
        shares, colour = counts / max(counts.sum(), 1), ASIDE if apart else BAR
        ax.bar(edges[:-1], shares, np.diff(edges), align="edge", color=colour, linewidth=0)
        ax.stairs(pooled / pooled.sum(), edges, color=INK, linewidth=0.7)
        ax.set(xlim=(edges[0], edges[-1]), ylim=(0, 1.05 * highest))
        label_axes(ax)
        ax.tick_params(labelbottom=at + columns > len(drawn))
        ax.xaxis.set_major_locator(MaxNLocator(max(1, letters_in(ax) // 6), steps=[1, 2, 4, 5, 10]))
        ax.yaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.3g} %"))
        ax.set_title(f"{position}  N {counts.sum():,.0f}", loc="left", fontsize=72 * LETTER, pad=2)
    axis = f"{sample.pooled.title} ({sample.pooled.unit})"
    frame.text(0.5, 0, axis, transform=frame.transAxes, ha="center", va="bottom", fontsize=72 * LETTER)


def _numbered(sample: SampleAnalysis, letters: int) -> list[str]:
    """The names of the images beside a chart."""
    names = short_names([image.name for image in sample.images], letters)
    return [f"{at}  {writable(name)}" for at, name in enumerate(names, 1)]
