"""The exports of the figure, of single panels, of the caption with the methods paragraph, and of
figures with options (`file_options.FigureOptions`)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..file_options import options_in_name
from .base import FIGURE, NORMAL, Export

if TYPE_CHECKING:
    from ..context import Context


def figure_named(name: str) -> Export | None:
    """The export of a figure with options, by its file name; None for any other name. It is in no
    list of files and in no bundle."""
    if options_in_name(name) is None:
        return None
    usual_figure = next(export for export in EXPORTS if export.name == f"figure.{name.rpartition('.')[2]}")
    line = usual_figure.line("image")
    return replace(
        usual_figure, name=name, write=_write_figure, image=line, sample="", both="", for_the_page=True, turn=NORMAL
    )


def _write_figure(context: Context, path: Path) -> None:
    from ..figures import figure

    options = options_in_name(path.name)
    figure.write(figure.draw(context.sample, context.drawing, options) if options else context.figure, path)


def _write_compressed(context: Context, path: Path) -> None:
    picture = context.compressed_picture(path.name)
    assert picture is not None
    path.write_bytes(picture)


def _write_texts(context: Context, path: Path) -> None:
    from ..figures.caption import caption_of
    from ..method import methods_paragraph

    path.write_text(f"{caption_of(context.sample)}\n\n{methods_paragraph(context.sample)}\n", "utf-8")


def _panel(place: int, panel: str, name: str, title: str, image: str) -> Export:
    return Export(f"panel-{name}.png", f"{title}, PNG", place=place, write=_write_compressed, image=image, panel=panel)


EXPORTS = (
    Export(
        "figure.png",
        "Figure, PNG",
        place=20,
        write=_write_compressed,
        image="four panels, 170 mm wide, readable in one column of a journal",
        sample="all images together and each of them",
        usual=True,
        turn=FIGURE,
    ),
    Export(
        "caption-and-method.txt",
        "Caption and method, text",
        place=21,
        write=_write_texts,
        both="words for a manuscript: of the figure, and how the numbers were found",
    ),
    Export("figure.svg", "Figure, SVG", place=100, write=_write_figure, both="as lines and text, to edit"),
    Export("figure.pdf", "Figure, PDF", place=101, write=_write_figure, both="to print"),
    _panel(102, "image", "image", "Panel: image", "only the image, with a scale bar if the scale is known"),
    _panel(103, "segmentation", "outlines", "Panel: segmentation", "only the {things}, in colour"),
    _panel(108, "certainty", "certainty", "Panel: certainty", "how sure the model is of each pixel"),
    _panel(109, "fractions", "fractions", "Panel: area fractions", "only the area fractions, with 95 % intervals"),
    _panel(109, "thickness", "thickness", "Panel: thickness", "the thickness along the layer, with its mean"),
    _panel(104, "classes", "classes", "Panel: classes", "only the classes, in colour"),
    _panel(
        105,
        "doubts",
        "possibly-wrong",
        "Panel: counted and left out",
        "only the outlines: counted solid, left out dashed",
    ),
    _panel(106, "histogram", "histogram", "Panel: histogram", "only the size distribution"),
    _panel(106, "sizes", "sizes", "Panel: sizes", "only the size distribution"),
    _panel(103, "boundaries", "boundaries", "Panel: boundaries", "the image with the boundaries that were found"),
    _panel(103, "directions", "directions", "Panel: directions", "the {things} in colours by direction"),
    _panel(106, "lengths", "lengths", "Panel: lengths", "the length of each of the {things} against its diameter"),
    _panel(106, "rose", "rose", "Panel: rose", "the directions of the {things}, weighted by their length"),
    _panel(107, "quantities", "quantities", "Panel: numbers", "only the numbers"),
)
