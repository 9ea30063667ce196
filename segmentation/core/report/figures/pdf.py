"""Draws matplotlib figures into PDFs of reportlab, as lines and text. It is used for `figure.pdf`
and for the charts of reports."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from typing import Any, BinaryIO

import numpy as np
from matplotlib.backend_bases import GraphicsContextBase, RendererBase
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.transforms import Affine2D, Bbox
from reportlab import rl_config
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from reportlab.pdfgen.pathobject import PDFPathObject

from .fonts import BOLD, REGULAR, font_runs, register_fonts

# Binary streams make files a quarter smaller than reportlab's text streams.
rl_config.useA85 = 0

MOVE, LINE, QUADRATIC, CUBIC, CLOSE = 1, 2, 3, 4, 79  # the codes of matplotlib.path.Path
# PDF's operators, and its numbers for line ends and corners.
VERBS = {MOVE: " m", LINE: " l", CUBIC: " c"}
CAPS = {"butt": 0, "round": 1, "projecting": 2}
JOINS = {"miter": 0, "round": 1, "bevel": 2}
TILE = 72.0  # points: matplotlib's hatching is repeated in squares of this side
Mark = Callable[[Canvas], None]  # draws one element of a figure


def write_figure(file: BinaryIO, figure: Figure, *, title: str, subject: str, creator: str) -> None:
    """Write a PDF with one page of the figure's size. The same figure gives the same bytes: the PDF
    has no date."""
    width, height = (72 * float(inches) for inches in figure.get_size_inches())
    register_fonts()
    canvas = Canvas(file, pagesize=(width, height), initialFontName=REGULAR, pageCompression=1, invariant=1)
    canvas.setTitle(title)
    canvas.setSubject(subject)
    canvas.setCreator(creator)
    canvas.setDateFormatter(lambda *_: "")
    draw_marks(canvas, marks_of(figure))
    canvas.showPage()
    canvas.save()


def marks_of(figure: Figure) -> list[Mark]:
    """The functions that draw the elements of a figure, with its lower left corner at the origin.

    They can be called any number of times, for several documents.
    """
    former_dpi = figure.dpi
    figure.dpi = 72
    try:
        width, height = figure.get_size_inches() * 72
        recorder = _Recorder(float(width), float(height))
        figure.draw(recorder)
    finally:
        figure.dpi = former_dpi
    return recorder.marks


def draw_marks(canvas: Canvas, marks: list[Mark]) -> None:
    """Draw the marks on the canvas, which has the same state (colours, position) afterwards."""
    for mark in marks:
        canvas.saveState()
        mark(canvas)
        canvas.restoreState()


def draw_words(canvas: Canvas, words: str, font: str, size: float, x: float = 0.0, y: float = 0.0) -> None:
    """Write words that begin at (x, y), in points. font: its name; letters that it lacks are in
    other fonts (`font_runs`)."""
    for name, part in font_runs(words, font):
        canvas.setFont(name, size)
        canvas.drawString(x, y, part)
        x += canvas.stringWidth(part, name, size)


class _Recorder(RendererBase):
    """A matplotlib renderer that records marks for a reportlab canvas. One unit is one point, and y
    points up."""

    def __init__(self, width: float, height: float) -> None:
        super().__init__()
        self.size = width, height
        self.marks: list[Mark] = []

    def get_canvas_width_height(self) -> tuple[float, float]:
        return self.size

    def flipy(self) -> bool:
        return False

    def draw_path(self, gc: GraphicsContextBase, path: Any, transform: Any, rgbFace: Any = None) -> None:  # noqa: N803
        clip, outline = _clip(gc), _path(path, transform)
        stroke = gc.get_linewidth() > 0 and gc.get_rgb()[3] > 0
        operators, alphas = [clip], [1.0, 1.0]  # opacity of line and area
        if stroke:
            *ink, alphas[0] = gc.get_rgb()
            operators.append(_stroke(gc, ink, gc.get_linewidth()))
        if rgbFace is not None:
            operators.append("{:.4f} {:.4f} {:.4f} rg".format(*rgbFace[:3]))
            alphas[1] = gc.get_alpha() if gc.get_forced_alpha() else (rgbFace[3] if len(rgbFace) > 3 else 1.0)
        code = "\n".join([*operators, outline])
        self.marks.append(partial(_draw, code, stroke=stroke, fill=rgbFace is not None, alphas=alphas))
        if (hatching := gc.get_hatch_path()) is not None:
            *ink, alpha = to_rgba(gc.get_hatch_color())
            left, bottom, right, top = path.get_extents(transform).extents / TILE
            tiles = [(x, y) for x in range(int(left), int(right) + 1) for y in range(int(bottom), int(top) + 1)]
            squares = [Affine2D().scale(TILE).translate(x * TILE, y * TILE) for x, y in tiles]
            lines = [_path(hatching, square) for square in squares]
            code = "\n".join([clip, outline, "W n", _stroke(gc, ink, gc.get_hatch_linewidth()), *lines])
            self.marks.append(partial(_draw, code, stroke=True, fill=False, alphas=[alpha, 1.0]))

    def draw_picture(self, content: bytes, box: Bbox) -> None:
        """Draw a picture file that fills the box (`embedded.EmbeddedPicture` calls this)."""
        picture = ImageReader(io.BytesIO(content))
        self.marks.append(lambda canvas: canvas.drawImage(picture, *box.bounds))

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
        font, size, ink = BOLD if prop.get_weight() == "bold" else REGULAR, prop.get_size_in_points(), gc.get_rgb()[:3]

        def write(canvas: Canvas) -> None:
            canvas.translate(x, y)
            canvas.rotate(angle)
            canvas.setFillColorRGB(*ink)
            draw_words(canvas, s, font, size)

        self.marks.append(write)


def _draw(code: str, canvas: Canvas, *, stroke: bool, fill: bool, alphas: list[float]) -> None:
    """Draw a path. code: in the operators of PDF. alphas: opacity of its line and of its area."""
    if alphas[0] < 1:
        canvas.setStrokeAlpha(alphas[0])
    if alphas[1] < 1:
        canvas.setFillAlpha(alphas[1])
    canvas.drawPath(PDFPathObject(code=[code]), stroke=int(stroke), fill=int(fill))


def _clip(gc: GraphicsContextBase) -> str:
    """The clipping rectangle in the operators of PDF."""
    box = gc.get_clip_rectangle()
    return "" if box is None else "{:.3f} {:.3f} {:.3f} {:.3f} re W n".format(*box.bounds)


def _stroke(gc: GraphicsContextBase, ink: list[float], width: float) -> str:
    """Colour, width, ends, corners and dashes of a line, in the operators of PDF. ink: RGB."""
    offset, dashes = gc.get_dashes()
    dashed = "" if dashes is None else f" [{' '.join(f'{dash:.3f}' for dash in np.asarray(dashes, float))}] {offset} d"
    ends = f"{CAPS[gc.get_capstyle()]} J {JOINS[gc.get_joinstyle()]} j"
    return "{:.4f} {:.4f} {:.4f} RG".format(*ink) + f" {width:.4f} w {ends}{dashed}"


def _path(path: Any, transform: Any) -> str:
    """A path in the operators of PDF. reportlab would format the numbers ten times more
    slowly."""
    if path.codes is None and len(path.vertices) > 1:
        points = transform.transform(path.vertices)
        if np.isfinite(points).all():
            return ("%.3f %.3f m" + "\n%.3f %.3f l" * (len(points) - 1)) % tuple(points.ravel().tolist())
    operators: list[str] = []
    x0 = y0 = 0.0
    for points, code in path.iter_segments(transform, simplify=False, curves=True):
        values = points.tolist()
        if code == QUADRATIC:
            code, (cx, cy, x, y) = CUBIC, values  # the cubic curve that equals it
            values = [x0 + 2 / 3 * (cx - x0), y0 + 2 / 3 * (cy - y0), x + 2 / 3 * (cx - x), y + 2 / 3 * (cy - y), x, y]
        operators.append("h" if code == CLOSE else " ".join([f"{value:.3f}" for value in values]) + VERBS[code])
        x0, y0 = values[-2:]
    return "\n".join(operators)
