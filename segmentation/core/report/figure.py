"""The figure: image, segmentation, doubts and size histogram on one page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..analysis import Analysis
from .charts import INK, Distribution, draw_histogram
from .panels import Scene, draw_doubts, draw_image, draw_segmentation
from .pasted import Pasted, Print
from .pdf import draw_figure, new_canvas, writable
from .png import Deflated, deflated
from .wording import calibration_words, model_words, one_line, settings_words, version

Format = Literal["png", "svg", "pdf"]
Pixels = NDArray[np.uint8]
DPI = 300
INCHES = (12.0, 9.0)
PANEL_INCHES = (6.4, 4.2)
# Beyond so many outlines a vector file shows a picture of them: it would take seconds to open.
MANY_LINES = 600
WIDE, TALL = 2.4, 0.5

Box = tuple[float, float, float, float]

# Without a salt the ids in an SVG differ from run to run.
matplotlib.rcParams["svg.hashsalt"] = "DeepSegm"


def draw(analysis: Analysis, scene: Scene | None = None) -> Figure:
    """The four panels of an analysis, 12 x 9 inches, not yet written anywhere; pyplot is not involved."""
    figure = Figure(figsize=INCHES, dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    scene = scene or Scene.of(analysis)
    axes = _lay_out(figure, scene.shape)
    for ax, panel in zip(axes, (draw_image, draw_segmentation, draw_doubts), strict=False):
        panel(ax, scene)
    draw_histogram(axes[3], Distribution.of(analysis), "D  ")
    _write_margins(figure, analysis)
    return figure


def save(analysis: Analysis, file: Path | BinaryIO, format: Format = "png") -> None:
    """Draw and write the figure; PNG at 300 dpi."""
    write(draw(analysis), file, format)


def write(figure: Figure, file: Path | BinaryIO, format: Format = "png", pixels: Pixels | None = None) -> None:
    """Write a drawn figure; the same figure gives the same bytes (no dates are written).

    pixels: what `rendered` gave for this figure, where it is known; saves drawing it again.
    """
    if format == "png":
        data = as_png(packed(rendered(figure) if pixels is None else pixels))
        _ = file.write_bytes(data) if isinstance(file, Path) else file.write(data)
        return
    with _few_lines(figure, pixels):
        if format == "svg":
            figure.savefig(file, format="svg", metadata={"Date": None, "Creator": version()})
        else:
            _write_pdf(figure, file)


def rendered(figure: Figure) -> Pixels:
    """The figure as (h, w, 3) uint8 at its own resolution."""
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])


def panels(figure: Figure, pixels: Pixels) -> dict[str, Pixels]:
    """The three image panels without their titles, by the names of their files, cut from `pixels` (`rendered`)."""
    names = ("panel-image.png", "panel-outlines.png", "panel-possibly-wrong.png")
    return {name: _cut(ax, pixels) for name, ax in zip(names, figure.axes, strict=False)}


def draw_distribution(shown: Distribution, inches: tuple[float, float] = PANEL_INCHES) -> Figure:
    """The histogram alone."""
    figure = Figure(figsize=inches, dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    low = 0.75 / inches[1]
    draw_histogram(figure.add_axes((0.1, low, 0.87, 1 - 0.4 / inches[1] - low)), shown)
    return figure


def packed(pixels: Pixels) -> Deflated:
    """The pixels ready for a file, with one channel where there is no colour."""
    return deflated(pixels[..., 0] if _is_grey(pixels[::31]) and _is_grey(pixels) else pixels)


def _is_grey(pixels: Pixels) -> bool:
    return bool((pixels == pixels[..., :1]).all())


def as_png(picture: Deflated) -> bytes:
    return picture.png(dpi=DPI, software=version())


def _write_pdf(figure: Figure, file: Path | BinaryIO) -> None:
    width, height = figure.get_size_inches() * 72
    canvas = new_canvas(file, (float(width), float(height)), "Size distribution of particles")
    draw_figure(canvas, figure)
    canvas.save()


@contextmanager
def _few_lines(figure: Figure, pixels: Pixels | None) -> Iterator[None]:
    """While a vector file is written, outlines too many to draw are part of their panel's picture."""
    crowded = [ax for ax in figure.axes if sum(len(each.get_segments()) for each in _lines(ax)) > MANY_LINES]
    if not crowded:
        yield
        return
    pixels = rendered(figure) if pixels is None else pixels
    hidden = [each for ax in crowded for each in (*_lines(ax), *_prints(ax))]
    covers = [Pasted(ax, Print(_cut(ax, pixels))) for ax in crowded]
    for each in hidden:
        each.set_visible(False)
    try:
        yield
    finally:
        for each in hidden:
            each.set_visible(True)
        for cover in covers:
            cover.remove()


def _lines(ax: Axes) -> list[LineCollection]:
    return [each for each in ax.collections if isinstance(each, LineCollection)]


def _prints(ax: Axes) -> list[Pasted]:
    return [each for each in ax.artists if isinstance(each, Pasted)]


def _cut(ax: Axes, pixels: Pixels) -> Pixels:
    """The part of a rendered figure that the Axes take."""
    left, bottom, right, top = (round(value) for value in ax.bbox.extents)
    return np.ascontiguousarray(pixels[len(pixels) - top : len(pixels) - bottom, left:right])


def _lay_out(figure: Figure, shape: tuple[int, int]) -> list[Axes]:
    """Axes for A, B, C, D: two by two, or one below (beside) another for very wide (tall) images."""
    aspect = shape[1] / shape[0]
    if aspect > WIDE:
        images, histogram = _stacked(aspect)
    elif aspect < TALL:
        images = [(0.035 + 0.205 * i, 0.19, 0.165, 0.69) for i in range(3)]
        histogram = (0.7, 0.19, 0.285, 0.69)
    else:
        images = [(0.035, 0.515, 0.455, 0.385), (0.52, 0.515, 0.455, 0.385), (0.035, 0.095, 0.455, 0.385)]
        histogram = (0.57, 0.15, 0.415, 0.33)
    return [figure.add_axes(box) for box in (*images, histogram)]


def _stacked(aspect: float) -> tuple[list[Box], Box]:
    width, gap = 0.95, 0.045
    height = min(width * INCHES[0] / aspect / INCHES[1], 0.16)
    tops = [0.895 - i * (height + gap) for i in range(3)]
    images = [(0.035, top - height, width, height) for top in tops]
    top = tops[2] - height - 0.12
    return images, (0.085, 0.135, 0.90, min(top, 0.6) - 0.135)


def _write_margins(figure: Figure, analysis: Analysis) -> None:
    rows, columns = analysis.micrograph.shape
    size = f"{columns} × {rows} px, {calibration_words(analysis.calibration)}"
    model = f"Model {model_words(analysis)}; {settings_words(analysis)}"
    small: dict[str, Any] = {"fontsize": 8, "color": INK}
    _text(figure, 0.035, 0.974, one_line(analysis.micrograph.name), fontsize=13, fontweight="bold", color=INK)
    _text(figure, 0.035, 0.948, size, fontsize=9.5, color=INK)
    _text(figure, 0.035, 0.02, model, **small)
    _text(figure, 0.985, 0.02, version(), ha="right", **small)


def _text(figure: Figure, x: float, y: float, words: str, **style: Any) -> None:
    """Text as it is: never read as mathematics, and without characters that the font lacks."""
    text = figure.text(x, y, writable(words), va="center", **style)
    text.set_parse_math(False)
