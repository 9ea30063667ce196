"""PANELS: all panels of an image's figure by name. Each task lists the names of its panels.

This module draws the panels that are pictures, `panel_charts` the panels that are charts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Polygon
from numpy.typing import NDArray

from ...analysis import Analysis, ExportedObjects
from ...flags import is_unusable
from ...measure.objects.regions import corners_of
from ...measure.outlines.borders import PixelBorders, find_pixel_borders
from ...measure.quantities import of_class
from ...sample import SampleAnalysis
from ...tasks.base import Task
from ..entries import quantity_entries
from ..outlines import outlines_of, whole_outlines
from ..wording import per_cent
from .charts import INK, LUMINANCE, set_legend, set_title, sheet_of, size_in_inches
from .embedded import EmbeddedPicture
from .panel_charts import draw_fractions, draw_lengths, draw_quantities, draw_rose, draw_sizes, draw_thickness
from .picture import (
    COLOURS,
    COUNTED_COLOUR,
    LEFT_OUT_COLOUR,
    NO_COLOUR,
    boundary_mask,
    colour_numbers,
    colours_by_direction,
    display_pixels,
    sampled_labels,
    with_coloured_objects,
    with_rims,
)
from .scalebar import draw_scale_bar

LONGEST_PX = 1100  # longest side of a picture, which is over 200 dpi in a panel
SMALL_PX = 400  # longest side: smaller pictures show their pixels as squares
MOST_VECTOR_OUTLINES = 600  # more would make a vector file too large, so they are drawn into the picture
PROBABILITY_LIMITS = (0.5, 0.7, 0.9)  # limits of the probability of a pixel's class in the panel "certainty"
PROBABILITY_COLOURS = (3, 0, 5)  # indices in COLOURS of pixels under the highest, the middle and the lowest limit
BOUNDARY_COLOUR = (230, 159, 0)  # RGB
# Colours of outlines in a grey figure.
IN_GREY = {COUNTED_COLOUR: "#ffffff", LEFT_OUT_COLOUR: "#ffffff"}
DASHES = (0, (3.0, 1.6))
# RGBA of area and hatching of regions to ignore.
IGNORED_FILL, IGNORED_HATCH = (0.05, 0.07, 0.07, 0.6), (0.84, 0.87, 0.89, 0.8)


@dataclass(frozen=True, eq=False)
class Drawing:
    """The data that the panels of one image share: picture, labels and outlines. Each is computed
    once, when a panel needs it."""

    sample: SampleAnalysis
    analysis: Analysis

    @classmethod
    def of(cls, sample: SampleAnalysis) -> Drawing:
        """The drawing of a sample that is one image; raises ValueError for several images."""
        analysis = sample.analysis
        if analysis is None:
            raise ValueError("a sample of several images is no drawing")
        return cls(sample, analysis)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the analysed area (H, W)."""
        return self.analysis.segmentation.rows, self.analysis.segmentation.labels.shape[1]

    @cached_property
    def picture(self) -> NDArray[np.uint8]:
        """The analysed area, (h, w) uint8, no side over LONGEST_PX."""
        return display_pixels(self.analysis, LONGEST_PX)

    @cached_property
    def labels(self) -> NDArray[np.int32]:
        """The labels 1..n at the pixels of `picture`, (h, w)."""
        return sampled_labels(self.analysis.segmentation.dense[: self.shape[0]], self.picture.shape)

    @cached_property
    def pixel_borders(self) -> PixelBorders:
        """The pixel borders of all objects, in px of the image."""
        return find_pixel_borders(self.analysis.segmentation.dense[: self.shape[0]])

    @cached_property
    def outlines(self) -> list[NDArray[np.float64]]:
        """The smooth outline of each object, (k, 2) x and y in px of the image."""
        segmentation = self.analysis.segmentation
        return outlines_of(segmentation.labels[: self.shape[0]], segmentation.ids, lambda: self.pixel_borders)

    @cached_property
    def wholes(self) -> dict[int, NDArray[np.float64]]:
        """The outlines (k, 2) of completed objects, by their index."""
        return whole_outlines(self.analysis.segmentation, self.analysis.table)

    @property
    def task(self) -> Task:
        return self.sample.task


PanelFunction = Callable[[Axes, Drawing, str], None]  # (axes, drawing, letter of the panel)


def draw_panel(name: str, ax: Axes, drawing: Drawing, letter: str) -> None:
    """Draw a panel by its name. If the image is of another kind, only the image is drawn, without
    colours or numbers."""
    if not drawing.analysis.refused:
        PANELS[name].draw(ax, drawing, letter)
    elif name == drawing.task.panels[0]:
        draw_image(ax, drawing, letter)
    else:
        ax.set_axis_off()


@dataclass(frozen=True)
class Panel:
    """One panel of the figure.

    draw(ax, drawing, letter): draws it, with a title that begins with the letter.
    picture: whether it is a picture of the analysed area; else it is a chart.
    caption: the words below the picture in the report; "" if the report never shows it.
    left_out: the name of the colour of left out objects, "" if it does not show them.
    has_y_labels: only for charts: whether the y axis has labels, which need a margin.
    """

    draw: PanelFunction
    picture: bool
    caption: str = ""
    left_out: str = ""
    has_y_labels: bool = True


def show_picture(ax: Axes, drawing: Drawing, picture: NDArray[np.uint8], title: str) -> None:
    """Draw a picture (h, w) or (h, w, 3) uint8 of the analysed area, with a title above it."""
    rows, columns = drawing.shape
    if sheet_of(ax).grey and picture.ndim == 3:
        picture = (picture @ LUMINANCE).astype(np.uint8)
    EmbeddedPicture(ax, picture, (0, columns, rows, 0), squares=max(picture.shape[:2]) <= SMALL_PX)
    ax.set(xlim=(0, columns), ylim=(rows, 0), xticks=[], yticks=[], aspect="equal")
    for region in drawing.analysis.settings.measurement.ignore:  # hatched, as on the page
        ax.add_patch(
            Polygon(
                corners_of(region),
                facecolor=IGNORED_FILL,
                edgecolor=IGNORED_HATCH,
                hatch="////",
                linewidth=0.5,
                zorder=1,
            )
        )
    ax.patch.set_visible(False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.set_anchor("NW")
    set_title(ax, title)


def draw_image(ax: Axes, drawing: Drawing, letter: str) -> None:
    """The panel "image": the analysed area of the image."""
    show_picture(ax, drawing, drawing.picture, f"{letter}Image")


def draw_boundaries(ax: Axes, drawing: Drawing, letter: str) -> None:
    """The panel "boundaries": the image with the boundaries between its objects in colour."""
    picture = np.repeat(drawing.picture[..., None], 3, axis=2)
    if len(drawing.analysis.segmentation):
        picture[boundary_mask(drawing.labels)] = BOUNDARY_COLOUR
    show_picture(ax, drawing, picture, f"{letter}Boundaries")


def add_scale_bar(ax: Axes, drawing: Drawing) -> None:
    """Draw a scale bar, if the scale is known and not contradicted."""
    nm_per_pixel = drawing.analysis.calibration.nm_per_pixel
    if nm_per_pixel is not None and not is_unusable(drawing.analysis.flags):
        rows, columns = drawing.shape
        scale = _inches_per_pixel(ax, drawing.shape)
        inches = columns * scale, rows * scale
        occupied = drawing.labels > 0
        if drawing.task.semantic and ax.get_legend() is not None:  # the legend is at the lower left
            occupied = np.broadcast_to(np.arange(occupied.shape[1]) < occupied.shape[1] / 2, occupied.shape)
        draw_scale_bar(ax, inches, columns * nm_per_pixel, drawing.picture, occupied)


def _inches_per_pixel(ax: Axes, shape: tuple[int, int]) -> float:
    width, height = size_in_inches(ax)
    return min(width / shape[1], height / shape[0])


def draw_segmentation(ax: Axes, drawing: Drawing, letter: str) -> None:
    """The panel "segmentation": counted objects in colours that differ between neighbours, left out
    ones in grey."""
    task, is_kept = drawing.task, ExportedObjects.of(drawing.analysis).kept
    count = task.count(int(is_kept.sum())) if is_kept.any() else f"No {task.things}"
    grey = "" if is_kept.all() else "; grey: left out"
    numbers = np.where(np.r_[True, is_kept], colour_numbers(drawing.labels, len(is_kept)), NO_COLOUR)
    picture = with_coloured_objects(drawing.picture, drawing.labels, 0.82, numbers)
    show_picture(ax, drawing, picture, f"{letter}{count}{grey}")


def draw_classes(ax: Axes, drawing: Drawing, letter: str) -> None:
    """The panel "classes": each object or pixel in the colour of its class; a legend has names and
    area fractions."""
    segmentation = drawing.analysis.segmentation
    numbers = np.r_[0, segmentation.classes].astype(np.intp)
    show_picture(ax, drawing, with_coloured_objects(drawing.picture, drawing.labels, 0.6, numbers), f"{letter}Classes")
    entries = {entry.name: entry.value for entry in quantity_entries(drawing.sample.quantities)}
    shares = [entries.get(of_class("area_fraction", name)) for name in segmentation.class_names]
    handles = [
        Patch(facecolor=sheet_of(ax).shade(COLOURS[i % len(COLOURS)]), label=f"{name}: {share} %" if share else name)
        for i, (name, share) in enumerate(zip(segmentation.class_names, shares, strict=True))
    ]
    set_legend(ax, handles)


def draw_directions(ax: Axes, drawing: Drawing, letter: str) -> None:
    """The panel "directions": counted fibres in colours by their direction, the same as in the
    panel "rose"."""
    table = drawing.analysis.table
    colours = np.r_[[[0, 0, 0]], np.where(table.kept[:, None], colours_by_direction(table["direction"]), 90)]
    inside, shade = drawing.labels[..., None] > 0, drawing.picture[..., None].astype(np.float32)
    picture = np.where(inside, 0.7 * colours[drawing.labels] + 0.3 * shade, 0.6 * shade).round().astype(np.uint8)
    show_picture(ax, drawing, picture, f"{letter}{drawing.task.count(int(table.kept.sum()))} by direction")


def draw_certainty(ax: Axes, drawing: Drawing, letter: str) -> None:
    """The panel "certainty": the image, in colour where the most probable class has a low
    probability."""
    layer = drawing.analysis.segmentation.layers.get("certainty")
    if layer is None:
        ax.set_axis_off()
        return
    probabilities = layer[: drawing.shape[0]]  # 0 to 255
    limits = [round(255 * probability) for probability in PROBABILITY_LIMITS]
    level = np.digitize(sampled_labels(probabilities, drawing.labels.shape), limits)
    uncertainty_class = np.where(drawing.labels > 0, len(PROBABILITY_LIMITS) - level, 0).astype(np.int32)
    colours = np.r_[0, PROBABILITY_COLOURS].astype(np.intp)
    show_picture(
        ax,
        drawing,
        with_coloured_objects(drawing.picture, uncertainty_class, 0.7, colours),
        f"{letter}How sure the model is",
    )
    handles = [
        Patch(
            facecolor=sheet_of(ax).shade(COLOURS[colour]),
            label=f"under {100 * probability:.0f} %: {per_cent(float((probabilities < limit).mean()), 3)} of the area",
        )
        for probability, limit, colour in zip(PROBABILITY_LIMITS[::-1], limits[::-1], PROBABILITY_COLOURS, strict=True)
    ]
    set_legend(ax, handles)


def draw_doubts(ax: Axes, drawing: Drawing, letter: str) -> None:
    """The panel "doubts": all outlines over the image, in the colours of the page.

    Outlines are solid if they count, dashed if they touch the frame or were left out. If there are
    more than MOST_VECTOR_OUTLINES, the picture has coloured rims of the objects instead.
    """
    objects, sheet = ExportedObjects.of(drawing.analysis), sheet_of(ax)
    is_kept, is_cut, things = objects.kept, objects.touches_frame, drawing.task.things
    is_raster = len(is_kept) > MOST_VECTOR_OUTLINES
    word_for_counted = "counted" if drawing.task.screened else "whole" if is_cut.any() else things
    picture = with_rims(drawing.picture, drawing.labels, is_kept) if is_raster else drawing.picture
    show_picture(ax, drawing, picture, letter.strip())
    width = _line_width(ax, drawing)
    groups = (  # objects, colour, factor of the line width, style, word for the legend
        (is_kept & ~is_cut, COUNTED_COLOUR, 1.0, "solid", word_for_counted),
        (is_cut, COUNTED_COLOUR, 1.0, DASHES, "at the frame"),
        (~is_kept, LEFT_OUT_COLOUR, 1.25, DASHES, "left out"),
    )
    handles = []
    for is_drawn, usual, times, style, word in groups:
        if not is_raster and is_drawn.any():
            lines = [np.r_[drawing.outlines[i], drawing.outlines[i][:1]] for i in np.flatnonzero(is_drawn)]
            colour, edge = IN_GREY[usual] if sheet.grey else usual, ("black", width * (times + 0.8), "solid", 0.45)
            for ink, wide, dash, alpha in (edge, (colour, width * times, style, 1.0)):
                outlines = LineCollection(lines, colors=ink, lw=wide, ls=[dash], alpha=alpha, joinstyle="round")
                ax.add_collection(outlines, autolim=False)
        if word == word_for_counted or is_drawn.any():
            ink = sheet.colour(INK) if sheet.grey else usual
            solid, label = is_raster or word == word_for_counted, f"{is_drawn.sum():,} {word}"
            handles.append(Line2D([], [], color=ink, linewidth=2, linestyle="solid" if solid else DASHES, label=label))
    if not is_raster and (wholes := [line for i, line in drawing.wholes.items() if is_kept[i]]):
        lines = [np.r_[line, line[:1]] for line in wholes]
        ink = IN_GREY[COUNTED_COLOUR] if sheet.grey else COUNTED_COLOUR
        ax.add_collection(LineCollection(lines, colors=ink, lw=width / 2, ls=[DASHES]), autolim=False)
    if ax.get_position().y1 >= 1:  # there is no room for a legend above the picture
        return
    spacing = {"handlelength": 1.2, "handletextpad": 0.4, "columnspacing": 0.8, "borderaxespad": 0.15, "borderpad": 0.0}
    spacing |= {"fontsize": sheet.font}
    ax.legend(handles=handles, loc="lower right", bbox_to_anchor=(1, 1), ncols=len(handles), frameon=False, **spacing)


def _line_width(ax: Axes, drawing: Drawing) -> float:
    """The width of outlines in points: thin compared with a typical object."""
    segmentation = drawing.analysis.segmentation
    if not len(segmentation):
        return 1.0
    points = 72 * _inches_per_pixel(ax, drawing.shape)
    areas = np.bincount(segmentation.dense.ravel(), minlength=len(segmentation) + 1)[1:]
    return float(np.clip(0.05 * float(np.median(np.sqrt(areas * 4 / np.pi))) * points, 0.3, 1.4))


# Tasks, also those of plug-ins, choose their panels by these names.
PANELS = {
    "image": Panel(draw_image, True, "the image as analysed"),
    "segmentation": Panel(draw_segmentation, True, "in colours: counted", "grey"),
    "doubts": Panel(draw_doubts, True, "cyan: counted", "red"),
    "classes": Panel(draw_classes, True, "the classes in colour"),
    "certainty": Panel(draw_certainty, True),
    "fractions": Panel(draw_fractions, False, has_y_labels=False),
    "thickness": Panel(draw_thickness, False),
    "histogram": Panel(draw_sizes, False),
    "sizes": Panel(draw_sizes, False),
    "boundaries": Panel(draw_boundaries, True),
    "directions": Panel(draw_directions, True, "in colours by direction", "grey"),
    "lengths": Panel(draw_lengths, False),
    "rose": Panel(draw_rose, False),
    "quantities": Panel(draw_quantities, False),
}
