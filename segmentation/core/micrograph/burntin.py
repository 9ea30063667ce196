"""Finds scale bars that are drawn over the image itself, as by journals and cameras: their texts and their lines.

The background of a data bar has one grey, that of the image has not. So a line is taken only if it has the grey of its
text and straight edges and ends, ends inside the image, and lies right above, below or beside its text. A row of ticks
is taken only if it has the ten steps that Hitachi draws, because some ticks may be invisible on a bright background.

"Ink" are pixels with nearly the grey of the letters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .barline import USUAL_STEPS, Line, Mask, distance_to_text, measured_ends, stacked_runs, tick_rows
from .barwords import Length, lengths
from .letters import Place, places_of_writing
from .ocr import Text, texts_by_child

LARGEST_PICTURE_PX = 1 << 26  # px of an image in which scale bars are searched
DETECTOR_SIDE_PX = 2048  # longest side of the picture in which the detector searches text
MOST_PLACES, GUTTER_PX = 6, 12  # places in which text is searched once more; px between them
# Grey levels by which a line may differ from the letters of its text, in a first and in a second search.
INK_LEVELS, CLOSE_INK_LEVELS = 40, 16
EDGE_PX = 2  # px from the edge of the image: a line that reaches it may be incomplete
LEVELS = (98, 2)  # percentiles of the greys in a text's box: bright letters, dark letters
FARTHEST = 1.6  # between the text and its line, in heights of the text
THICKEST = 0.9  # thickness of the line, in heights of the text
HALO = 0.3  # heights of the text: widest frame of another grey around a line
LEAST_RATIO = 2.5  # of length to thickness of a line
LONGEST_SHARE, SHORTEST_SHARE = 0.7, 0.02  # length of a line as a share of the image's width
MOST_BEYOND = 0.35  # largest share of ink just outside the long edges of a line
WITHOUT_SIGNS = re.compile(r"[^\w]{0,3}(.+?)[^\w]{0,3}")


def texts_on_picture(picture: NDArray[np.uint8], seconds: float, places: Sequence[Place] | None = None) -> list[Text]:
    """The texts on a picture (H, W), their boxes in its pixels.

    places: where letters may be (`letters.places_of_writing`), if they are known already. Places in which the detector
    found no text are searched again, because it misses small text on a large picture. Raises RecognitionTimeout.
    """
    factor = max(1.0, max(picture.shape) / DETECTOR_SIDE_PX)
    if factor == 1.0:
        texts = texts_by_child(picture, seconds)
    else:
        rows, columns = picture.shape
        size = round(columns / factor), round(rows / factor)
        small = Image.fromarray(picture).resize(size, Image.Resampling.BOX)
        texts = [text.enlarged(factor) for text in texts_by_child(np.asarray(small), seconds)]
    missed = [
        place for place in (places_of_writing(picture) if places is None else places) if not _has_text(place, texts)
    ]
    return [*texts, *_texts_in(picture, missed, seconds)] if missed else texts


def _has_text(place: Place, texts: Sequence[Text]) -> bool:
    """Whether the middle of a text lies in a place."""
    left, top, right, bottom = place
    return any(
        left <= (text.left + text.right) / 2 <= right and top <= (text.top + text.bottom) / 2 <= bottom
        for text in texts
    )


def _texts_in(picture: NDArray[np.uint8], places: Sequence[Place], seconds: float) -> list[Text]:
    """The texts in some places of a picture. The detector gets all places as one picture, one below the other."""
    largest = sorted(places, key=lambda place: (place[0] - place[2]) * (place[3] - place[1]))[:MOST_PLACES]
    wide = max(right - left for left, _, right, _ in largest)
    parts, tops, height = [], [], 0
    for left, top, right, bottom in largest:
        part = picture[top:bottom, left:right]
        parts.append(np.pad(part, ((0, GUTTER_PX), (0, wide - (right - left))), constant_values=int(np.median(part))))
        tops.append(height)
        height += len(parts[-1])
    texts = []
    for text in texts_by_child(np.concatenate(parts), seconds):
        number = max(index for index, top in enumerate(tops) if top <= max(0.0, (text.top + text.bottom) / 2))
        across, down = largest[number][0], largest[number][1] - tops[number]
        texts.append(
            replace(
                text,
                left=text.left + across,
                right=text.right + across,
                top=text.top + down,
                bottom=text.bottom + down,
            )
        )
    return texts


def scale_bars(picture: NDArray[np.uint8], texts: Sequence[Text]) -> list[tuple[Length, Line]]:
    """Every length that is a whole text on a picture and has a line, with its nearest line."""
    bars, whole_texts = [], {_without_signs(text.text) for text in texts}
    for length in lengths(texts):
        is_whole_text = _without_signs(length.text) in whole_texts
        if length.meaning == "scale bar" and is_whole_text and (line := _line(picture, length.part, texts)) is not None:
            bars.append((length, line))
    return bars


def _without_signs(words: str) -> str:
    """A text without punctuation around it, because the end of a line beside it may be read as a dash."""
    match = WITHOUT_SIGNS.fullmatch(words.strip())
    return match[1].strip() if match else words.strip()


def _line(picture: NDArray[np.uint8], text: Text, texts: Sequence[Text]) -> Line | None:
    """The line nearest to a text, and the longest of equally near ones; None without one."""
    height = max(6.0, text.bottom - text.top)
    top = max(0, int(text.top - (FARTHEST + 1) * height))
    part = picture[top : int(text.bottom + (FARTHEST + 1) * height) + 1]
    moved, *moved_texts = (replace(words, top=words.top - top, bottom=words.bottom - top) for words in (text, *texts))
    box = part[max(0, int(moved.top)) : int(moved.bottom) + 1, max(0, int(moved.left)) : int(moved.right) + 1]
    if not box.size:
        return None
    lines: list[Line] = []
    paper = float(np.median(box))
    for level in np.percentile(box, LEVELS):
        if abs(level - paper) <= INK_LEVELS:
            continue
        difference = np.abs(part.astype(np.int16) - int(level))
        ink: Mask = difference <= INK_LEVELS
        straight = list(_straight_lines(ink, ink, moved, moved_texts))
        # The closer limit separates a line from a particle that is nearly as dark.
        lines += straight or _straight_lines(difference <= CLOSE_INK_LEVELS, ink, moved, moved_texts)
        lines += (
            row
            for row in tick_rows(ink, moved)
            if row.steps == USUAL_STEPS and row.length <= LONGEST_SHARE * ink.shape[1]
        )
    if not lines:
        return None
    best = min(lines, key=lambda line: (line.distance, -line.length))
    framed = (line for line in lines if _is_framed(line, best, HALO * height))
    best = max(framed, key=lambda line: line.length, default=best)
    return replace(best, top=best.top + top, bottom=best.bottom + top)


def _is_framed(line: Line, frame: Line, margin: float) -> bool:
    """Whether `frame` is one side of a frame (halo) around `line`. margin: largest width of the frame in px."""
    overhang = min(line.left - frame.left, frame.right - line.right)
    is_near = line.top <= frame.bottom + margin and line.bottom >= frame.top - margin
    return is_near and overhang > 0 and frame.length - line.length <= 2 * margin


def _straight_lines(ink: Mask, near_ink: Mask, text: Text, texts: Sequence[Text]) -> Iterator[Line]:
    """Lines of ink that fit to a text in size and place, and are no strokes of any of the texts. near_ink: (h, w)
    pixels with about the same grey; just outside the edges of a line there are few of them."""
    rows, columns = ink.shape
    height = max(6.0, text.bottom - text.top)
    for left, right, top, bottom in stacked_runs(ink, max(8.0, SHORTEST_SHARE * columns)):
        thick, across = bottom - top + 1, right - left
        if thick < 2 or thick > THICKEST * height or across < LEAST_RATIO * thick or across > LONGEST_SHARE * columns:
            continue
        if left < EDGE_PX or right > columns - EDGE_PX or top <= 0 or bottom >= rows - 1:
            continue
        if any(_is_stroke(ink, left, right, top, bottom, words) for words in texts):
            continue
        beyond = max(
            near_ink[max(0, top - 2), left:right].mean(), near_ink[min(rows - 1, bottom + 2), left:right].mean()
        )
        distance = distance_to_text(left, right, top, bottom, text)
        if beyond > MOST_BEYOND or distance > FARTHEST:
            continue
        start, last = measured_ends(ink, left, right, top, bottom)
        yield Line(start, last, top, bottom, last - start, distance)


def _is_stroke(ink: Mask, left: int, right: int, top: int, bottom: int, text: Text) -> bool:
    """Whether a run of ink is a stroke of a text: it lies in its box, and beside it is other ink."""
    if left < text.left - 2 or right > text.right + 2 or top < text.top - 1 or bottom > text.bottom + 1:
        return False
    rows = ink[top : bottom + 1]
    start, last = max(0, int(text.left) - 2), int(text.right) + 3
    return bool(rows[:, start : max(start, left - 2)].any() or rows[:, right + 2 : last].any())
