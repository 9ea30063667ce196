"""Finds the pixels of drawn shapes (polygons, and strokes of a round brush) as runs in rows.

Positions are (x, y) in pixels of the image, as in `edits`. A shape as large as an image of 67 million pixels takes a
few thousand runs; the coordinates of its pixels, which skimage.draw gives, would take a gigabyte.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .geometry import Floats
from .runs import Numbers, unite_runs
from .time_limit import check_time

MOST_AT_ONCE = 1 << 17  # rows that segments of a stroke cross, counted together, in one calculation
MOST_CROSSINGS = 1 << 22  # rows that the edges of a polygon cross, counted together
Spans = tuple[Numbers, Numbers]  # the first pixel of each run, and the pixel after its last one, as flat indices


def polygon_spans(points: Floats, rows: int, width: int) -> tuple[Spans, bool]:
    """The pixels whose centres lie in a closed polygon (n, 2), and whether the polygon runs around any of them twice.

    rows, width: of the image. Raises ValueError if the edges cross more than MOST_CROSSINGS rows in all.

    The centre line of a row is inside the polygon between the first and second edge that cross it, the third and
    fourth, and so on. An edge crosses it at x0 + (y - y0) (x1 - x0) / (y1 - y0); its upper end belongs to the edge.
    """
    begin, end = points, np.roll(points, -1, axis=0)
    ends = np.sort(np.column_stack([begin[:, 1], end[:, 1]]), axis=1)
    top, bottom_end = np.clip(np.ceil(ends - 0.5), 0, rows).astype(np.int64).T
    if (bottom_end - top).sum() > MOST_CROSSINGS:
        raise ValueError("too many crossings")
    edge, row = _rows_of(top, bottom_end)
    (x0, y0), (x1, y1) = begin[edge].T, end[edge].T
    x = x0 + (row + 0.5 - y0) * (x1 - x0) / (y1 - y0)
    pixels = row * width + np.clip(np.ceil(x - 0.5), 0, width).astype(np.int64)
    check_time()
    order = np.lexsort((pixels, row))
    # The winding number after each crossing: [:, 0] within a span, [:, 1] from it to the next span. It is 0
    # at the end of each row, so one sum serves all rows.
    windings = np.where(y1 > y0, 1, -1)[order].cumsum().reshape(-1, 2)
    starts, stops = pixels[order].reshape(-1, 2).T
    is_filled = stops > starts
    twice_within = (np.abs(windings[:, 0]) != 1) & is_filled
    twice_between = (windings[:-1, 1] != 0) & (starts[1:] > stops[:-1])
    return (starts[is_filled], stops[is_filled]), bool(twice_within.any() or twice_between.any())


def stroke_spans(points: Floats, radius: float, rows: int, width: int) -> Spans:
    """The pixels whose centres lie within `radius` px of a line through points (n, 2); a single point gives a disc.

    rows, width: of the image.
    """
    begin, end = (points[:-1], points[1:]) if len(points) > 1 else (points, points)
    low, high = np.minimum(begin[:, 1], end[:, 1]) - radius, np.maximum(begin[:, 1], end[:, 1]) + radius
    top = np.clip(np.floor(low - 0.5), 0, rows).astype(np.int64)
    bottom_end = np.clip(np.ceil(high + 0.5), 0, rows).astype(np.int64)
    parts = np.cumsum(bottom_end - top) // MOST_AT_ONCE
    spans = [np.zeros((2, 0), np.int64)]
    for part in np.unique(parts):
        check_time()
        in_part = parts == part
        segment, row = _rows_of(top[in_part], bottom_end[in_part])
        low, high = _ends(begin[in_part][segment], end[in_part][segment], np.asarray(row + 0.5, np.float64), radius)
        columns = np.clip([np.ceil(low - 0.5), np.floor(high + 0.5)], 0, width).astype(np.int64)
        spans.append((row * width + columns)[:, columns[0] < columns[1]])
    return unite_runs(*np.concatenate(spans, axis=1))


def _rows_of(top: NDArray[np.int64], bottom_end: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows from top (n,) to bottom_end (n,; exclusive) of n edges, one after the other: (m,) the index
    of the edge, and (m,) the row."""
    counts = bottom_end - top
    edge = np.repeat(np.arange(len(top)), counts)
    return edge, np.repeat(top - counts.cumsum() + counts, counts) + np.arange(len(edge))


def _ends(a: Floats, b: Floats, y: Floats, radius: float) -> tuple[Floats, Floats]:
    """(n,) each: the x at which row y (n,) enters and leaves the area within `radius` of a segment from a to b (n, 2);
    0 for rows that miss it."""
    d = b - a
    length = np.hypot(*d.T)
    across = radius * np.column_stack([-d[:, 1], d[:, 0]]) / np.where(length > 0, length, 1)[:, None]
    low, high = np.full(len(y), np.inf), np.full(len(y), -np.inf)
    for x0, y0 in (a.T, b.T):
        square = radius * radius - (y - y0) ** 2
        half = np.sqrt(np.where(square >= 0, square, np.nan))
        low, high = np.fmin(low, x0 - half), np.fmax(high, x0 + half)
    for x0, y0 in ((a + across).T, (a - across).T):
        share = (y - y0) / np.where(d[:, 1] == 0, np.nan, d[:, 1])
        share = np.where((share >= 0) & (share <= 1), share, np.nan)
        low, high = np.fmin(low, x0 + share * d[:, 0]), np.fmax(high, x0 + share * d[:, 0])
    is_missed = low > high
    return np.where(is_missed, 0, low), np.where(is_missed, 0, high)
