"""The pixel size that is printed in a data bar or drawn over the image: it is used if it is certain, else offered.

Two texts that agree are certain. One text alone is certain if it belongs to a scale bar of a round length or is the
image's width, if it is read alike at two sizes, and if the printed magnification, if there is one, does not exclude it.
A row of ticks is certain only with ten steps, because in any other row a tick may have been missed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from .barlayout import layout_of
from .barline import TEN, Line, find_line
from .barresult import BarReading, Way, with_other_tick_count
from .barwords import Length, lengths, magnifications, text_without_length
from .burntin import LARGEST, scale_bars, texts_over
from .contrast import as_bytes
from .databar import data_bar
from .ocr import SECONDS, CutOff, Text, texts_by_child
from .readings import CUT_OFF, LEAST_SIDE, SAME
from .types import Micrograph
from .vendors.units import SQRT3, plausible_pixel

END_PX = 1.0 / SQRT3  # standard uncertainty of a printed line's length that is right within 1 px
MARGIN = 4
LARGEST_STRIP = 1 << 23  # px
NO_LENGTH = "The scale bar says “{}”, which is no length. Type the width of the image, or sizes stay in pixels."
SURE_SCORE = 0.8  # of a text
LEAST_PICOMETRES = 5e-4  # nm: no microscope's pixel is smaller, so that a "p" is a misread µ
SMALLEST_DISPLAY_NM, LARGEST_DISPLAY_NM = 1e7, 2e9


def read_bar(micrograph: Micrograph, *, seconds: float = SECONDS) -> BarReading | None:
    """The pixel size from the data bar of an image or from a scale bar over it; None if nothing is read.

    seconds: of processor time, for recognising the text of each strip in child processes. If it is cut off there, the
    note says so. Only an image without pixels makes it fail.
    """
    first_row, (rows, columns), reading = data_bar(micrograph), micrograph.shape, None
    texts_of_bar = partial(texts_by_child, is_bar=True)
    try:
        if first_row < rows and (rows - first_row) * columns <= LARGEST_STRIP:
            reading = _checked_reading(
                as_bytes(micrograph.pixels[first_row:]), first_row, texts_of_bar, reading_of, seconds
            )
        if reading is None and micrograph.pixels.size <= LARGEST and min(rows, columns) >= LEAST_SIDE:
            reading = _checked_reading(as_bytes(micrograph.pixels), 0, texts_over, reading_over, seconds)
    except CutOff:
        return BarReading(0.0, 0.0, "", None, None, (0, 0, 0, 0), note=CUT_OFF)
    return None if reading is None else with_other_tick_count(reading, micrograph.calibration.nm_per_pixel)


def _checked_reading(
    strip: NDArray[np.uint8],
    first_row: int,
    recognise_texts: Callable[[NDArray[np.uint8], float], list[Text]],
    read: Callable[[NDArray[np.uint8], list[Text], int], BarReading | None],
    seconds: float,
) -> BarReading | None:
    """The reading of a strip, checked by a second reading of its text and by the magnification."""
    texts = recognise_texts(strip, seconds)
    reading = read(strip, texts, first_row)
    if reading is None:
        odd = text_without_length(texts)
        return BarReading(0.0, 0.0, odd, None, None, (0, 0, 0, 0), note=NO_LENGTH.format(odd)) if odd else None
    if not reading.sure:
        return reading
    is_firm = len(reading.ways) > 1 or _read_alike(texts, reading.text)
    # Magnifications are stated for films, screens and cameras: no image is shown wider or smaller than these.
    widths_nm = (reading.nm_per_pixel * strip.shape[1] * zoom for zoom in magnifications(texts))
    return replace(reading, sure=is_firm and all(SMALLEST_DISPLAY_NM <= nm <= LARGEST_DISPLAY_NM for nm in widths_nm))


def _read_alike(texts: list[Text], text: str) -> bool:
    """Whether the text that counts gave the same length when it was read again."""
    length = next((length for length in lengths(texts) if length.text == text), None)
    if length is None:
        return False
    again = replace(length.part, text=length.part.again, again="")
    return length.nm in [length.nm for part in again.text.split("|") for length in lengths([replace(again, text=part)])]


def decisive_text(strip: NDArray[np.uint8], texts: Sequence[Text]) -> int | None:
    """The place among the texts of a strip (h, w) of the one whose second reading decides whether the reading is sure.

    None where no second reading matters: the reading is not sure, or two ways agree.
    """
    numbered = [replace(text, again=str(number)) for number, text in enumerate(texts)]
    reading = reading_of(strip, numbered)
    if reading is None or not reading.sure or len(reading.ways) > 1:
        return None
    number = next((length.part.again for length in lengths(numbered) if length.text == reading.text), "")
    return int(number) if number else None


def reading_over(picture: NDArray[np.uint8], texts: list[Text], first_row: int = 0) -> BarReading | None:
    """The reading of a picture (H, W) over which scale bars are drawn, sure only where all of them say the same."""
    drawn = scale_bars(picture, texts)
    ways = [Way(length.nm / line.length, END_PX / line.length, length.text) for length, line in drawn]
    if not ways or not plausible_pixel(ways[0].nm_per_pixel):
        return None
    length, line = max(drawn, key=lambda bar: bar[1].length)
    # A distance in mm among other words, as Hitachi prints the working distance, is no second bar.
    bars = [
        length
        for length in lengths(texts)
        if length.meaning == "scale bar" and not (length.is_doubtful and length.nm >= 1e6)
    ]
    has_others = len(bars) > len(drawn)
    is_alike = all(_is_same_length(way.nm_per_pixel, ways[0].nm_per_pixel) for way in ways)
    nm_per_pixel = length.nm / line.length
    return BarReading(
        nm_per_pixel=nm_per_pixel,
        relative_uncertainty=END_PX / line.length,
        text=length.text,
        length_nm=length.nm,
        length_px=round(line.length, 2),
        box=_box_around(
            [length.part, Text("", line.left, line.top, line.right, line.bottom + 1, 1.0)], picture.shape, first_row
        ),
        ways={"scale bar": Way(nm_per_pixel, END_PX / line.length, length.text)},
        texts=tuple(text.text for text in texts),
        confidence=round(0.8 * length.part.score if is_alike else 0.4 * length.part.score, 3),
        sure=is_alike
        and not has_others
        and not any(length.is_doubtful or _may_be_picometres(length, nm_per_pixel) for length, _ in drawn)
        and length.part.score >= SURE_SCORE
        and _is_round(length.nm),
        steps=line.steps,
    )


def reading_of(strip: NDArray[np.uint8], texts: list[Text], first_row: int = 0) -> BarReading | None:
    """The reading of a strip (h, w) that begins at row `first_row` of its image, from the texts found on it."""
    printed = lengths(texts)
    stated: dict[str, Length] = {}
    for length in printed:
        if length.meaning in ("width", "pixel size"):  # lengths that need no line
            stated.setdefault(length.meaning, length)
    columns = {"width": strip.shape[1], "pixel size": 1}
    ways = {name: Way(length.nm / columns[name], length.rounding, length.text) for name, length in stated.items()}
    scale = _scale_bar(strip, texts, [length for length in printed if length.meaning == "scale bar"], ways)
    boxes: list[Text] = []
    if scale is not None:
        length, line = scale
        stated["scale bar"] = length
        ways["scale bar"] = Way(length.nm / line.length, END_PX / line.length, length.text)
        boxes = [length.part, Text("", line.left, line.top, line.right, line.bottom + 1, 1.0)]
    ways = {name: way for name, way in ways.items() if plausible_pixel(way.nm_per_pixel)}
    if not ways:
        return None
    agreeing, confidence = _agreeing(ways, {name: length.part.score for name, length in stated.items()})
    best = min(agreeing, key=lambda name: ways[name].relative_uncertainty)
    return BarReading(
        nm_per_pixel=ways[best].nm_per_pixel,
        relative_uncertainty=ways[best].relative_uncertainty,
        text=ways[best].text,
        length_nm=scale[0].nm if scale else None,
        length_px=round(scale[1].length, 2) if scale else None,
        box=_box_around([stated[best].part, *boxes], strip.shape, first_row),
        ways=ways,
        texts=tuple(text.text for text in texts),
        confidence=round(confidence, 3),
        sure=_may_be_sure(agreeing, ways, stated, scale) and not _is_contradicted(strip, texts, printed, stated),
        steps=scale[1].steps if scale and best == "scale bar" else 0,
        layout=layout_of(strip, texts, scale[1] if scale else None, first_row),
    )


def _may_be_sure(
    agreeing: list[str], ways: dict[str, Way], stated: dict[str, Length], scale: tuple[Length, Line] | None
) -> bool:
    """Whether no printed text speaks against the reading."""
    if all(stated[name].is_doubtful or _may_be_picometres(stated[name], ways[name].nm_per_pixel) for name in agreeing):
        return False
    if len(agreeing) > 1:
        return not set(ways) - {*agreeing, "pixel size"}
    name = agreeing[0]
    if len(ways) > 1 or name == "pixel size" or stated[name].part.score < SURE_SCORE:
        return False
    return name == "width" or bool(scale and _is_round(scale[0].nm) and scale[1].steps in (0, TEN))


def _may_be_picometres(length: Length, nm_per_pixel: float) -> bool:
    """Whether a length that was taken for micrometres may be one in picometres. nm_per_pixel: that it gives."""
    return length.has_p and nm_per_pixel * 1e-6 >= LEAST_PICOMETRES


def _is_contradicted(
    strip: NDArray[np.uint8], texts: list[Text], sizes: list[Length], stated: dict[str, Length]
) -> bool:
    """Whether another width is printed, or another scale bar drawn, as below two images side by side."""
    if any(size.meaning == "width" and not _is_same_length(size.nm, stated["width"].nm) for size in sizes):
        return True
    bars = [size for size in sizes if size.meaning == "scale bar" and not size.is_doubtful and _is_round(size.nm)]
    drawn = [(length.nm, line) for length in bars if (line := find_line(strip, length.part, texts)) is not None]
    return any(
        line.left > other.right or other.left > line.right
        for index, (nm, line) in enumerate(drawn)
        for other_nm, other in drawn[:index]
        if not _is_same_length(nm / line.length, other_nm / other.length)
    )


def _scale_bar(
    strip: NDArray[np.uint8], texts: list[Text], printed: list[Length], ways: dict[str, Way]
) -> tuple[Length, Line] | None:
    """The text and the line of the scale bar that fit best: to the other texts, to a round number, to each other."""
    alone = sum(not length.is_doubtful and _is_round(length.nm) for length in printed) == 1
    candidates = [
        (length, line)
        for length in printed
        if (line := find_line(strip, length.part, texts, alone=alone and not length.is_doubtful)) is not None
    ]
    if not candidates:
        return None

    def doubt(candidate: tuple[Length, Line]) -> tuple[bool, bool, float]:
        length, line = candidate
        sizes = [way.nm_per_pixel for way in ways.values()]
        agrees = any(_is_same_length(length.nm / line.length, other) for other in sizes)
        return (bool(sizes) and not agrees, not _is_round(length.nm), line.far)

    return min(candidates, key=doubt)


def _is_same_length(one: float, other: float) -> bool:
    return abs(one / other - 1) <= SAME


def _is_round(nm: float) -> bool:
    """Whether a length is one that scale bars have: 1 to 10 times a power of ten, or 2.5 or 7.5 times."""
    mantissa = nm / 10 ** math.floor(math.log10(nm) + 1e-9)
    return any(abs(mantissa / usual - 1) < 1e-6 for usual in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 7.5, 8, 9, 10))


def _agreeing(ways: dict[str, Way], score: dict[str, float]) -> tuple[list[str], float]:
    """The names of the ways that agree, and the confidence; the scale bar if all contradict each other.

    A printed pixel size may be that of a screen and does not change when an image is resized: it only confirms.
    """
    groups = [[n for n in ways if _is_same_length(ways[n].nm_per_pixel, ways[name].nm_per_pixel)] for name in ways]
    largest = max(groups, key=len)
    if len(largest) > 1:
        return largest, float(np.mean([score[name] for name in largest]))
    best = next(name for name in ("scale bar", "width", "pixel size") if name in ways)
    return [best], 0.4 * score[best] if len(ways) > 1 else 0.8 * score[best]


def _box_around(boxes: list[Text], shape: tuple[int, ...], first_row: int) -> tuple[int, int, int, int]:
    """x, y, width, height in the image of boxes on the strip, with a margin."""
    rows, columns = shape
    left = max(0, int(min(box.left for box in boxes)) - MARGIN)
    top = max(0, int(min(box.top for box in boxes)) - MARGIN)
    right = min(columns, math.ceil(max(box.right for box in boxes)) + MARGIN)
    bottom = min(rows, math.ceil(max(box.bottom for box in boxes)) + MARGIN)
    return left, first_row + top, max(1, right - left), max(1, bottom - top)
