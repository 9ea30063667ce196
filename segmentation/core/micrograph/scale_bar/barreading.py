"""Reads the pixel size from the data bar of an image, or from a scale bar over the image (`read_bar`).

A reading is used if it is certain; otherwise it is offered to the user. Two texts that agree are certain. One text
alone is certain if it is the width of the image, or a round length of a scale bar. It must also be read equally at two
sizes, and a printed magnification must not exclude it. A row of ticks is certain only with ten steps, because
in any other row a tick may have been missed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..contrast import as_bytes
from ..drawn.panel_signs import are_apart
from ..types import Micrograph
from ..vendors.units import SQRT3, is_round, plausible_pixel
from .barlayout import layout_of
from .barline import USUAL_STEPS, Line, find_line
from .barquestion import SURE_SCORE, box_around, reading_to_ask_about
from .barresult import BarReading, SizeStatement, with_other_tick_count
from .barwords import Length, lengths, magnifications, text_without_length
from .burntin import LARGEST_PICTURE_PX, scale_bars, texts_on_picture
from .databar import first_bar_row
from .ocr import OCR_SECONDS, RecognitionTimeout, Text, texts_by_child
from .readings import CUT_OFF, LEAST_SIDE, PIXEL_SIZE_TOLERANCE

END_PX = 1.0 / SQRT3  # standard uncertainty of the length of a printed line, which is right within 1 px
LARGEST_STRIP = 1 << 23  # px of a data bar
NO_LENGTH = "The scale bar says “{}”, which is no length. Type the width of the image, or sizes stay in pixels."
SEVERAL_SCALES = "This picture has {} scale bars of different scales: {}. No scale holds for all of it."
LEAST_PICOMETRES = 5e-4  # nm: no pixel is smaller, so below this size a "p" in the unit is a misread µ
SMALLEST_DISPLAY_NM, LARGEST_DISPLAY_NM = 1e7, 2e9  # width of an image on film, screen or camera


def read_bar(micrograph: Micrograph, *, seconds: float = OCR_SECONDS) -> BarReading | None:
    """The reading of the data bar of an image, or of a scale bar over it; None if there is no reading.

    seconds: of processor time for a child process that recognises the text of a strip. If it needs more, the
    reading has no pixel size and a note.
    """
    first_row, (rows, columns), reading = first_bar_row(micrograph), micrograph.shape, None
    texts_of_bar = partial(texts_by_child, is_bar=True)
    try:
        if first_row < rows and (rows - first_row) * columns <= LARGEST_STRIP:
            reading = _checked_reading(
                as_bytes(micrograph.pixels[first_row:]), first_row, texts_of_bar, reading_of_bar, seconds
            )
        to_ask_about = reading if reading is not None and reading.is_in_question else None
        if (
            reading in (None, to_ask_about)
            and micrograph.pixels.size <= LARGEST_PICTURE_PX
            and min(rows, columns) >= LEAST_SIDE
        ):
            reading = _checked_reading(as_bytes(micrograph.pixels), 0, texts_on_picture, reading_of_picture, seconds)
            if to_ask_about is not None and (reading is None or reading.is_in_question):
                reading = to_ask_about
    except RecognitionTimeout:
        return BarReading(0.0, 0.0, "", None, None, (0, 0, 0, 0), note=CUT_OFF)
    return None if reading is None else with_other_tick_count(reading, micrograph.calibration.nm_per_pixel)


def _checked_reading(
    strip: NDArray[np.uint8],
    first_row: int,
    recognise_texts: Callable[[NDArray[np.uint8], float], list[Text]],
    read: Callable[[NDArray[np.uint8], list[Text], int], BarReading | None],
    seconds: float,
) -> BarReading | None:
    """The reading of a strip (h, w), which starts at row `first_row` of the image; None without one. It is sure only if
    the second reading of its text and the magnification agree, too. It has no pixel size if a person is asked for its
    line or its length.

    recognise_texts(strip, seconds): the texts on the strip. read(strip, texts, first_row): the reading."""
    texts = recognise_texts(strip, seconds)
    reading = read(strip, texts, first_row)
    if reading is None:
        text = text_without_length(texts)
        if text:
            return BarReading(0.0, 0.0, text, None, None, (0, 0, 0, 0), note=NO_LENGTH.format(text))
        return reading_to_ask_about(strip, texts, first_row)
    if not reading.sure:
        return reading
    is_confirmed = len(reading.ways) > 1 or _second_reading_agrees(texts, reading.text)
    # A magnification refers to the image on film, screen or camera, which has a width between these limits.
    widths_nm = (reading.nm_per_pixel * strip.shape[1] * zoom for zoom in magnifications(texts))
    return replace(
        reading, sure=is_confirmed and all(SMALLEST_DISPLAY_NM <= nm <= LARGEST_DISPLAY_NM for nm in widths_nm)
    )


def _second_reading_agrees(texts: list[Text], text: str) -> bool:
    """Whether the second reading of `text` gave the same length as the first."""
    length = next((length for length in lengths(texts) if length.text == text), None)
    if length is None:
        return False
    second = replace(length.part, text=length.part.second_reading, second_reading="")
    parts = [replace(second, text=part) for part in second.text.split("|")]
    return length.nm in [second_length.nm for part in parts for second_length in lengths([part])]


def decisive_text(strip: NDArray[np.uint8], texts: Sequence[Text]) -> int | None:
    """The index of the text on a strip (h, w) whose second reading decides whether the reading of the bar is sure.

    None if no second reading is needed, because the reading is not sure anyway, or because two statements agree.
    """
    # The field `second_reading` is used here for the index of the text, because parts of a text keep this field.
    numbered = [replace(text, second_reading=str(number)) for number, text in enumerate(texts)]
    reading = reading_of_bar(strip, numbered)
    if reading is None or not reading.sure or len(reading.ways) > 1:
        return None
    number = next((length.part.second_reading for length in lengths(numbered) if length.text == reading.text), "")
    return int(number) if number else None


def reading_of_picture(picture: NDArray[np.uint8], texts: list[Text], first_row: int = 0) -> BarReading | None:
    """The reading of a picture (H, W) over which scale bars are drawn; it is sure only if all of them agree."""
    drawn_bars = [(_as_printed(length, line.length), line) for length, line in scale_bars(picture, texts)]
    statements = [
        SizeStatement(length.nm / line.length, END_PX / line.length, length.text) for length, line in drawn_bars
    ]
    if not statements or not plausible_pixel(statements[0].nm_per_pixel):
        return None
    length, line = max(drawn_bars, key=lambda bar: bar[1].length)
    # A length in mm among other words is no second scale bar: Hitachi prints the working distance like that.
    bars = [
        length
        for length in lengths(texts)
        if length.meaning == "scale bar" and not (length.is_doubtful and length.nm >= 1e6)
    ]
    has_others = len(bars) > len(drawn_bars)
    all_agree = all(_is_same_length(way.nm_per_pixel, statements[0].nm_per_pixel) for way in statements)
    if not all_agree and are_apart([line for _, line in drawn_bars]):
        scales = ", ".join(f"“{way.text}” gives {way.nm_per_pixel:.4g} nm/px" for way in statements)
        return BarReading(0.0, 0.0, "", None, None, (0, 0, 0, 0), note=SEVERAL_SCALES.format(len(statements), scales))
    nm_per_pixel = length.nm / line.length
    return BarReading(
        nm_per_pixel=nm_per_pixel,
        relative_uncertainty=END_PX / line.length,
        text=length.text,
        length_nm=length.nm,
        length_px=round(line.length, 2),
        box=box_around(
            [length.part, Text("", line.left, line.top, line.right, line.bottom + 1, 1.0)], picture.shape, first_row
        ),
        ways={"scale bar": SizeStatement(nm_per_pixel, END_PX / line.length, length.text)},
        texts=tuple(text.text for text in texts),
        confidence=round(0.8 * length.part.score if all_agree else 0.4 * length.part.score, 3),
        sure=all_agree
        and not has_others
        and not any(length.is_doubtful for length, _ in drawn_bars)
        and length.part.score >= SURE_SCORE
        and is_round(length.nm)
        and all(line.is_alone for _, line in drawn_bars),
        steps=line.steps,
        ends=_ends(line, first_row),
    )


def reading_of_bar(strip: NDArray[np.uint8], texts: list[Text], first_row: int = 0) -> BarReading | None:
    """The reading of a data bar (h, w), which begins at row `first_row` of its image, from the texts on it."""
    printed, columns = lengths(texts), {"width": strip.shape[1], "pixel size": 1}  # px that these lengths span
    stated: dict[str, Length] = {}  # by the name of the statement
    for length in printed:
        if length.meaning in columns:  # these need no line
            stated.setdefault(length.meaning, _as_printed(length, columns[length.meaning]))
    statements = {
        name: SizeStatement(length.nm / columns[name], length.rounding, length.text) for name, length in stated.items()
    }
    scale = _scale_bar(strip, texts, [length for length in printed if length.meaning == "scale bar"], statements)
    boxes: list[Text] = []
    if scale is not None:
        length, line = scale = _as_printed(scale[0], scale[1].length), scale[1]
        stated["scale bar"] = length
        statements["scale bar"] = SizeStatement(length.nm / line.length, END_PX / line.length, length.text)
        boxes = [length.part, Text("", line.left, line.top, line.right, line.bottom + 1, 1.0)]
    statements = {name: way for name, way in statements.items() if plausible_pixel(way.nm_per_pixel)}
    if not statements:
        return None
    agreeing, confidence = _agreeing_statements(
        statements, {name: length.part.score for name, length in stated.items()}
    )
    best = min(agreeing, key=lambda name: statements[name].relative_uncertainty)
    return BarReading(
        nm_per_pixel=statements[best].nm_per_pixel,
        relative_uncertainty=statements[best].relative_uncertainty,
        text=statements[best].text,
        length_nm=scale[0].nm if scale else None,
        length_px=round(scale[1].length, 2) if scale else None,
        box=box_around([stated[best].part, *boxes], strip.shape, first_row),
        ways=statements,
        texts=tuple(text.text for text in texts),
        confidence=round(confidence, 3),
        sure=_may_be_sure(agreeing, statements, stated, scale) and not _is_contradicted(strip, texts, printed, stated),
        steps=scale[1].steps if scale and best == "scale bar" else 0,
        layout=layout_of(strip, texts, scale[1] if scale else None, first_row),
        ends=_ends(scale[1], first_row) if scale else None,
    )


def _may_be_sure(
    agreeing: list[str],
    statements: dict[str, SizeStatement],
    stated: dict[str, Length],
    scale: tuple[Length, Line] | None,
) -> bool:
    """Whether the reading is certain, as far as the lengths tell. agreeing: names of the statements that agree."""
    if all(stated[name].is_doubtful for name in agreeing):
        return False
    if len(agreeing) > 1:
        return not set(statements) - {*agreeing, "pixel size"}
    name = agreeing[0]
    if len(statements) > 1 or name == "pixel size" or stated[name].part.score < SURE_SCORE:
        return False
    return name == "width" or bool(scale and is_round(scale[0].nm) and scale[1].steps in (0, USUAL_STEPS))


def _as_printed(length: Length, pixels: float) -> Length:
    """The length, of so many pixels, in pm if it was read with a "p" that is no misread µ; such a length is
    doubtful."""
    is_in_pm = length.has_p and length.nm * 1e-6 / pixels >= LEAST_PICOMETRES
    return replace(length, nm=length.nm * 1e-6, is_doubtful=True) if is_in_pm else length


def _is_contradicted(
    strip: NDArray[np.uint8], texts: list[Text], sizes: list[Length], stated: dict[str, Length]
) -> bool:
    """Whether the bar has a second width or scale bar that differs, as below two images side by side."""
    if any(size.meaning == "width" and not _is_same_length(size.nm, stated["width"].nm) for size in sizes):
        return True
    bars = [size for size in sizes if size.meaning == "scale bar" and not size.is_doubtful and is_round(size.nm)]
    drawn_bars = [(length.nm, line) for length in bars if (line := find_line(strip, length.part, texts)) is not None]
    return any(
        line.left > other.right or other.left > line.right
        for index, (nm, line) in enumerate(drawn_bars)
        for other_nm, other in drawn_bars[:index]
        if not _is_same_length(nm / line.length, other_nm / other.length)
    )


def _scale_bar(
    strip: NDArray[np.uint8], texts: list[Text], printed: list[Length], statements: dict[str, SizeStatement]
) -> tuple[Length, Line] | None:
    """(length, line) of the scale bar; None without one. Of several bars the one is taken that agrees with the other
    statements, else one with a round length, else the one whose text and line are nearest."""
    is_only_length = sum(not length.is_doubtful and is_round(length.nm) for length in printed) == 1
    candidates = [
        (length, line)
        for length in printed
        if (line := find_line(strip, length.part, texts, is_only_length=is_only_length and not length.is_doubtful))
        is not None
    ]
    if not candidates:
        return None

    def rank(candidate: tuple[Length, Line]) -> tuple[bool, bool, float]:
        length, line = candidate
        sizes = [way.nm_per_pixel for way in statements.values()]
        agrees = any(_is_same_length(length.nm / line.length, other) for other in sizes)
        return (bool(sizes) and not agrees, not is_round(length.nm), line.distance)

    return min(candidates, key=rank)


def _is_same_length(one: float, other: float) -> bool:
    return abs(one / other - 1) <= PIXEL_SIZE_TOLERANCE


def _agreeing_statements(statements: dict[str, SizeStatement], score: dict[str, float]) -> tuple[list[str], float]:
    """(names of the statements that agree, or of the best one if none agree; confidence).

    A printed pixel size is the last choice: it may be that of a screen, and is wrong after an image was resized.
    """
    groups = [
        [n for n in statements if _is_same_length(statements[n].nm_per_pixel, statements[name].nm_per_pixel)]
        for name in statements
    ]
    largest = max(groups, key=len)
    if len(largest) > 1:
        return largest, float(np.mean([score[name] for name in largest]))
    best = next(name for name in ("scale bar", "width", "pixel size") if name in statements)
    return [best], 0.4 * score[best] if len(statements) > 1 else 0.8 * score[best]


def _ends(line: Line, first_row: int) -> tuple[float, float, float, float]:
    """x and y of both ends of a line on a strip that begins at row `first_row` of its image, in px of the image."""
    y = first_row + (line.top + line.bottom + 1) / 2
    return line.left, y, line.right, y
