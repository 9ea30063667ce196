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

from .barblocks import Mask, blocks
from .barline import USUAL_STEPS, Line, distance_to_text, measured_ends, tick_rows
from .barwords import Length, lengths
from .letters import Place, places_of_writing
from .ocr import Text, texts_by_child

Picture = NDArray[np.uint8]
LARGEST_PICTURE_PX = 1 << 26  # px of an image in which scale bars are searched
DETECTOR_SIDE_PX = 2048  # longest side of the picture in which the detector searches text
MOST_PLACES, GUTTER_PX = 6, 12  # places in which text is searched once more; px between them
# Grey levels by which a line may differ from the letters of its text, in a first and in a second search.
INK_LEVELS, CLOSE_INK_LEVELS = 40, 16
EDGE_PX = 2  # px from the edge of the image: a line that reaches it may be incomplete
LEVELS = (98, 2)  # percentiles of the greys in a text's box: bright letters, dark letters
FARTHEST = 1.6  # between the text and its line, in heights of the text
# Of a second line: by how much it is farther from the text than the nearest one at most, in heights of the text; its
# least length as a share of the longest one (strokes of letters and edges of particles are shorter).
RIVAL_HEIGHTS, RIVAL_SHARE = 1.0, 0.5
BLURRED_PX = 2  # px by which the ends of a black or white line are blurred at most
# Of a particle that touches the end of a line: px above or below the line, px along its end, least share of ink there.
TOUCH_PX, END_PX, MOST_BESIDE_END = 4, 6, 0.5
THICKEST = 0.9  # thickness of the line, in heights of the text
HALO = 0.3  # heights of the text: widest frame of another grey around a line
THIN_HEIGHTS = 1.5  # least length of a line of one row, in heights of the text
LEAST_RATIO = 2.5  # of length to thickness of a line
LONGEST_SHARE, SHORTEST_SHARE = 0.7, 0.02  # length of a line as a share of the image's width
MOST_BEYOND = 0.35  # largest share of ink just outside the long edges of a line
WITHOUT_SIGNS = re.compile(r"[^\w]{0,3}(.+?)[^\w]{0,3}")


def texts_on_picture(picture: Picture, seconds: float, places: Sequence[Place] | None = None) -> list[Text]:
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


def _texts_in(picture: Picture, places: Sequence[Place], seconds: float) -> list[Text]:
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


def scale_bars(picture: Picture, texts: Sequence[Text]) -> list[tuple[Length, Line]]:
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


def _line(picture: Picture, text: Text, texts: Sequence[Text]) -> Line | None:
    """The line nearest to a text, and the longest of equally near ones; None without one."""
    height = max(6.0, text.bottom - text.top)
    top = max(0, int(text.top - (FARTHEST + 1) * height))
    part = picture[top : int(text.bottom + (FARTHEST + 1) * height) + 1]
    moved, *moved_texts = (replace(words, top=words.top - top, bottom=words.bottom - top) for words in (text, *texts))
    box = part[max(0, int(moved.top)) : int(moved.bottom) + 1, max(0, int(moved.left)) : int(moved.right) + 1]
    if not box.size:
        return None
    lines = list(_lines_of_letters(part, box, moved, moved_texts)) or list(_pure_lines(part, box, moved, moved_texts))
    lines += _broken_lines(lines, moved)
    if not lines:
        return None
    nearest = min(lines, key=lambda line: (line.distance, -line.length))
    framed = (line for line in lines if _is_framed(line, nearest, HALO * height))
    nearest = max(framed, key=lambda line: line.length, default=nearest)
    others = [
        line
        for line in lines
        if line.distance <= nearest.distance + RIVAL_HEIGHTS and not _is_same_place(line, nearest)
    ]
    longest = max([nearest, *others], key=lambda line: line.length)
    is_alone = longest.is_alone and not any(
        line.length >= RIVAL_SHARE * longest.length and not _is_same_place(line, longest) for line in [nearest, *others]
    )
    return replace(longest, top=longest.top + top, bottom=longest.bottom + top, is_alone=is_alone)


def _lines_of_letters(part: Picture, box: Picture, text: Text, texts: Sequence[Text]) -> Iterator[Line]:
    """The lines on a part of a picture that have the grey of the letters in the box of a text."""
    paper = float(np.median(box))
    for level in np.percentile(box, LEVELS):
        if abs(level - paper) <= INK_LEVELS:
            continue
        difference = np.abs(part.astype(np.int16) - int(level))
        ink: Mask = difference <= INK_LEVELS
        straight = list(_straight_lines(part, ink, ink, text, texts))
        # The closer limit separates a line from a particle that is nearly as dark.
        yield from straight or _straight_lines(part, difference <= CLOSE_INK_LEVELS, ink, text, texts)
        yield from (
            row
            for row in tick_rows(ink, text)
            if row.steps == USUAL_STEPS and row.length <= LONGEST_SHARE * ink.shape[1]
        )


def _pure_lines(part: Picture, box: Picture, text: Text, texts: Sequence[Text]) -> Iterator[Line]:
    """The black and white lines on a part of a picture, whatever grey the letters of their text have: JEOL's TEM Center
    writes white letters beside a black bar."""
    paper = float(np.median(box))
    for level in (0, 255):
        contrast, difference = abs(level - paper), np.abs(part.astype(np.int16) - level)
        if contrast <= INK_LEVELS:  # a label of this grey
            continue
        ink: Mask = difference <= CLOSE_INK_LEVELS
        for line in _straight_lines(part, ink, ink, text, texts):
            is_dark = np.median(difference[line.top : line.bottom + 1], axis=0) <= contrast / 2
            left, right = int(line.left), int(line.right)
            before = is_dark[max(0, left - BLURRED_PX - 1) : left][::-1]
            after = is_dark[right : right + BLURRED_PX + 1]
            # An end lies at half of the contrast. If it is farther away, a particle or a tick touches the line.
            before_line, last = (int(np.argmin(np.append(end, False))) for end in (before, after))
            if max(before_line, last) > BLURRED_PX:
                yield replace(line, is_alone=False)
                continue
            start, stop = line.left - before_line, line.right + last
            yield replace(line, left=start, right=stop, length=stop - start)


def _broken_lines(lines: Sequence[Line], text: Text) -> Iterator[Line]:
    """Lines with the text in a gap, from two of some lines that are equally long, in the same rows."""
    middle = (text.left + text.right) / 2
    beside = [line for line in lines if text.top <= line.top and line.bottom <= text.bottom]
    for before in beside:
        for after in beside:
            is_around = (
                before.right <= middle <= after.left and before.top <= after.bottom and after.top <= before.bottom
            )
            if is_around and abs(before.length - after.length) <= 0.12 * (before.length + after.length):
                yield Line(before.left, after.right, before.top, before.bottom, after.right - before.left, 0.0)


def _is_same_place(one: Line, other: Line) -> bool:
    """Whether two lines overlap, as a bar and its halo do."""
    return min(one.right, other.right) > max(one.left, other.left) and (
        min(one.bottom, other.bottom) + 3 >= max(one.top, other.top)
    )


def _is_framed(line: Line, frame: Line, margin: float) -> bool:
    """Whether `frame` is one side of a frame (halo) around `line`. margin: largest width of the frame in px."""
    overhang = min(line.left - frame.left, frame.right - line.right)
    is_near = line.top <= frame.bottom + margin and line.bottom >= frame.top - margin
    return is_near and overhang > 0 and frame.length - line.length <= 2 * margin


def _straight_lines(part: Picture, ink: Mask, near_ink: Mask, text: Text, texts: Sequence[Text]) -> Iterator[Line]:
    """Lines of ink that fit to a text in size and place, and are no strokes of any of the texts. near_ink: (h, w)
    pixels with about the same grey; just outside the edges of a line there are few of them."""
    rows, columns = ink.shape
    height = max(6.0, text.bottom - text.top)
    for left, right, top, bottom in blocks(part, ink, max(8.0, SHORTEST_SHARE * columns), texts):
        thick, across = bottom - top + 1, right - left
        if thick > THICKEST * height or across < LEAST_RATIO * thick or across > LONGEST_SHARE * columns:
            continue
        if thick == 1 and (across < THIN_HEIGHTS * height or not _is_on_paper(part, left, right, top, text)):
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
        has_ticks = (start, last) != (left, right)
        is_alone = has_ticks or not _touches(near_ink, (left, right, top, bottom), texts)
        yield Line(start, last, top, bottom, last - start, distance, is_alone=is_alone)


def _touches(ink: Mask, block: tuple[int, int, int, int], texts: Sequence[Text]) -> bool:
    """Whether other ink than that of the texts lies above or below an end of a block (left, right, top, bottom): a
    particle of the same grey may make it longer."""
    left, right, top, bottom = block
    for row in (top - TOUCH_PX, bottom + TOUCH_PX):
        if not 0 <= row < len(ink):
            continue
        beside = ink[row].copy()
        for text in texts:
            if text.top - TOUCH_PX <= row <= text.bottom + TOUCH_PX:
                beside[max(0, int(text.left)) : max(0, int(text.right) + 1)] = False
        near_end = max(END_PX, bottom - top + 1)
        if max(beside[left : left + near_end].mean(), beside[right - near_end : right].mean()) > MOST_BESIDE_END:
            return True
    return False


def _is_on_paper(part: Picture, left: int, right: int, row: int, text: Text) -> bool:
    """Whether the ground beside a line of one row has about the grey of that of its text, and is no edge."""
    box = part[max(0, int(text.top)) : int(text.bottom) + 1, max(0, int(text.left)) : int(text.right) + 1]
    above, below = (float(np.median(part[max(0, min(len(part) - 1, row + step)), left:right])) for step in (-2, 2))
    return max(abs(above - below), abs(above - float(np.median(box)))) <= INK_LEVELS


def _is_stroke(ink: Mask, left: int, right: int, top: int, bottom: int, text: Text) -> bool:
    """Whether a run of ink is a stroke of a text: it lies in its box, and beside it is other ink."""
    if left < text.left - 2 or right > text.right + 2 or top < text.top - 1 or bottom > text.bottom + 1:
        return False
    rows = ink[top : bottom + 1]
    start, last = max(0, int(text.left) - 2), int(text.right) + 3
    return bool(rows[:, start : max(start, left - 2)].any() or rows[:, right + 2 : last].any())
