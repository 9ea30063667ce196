"""The figure: image, segmentation, doubts and size histogram on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO, Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font

from ..analysis import Analysis
from .panels import INK, Scene, draw_doubts, draw_histogram, draw_image, draw_segmentation
from .wording import calibration_words, model_words, one_line, settings_words, version

Format = Literal["png", "svg", "pdf"]
DPI = 300
VECTOR_DPI = 180
INCHES = (12.0, 9.0)
# Half the time of the default level, for files at most a sixth larger.
FAST = {"compress_level": 2}
WIDE, TALL = 2.4, 0.5

Box = tuple[float, float, float, float]

# Without a salt the ids in an SVG differ from run to run.
matplotlib.rcParams["svg.hashsalt"] = "DeepSegm"


def draw(analysis: Analysis) -> Figure:
    """The four panels of an analysis, 12 x 9 inches, not yet written anywhere; pyplot is not involved."""
    figure = Figure(figsize=INCHES, facecolor="white")
    FigureCanvasAgg(figure)
    scene = Scene.of(analysis)
    axes = _lay_out(figure, scene.shape)
    for ax, panel in zip(axes, (draw_image, draw_segmentation, draw_doubts, draw_histogram), strict=True):
        panel(ax, scene)
    _write_margins(figure, analysis)
    return figure


def save(analysis: Analysis, file: Path | BinaryIO, format: Format = "png") -> None:
    """Draw and write the figure; PNG at 300 dpi."""
    write(draw(analysis), file, format)


def write(figure: Figure, file: Path | BinaryIO, format: Format = "png") -> None:
    """Write a drawn figure; the same figure gives the same bytes (no dates are written)."""
    if format == "png":
        figure.savefig(file, format=format, dpi=DPI, metadata={"Software": version()}, pil_kwargs=FAST)
    elif format == "svg":
        figure.savefig(file, format=format, dpi=VECTOR_DPI, metadata={"Date": None, "Creator": version()})
    else:
        figure.savefig(file, format=format, dpi=VECTOR_DPI, metadata={"CreationDate": None, "Creator": version()})


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
    font = get_font(findfont(FontProperties(family=["DejaVu Sans"])))
    shown = "".join(c if font.get_char_index(ord(c)) else "□" for c in words)
    text = figure.text(x, y, shown, va="center", **style)
    text.set_parse_math(False)
