"""The charts of a report: matplotlib's drawings on a page of reportlab, as lines and text."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.backend_bases import GraphicsContextBase, RendererBase
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from reportlab import rl_config
from reportlab.pdfgen.canvas import Canvas
from reportlab.pdfgen.pathobject import PDFPathObject

from .fonts import BOLD, REGULAR, runs

# Binary streams: a quarter smaller than reportlab's text ones.
rl_config.useA85 = 0

MOVE, LINE, QUADRATIC, CUBIC, CLOSE = 1, 2, 3, 4, 79  # as matplotlib.path.Path numbers them
VERBS = {MOVE: " m", LINE: " l", CUBIC: " c"}
CAPS = {"butt": 0, "round": 1, "projecting": 2}
JOINS = {"miter": 0, "round": 1, "bevel": 2}


def draw_figure(canvas: Canvas, figure: Figure) -> None:
    """Draw a figure on the canvas in its own size, its lower left corner at the origin."""
    before = figure.dpi
    figure.dpi = 72
    canvas.saveState()
    try:
        width, height = figure.get_size_inches() * 72
        figure.draw(_PdfRenderer(canvas, float(width), float(height)))
    finally:
        canvas.restoreState()
        figure.dpi = before


def draw_words(canvas: Canvas, words: str, font: str, size: float, x: float = 0.0, y: float = 0.0) -> None:
    """Write words from (x, y) points on. font: its name; letters that it lacks are in another one, see `runs`."""
    for name, part in runs(words, font):
        canvas.setFont(name, size)
        canvas.drawString(x, y, part)
        x += canvas.stringWidth(part, name, size)


class _PdfRenderer(RendererBase):
    """What matplotlib draws, on a reportlab canvas; one unit is one point, y points up."""

    def __init__(self, canvas: Canvas, width: float, height: float) -> None:
        super().__init__()
        self.canvas, self.size = canvas, (width, height)

    def get_canvas_width_height(self) -> tuple[float, float]:
        return self.size

    def flipy(self) -> bool:
        return False

    def draw_path(self, gc: GraphicsContextBase, path: Any, transform: Any, rgbFace: Any = None) -> None:  # noqa: N803
        self.canvas.saveState()
        box = gc.get_clip_rectangle()
        if box is not None:
            outline = self.canvas.beginPath()
            outline.rect(*box.bounds)
            self.canvas.clipPath(outline, stroke=0, fill=0)
        stroke = gc.get_linewidth() > 0 and gc.get_rgb()[3] > 0
        if stroke:
            self.canvas.setStrokeColorRGB(*gc.get_rgb()[:3])
            self.canvas.setStrokeAlpha(gc.get_rgb()[3])
            self.canvas.setLineWidth(gc.get_linewidth())
            self.canvas.setLineCap(CAPS[gc.get_capstyle()])
            self.canvas.setLineJoin(JOINS[gc.get_joinstyle()])
            offset, dashes = gc.get_dashes()
            if dashes is not None:
                self.canvas.setDash(np.asarray(dashes, float).tolist(), float(offset))
        if rgbFace is not None:
            self.canvas.setFillColorRGB(*rgbFace[:3])
            alpha = gc.get_alpha() if gc.get_forced_alpha() else (rgbFace[3] if len(rgbFace) > 3 else 1.0)
            self.canvas.setFillAlpha(alpha)
        self.canvas.drawPath(_path(path, transform), stroke=int(stroke), fill=int(rgbFace is not None))
        self.canvas.restoreState()

    def draw_text(
        self,
        gc: GraphicsContextBase,
        x: float,
        y: float,
        s: str,
        prop: FontProperties,
        angle: float,
        ismath: bool | str = False,
        mtext: Any = None,
    ) -> None:
        self.canvas.saveState()
        self.canvas.translate(x, y)
        self.canvas.rotate(angle)
        self.canvas.setFillColorRGB(*gc.get_rgb()[:3])
        draw_words(self.canvas, s, BOLD if prop.get_weight() == "bold" else REGULAR, prop.get_size_in_points())
        self.canvas.restoreState()


def _path(path: Any, transform: Any) -> PDFPathObject:
    """The path in PDF's own words, written here since reportlab's way of writing numbers takes ten times as long."""
    words: list[str] = []
    x0 = y0 = 0.0
    for points, code in path.iter_segments(transform, simplify=False, curves=True):
        values = points.tolist()
        if code == QUADRATIC:
            code, (cx, cy, x, y) = CUBIC, values  # the cubic curve that equals it
            values = [x0 + 2 / 3 * (cx - x0), y0 + 2 / 3 * (cy - y0), x + 2 / 3 * (cx - x), y + 2 / 3 * (cy - y), x, y]
        words.append("h" if code == CLOSE else " ".join([f"{value:.3f}" for value in values]) + VERBS[code])
        x0, y0 = values[-2:]
    return PDFPathObject(code=words)
