"""The figure on one page: the four panels of an image's kind of analysis, or the sizes in a sample of several."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ..flags import one_line as warning_of
from ..sample import SampleAnalysis
from .charts import INK, TITLE, WARNED, Distribution, draw_histogram
from .facts import brief, model_words
from .fonts import writable
from .images import draw_by_image, draw_multiples, draw_numbers
from .lengths import in_readable_unit
from .method import left_out_words
from .panels import PANELS, Drawing, draw_panel
from .wording import calibration_words, corrected_images_words, one_line, version

Format = Literal["png", "svg", "pdf"]
Pixels = NDArray[np.uint8]
DPI = 200
INCHES = (12.0, 9.0)
PANEL_INCHES = (6.4, 4.2)
# The largest width and height of a picture, as shares of the page, by the arrangement of A, B and C.
ROOM = {
    "two by two": (0.455, 0.36),
    "over the chart": (0.305, 0.415),
    "beside the chart": (0.2, 0.68),
    "stacked beside the chart": (0.48, 0.21),
    "stacked": (0.95, 0.105),
}
# Without a salt the ids in an SVG differ from run to run. Fonts of type 42 can be edited in a PDF.
matplotlib.rcParams |= {"svg.hashsalt": "DeepSegm", "pdf.fonttype": 42}


def draw(sample: SampleAnalysis, drawing: Drawing | None = None) -> Figure:
    """12 x 9 inches, not yet written anywhere; pyplot is not involved. drawing: of a sample of one, if it is there."""
    figure = Figure(figsize=INCHES, dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    small: dict[str, Any] = {"fontsize": 8, "color": INK}
    _text(figure, 0.035, 0.974, one_line(sample.name), fontsize=13, fontweight="bold", color=INK)
    _text(figure, 0.985, 0.02, version(), ha="right", **small)
    if warning := warning_of(sample.flags):
        _text(figure, 0.035, 0.929, f"Warning: {warning}", fontsize=8.5, fontweight="bold", color=WARNED)
    if sample.analysis is None:
        _text(figure, 0.035, 0.948, _pooled(sample), fontsize=9.5, color=INK)
        draw_sample = _draw_images if sample.task.screened else _draw_numbers
        draw_sample(figure, in_readable_unit(sample))
        return figure
    rows, columns = sample.analysis.micrograph.shape
    size = f"{columns} × {rows} px, {calibration_words(sample.analysis.calibration)}"
    _text(figure, 0.035, 0.948, size, fontsize=9.5, color=INK)
    settings = "; ".join(f"{name} {value}" for name, value in brief(sample).items())
    _text(figure, 0.035, 0.02, f"Model {model_words(sample.members[0].record.card)}; {settings}", **small)
    drawing = drawing or Drawing.of(sample)
    axes = _lay_out(figure, drawing.shape)
    if drawing.analysis.refused:  # the image has the page for itself
        axes[0].set_position((0.035, 0.08, 0.95, 0.815))
    for ax, name, letter in zip(axes, sample.task.panels, "ABCD", strict=True):
        draw_panel(name, ax, drawing, f"{letter}  ")
    return figure


def _draw_numbers(figure: Figure, sample: SampleAnalysis) -> None:
    """The numbers of all images together and, where there is one, their size distribution; each image below."""
    distribution = Distribution.of(sample)
    if distribution is not None:
        draw_histogram(figure.add_axes((0.57, 0.66, 0.415, 0.225)), distribution, "B  ")
    _text(figure, 0.035, 0.91, "A  All images together, with 95 % intervals", fontsize=TITLE, color=INK)
    below = "B" if distribution is None else "C"
    _text(figure, 0.035, 0.55, f"{below}  Each image; dashed and shaded: all together", fontsize=TITLE, color=INK)
    draw_numbers(figure, sample, 2 if distribution is None else 1)


def _draw_images(figure: Figure, sample: SampleAnalysis) -> None:
    """A the pooled sizes, B the medians of the images, below the histograms of the images."""
    distribution = Distribution.of(sample)
    if distribution is not None:
        draw_histogram(figure.add_axes((0.07, 0.6, 0.42, 0.295)), distribution, "A  ")
    medians = figure.add_axes((0.66, 0.6, 0.325, 0.295))
    draw_by_image(medians, sample, "median")
    medians.set_title("B  Median of each image; dashed: pooled", loc="left", fontsize=TITLE)
    _text(figure, 0.035, 0.46, draw_multiples(figure, sample), fontsize=TITLE, color=INK)


def _pooled(sample: SampleAnalysis) -> str:
    sentences = [sample.extent, left_out_words(sample), corrected_images_words(sample.corrected)]
    if (between := sample.between) is not None:
        sentences.append(f"{100 * between['share']:.0f} % of the variance of ln(size) lies between the images")
    return "; ".join(each for each in sentences if each)


def write(figure: Figure, file: Path | BinaryIO, format: Format = "png") -> None:
    """Write a drawn figure; the same figure gives the same bytes (no dates are written)."""
    if format == "png":
        data = as_png(rendered(figure))
        _ = file.write_bytes(data) if isinstance(file, Path) else file.write(data)
    elif format == "svg":
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": version()})
    else:
        title = figure.texts[0].get_text()
        figure.savefig(file, format="pdf", metadata={"CreationDate": None, "Creator": version(), "Title": title})


def rendered(figure: Figure) -> Pixels:
    """The figure as (h, w, 3) uint8 at its own resolution."""
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])


def panels(sample: SampleAnalysis, drawing: Drawing, figure: Figure, pixels: Pixels) -> dict[str, Pixels]:
    """Every panel alone by its name in PANELS: pictures, without their titles, cut from `pixels` (`rendered`)."""
    axes = dict(zip(sample.task.panels, figure.axes, strict=True))
    return {
        name: _cut(ax, pixels)
        if PANELS[name].picture
        else rendered(drawn_alone(lambda room, name=name: draw_panel(name, room, drawing, "")))  # type: ignore[misc]
        for name, ax in axes.items()
    }


def drawn_alone(draw: Callable[[Axes], None], inches: tuple[float, float] = PANEL_INCHES) -> Figure:
    """One chart."""
    figure = Figure(figsize=inches, dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    below = 0.78 if inches[0] > PANEL_INCHES[0] else 0.95  # words below it take more lines where it is narrow
    low = below / inches[1]
    draw(figure.add_axes((0.1, low, 0.87, 1 - 0.4 / inches[1] - low)))
    return figure


def as_png(pixels: Pixels) -> bytes:
    """A PNG of the pixels, with one channel where there is no colour."""
    facts, file = PngInfo(), io.BytesIO()
    facts.add_text("Software", version())
    grey = _is_grey(pixels[::31]) and _is_grey(pixels)
    Image.fromarray(pixels[..., 0] if grey else pixels).save(file, "PNG", dpi=(DPI, DPI), pnginfo=facts)
    return file.getvalue()


def _is_grey(pixels: Pixels) -> bool:
    return bool((pixels == pixels[..., :1]).all())


def _cut(ax: Axes, pixels: Pixels) -> Pixels:
    """The part of a rendered figure that the Axes take, with a scale bar that is drawn below them."""
    whole = Bbox.union([ax.bbox, *(each.get_window_extent() for each in ax.patches)])
    left, bottom, right, top = (round(value) for value in whole.extents)
    return np.ascontiguousarray(pixels[len(pixels) - top : len(pixels) - bottom, left:right])


def _lay_out(figure: Figure, shape: tuple[int, int]) -> list[Axes]:
    """Axes for A, B, C, D, in the arrangement with the largest pictures."""
    flat = shape[0] / shape[1] * INCHES[0] / INCHES[1]  # height of a picture over its width, as shares of the page
    widths = {name: min(wide, high / flat) for name, (wide, high) in ROOM.items()}
    arrangement, wide = max(widths.items(), key=lambda each: each[1])
    high = wide * flat
    below = 0.895 - high - 0.13
    corners, chart = {
        "two by two": ([(0.035, 0.895), (0.52, 0.895), (0.035, 0.465)], (0.57, 0.15, 0.985, 0.465)),
        "over the chart": ([(0.035 + 0.3275 * i, 0.895) for i in range(3)], (0.075, 0.15, 0.985, below)),
        "beside the chart": ([(0.035 + 0.22 * i, 0.895) for i in range(3)], (0.74, 0.19, 0.985, 0.87)),
        "stacked beside the chart": (
            [(0.035, 0.895 - (high + 0.05) * i) for i in range(3)],
            (0.59, 0.19, 0.985, 0.87),
        ),
        "stacked": (
            [(0.035, 0.895 - (high + 0.05) * i) for i in range(3)],
            (0.075, 0.15, 0.985, min(below - 2 * (high + 0.05), 0.6)),
        ),
    }[arrangement]
    left, bottom, right, top = chart
    images = [(left, top - high, wide, high) for left, top in corners]
    return [figure.add_axes(box) for box in (*images, (left, bottom, right - left, top - bottom))]


def _text(figure: Figure, x: float, y: float, words: str, **style: Any) -> None:
    """Text as it is: never read as mathematics, and without characters that the font lacks."""
    text = figure.text(x, y, writable(words), va="center", **style)
    text.set_parse_math(False)
