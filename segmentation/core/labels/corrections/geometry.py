"""Geometry for corrections of outlines: connected pieces, parts of an object that is cut, and the pixels of lines.

Positions are (x, y) in pixels of the image, as in `edits`. scipy and scikit-image are imported inside functions, so
that the web process starts quickly and loads them with the first correction only.
"""

from __future__ import annotations

from itertools import pairwise
from math import ceil

import numpy as np
from numpy.typing import NDArray

from .time_limit import check_time

LEVELS = 32  # steps into which the values of a map are divided
MOST_POINTS_ON_LINE = 1 << 17  # points on a line
EDGES_AT_ONCE = 128  # edges of a polygon between two checks of the time limit
REACH = 3  # px: an end of a line is extended to an edge at most so far away
SMALLEST = 9  # px of a part; the network's outlines have at least as many
BOUNDARY = 5  # px, the width of a boundary between grains, as `grains.find_grains` draws it
Floats = NDArray[np.float64]
Labels = NDArray[np.int32]
Mask = NDArray[np.bool_]
Box = tuple[int, int, int, int]  # top, left, bottom, right; the last two exclusive


def components(mask: Mask, *, corners: bool = False) -> tuple[Labels, int]:
    """The connected pieces (H, W) int32 1..n of a mask, from top to bottom, and their number n.

    corners: whether pixels that share only a corner are connected.
    """
    from scipy import ndimage

    pieces = np.zeros(mask.shape, np.int32)
    count = ndimage.label(mask, np.ones((3, 3)) if corners else None, output=pieces)
    return pieces, int(count)


def cut_parts(inside: Mask, barrier: Mask) -> Labels:
    """The parts (h, w) int32 1..n into which a barrier (h, w) divides an object (h, w).

    An object may have several connected pieces. Part 1 has the largest part of every piece, and all of every piece that
    the barrier does not divide. The barrier's own pixels go to the parts beside them.
    """
    pieces, _ = components(inside)
    parts, count = components(inside & ~barrier)
    areas = np.bincount(parts.ravel(), minlength=count + 1)
    parts[areas[parts] < SMALLEST] = 0
    parts = _grown(parts, inside)
    piece_of = np.zeros(count + 1, np.int32)
    piece_of[parts] = pieces
    large = np.flatnonzero(areas[1:] >= SMALLEST) + 1
    large = large[np.lexsort((-areas[large], piece_of[large]))]
    others = np.sort(large[1:][piece_of[large[1:]] == piece_of[large[:-1]]])
    numbers = np.ones(count + 1, np.int32)
    numbers[others] = np.arange(2, 2 + len(others))
    labels: Labels = np.where(inside, numbers[parts], 0).astype(np.int32)
    return labels


def _grown(parts: Labels, inside: Mask) -> Labels:
    """The parts (h, w) after all pixels of the object that had no part have joined one beside them, step by step; if
    there are several, the one with the highest number. (A watershed would share the pixels of a cut irregularly.)"""
    wide = parts.shape[1] + 2
    numbers, free = np.pad(parts, 1).ravel(), np.flatnonzero(np.pad(inside & (parts == 0), 1))
    while free.size:
        check_time()
        beside = numbers[free[:, None] + (-wide, -1, 1, wide)].max(1)
        if not beside.any():
            break
        numbers[free], free = beside, free[beside == 0]
    return numbers.reshape(-1, wide)[1:-1, 1:-1]


def without_boundary(parts: Labels) -> Labels:
    """The parts (h, w) of an object, with a boundary (0, BOUNDARY px wide) wherever two parts meet."""
    from scipy import ndimage

    is_met = np.zeros(parts.shape, bool)
    for pixels, neighbours in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        is_met[pixels] |= (parts[pixels] != parts[neighbours]) & (parts[pixels] > 0) & (parts[neighbours] > 0)
    boundary = ndimage.maximum_filter(ndimage.binary_dilation(is_met), 2 * (BOUNDARY // 2) - 1)
    return np.where(boundary, 0, parts).astype(np.int32)


def steps_from(mask: Mask, limit: int) -> NDArray[np.int32]:
    """(h, w): the distance of each pixel from a mask in px, along rows, columns and diagonals; limit + 1 for all that
    are farther than `limit`."""
    from scipy import ndimage

    if not mask.any():
        return np.full(mask.shape, limit + 1, np.int32)
    steps: NDArray[np.int32] = ndimage.distance_transform_cdt(~mask, "chessboard")
    return np.minimum(steps, limit + 1)


def watershed_parts(seeds: Labels, height: NDArray[np.uint8], inside: Mask) -> Labels:
    """Parts (h, w) int32 of an object (h, w), by a seeded watershed: they grow from `seeds` (h, w; 0: no seed), first
    over the highest values of the map `height` (h, w). The map is divided into LEVELS steps, so that noise makes no
    border."""
    from skimage.segmentation import watershed

    check_time()
    parts: Labels = watershed((255 - height) // (256 // LEVELS), np.where(inside, seeds, 0), mask=inside)
    return parts


def line_pixels(points: Floats, box: Box) -> Mask:
    """The pixels (h, w) of a box that a line through points (n, 2) crosses; successive pixels share a side or
    corner."""
    top, left, bottom, right = box
    barrier = np.zeros((bottom - top, right - left), bool)
    low, high = np.array([left, top]) - 1.0, np.array([right, bottom]) + 1.0
    for one, two in pairwise(points):
        begin, end = _part_in_box(one, two, low, high)
        if begin > end:
            continue
        steps = ceil(4 * float(np.abs(two - one).max()) * (end - begin)) + 2
        x, y = np.floor(one + np.linspace(begin, end, steps)[:, None] * (two - one)).astype(int).T
        inside = (x >= left) & (x < right) & (y >= top) & (y < bottom)
        barrier[y[inside] - top, x[inside] - left] = True
    return barrier


def points_along(line: Floats, box: Box) -> Floats:
    """Points (m, 2), at most a pixel apart, on the part of a line (n, 2) that lies in a box. A line of a single point
    gives this point. Raises ValueError for more than MOST_POINTS_ON_LINE points."""
    top, left, bottom, right = box
    if len(line) == 1:
        return line
    points, count = [np.zeros((0, 2))], 0
    for one, two in pairwise(line):
        begin, end = _part_in_box(one, two, np.array([left, top], float), np.array([right, bottom], float))
        if begin <= end:
            steps = ceil(float(np.hypot(*(two - one))) * (end - begin)) + 1
            count += steps
            if count > MOST_POINTS_ON_LINE:
                raise ValueError("too long a line")
            points.append(one + np.linspace(begin, end, steps)[:, None] * (two - one))
    return np.concatenate(points)


def middle_of(line: Floats) -> tuple[Floats, Floats]:
    """The point (2,) halfway along a line (n, 2), and the unit vector (2,) perpendicular to the line there."""
    steps = np.diff(line, axis=0)
    lengths = np.hypot(*steps.T)
    ends = lengths.cumsum()
    index = min(int(np.searchsorted(ends, ends[-1] / 2)), len(steps) - 1)  # of the segment with the middle
    length = max(float(lengths[index]), 1e-9)
    share = 1 - (ends[index] - ends[-1] / 2) / length
    across = np.array([-steps[index, 1], steps[index, 0]]) / length
    return line[index] + share * steps[index], across


def to_edge(points: Floats, inside: Mask, box: Box) -> Floats:
    """The line (n, 2) with both ends extended (n + 2, 2): an end that lies in an object (h, w), and at most REACH px
    from its edge, goes on to the nearest pixel outside. box: where the object's pixels lie in the image."""
    top, left, *_ = box
    around = np.pad(inside, REACH)
    rows, columns = np.mgrid[-REACH : REACH + 1, -REACH : REACH + 1]
    ends = []
    for end in (points[0], points[-1]):
        column, row = (np.floor(end).astype(int) - (left, top)).tolist()
        part = around[max(0, row) : row + 2 * REACH + 1, max(0, column) : column + 2 * REACH + 1]
        if part.shape == rows.shape and part[REACH, REACH] and not part.all():
            distance = np.where(part, np.inf, np.hypot(rows, columns))
            if distance.min() <= REACH:
                down, right = np.unravel_index(distance.argmin(), distance.shape)
                end = np.array([left + column + right - REACH, top + row + down - REACH]) + 0.5
        ends.append(end)
    return np.array([ends[0], *points, ends[1]])


def _part_in_box(one: Floats, two: Floats, low: Floats, high: Floats) -> tuple[float, float]:
    """Between which shares of its length a segment, from point `one` to `two`, lies in a box with the corners `low` and
    `high`; if it misses the box, the first share is larger than the second."""
    begin, end = 0.0, 1.0
    for start, step, least, greatest in zip(
        one.tolist(), (two - one).tolist(), low.tolist(), high.tolist(), strict=True
    ):
        if step:
            ends = sorted(((least - start) / step, (greatest - start) / step))
            begin, end = max(begin, ends[0]), min(end, ends[1])
        elif not least <= start <= greatest:
            return 1.0, 0.0
    return begin, end


def crosses_itself(points: Floats) -> bool:
    """Whether two edges of a closed polygon (n, 2) cross. Edges that only touch do not cross."""
    begin, end = points, np.roll(points, -1, axis=0)
    # Whether the two ends of another edge lie on different sides of the line of each edge.
    is_split = np.zeros((len(points), len(points)), bool)
    for offset in range(0, len(points), EDGES_AT_ONCE):
        check_time()
        block = slice(offset, offset + EDGES_AT_ONCE)
        is_split[block] = _side(begin[block], end[block], begin) * _side(begin[block], end[block], end) < 0
    return bool((is_split & is_split.T).any())


def _side(a: Floats, b: Floats, c: Floats) -> Floats:
    """(n, m): on which side of the lines from a to b (n, 2) the points c (m, 2) lie: -1, 1, or 0 on the line."""
    one, two = b - a, c[None] - a[:, None]
    side: Floats = np.sign(one[:, None, 0] * two[..., 1] - one[:, None, 1] * two[..., 0])
    return side
