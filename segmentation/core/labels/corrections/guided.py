"""Corrections by clicks, whose outlines come from the network's stored maps, and smoothing. Each correction is a
function that returns a Patch, as in `edits`."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray

from .edges import EDGES, split_along_edges
from .edits import OUTSIDE, assign, difference
from .geometry import BOUNDARY, LEVELS, SMALLEST, Box, Mask, components, steps_from, watershed_parts, without_boundary
from .patches import BadEdit, Patch, Points, points_of
from .runs import runs_in
from .time_limit import check_time
from .working import WorkingLabels

FOREGROUND, DISTANCE, BOUNDARIES = "foreground", "inner_distance", "boundary"  # names of stored maps
# Limits of an object that is added by a click: share of the image, px of its area, and px from the click to its end.
LARGEST_SHARE, MOST_AREA_PX, FARTHEST_PX = 0.25, 1 << 20, 1 << 10
DEEP_VALLEY, SHALLOW_VALLEY = 25, 5  # of 255: a valley of the distance map divides an object if it is at least so deep
LEAST_GROWTH = 1.05  # a widened outline is at least so many times as large
STEPS = 8  # lower levels that are tried for that
FAINTEST_LEVEL = 0.3  # share of the level with which an outline began; at lower levels it is not widened
CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)  # a pixel and those that share a side with it
FINE_PX = 1 << 16  # px of a box; in larger ones only every n-th pixel is used to divide touching objects


def split_at(now: WorkingLabels, number: int, points: Points, boundary: bool = False) -> Patch:
    """The object is divided into one part for each point in it; the first point's part keeps the id.

    The parts meet along edges of the picture and valleys of the network's distance map; without a stored map EDGES
    along valleys only. Without a valley between points, each pixel goes to the point nearest within the object.
    """
    box = now.boxes([number])[number]
    inside = now.crop(box) == number
    seeds = np.zeros(inside.shape, np.int32)
    for index, (x, y) in enumerate(np.floor(points_of(points, 2)).astype(int).tolist(), 1):
        row, column = y - box[0], x - box[1]
        if not (0 <= row < inside.shape[0] and 0 <= column < inside.shape[1] and inside[row, column]):
            raise BadEdit(f"Point {index} lies outside object {number}.")
        if seeds[row, column]:
            raise BadEdit("Two points lie in the same pixel.")
        seeds[row, column] = index
    height = _depth(now, box)
    if EDGES in now.maps:
        parts = split_along_edges(seeds, inside, height, now.maps[EDGES](box))
    else:  # higher than the lowest point the map is flat, so that the nearest point gets the pixel
        parts = watershed_parts(seeds, np.minimum(height, height[seeds > 0].min()), inside)
    parts[inside & (parts == 0)] = 1  # pieces without a point
    parts = without_boundary(parts) if boundary else parts
    if (np.bincount(parts.ravel(), minlength=len(points) + 1)[1:] < SMALLEST).any():
        raise BadEdit(f"The points lie too close together: each part has at least {SMALLEST} px.")
    ids = np.array([0, number, *range(now.next_id, now.next_id + len(points) - 1)], np.int32)
    objects = {int(new): now.objects[number].confirmed() for new in ids[1:]}
    return now.patch_to(runs_in(ids[parts], inside, box, now.width), objects)


def add_object(
    now: WorkingLabels,
    point: Sequence[float],
    outside: Points = (),
    wider: int = 0,
    earlier: WorkingLabels | None = None,
) -> Patch:
    """A missed object around a point becomes an object of the first class.

    It is the background connected to the point where the network's map reaches a level: the threshold, or half the
    map's value at the point if that is lower. If objects touch, it is the object whose basin of the distance map
    contains the point.

    outside: points that do not belong to it. The level rises until they are outside; if no level achieves this, the
    object is divided between all points along the valleys. wider: how often the outline is made larger, by a lower
    level and deeper valleys. earlier: the outlines before all corrections. If an outline at the point was deleted,
    shallow valleys divide the object, because a deleted outline was more often too large than wrong.
    """
    (x, y), *outer = np.floor(points_of([point, *outside], 1)).astype(int).tolist()
    tall, wide = now.rows, now.width
    if not (0 <= y < tall and 0 <= x < wide):
        raise BadEdit(OUTSIDE)
    if present := int(now.crop((y, x, y + 1, x + 1))[0, 0]):
        raise BadEdit(f"Object {present} is there already.")
    if not now.maps:
        raise BadEdit("The maps of the network are not stored with this result: draw the outline instead.")
    level_here = int(_foreground(now, (y, x, y + 1, x + 1))[0, 0])
    threshold = 255 * float(now.used.get("threshold") or 0.5)
    level = max(1.0, min(threshold, level_here / 2))
    was_deleted = earlier is not None and bool(earlier.crop((y, x, y + 1, x + 1))[0, 0])
    depth = SHALLOW_VALLEY if was_deleted else DEEP_VALLEY

    def outlined(level: float, depth: int) -> tuple[Box, Mask, bool]:
        box, inside, is_complete = _region_around(now, x, y, level)
        if is_complete and DISTANCE in now.maps:
            inside = _basin(inside, now.maps[DISTANCE](box), (y - box[0], x - box[1]), depth)
        return box, inside, is_complete

    lowest = FAINTEST_LEVEL * level
    for _ in range(wider):
        area = outlined(level, depth)[1].sum()
        for step in range(STEPS):
            level, depth = max(0.75 * level, lowest), min(2 * depth, 255)
            _, larger, is_complete = outlined(level, depth)
            if is_complete and larger.sum() >= LEAST_GROWTH * area:
                break
            if not is_complete or step == STEPS - 1:
                raise BadEdit("The outline cannot grow further: draw the outline instead.")
    levels = np.maximum(np.linspace(level, level_here, LEVELS), 1.0).tolist()

    def leaves_out(level: float) -> bool:
        box, inside, is_complete = outlined(level, depth)
        near = [(row, column) for column, row in outer if box[0] <= row < box[2] and box[1] <= column < box[3]]
        return is_complete and not any(inside[row - box[0], column - box[1]] for row, column in near)

    # A higher level hardly ever gives a larger outline: so a binary search finds the lowest level that fits.
    lowest_index = bisect_left(levels, True, key=leaves_out) if outer else 0
    is_left_out = lowest_index < LEVELS
    box, inside, is_complete = outlined(levels[lowest_index] if is_left_out else levels[0], depth)
    if not is_left_out:
        seeds = np.zeros(inside.shape, np.int32)
        for index, (column, row) in enumerate([*outer, (x, y)], 1):
            if box[0] <= row < box[2] and box[1] <= column < box[3]:
                seeds[row - box[0], column - box[1]] = index
        if not is_complete or [x, y] in outer:
            raise BadEdit("No outline leaves out these points: draw it instead.")
        height = _depth(now, box)
        inside = watershed_parts(seeds, np.minimum(height, height[seeds > 0].min()), inside) == len(outer) + 1
    if not is_complete or not SMALLEST <= inside.sum() <= LARGEST_SHARE * tall * wide:
        raise BadEdit("No outline was recognised there: draw it instead.")
    return assign(now, runs_in(np.zeros(inside.shape, np.int32), inside, box, wide), ground=True)


def _region_around(now: WorkingLabels, x: int, y: int, level: float) -> tuple[Box, Mask, bool]:
    """The background connected to a pixel where the map is at least `level`: its box, its pixels (h, w), and whether it
    is complete. It is incomplete if it has more than MOST_AREA_PX px, or reaches farther than FARTHEST_PX. If there is
    a map of boundaries, it keeps BOUNDARY px away from other objects."""
    tall, wide = now.rows, now.width
    reach = 64
    while True:
        box = max(0, y - reach), max(0, x - reach), min(tall, y + reach + 1), min(wide, x + reach + 1)
        labels = now.crop(box)
        free = (_foreground(now, box) >= level) & (labels == 0)
        if BOUNDARIES in now.maps:
            free &= steps_from(labels != 0, BOUNDARY - 1) >= BOUNDARY
        pieces, _ = components(free)
        inside: Mask = (pieces == pieces[y - box[0], x - box[1]]) & free
        edges = (inside[0].any(), inside[:, 0].any(), inside[-1].any(), inside[:, -1].any())
        ends = (box[0] > 0, box[1] > 0, box[2] < tall, box[3] < wide)
        is_complete = not any(edge and end for edge, end in zip(edges, ends, strict=True))  # not cut off by the box
        if is_complete or inside.sum() > MOST_AREA_PX or reach >= FARTHEST_PX:
            return box, inside, is_complete and inside.sum() <= MOST_AREA_PX
        reach *= 2


def _basin(inside: Mask, distance: NDArray[np.uint8], click: tuple[int, int], depth: int) -> Mask:
    """The part of a mask (h, w) that contains the click (row, column), if valleys of the distance map (h, w) that are
    at least `depth` deep divide the mask: one connected piece without holes, smoothed by a morphological opening. In a
    box of more than FINE_PX px only every n-th pixel is used, so that a click takes little time."""
    from scipy import ndimage

    stride = ceil(sqrt(inside.size / FINE_PX))
    offsets = click[0] % stride, click[1] % stride
    sparse = slice(offsets[0], None, stride), slice(offsets[1], None, stride)
    coarse = _flooded_from(inside[sparse], distance[sparse], (click[0] // stride, click[1] // stride), depth)
    nearest = (
        np.clip((np.arange(length) - offset + stride // 2) // stride, 0, cells - 1)
        for length, offset, cells in zip(inside.shape, offsets, coarse.shape, strict=True)
    )
    part: Mask = coarse[np.ix_(*nearest)] & inside
    opened = ndimage.binary_dilation(ndimage.binary_erosion(part, border_value=1)) & part
    pieces, _ = components(opened if opened[click] else part)
    without_holes: Mask = ndimage.binary_fill_holes(pieces == pieces[click]) & inside
    return without_holes


def _flooded_from(inside: Mask, distance: NDArray[np.uint8], click: tuple[int, int], depth: int) -> Mask:
    """The basin (h, w) that contains the click, of a watershed from all peaks that rise at least `depth` above the
    saddles around them."""
    from skimage.morphology import local_maxima, reconstruction

    step = max(depth // 2, 4)
    least = ceil(depth / step) - 1  # a peak must rise by more steps than this
    height = np.where(inside, distance // step + np.int64(least + 1), 0)
    # Peaks that rise by less are cut off: they become flat, or one plateau with their surroundings, and no maxima.
    flattened = reconstruction(np.maximum(height - least, 0), height, footprint=CROSS)
    seeds, _ = components(local_maxima(flattened, connectivity=1))
    parts = watershed_parts(seeds, distance, inside)
    part: Mask = parts == parts[click]
    return part


def smooth_outlines(now: WorkingLabels, ids: Sequence[int]) -> Patch:
    """Outlines lose small teeth and notches: a pixel belongs to the object if most of the 3 x 3 pixels around it do. No
    other object loses a pixel."""
    from scipy import ndimage

    after, changed_runs = now, []
    for number, box in now.boxes(ids, margin=1).items():
        check_time()
        part, labels = now.crop(box), after.crop(box)
        body = part == number
        majority = ndimage.convolve(body.astype(np.uint8), np.ones((3, 3), np.uint8), mode="constant") >= 5
        grown = (labels == 0) & (part == 0) & majority
        if not (body & majority).any() and not grown.any():
            raise BadEdit(f"Object {number} is too thin to be smoothed.")
        changed_runs.append(runs_in(np.where(grown, np.int32(number), 0), body & ~majority | grown, box, now.width))
        after = after.overwritten(changed_runs[-1])
    return difference(now, after, changed_runs, "These outlines are smooth already.")


def _foreground(now: WorkingLabels, box: Box) -> NDArray[np.uint8]:
    """The map in a box (h, w) that is high in objects: FOREGROUND, or the model's only map; a map of BOUNDARIES is
    inverted."""
    name = FOREGROUND if FOREGROUND in now.maps else next(iter(now.maps))
    return 255 - now.maps[name](box) if name == BOUNDARIES else now.maps[name](box)


def _depth(now: WorkingLabels, box: Box) -> NDArray[np.uint8]:
    """The map in a box (h, w) that is low where objects touch; zeros if there is no such map."""
    if BOUNDARIES in now.maps:
        return _foreground(now, box)
    if DISTANCE in now.maps:
        return now.maps[DISTANCE](box)
    return np.zeros((box[2] - box[0], box[3] - box[1]), np.uint8)
