"""Draws the figure of a result on one page, and writes it as PNG, SVG or PDF.

The figure of an image has the four panels of its kind of analysis (`panels`). The figure of a
sample has the panels of `images`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any, TextIO

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ...flags import is_unusable, warning_texts
from ...sample import SampleAnalysis
from ..facts import main_settings, model_words
from ..file_options import ALL, FigureOptions
from ..wording import calibration_words, one_line, version
from .caption import caption_of
from .charts import DOUBTED, INK, WARNED, Sheet
from .embedded import Svg
from .fonts import drawable_text
from .images import LABELS_BELOW, LABELS_LEFT, LETTER_INCHES, LINE_HEIGHT, panels_of
from .panels import PANELS, Drawing, add_scale_bar, draw_panel
from .pdf import write_figure

Pixels = NDArray[np.uint8]
DPI = 360
COMPRESSION = 2  # level of PNG (Pillow uses zlib-ng): figures are smaller than at level 6, in a third of the time
WIDTH = 170 / 25.4  # inches: two columns of a journal; reduced to one column, everything has half its size
MARGIN, GAP = 0.03, 0.16  # inches
GREATEST_PICTURE_HEIGHT, LEAST_CHART_HEIGHT = 5.0, 2.0  # inches: highest picture, least height of a chart
# Height over width of a picture: below WIDE the pictures stand one under another, above TALL up to 3 side by side.
WIDE_RATIO, TALL_RATIO = 0.45, 1.5
matplotlib.rcParams["svg.hashsalt"] = "DeepSegm"  # without it the ids in an SVG differ from run to run


def draw(sample: SampleAnalysis, drawing: Drawing | None = None, options: FigureOptions | None = None) -> Sheet:
    """The figure of a result, drawn but not yet written.

    drawing, options: only used for one image; without a drawing one is made.
    """
    options = options or FigureOptions()
    if sample.analysis is None:
        return _figure_of_sample(sample)
    drawing = drawing or Drawing.of(sample)
    panel_letters = "A" if drawing.analysis.refused else options.panels  # the image alone
    names = [name for letter, name in zip(ALL, sample.task.panels, strict=True) if letter in panel_letters]
    sheet = _lay_out(sample, names, drawing.shape, options)
    for position, (ax, name) in enumerate(zip(sheet.axes, names, strict=True)):
        draw_panel(name, ax, drawing, f"{ALL[position]}  " if len(names) > 1 else "")
    for ax, name in zip(sheet.axes[::2], names[::2], strict=False):  # the first of each row
        if PANELS[name].picture:
            add_scale_bar(ax, drawing)
    return sheet


def _figure_of_sample(sample: SampleAnalysis) -> Sheet:
    """The figure of several images."""
    # Without counted images there are no panels; a warning says why.
    panels = list(panels_of(sample.in_readable_unit())) if sample.counted else []
    sheet, top = _page(
        sample, sum(panel.height + LINE_HEIGHT * LETTER_INCHES + GAP for panel in panels) - GAP / 2, FigureOptions()
    )
    page_height = sheet.get_figheight()
    for letter, panel in zip(ALL, panels, strict=False):
        top -= LINE_HEIGHT * LETTER_INCHES + panel.height
        frame = sheet.add_axes((MARGIN / WIDTH, top / page_height, 1 - 2 * MARGIN / WIDTH, panel.height / page_height))
        frame.set_axis_off()
        panel.draw(frame, f"{letter}  ")
        top -= GAP
    return sheet


def _page(sample: SampleAnalysis, panels_height: float, options: FigureOptions) -> tuple[Sheet, float]:
    """A page for panels that are together `panels_height` inches high. With the option
    `caption`, warnings are above the panels and the caption below.

    Returns the page, and the upper edge of the panels in inches from below.
    """
    font = 2.0 * options.font  # points: a page is two columns wide
    line_length = Sheet((1, 1), font=font).letters_per_line(WIDTH - 2 * MARGIN)
    warning, caption, style = [], [], {"color": INK}
    if any(flag.doubt for flag in sample.flags):  # else there is no warning
        style = {"color": WARNED if is_unusable(sample.flags) else DOUBTED, "fontweight": "bold"}
    if options.caption:
        bold_letters = int(0.88 * line_length)  # bold letters are broader
        warning = [line for words in warning_texts(sample.flags) for line in fill(words, bold_letters).split("\n")]
        caption = fill(caption_of(sample), line_length).split("\n")
    below = LINE_HEIGHT * font / 72 * len(caption) + MARGIN
    page_height = panels_height + below + GAP / 2 * options.caption + LINE_HEIGHT * font / 72 * len(warning) + MARGIN
    sheet = Sheet((WIDTH, page_height), DPI, font, options.grey)
    sheet.title = one_line(sample.name)
    settings = "; ".join(f"{name} {value}" for name, value in main_settings(sample).items())
    size = "" if sample.analysis is None else f"{calibration_words(sample.analysis.calibration)}. "
    sheet.description = f"{sheet.title}. {size}Model {model_words(sample.members[0].record.card)}; {settings}"
    _write_lines(sheet, below, caption, color=sheet.colour(INK))
    return sheet, _write_lines(sheet, page_height - MARGIN, warning, **style | {"color": sheet.colour(style["color"])})


def _write_lines(sheet: Sheet, top: float, lines: Sequence[str], **style: Any) -> float:
    """Write lines of text below `top`; returns their lower end. Both in inches from the lower edge
    of the page."""
    for words in lines:
        middle = top - LINE_HEIGHT * sheet.font / 144
        position = MARGIN / WIDTH, middle / sheet.get_figheight()
        sheet.text(*position, drawable_text(words), va="center", fontsize=sheet.font, parse_math=False, **style)
        top -= LINE_HEIGHT * sheet.font / 72
    return top


def write(sheet: Sheet, file: Path) -> None:
    """Write a figure as PNG, SVG or PDF, by the suffix of the file. The same figure gives the same
    bytes (no dates)."""
    if file.suffix == ".png":
        file.write_bytes(as_png(pixels_of(sheet), sheet))
    elif file.suffix == ".svg":
        with file.open("w", encoding="utf-8") as text:
            _write_svg(sheet, text)
    else:
        with file.open("wb") as content:
            write_figure(content, sheet, title=sheet.title, subject=sheet.description, creator=version())


def _write_svg(sheet: Sheet, file: TextIO) -> None:
    metadata: dict[str, Any] = {
        "Date": None,
        "Description": sheet.description,
        "Creator": version(),
        "Title": sheet.title,
    }
    former_dpi = sheet.dpi
    sheet.dpi = 72  # so that lengths are in points
    try:
        width, height = (72 * float(inches) for inches in sheet.get_size_inches())
        svg: Any = Svg(width, height, file, metadata=metadata)  # type: ignore[no-untyped-call]
        sheet.draw(svg)
        svg.finalize()
    finally:
        sheet.dpi = former_dpi


def pixels_of(sheet: Sheet) -> Pixels:
    """The figure as (h, w, 3) uint8 at its own resolution."""
    canvas: Any = FigureCanvasAgg(sheet)
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])


def panel_pixels(name: str, sample: SampleAnalysis, drawing: Drawing, sheet: Sheet, pixels: Pixels) -> Pixels:
    """A panel alone, (h, w, 3) uint8, by its name in PANELS.

    A picture is cut from `pixels` of the figure (`pixels_of`), without its title; a chart is drawn
    again.
    """
    index = sample.task.panels.index(name)
    if PANELS[name].picture and index < len(sheet.axes):
        left, bottom, right, top = (round(value) for value in sheet.axes[index].bbox.extents)
        return np.ascontiguousarray(pixels[len(pixels) - top : len(pixels) - bottom, left:right])
    return pixels_of(draw(sample, drawing, FigureOptions(ALL[index], caption=False)))


def chart_sheet(draw: Callable[[Axes], None], inches: tuple[float, float], left: float = 0.075) -> Sheet:
    """A sheet with one chart, drawn by `draw`. left: margin left of its Axes, as a share of
    the width."""
    sheet = Sheet(inches, DPI, 9)
    low = 0.42 / inches[1]
    draw(sheet.add_axes((left, low, 0.99 - left, 1 - 0.25 / inches[1] - low)))
    return sheet


def picture_sheet(name: str, drawing: Drawing, width: float, height: float) -> Sheet:
    """A sheet with one panel that is a picture, with a scale bar. width, height: of the free space,
    in points."""
    rows, columns = drawing.shape
    scale = min(width / columns, height / rows) / 72
    sheet = Sheet((columns * scale, rows * scale), DPI, 9)
    ax = sheet.add_axes((0, 0, 1, 1))
    draw_panel(name, ax, drawing, "")
    ax.set_title("", loc="left")
    add_scale_bar(ax, drawing)
    return sheet


def as_png(pixels: Pixels, sheet: Sheet | None = None) -> bytes:
    """The pixels (h, w, 3) as a PNG file, with one channel if all are grey. sheet: gives title and
    description."""
    metadata, file = PngInfo(), io.BytesIO()
    metadata.add_text("Software", version())
    if sheet is not None:
        metadata.add_itxt("Title", sheet.title)
        metadata.add_itxt("Description", sheet.description)
    is_grey = _is_grey(pixels[::31]) and _is_grey(pixels)  # a few rows show colour at once
    picture = Image.fromarray(pixels[..., 0] if is_grey else pixels)
    picture.save(file, "PNG", dpi=(DPI, DPI), pnginfo=metadata, compress_level=COMPRESSION)
    return file.getvalue()


def _is_grey(pixels: Pixels) -> bool:
    return bool((pixels == pixels[..., :1]).all())


def _lay_out(sample: SampleAnalysis, names: list[str], shape: tuple[int, int], options: FigureOptions) -> Sheet:
    """A page with Axes for each panel, as high as the panels need.

    names: of the panels. shape: (H, W) of the analysed area. All pictures have one size; charts are
    not smaller.
    """
    letter_height = 2.0 * options.font / 72  # inches, the height of letters
    charts = [name for name in names if not PANELS[name].picture]
    height_over_width = shape[0] / shape[1]
    pictures = len(names) - len(charts)
    is_tall = height_over_width > TALL_RATIO and pictures > 1
    columns = 1 if height_over_width < WIDE_RATIO or len(names) == 1 else min(3, pictures) if is_tall else 2
    if columns == 2:
        rows = [names[start : start + 2] for start in range(0, len(names), 2)]
    else:
        picture_names = [name for name in names if name not in charts]
        rows = [
            *(picture_names[start : start + columns] for start in range(0, pictures, columns)),
            *([name] for name in charts),
        ]
    panel_width = (WIDTH - 2 * MARGIN - (columns - 1) * GAP) / columns
    panel_height = min(panel_width * height_over_width, GREATEST_PICTURE_HEIGHT)
    heights = [max(panel_height, LEAST_CHART_HEIGHT) if set(row) & set(charts) else panel_height for row in rows]
    sheet, top = _page(sample, sum(heights) + len(rows) * LINE_HEIGHT * letter_height + (len(rows) - 1) * GAP, options)
    page_height = sheet.get_figheight()
    for row, row_height in zip(rows, heights, strict=True):
        top -= LINE_HEIGHT * letter_height
        span = panel_width if len(row) > 1 or columns == 2 or row[0] not in charts else WIDTH - 2 * MARGIN
        for position, name in enumerate(row):
            left, right, bottom = (
                MARGIN + position * (panel_width + GAP),
                MARGIN + position * (panel_width + GAP) + span,
                top - row_height,
            )
            inset = 0.0
            if name in charts:
                inset = letter_height * (LABELS_LEFT if PANELS[name].has_y_labels else 0.5)
                left, bottom, right = left + inset, bottom + LABELS_BELOW * letter_height, right - letter_height
            ax = sheet.add_axes(
                (left / WIDTH, bottom / page_height, (right - left) / WIDTH, (top - bottom) / page_height)
            )
            sheet.insets[ax] = inset
        top -= row_height + GAP
    return sheet
