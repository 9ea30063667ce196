"""The parts of all PDF reports: A4 pages with text, tables, charts and pictures, made with
reportlab's platypus.

The same content gives the same bytes: the caller gives the date of creation, and nothing is random.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from matplotlib.figure import Figure
from PIL import Image as Pixels
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Image, KeepInFrame, KeepTogether, Paragraph, SimpleDocTemplate, Spacer, Table

from ...flags import DO_NOT_USE, LOOK, NOTE
from ..figures.charts import DOUBTED, WARNED, Sheet
from ..figures.fonts import BOLD, REGULAR, drawable_text, paragraph_markup, register_fonts, with_unbroken_units
from ..figures.pdf import Mark, draw_marks, draw_words, marks_of
from ..wording import one_line, version

# Lengths are in points.
SMALLEST_FONT = 9.0
INK, FAINT, RULE = HexColor("#22262b"), HexColor("#5b6670"), HexColor("#c9d0d6")
LEFT, TOP, BOTTOM = 48.0, 46.0, 54.0
FRAME_PADDING = 6.0  # reportlab's padding within the margins
WIDTH = A4[0] - 2 * LEFT
GAP = 14.0  # between two columns
HALF_WIDTH = (WIDTH - GAP) / 2
PAGE_HEIGHT = A4[1] - TOP - BOTTOM - 2 * FRAME_PADDING  # without the margins
CHART_INCHES = (HALF_WIDTH / 72, 2.1)  # width and height of a chart; two fit side by side

BODY = ParagraphStyle("body", fontName=REGULAR, fontSize=9.5, leading=12.5, textColor=INK)
SMALL = ParagraphStyle("small", BODY, fontSize=SMALLEST_FONT, leading=11.4)
HEADING = ParagraphStyle(
    "heading", BODY, fontName=BOLD, fontSize=11, leading=14, spaceBefore=9, spaceAfter=3, keepWithNext=1
)
TITLE = ParagraphStyle("title", BODY, fontName=BOLD, fontSize=15, leading=19)
LEAD = ParagraphStyle("lead", BODY, fontSize=10.5, leading=13.5)
WARNING = ParagraphStyle("warning", LEAD, fontName=BOLD, textColor=HexColor(WARNED))
STYLES = {NOTE: LEAD, LOOK: ParagraphStyle("doubt", WARNING, textColor=HexColor(DOUBTED)), DO_NOT_USE: WARNING}
CELL = ParagraphStyle("cell", BODY, fontSize=SMALLEST_FONT, leading=11)
RIGHT = ParagraphStyle("right", CELL, alignment=2)
NUMBER = ParagraphStyle("number", BODY, fontName=BOLD, fontSize=15, leading=18)
HEAD = ParagraphStyle("head", CELL, fontName=BOLD)
HEAD_RIGHT = ParagraphStyle("head right", HEAD, alignment=2)


def paragraph(text: str, style: ParagraphStyle = BODY) -> Paragraph:
    """A paragraph of plain text; characters such as "<" in it are escaped."""
    register_fonts()
    return Paragraph(with_unbroken_units(paragraph_markup(text, style.fontName)), style)


def heading(text: str) -> Paragraph:
    """A heading, which is never the last line of a page."""
    return paragraph(text, HEADING)


def space(points: float) -> Spacer:
    """Empty space of this height."""
    return Spacer(1, points)


def together(*parts: Flowable) -> KeepTogether:
    """Parts that stay together on one page."""
    return KeepTogether(list(parts))


class UnsplitTable(Table):  # type: ignore[misc]
    """A table that moves to the next page if it does not fit on this one. Only a table higher than
    a page is split."""

    def split(self, width: float, height: float) -> list[Flowable]:
        return [] if self.wrap(width, height)[1] <= PAGE_HEIGHT - 30 else list(super().split(width, height))


def table(
    head: Sequence[str],
    lines: Sequence[Sequence[str]],
    widths: Sequence[float],
    numbers_from: int = 1,
    width: float = WIDTH,
) -> Table:
    """A table of plain text. Columns from the index `numbers_from` on are right-aligned.

    head: titles of the columns, () for none. lines: the rows. widths: of the columns, relative to
    each other. width: of the table in points.
    """

    def cells(line: Sequence[str], left: ParagraphStyle, right: ParagraphStyle) -> list[Paragraph]:
        return [paragraph(text, right if i >= numbers_from else left) for i, text in enumerate(line)]

    content = [cells(head, HEAD, HEAD_RIGHT)] if head else []
    content += [cells(line, CELL, RIGHT) for line in lines]
    total = sum(widths)
    style: list[tuple[Any, ...]] = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, RULE),
        ("TOPPADDING", (0, 0), (-1, -1), 1.2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1.8),
        ("LEFTPADDING", (0, 0), (-1, -1), 2),
        ("RIGHTPADDING", (0, 0), (-1, -1), 4),
    ]
    columns = [width * share / total for share in widths]
    return UnsplitTable(content, colWidths=columns, style=style, repeatRows=bool(head), hAlign="LEFT")


def facts_table(lines: Sequence[tuple[str, str]], width: float = WIDTH) -> Table:
    """A table of two columns: names and their values."""
    share = 0.25 if width == WIDTH else 0.36
    return table((), lines, (share, 1 - share), numbers_from=2, width=width)


def facts_in_two_halves(lines: Sequence[tuple[str, str]]) -> Table:
    """A table of names and values as `facts_table`, in two halves side by side; the left half comes
    first."""
    half = (len(lines) + 1) // 2
    rows = [(*left, *right) for left, right in zip_longest(lines[:half], lines[half:], fillvalue=("", ""))]
    return table((), rows, (0.36, 0.64, 0.36, 0.64), numbers_from=4)


def side_by_side(*parts: Flowable | list[Flowable]) -> Table:
    """Parts side by side, in columns of equal width."""
    width = WIDTH / len(parts)
    style = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (0, -1), 0),
        ("LEFTPADDING", (1, 0), (-1, -1), GAP / 2),
        ("RIGHTPADDING", (0, 0), (-2, -1), GAP / 2),
        ("RIGHTPADDING", (-1, 0), (-1, -1), 0),
        ("TOPPADDING", (0, 0), (-1, -1), 0),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 0),
    ]
    return Table([list(parts)], colWidths=[width] * len(parts), style=style, hAlign="LEFT")


class FlexiblePart(NamedTuple):
    """A part of a page whose height is the free height of the page.

    fill(height) returns its content for a height in points, from `least` to `greatest`.
    """

    fill: Callable[[float], Sequence[Flowable]]
    least: float
    greatest: float = PAGE_HEIGHT


def page(*parts: Flowable | FlexiblePart) -> KeepInFrame:
    """One page with these parts. The first `FlexiblePart` gets the free height, the next one what
    is left of it, and so on. All parts shrink if they are too high for the page."""
    flexible_parts = [part for part in parts if isinstance(part, FlexiblePart)]
    fixed_height = _height(part for part in parts if not isinstance(part, FlexiblePart))
    free_height = PAGE_HEIGHT - fixed_height - sum(part.least for part in flexible_parts)
    content: list[Flowable] = []
    for part in parts:
        if isinstance(part, FlexiblePart):
            filling = part.fill(min(part.least + max(free_height, 0.0), part.greatest))
            free_height -= _height(filling) - part.least
            content += filling
        else:
            content.append(part)
    return KeepInFrame(WIDTH, PAGE_HEIGHT, content, mode="shrink")


def _height(parts: Iterable[Flowable]) -> float:
    """The height in points of parts one under another."""
    endless = 100 * PAGE_HEIGHT
    return float(KeepInFrame(WIDTH, endless, list(parts)).wrapOn(None, WIDTH, endless)[1])


class Chart(Flowable):  # type: ignore[misc]
    """A matplotlib figure as lines and text. Its drawing functions (`marks`) are made once, for all
    documents that show it."""

    def __init__(self, figure: Figure) -> None:
        super().__init__()
        self.figure = figure
        self.width, self.height = (float(inches) * 72 for inches in figure.get_size_inches())

    @cached_property
    def marks(self) -> list[Mark]:
        return marks_of(self.figure)

    def draw(self) -> None:
        draw_marks(self.canv, self.marks)


def picture(content: bytes, width: float, height: float) -> Image:
    """A picture file (PNG, WebP) within a box of `width` x `height` points, as large as fits."""
    with Pixels.open(io.BytesIO(content)) as opened:
        columns, rows = opened.size
    scale = min(width / columns, height / rows)
    return Image(io.BytesIO(content), columns * scale, rows * scale)


def chart(
    draw: Callable[[Any], object],
    left: float = 0.13,
    inches: tuple[float, float] = CHART_INCHES,
    bottom_inches: float = 0.4,
) -> Chart:
    """A small chart, drawn by draw(axes). left: margin left of the Axes, as a share of the width.
    bottom_inches: margin below them."""
    sheet, below = Sheet(inches, font=SMALLEST_FONT), bottom_inches / inches[1]
    draw(sheet.add_axes((left, below, 0.96 - left, 0.97 - below)))
    return Chart(sheet)


def write(
    file: Path | BinaryIO, title: str, story: list[Flowable], date: datetime | None = None, number: str = ""
) -> None:
    """Write a PDF with the parts of `story` one under another, on as many pages as they need. date:
    the date of creation in the file. number: of the paper, in the footer of each page."""
    document = SimpleDocTemplate(
        str(file) if isinstance(file, Path) else file,
        pagesize=A4,
        leftMargin=LEFT - FRAME_PADDING,
        rightMargin=LEFT - FRAME_PADDING,
        topMargin=TOP,
        bottomMargin=BOTTOM,
        title=drawable_text(title),
        creator=version(),
        invariant=1,
        pageCompression=1,
    )
    document.build(
        story, canvasmaker=_canvas_with_footer(one_line(title, 70), date, f"no. {number}, " if number else "")
    )


def _canvas_with_footer(title: str, date: datetime | None, number_of_paper: str) -> type[Canvas]:
    """A class of canvas that writes a footer such as "page 2 of 3" on each page. It writes the
    pages at the end, because it needs their number."""

    class NumberedCanvas(Canvas):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.page_states: list[dict[str, Any]] = []
            if date is not None:
                self.setDateFormatter(lambda *_: f"D:{date.astimezone(UTC):%Y%m%d%H%M%S}+00'00'")

        def showPage(self) -> None:  # noqa: N802
            self.page_states.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            pages, paper = self.page_states, number_of_paper
            for number, state in enumerate(pages, 1):
                self.__dict__.update(state)
                self.setFillColor(FAINT)
                draw_words(self, drawable_text(title), REGULAR, SMALLEST_FONT, LEFT, 30)
                self.setFont(REGULAR, SMALLEST_FONT)
                self.drawRightString(A4[0] - LEFT, 30, f"{paper}{version()}, page {number} of {len(pages)}")
                super().showPage()
            super().save()

    return NumberedCanvas
