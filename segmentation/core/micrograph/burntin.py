"""A scale bar that is drawn over the image itself, as journals and cameras draw it: its text and its line.

Nothing here is flat ground, as in a data bar, so a line counts only where it is of the one grey that its text has, has
straight ends and edges, ends inside the image, and lies right above, below or beside its text; or a row of ticks only
if it has the ten steps that Hitachi draws, as some of them may lie on bright ground.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .barline import TEN, Line, Mask, far_from, measured, stacks, ticked
from .barwords import Length, lengths
from .letters import Place, places_of_writing
from .ocr import Text, texts_by_child

LARGEST = 1 << 26  # px of an image that is looked through
SEEN_PX = 2048  # longest side of the picture in which letters are searched
MOST_PLACES, GUTTER = 6, 12  # that are looked at by themselves; px between them
INK, CLOSE_INK = 40, 16  # grey levels by which a line may differ from the letters of its text
EDGE = 2  # px; a line that reaches it may have been cut off
LEVELS = (98, 2)  # percentiles of a text's box: bright letters, dark ones
FARTHEST = 1.6  # heights of the text between it and its line
THICKEST = 0.9  # of the text's height
HALO = 0.3  # of the text's height: widest frame of another grey around a line
LEAST_RATIO = 2.5  # length to thickness
LONGEST_SHARE, SHORTEST_SHARE = 0.7, 0.02  # of the image's width
MOST_BEYOND = 0.35  # share of ink along a line's own edges
ALONE = re.compile(r"[^\w]{0,3}(.+?)[^\w]{0,3}")


def texts_over(picture: NDArray[np.uint8], seconds: float, places: Sequence[Place] | None = None) -> list[Text]:
    """The texts on a picture (H, W), their boxes in its pixels.

    places: where letters are suggested (`letters.places_of_writing`), if that is known. Where no text was found there,
    they are looked at again by themselves, as the detector misses small text on a large picture. Raises CutOff.
    """
    factor = max(1.0, max(picture.shape) / SEEN_PX)
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
    """The texts in some places of a picture, which are looked at as one picture, one below the other."""
    largest = sorted(places, key=lambda place: (place[0] - place[2]) * (place[3] - place[1]))[:MOST_PLACES]
    wide = max(right - left for left, _, right, _ in largest)
    parts, tops, height = [], [], 0
    for left, top, right, bottom in largest:
        part = picture[top:bottom, left:right]
        parts.append(np.pad(part, ((0, GUTTER), (0, wide - (right - left))), constant_values=int(np.median(part))))
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
    """Every length that stands alone on a picture with a line of its own, the line that is nearest."""
    bars, alone = [], {_bare(text.text) for text in texts}
    for length in lengths(texts):
        is_alone = _bare(length.text) in alone
        if length.meaning == "scale bar" and is_alone and (line := _line(picture, length.part, texts)) is not None:
            bars.append((length, line))
    return bars


def _bare(words: str) -> str:
    """A text without the signs around it: the end of a bar beside it may be read as a dash."""
    form = ALONE.fullmatch(words.strip())
    return form[1].strip() if form else words.strip()


def _line(picture: NDArray[np.uint8], text: Text, texts: Sequence[Text]) -> Line | None:
    """The nearest line of a text, the longest of those that are as near; None where there is none."""
    height = max(6.0, text.bottom - text.top)
    top = max(0, int(text.top - (FARTHEST + 1) * height))
    part = picture[top : int(text.bottom + (FARTHEST + 1) * height) + 1]
    moved, *written = (replace(words, top=words.top - top, bottom=words.bottom - top) for words in (text, *texts))
    box = part[max(0, int(moved.top)) : int(moved.bottom) + 1, max(0, int(moved.left)) : int(moved.right) + 1]
    if not box.size:
        return None
    lines: list[Line] = []
    paper = float(np.median(box))
    for level in np.percentile(box, LEVELS):
        if abs(level - paper) <= INK:
            continue
        away = np.abs(part.astype(np.int16) - int(level))
        ink: Mask = away <= INK
        straight = list(_straight(ink, ink, moved, written))
        # A line over a particle that is nearly as dark is parted from it by the closer limit.
        lines += straight or _straight(away <= CLOSE_INK, ink, moved, written)
        lines += (row for row in ticked(ink, moved) if row.steps == TEN and row.length <= LONGEST_SHARE * ink.shape[1])
    if not lines:
        return None
    best = min(lines, key=lambda straight: (straight.far, -straight.length))
    best = max(
        (line for line in lines if _is_framed(line, best, HALO * height)), key=lambda line: line.length, default=best
    )
    return replace(best, top=best.top + top, bottom=best.bottom + top)


def _is_framed(line: Line, frame: Line, margin: float) -> bool:
    """Whether a second line is one side of the frame around a line, at most so many px wide: the bar's halo."""
    beside = min(line.left - frame.left, frame.right - line.right)
    near = line.top <= frame.bottom + margin and line.bottom >= frame.top - margin
    return near and beside > 0 and frame.length - line.length <= 2 * margin


def _straight(ink: Mask, near: Mask, text: Text, written: Sequence[Text]) -> Iterator[Line]:
    """Lines in the right grey that have a text's size and place, none of them a stroke of what is written. near: (h, w)
    the pixels that are hardly of another grey, of which few lie along a line's edges."""
    rows, columns = ink.shape
    height = max(6.0, text.bottom - text.top)
    for left, right, top, bottom in stacks(ink, max(8.0, SHORTEST_SHARE * columns)):
        thick, across = bottom - top + 1, right - left
        if thick < 2 or thick > THICKEST * height or across < LEAST_RATIO * thick or across > LONGEST_SHARE * columns:
            continue
        if left < EDGE or right > columns - EDGE or top <= 0 or bottom >= rows - 1:
            continue
        if any(_stroke(ink, left, right, top, bottom, words) for words in written):
            continue
        beyond = max(near[max(0, top - 2), left:right].mean(), near[min(rows - 1, bottom + 2), left:right].mean())
        far = far_from(left, right, top, bottom, text)
        if beyond > MOST_BEYOND or far > FARTHEST:
            continue
        start, last = measured(ink, left, right, top, bottom)
        yield Line(start, last, top, bottom, last - start, far)


def _stroke(ink: Mask, left: int, right: int, top: int, bottom: int, text: Text) -> bool:
    """Whether a run lies in the box of a text and beside other ink there: it is a stroke of the letters."""
    if left < text.left - 2 or right > text.right + 2 or top < text.top - 1 or bottom > text.bottom + 1:
        return False
    rows = ink[top : bottom + 1]
    start, last = max(0, int(text.left) - 2), int(text.right) + 3
    return bool(rows[:, start : max(start, left - 2)].any() or rows[:, right + 2 : last].any())
