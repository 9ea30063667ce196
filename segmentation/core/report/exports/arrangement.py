"""The export `arrangement.png`: charts of the distances between objects, and of the shapes of
particles."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np

from ...measure.quantities import nanometre_in, significant
from ...measure.sizes.bins import Floats, auto_edges, histogram
from ..wording import one_line
from .base import Export

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    from ...measure.results import Pairs
    from ..context import Context
    from ..figures.panels import Drawing

INCHES = (10.0, 7.4)
# Positions and sizes as shares of the sheet: of the picture with coloured objects, then boxes (left, bottom, width,
# height) of charts.
LEFT, TOP, WIDTH, HEIGHT = 0.02, 0.9, 0.44, 0.53
UPPER = 0.76  # without classes of shape the sheet is cut below this share of its height
CHART_BOXES = ((0.56, 0.68, 0.42, 0.22), (0.56, 0.36, 0.42, 0.22))
SHAPES_BOX, ROD_BOXES = (0.12, 0.07, 0.34, 0.17), ((0.56, 0.07, 0.19, 0.17), (0.79, 0.07, 0.19, 0.17))


def _write(context: Context, path: Path) -> None:
    from ..figures import figure
    from ..figures.charts import Sheet

    drawing = context.drawing
    statistics = drawing.sample.pooled
    sheet = Sheet(INCHES, 144, 10.0)
    sheet.title = f"Arrangement of the {drawing.task.things} in {one_line(drawing.sample.name)}"
    arrangement = statistics.arrangement if statistics else None
    title = (
        arrangement["sentence"]
        if arrangement
        else f"Too few whole {drawing.task.things} to say how they lie to each other."
    )
    sheet.text(0.02, 0.965, fill(title, 105), fontsize=12, va="center", parse_math=False)
    if arrangement:
        height = min(HEIGHT, WIDTH * INCHES[0] / INCHES[1] * drawing.shape[0] / drawing.shape[1])
        colour_axes = sheet.add_axes((LEFT, TOP - height - 0.03, WIDTH, 0.015))
        draw_map(sheet.add_axes((LEFT, TOP - height, WIDTH, height)), colour_axes, drawing)
        draw_distances(sheet.add_axes(CHART_BOXES[0]), drawing)
        if pairs := arrangement["pairs"]:
            draw_pairs(sheet.add_axes(CHART_BOXES[1]), pairs, _unit(drawing))
    has_shapes = bool(statistics and statistics.shape_classes)
    if has_shapes:
        draw_shapes(sheet.add_axes(SHAPES_BOX), drawing)
        for box, side in zip(ROD_BOXES, ("length", "width"), strict=True):
            draw_rods(sheet.add_axes(box), drawing, side)
    pixels = figure.pixels_of(sheet)
    path.write_bytes(figure.as_png(pixels if has_shapes else pixels[: round(UPPER * len(pixels))], sheet))


def draw_map(ax: Axes, colour_axes: Axes, drawing: Drawing) -> None:
    """Draw the objects in colours by the distance to their nearest neighbour. colour_axes: for the
    colour bar."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    from ..figures.charts import sheet_of
    from ..figures.panels import add_scale_bar, show_picture

    table = drawing.analysis.table
    unit = _unit(drawing)
    distance = table.length("neighbour_distance") * nanometre_in(unit)
    finite = distance[np.isfinite(distance)]
    scale = Normalize(0.0, float(np.quantile(finite, 0.98))) if len(finite) else Normalize(0.0, 1.0)
    colours = 255 * colormaps["viridis"](scale(np.nan_to_num(distance)))[:, :3]
    colours[~np.isfinite(distance)] = 150
    labels = drawing.labels
    picture = np.repeat(0.5 * drawing.picture[..., None].astype(np.float32), 3, axis=2)
    is_object = labels > 0
    picture[is_object] = 0.8 * colours[labels[is_object] - 1] + 0.4 * picture[is_object]
    show_picture(ax, drawing, np.clip(picture, 0, 255).astype(np.uint8), "Distance to the nearest neighbour")
    add_scale_bar(ax, drawing)
    bar = ax.figure.colorbar(ScalarMappable(scale, colormaps["viridis"]), cax=colour_axes, orientation="horizontal")
    bar.set_label(f"centre to centre ({unit}); grey: left out", fontsize=sheet_of(ax).font)
    bar.ax.tick_params(labelsize=sheet_of(ax).font)


def draw_distances(ax: Axes, drawing: Drawing) -> None:
    """Draw a histogram of the distances to the nearest neighbour, with their mean and the mean at
    random."""
    from ..figures.charts import INK, MEAN, draw_bars, label_axes, set_title

    table, unit = drawing.analysis.table, _unit(drawing)
    factor = nanometre_in(unit)
    assert drawing.sample.pooled and drawing.sample.pooled.arrangement
    neighbours = drawing.sample.pooled.arrangement["centre"]
    distance = np.sort(factor * table.length("neighbour_distance")[table.whole])
    sheet = label_axes(ax, f"Nearest neighbour, centre to centre ({unit})", drawing.task.things.capitalize())
    set_title(ax, "Nearest neighbours")
    draw_bars(ax, *_equal_bars(distance, unit))
    marks = {"mean": (neighbours["mean"], MEAN, "solid"), "at random": (neighbours.get("chance"), INK, "dashed")}
    for name, (value, colour, style) in marks.items():
        if value is not None:
            ax.axvline(factor * value, color=colour, linestyle=style, linewidth=1.4, label=name)
    ax.set_xlim(0, None)
    ax.legend(frameon=False, fontsize=0.9 * sheet.font)


def draw_pairs(ax: Axes, pairs: Pairs, unit: str) -> None:
    """Draw the pair correlation and the range in which 95 % of random placements lie."""
    from ..figures.charts import FAINT, INK, MEDIAN, label_axes, set_title

    sheet = label_axes(ax, f"Distance between centres ({unit})", "Pair correlation g")
    set_title(ax, "Neighbours against chance: 1 is as many as by chance")
    r = nanometre_in(unit) * np.asarray(pairs["r"])
    words = "95 % of random placements without overlap"
    ax.fill_between(r, pairs["low"], pairs["high"], color=FAINT, alpha=0.45, linewidth=0, label=words)
    ax.plot(r, pairs["chance"], color=INK, linewidth=0.9, linestyle="dashed")
    ax.plot(r, pairs["g"], color=MEDIAN, linewidth=1.6, label="this image")
    ax.set(xlim=(0, r[-1]), ylim=(0, 1.6 * max(*pairs["g"], *pairs["high"])))
    ax.legend(frameon=False, fontsize=0.9 * sheet.font, loc="upper right")


def draw_shapes(ax: Axes, drawing: Drawing) -> None:
    """Draw the share of each class of shape, with its 95 % interval."""
    from ..figures.charts import BAR, INK, label_axes, set_title

    assert drawing.sample.pooled
    classes = drawing.sample.pooled.shape_classes
    sheet = label_axes(ax, "% of the outlines")
    set_title(ax, "Shapes of the outlines")
    for position, kind in enumerate(classes.values()):
        share, low, high = (100 * (value or 0.0) for value in (kind["share"], kind["low"], kind["high"]))
        ax.barh(position, share, 0.65, color=BAR)
        ax.errorbar(
            share, position, xerr=[[max(share - low, 0)], [max(high - share, 0)]], color=INK, linewidth=1.0, capsize=2
        )
    ax.set_yticks(range(len(classes)), list(classes), fontsize=sheet.font)
    ax.set(xlim=(0, 100), ylim=(len(classes) - 0.4, -0.6))


def draw_rods(ax: Axes, drawing: Drawing, side: str) -> None:
    """Draw a histogram of the rods' lengths or widths (side: "length" or "width"); few rods are
    listed."""
    from ..figures.charts import draw_bars, label_axes, set_title

    table, unit = drawing.analysis.table, _unit(drawing)
    sizes = np.sort(nanometre_in(unit) * table.length(side)[table.kept & (table["shape"] == "rod")])
    sheet = label_axes(ax, f"{side.capitalize()} ({unit})")
    set_title(ax, f"{side.capitalize()} of {len(sizes):,} rods")
    if len(sizes) < 10:
        ax.set_axis_off()
        text = ", ".join(map(significant, sizes.tolist())) or "no rods"
        ax.text(0, 0.9, fill(text, 26), transform=ax.transAxes, va="top", fontsize=sheet.font)
        return
    draw_bars(ax, *_equal_bars(sizes, unit))


def _equal_bars(lengths: Floats, unit: str) -> tuple[Floats, Floats]:
    """Edges and heights of a histogram of lengths (n,)."""
    edges = auto_edges(lengths, unit)
    return edges, histogram(lengths, np.ones(len(lengths)), edges).sums


def _unit(drawing: Drawing) -> str:
    """The unit of lengths that people read: nm, µm or px."""
    assert drawing.sample.pooled
    return drawing.sample.pooled.readable_unit


EXPORTS = (
    Export(
        "arrangement.png",
        "Arrangement, PNG",
        place=109,
        write=_write,
        image="map and histogram of the distances to the nearest neighbour, pair correlation, shapes",
        of_objects=True,
    ),
)
