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
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ..flags import warned
from ..sample import SampleAnalysis
from .charts import INK, WARNED, Distribution, Sheet, draw_histogram
from .facts import main_settings, model_words
from .fonts import writable
from .images import draw_by_image, draw_multiples, draw_numbers, own_intervals
from .lengths import in_readable_unit
from .looks import ALL, Look
from .method import left_out_words
from .panels import PANELS, Drawing, add_scale_bar, draw_panel
from .summary import Summary
from .wording import agreement_words, calibration_words, corrected_images_words, one_line, uncapital, version

Format = Literal["png", "svg", "pdf"]
Pixels = NDArray[np.uint8]
DPI, IN_VECTORS = 360, 240  # the latter of pictures among lines and text
COMPRESSION = 2  # of zlib-ng, which Pillow has: a third of the time of its 6, and smaller figures
WIDTH = 170 / 25.4  # inches, two columns of a journal: in one column everything has half its size
OF_SAMPLE = (12.0, 9.0)
MARGIN, GAP = 0.03, 0.16  # inches
TALLEST = 5.0
LEAST_CHART = 2.0
WIDE, TALL = 0.45, 1.5  # heights of a picture over its width
# Without a salt the ids in an SVG differ from run to run. Fonts of type 42 can be edited in a PDF.
matplotlib.rcParams |= {"svg.hashsalt": "DeepSegm", "pdf.fonttype": 42}


def draw(sample: SampleAnalysis, drawing: Drawing | None = None, look: Look | None = None) -> Sheet:
    """The figure. drawing: of a sample of one, if it is there. look: of a sample of one."""
    look = look or Look()
    if sample.analysis is None:
        return _of_sample(sample)
    drawing = drawing or Drawing.of(sample)
    first = "A" if drawing.analysis.refused else look.panels  # the image alone
    names = [name for letter, name in zip(ALL, sample.task.panels, strict=True) if letter in first]
    sheet = _lay_out(sample, names, drawing.shape, look)
    for position, (ax, name) in enumerate(zip(sheet.axes, names, strict=True)):
        draw_panel(name, ax, drawing, f"{ALL[position]}  " if len(names) > 1 else "")
    if PANELS[names[0]].picture:
        add_scale_bar(sheet.axes[0], drawing)
    return sheet


def _of_sample(sample: SampleAnalysis) -> Sheet:
    sheet = _with_facts(Sheet(OF_SAMPLE, 200 * DPI / 360, 9.0), sample)
    _text(sheet, 0.035, 0.974, one_line(sample.name), fontsize=13, fontweight="bold", color=INK)
    _text(sheet, 0.985, 0.02, version(), ha="right", fontsize=8, color=INK)
    for warning in warned(sample.flags):
        _text(sheet, 0.035, 0.929, warning, fontsize=9, fontweight="bold", color=WARNED)
    agreement = uncapital(agreement_words(sample.between).removesuffix("."))
    note = sample.interval_note.removesuffix(".")
    sentences = [sample.extent, left_out_words(sample), corrected_images_words(sample.corrected), agreement, note]
    _text(sheet, 0.035, 0.948, "; ".join(sentence for sentence in sentences if sentence), fontsize=9.5, color=INK)
    if sample.counted:  # else the warning says that there are no numbers
        draw_sample = _draw_images if sample.task.screened else _draw_numbers
        draw_sample(sheet, in_readable_unit(sample))
    return sheet


def _with_facts(sheet: Sheet, sample: SampleAnalysis) -> Sheet:
    """With the facts that stand in the file and not in the picture."""
    sheet.title = one_line(sample.name)
    settings = "; ".join(f"{name} {value}" for name, value in main_settings(sample).items())
    size = "" if sample.analysis is None else f"{calibration_words(sample.analysis.calibration)}. "
    sheet.about = f"{sheet.title}. {size}Model {model_words(sample.members[0].record.card)}; {settings}"
    return sheet


def caption_of(sample: SampleAnalysis, letters: int) -> str:
    """One line: what it shows, then the main numbers with their interval, as far as they have room."""
    summary = Summary.of(sample)
    name = one_line(sample.name, max(12, letters // 3))
    if summary.screened:
        numbers = [f"{summary.kept:,} {summary.things if summary.kept != 1 else summary.thing}"]
        numbers += [f"{uncapital(entry.term)} {entry.words}" for entry in summary.headlines if entry.interval]
    else:
        numbers = [f"{uncapital(entry.term)} {entry.words}" for entry in summary.leading]
    line = name
    for index, number in enumerate(numbers):
        longer = f"{line}{', ' if index else ': '}{number}"
        if len(longer) > letters:
            break
        line = longer
    return line


def _draw_numbers(figure: Sheet, sample: SampleAnalysis) -> None:
    """The numbers of all images together and, where there is one, their size distribution; each image below."""
    distribution = Distribution.of(sample)
    if distribution is not None:
        draw_histogram(figure.add_axes((0.57, 0.66, 0.415, 0.225)), distribution, "B  ")
    ends = "" if sample.interval_note else ", 95 % intervals in brackets"
    _text(figure, 0.035, 0.91, f"A  All images together{ends}", fontsize=9, color=INK)
    below = "B" if distribution is None else "C"
    is_shaded = any(sample.quantities[name].low is not None for name in sample.headline_quantities)
    own = "".join(own_intervals(sample, name) for name in sample.headline_quantities[:1])
    line = f"{below}  Each image{own}; dashed{' and shaded' * is_shaded}: all together"
    _text(figure, 0.035, 0.55, line, fontsize=9, color=INK)
    _text(figure, 0.985, 0.53, Summary.of(sample).shared_errors, ha="right", fontsize=7, color=INK)
    draw_numbers(figure, sample, 2 if distribution is None else 1)


def _draw_images(figure: Sheet, sample: SampleAnalysis) -> None:
    """A the pooled sizes, B the medians of the images, below the histograms of the images."""
    distribution = Distribution.of(sample)
    if distribution is not None:
        draw_histogram(figure.add_axes((0.07, 0.59, 0.42, 0.3)), distribution, "A  ")
    medians = figure.add_axes((0.66, 0.59, 0.325, 0.3))
    draw_by_image(medians, sample, "median")
    medians.set_title("B  Median of each image; dashed: all together", loc="left", fontsize=9, pad=4)
    _text(figure, 0.985, 0.525, Summary.of(sample).shared_errors, ha="right", fontsize=7, color=INK)
    _text(figure, 0.035, 0.505, draw_multiples(figure, sample), fontsize=9, color=INK)


def write(sheet: Sheet, file: Path | BinaryIO, format: Format = "png") -> None:
    """Write a drawn figure; the same figure gives the same bytes (no dates are written)."""
    facts = {"Creator": version(), "Title": sheet.title}
    if format == "png":
        data = as_png(rendered(sheet), sheet)
        _ = file.write_bytes(data) if isinstance(file, Path) else file.write(data)
    elif format == "svg":
        sheet.savefig(file, format="svg", dpi=IN_VECTORS, metadata={"Date": None, "Description": sheet.about, **facts})
    else:
        sheet.savefig(
            file, format="pdf", dpi=IN_VECTORS, metadata={"CreationDate": None, "Subject": sheet.about, **facts}
        )


def rendered(sheet: Sheet) -> Pixels:
    """The figure as (h, w, 3) uint8 at its own resolution."""
    canvas: Any = FigureCanvasAgg(sheet)
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])


def panel(name: str, sample: SampleAnalysis, drawing: Drawing, sheet: Sheet, pixels: Pixels) -> Pixels:
    """A panel alone, by its name in PANELS: a picture, without its title, is cut from `pixels` (`rendered`)."""
    index = sample.task.panels.index(name)
    if PANELS[name].picture and index < len(sheet.axes):
        left, bottom, right, top = (round(value) for value in sheet.axes[index].bbox.extents)
        return np.ascontiguousarray(pixels[len(pixels) - top : len(pixels) - bottom, left:right])
    return rendered(draw(sample, drawing, Look(ALL[index], caption=False)))


def drawn_alone(draw: Callable[[Axes], None], inches: tuple[float, float]) -> Sheet:
    """One chart."""
    sheet = Sheet(inches, DPI)
    low = 0.42 / inches[1]
    draw(sheet.add_axes((0.06, low, 0.93, 1 - 0.25 / inches[1] - low)))
    return sheet


def as_png(pixels: Pixels, sheet: Sheet | None = None) -> bytes:
    """A PNG of the pixels, with one channel where there is no colour."""
    facts, file = PngInfo(), io.BytesIO()
    facts.add_text("Software", version())
    if sheet is not None:
        facts.add_itxt("Title", sheet.title)
        facts.add_itxt("Description", sheet.about)
    grey = _is_grey(pixels[::31]) and _is_grey(pixels)
    picture = Image.fromarray(pixels[..., 0] if grey else pixels)
    picture.save(file, "PNG", dpi=(DPI, DPI), pnginfo=facts, compress_level=COMPRESSION)
    return file.getvalue()


def _is_grey(pixels: Pixels) -> bool:
    return bool((pixels == pixels[..., :1]).all())


def _lay_out(sample: SampleAnalysis, names: list[str], shape: tuple[int, int], look: Look) -> Sheet:
    """A page as high as its panels need, with Axes for each: pictures of one size, charts as large as these."""
    font = 2.0 * look.font
    line = 1.35 * font / 72
    charts = [name for name in names if not PANELS[name].picture]
    flat = shape[0] / shape[1]
    pictures = len(names) - len(charts)
    columns = 1 if flat < WIDE or len(names) == 1 else min(3, pictures) if flat > TALL and pictures > 1 else 2
    if columns == 2:
        rows = [names[at : at + 2] for at in range(0, len(names), 2)]
    else:
        first = [name for name in names if name not in charts]
        rows = [*(first[at : at + columns] for at in range(0, pictures, columns)), *([name] for name in charts)]
    wide = (WIDTH - 2 * MARGIN - (columns - 1) * GAP) / columns
    high = min(wide * flat, TALLEST)
    heights = [max(high, LEAST_CHART) if set(row) & set(charts) else high for row in rows]
    warning, below = warned(sample.flags) if look.caption else [], (line + GAP / 2) * look.caption
    page = sum(heights) + len(rows) * line + (len(rows) - 1) * GAP + below + line * len(warning) + 2 * MARGIN
    sheet = _with_facts(Sheet((WIDTH, page), DPI, font, look.grey), sample)
    letters = sheet.letters(WIDTH - 2 * MARGIN)
    top = page - MARGIN
    for words in warning:
        at = 1 - (MARGIN + line / 2) / page
        size = font * min(1.0, 0.88 * letters / len(words))  # bold letters are broader
        _text(sheet, MARGIN / WIDTH, at, words, fontsize=size, fontweight="bold", color=sheet.colour(WARNED))
        top -= line
    inset, foot = 3.6 * font / 72, 2.7 * font / 72  # of a chart, for its marks and their names
    for row, tall in zip(rows, heights, strict=True):
        top -= line
        span = wide if len(row) > 1 or columns == 2 or row[0] not in charts else WIDTH - 2 * MARGIN
        for position, name in enumerate(row):
            left, right, bottom = MARGIN + position * (wide + GAP), MARGIN + position * (wide + GAP) + span, top - tall
            is_chart = name in charts
            if is_chart:
                left, bottom, right = left + inset, bottom + foot, right - font / 72
            ax = sheet.add_axes((left / WIDTH, bottom / page, (right - left) / WIDTH, (top - bottom) / page))
            sheet.insets[ax] = inset * is_chart
        top -= tall + GAP
    if look.caption:
        _text(
            sheet,
            MARGIN / WIDTH,
            (MARGIN + line / 2) / page,
            caption_of(sample, letters),
            fontsize=font,
            color=sheet.colour(INK),
        )
    return sheet


def _text(figure: Sheet, x: float, y: float, words: str, **style: Any) -> None:
    """Text as it is: never read as mathematics, and without characters that the font lacks."""
    text = figure.text(x, y, writable(words), va="center", **style)
    text.set_parse_math(False)
