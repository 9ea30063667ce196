"""Finds the row of an image in which its data bar begins.

The rows of a data bar are drawn, not acquired: nearly all pixels have one grey (the background), with ink (text, lines,
a scale bar) on it, and the bar begins suddenly across the whole width. Acquired rows have noise or structure.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..types import GreyImage, Micrograph

LARGEST_SHARE, SMALLEST_SHARE = 0.25, 0.022  # height of a data bar as a share of the image's height
FEWEST_ROWS = 10  # of a data bar
ROWS_ABOVE = 8  # acquired rows that are compared with the bar's first rows
MOST_COLUMNS = 2048  # of a wider image only every n-th column is examined
TOLERANCES = (0.0, 2.0, 6.0, 12.0)  # grey levels of 255 from the background: exact, resampled (2, 6), JPEG
THICKEST_LINE = 6  # rows of a border line
LEAST_STEP = 0.25  # rise of the share of background pixels at the start of the bar
INK_CONTRAST = 50.0  # grey levels of 255: least contrast of ink with the background
Rows = NDArray[np.float32]


def first_bar_row(micrograph: Micrograph) -> int:
    """The first row of the data bar, from the header if it states the acquired rows, else found in the pixels; the
    number of rows without a data bar."""
    image_rows = micrograph.metadata.get("image_rows")
    return int(image_rows) if image_rows else find_first_bar_row(micrograph.pixels)


def find_first_bar_row(pixels: GreyImage) -> int:
    """The first row of the data bar of a grey image (H, W), which is the number of acquired rows; H if there is no bar.

    A bar in the middle of an image, and a bar without text, is not found. A constant image has no data bar.
    """
    rows: int = pixels.shape[0]
    block = _bottom(pixels)
    if block is None:
        return rows
    starts = [
        start
        for tolerance in TOLERANCES
        for level in _levels(block, tolerance)
        for start in _starts(block, level, max(tolerance, 0.51))
    ]
    if not starts:
        return rows
    best = max(step for _, step in starts)
    top_row = min(top for top, step in starts if step >= 0.75 * best)
    return rows - len(block) + top_row


def _bottom(pixels: GreyImage) -> Rows | None:
    """The lowest rows, in which a bar may lie, with greys of 0..255; None for an image that is too small or
    constant."""
    rows, columns = pixels.shape
    low, high = float(pixels.min()), float(pixels.max())
    if rows < 4 * FEWEST_ROWS or columns < 64 or high <= low:
        return None
    column_step = -(-columns // MOST_COLUMNS)
    row = max(0, rows - int(rows * LARGEST_SHARE) - ROWS_ABOVE)
    block = pixels[row:, ::column_step].astype(np.float32)
    if pixels.dtype != np.uint8:
        block = ((block.astype(np.float64) - low) * (255.0 / (high - low))).astype(np.float32)
    return block


def _levels(block: Rows, tolerance: float) -> Iterator[float]:
    """The most frequent greys of the last rows, which may be the background of the bar."""
    levels: set[float] = set()
    for share in (0.1, 0.2, 0.35):
        sample = np.round(block[-max(FEWEST_ROWS, int(len(block) * share)) :]).astype(np.int64)
        level = float(np.bincount(sample.ravel(), minlength=256).argmax())
        if all(abs(level - other) > tolerance for other in levels):
            levels.add(level)
            yield level


def _starts(block: Rows, level: float, tolerance: float) -> Iterator[tuple[int, float]]:
    """Rows of the block at which a bar with background `level` may begin, each with the height of the step there,
    0..1."""
    is_background = np.abs(block - level) <= tolerance
    share = is_background.mean(axis=1)
    drawn = np.maximum(share, _lines(block, share, tolerance))
    smooth = np.convolve(np.pad(drawn, 1, mode="edge"), np.ones(3) / 3, mode="valid")
    total, end = np.concatenate([[0.0], np.cumsum(drawn)]), len(block)
    # The mean over the three rows from each row on, minus that over the rows above it.
    steps, row = np.zeros(end), np.arange(ROWS_ABOVE, end - 3)
    steps[row] = (total[row + 3] - total[row]) / 3 - (total[row] - total[row - ROWS_ABOVE]) / ROWS_ABOVE
    fewest = max(FEWEST_ROWS, int(end * SMALLEST_SHARE / LARGEST_SHARE))
    for top in np.flatnonzero(steps >= LEAST_STEP).tolist():
        step = float(steps[top])
        changed = np.abs(block[top + 1] - block[top - 2]) > tolerance  # which columns change within three rows
        if (
            end - top >= fewest
            and changed.mean() >= 0.5
            and (step >= 0.5 or _is_spread(block[top:], level))
            and _is_bar(block[top:], is_background[top:], smooth[top + 1 : end - max(4, (end - top) // 8)], level)
        ):
            yield top, step


def _lines(block: Rows, share: NDArray[np.float64], tolerance: float) -> NDArray[np.float64]:
    """(rows,): 1 for border lines, which are rows of one grey other than the background, a few together; else 0.

    share: of background pixels in each row.
    """
    is_even = (np.abs(block - np.median(block, axis=1, keepdims=True)) <= tolerance).mean(axis=1) > 0.95
    lines: NDArray[np.float64] = (is_even & (share < 0.9)).astype(np.float64)
    edges = np.flatnonzero(np.diff(np.concatenate([[0.0], lines, [0.0]])))
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        if stop - start > THICKEST_LINE:
            lines[start:stop] = 0.0
    return lines


def _is_spread(bar: Rows, level: float) -> bool:
    """Whether there is ink all along the bar, and not only one scale bar, as journals draw it over an image."""
    has_ink = (np.abs(bar - level) > INK_CONTRAST).any(axis=0)
    return bool(np.mean([part.any() for part in np.array_split(has_ink, 32)]) >= 0.3)


def _is_bar(bar: Rows, is_background: NDArray[np.bool_], drawn: NDArray[np.float64], level: float) -> bool:
    """Whether these rows are a bar: mostly background without noise, with text and little else.

    is_background: of each pixel. drawn: smoothed share of background or line in each inner row. level: of the
    background."""
    if drawn.size == 0 or drawn.min() < 0.3 or np.median(drawn) < 0.45:
        return False
    contrast = np.abs(bar - level)
    has_no_noise = contrast[contrast <= TOLERANCES[-1]].mean() <= 3.2
    ink = contrast > INK_CONTRAST
    ink_share = float(ink.mean())
    strokes = (ink[:, 1:] & ~ink[:, :-1]).sum(axis=1)
    is_clear = has_no_noise and is_background.mean() + ink_share > 0.72
    return bool(is_clear and 0.003 < ink_share < 0.4 and (strokes >= 6).sum() >= 5)
