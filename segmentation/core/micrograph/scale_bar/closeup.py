"""Looks closely at the pixels of a text that was read: at lines that end in it, and at single letters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .barblocks import Mask
from .barline import SHORTEST_PX
from .ocr import Text

LINE_HEIGHTS, LINE_FULL = 1.5, 0.9  # of a line in a text's box: least length in heights of the text, share of ink
# The search for a hole in a letter: by how many times it is enlarged, its least height in px, and the contrasts of its
# ink, as shares of the largest.
LETTER_ENLARGED, SMALLEST_LETTER_PX, INK_SHARES = 4, 10, (0.5, 0.35, 0.25)


def line_through(strip: NDArray[np.uint8], text: Text) -> Mask | None:
    """(h, w) bool: the lines, with the ticks at their ends, that begin or end in a text on a strip (h, w), at half
    of its height; None without one. Such a tick may have been read as a letter, as in "H200 nm"."""
    import cv2

    height, top, left = text.bottom - text.top, max(0, int(text.top)), max(0, int(text.left))
    box = strip[top : int(text.bottom) + 1, left : int(text.right) + 1].astype(np.int16)
    rows = strip[max(0, int(text.top - height)) : int(text.bottom + height) + 1].astype(np.int16)
    contrast = np.abs(box - np.median(box)).max(initial=0)
    ink = np.abs(rows - np.median(box)) > max(20.0, 0.5 * contrast) if box.size else np.zeros(rows.shape, bool)
    _, labels, sizes, _ = cv2.connectedComponentsWithStats(ink.astype(np.uint8), connectivity=8)
    lines = np.zeros(strip.shape, bool)
    upper, lower = (edge - max(0, int(text.top - height)) for edge in (text.top + height / 3, text.bottom - height / 3))
    for number, (x, y, wide, tall, _) in enumerate(sizes.tolist()):
        if not number or wide < max(SHORTEST_PX, LINE_HEIGHTS * height) or tall > 1.5 * height:
            continue
        if not (x < text.right and x + wide > text.left and y < lower and y + tall > upper):
            continue
        piece = labels[y : y + tall, x : x + wide] == number
        across = piece.mean(axis=1)
        body = np.flatnonzero(across >= LINE_FULL)
        is_line = 0 < body.size <= 0.4 * height and np.delete(across, body).max(initial=0.0) <= 0.3
        if is_line and upper <= y + body.mean() <= lower:
            lines[max(0, int(text.top - height)) + y :][:tall, x : x + wide] |= piece
    return lines if lines.any() else None


def has_hole(strip: NDArray[np.uint8], box: Sequence[float]) -> bool | None:
    """Whether the letter before the last one in a box of a strip has a hole, as "p" has and "µ" has not; None if the
    letters cannot be told apart."""
    import cv2

    left, top, right, bottom = (max(0, int(end)) for end in box)
    part = strip[top : bottom + 1, left : right + 1]
    if min(part.shape) < 3:
        return None
    size = (LETTER_ENLARGED * part.shape[1], LETTER_ENLARGED * part.shape[0])
    contrast = np.abs(cv2.resize(part, size, interpolation=cv2.INTER_CUBIC).astype(np.float32) - np.median(part))
    holes = []
    for share in INK_SHARES:  # a thin bowl is closed only at a low contrast
        ink = (contrast > share * np.percentile(contrast, 98)).astype(np.uint8)
        _, labels, boxes, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
        tall = 0.3 * len(ink)
        letters = sorted(
            (box[0], number, box[3]) for number, box in enumerate(boxes.tolist()) if number and box[3] > tall
        )
        if len(letters) < 3 or letters[-2][2] < LETTER_ENLARGED * SMALLEST_LETTER_PX:
            return None
        letter = (labels == letters[-2][1]).astype(np.uint8)
        holes.append(bool((cv2.findContours(letter, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)[1][0][:, 3] >= 0).any()))
    return any(holes)
