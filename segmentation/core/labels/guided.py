"""Corrections that the network's stored maps guide, and smoothing: functions that return a Patch, as in `edits`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .edits import paint
from .geometry import LEVELS, SMALLEST, Box, Mask, boxes_of, components, flooded
from .patches import BadEdit, Patch, Points, confirmed, crop, patch_to, pixels_of, points_of
from .segmentation import Segmentation

FOREGROUND, DISTANCE = "foreground", "inner_distance"  # maps that a segmentation may hold
LARGEST = 0.25  # of the image, of an object that is added by a click


def split_at(segmentation: Segmentation, number: int, points: Points) -> Patch:
    """The object is divided among points in it, along the valleys of the network's distance map; without a valley or a
    stored map each pixel goes to the point that is nearest within the object. The first point's part keeps the id."""
    _, box, inside = pixels_of(segmentation, [number])
    seeds = np.zeros(inside.shape, np.int32)
    for place, (x, y) in enumerate(np.floor(points_of(points, 2)).astype(int).tolist(), 1):
        row, column = y - box[0], x - box[1]
        if not (0 <= row < inside.shape[0] and 0 <= column < inside.shape[1] and inside[row, column]):
            raise BadEdit(f"Point {place} lies outside object {number}.")
        if seeds[row, column]:
            raise BadEdit("Two points lie in the same pixel.")
        seeds[row, column] = place
    height = _map(segmentation, DISTANCE, box)
    # No valley lies above the lowest point: there the nearest point decides.
    parts = flooded(seeds, np.minimum(height, height[seeds > 0].min()), inside)
    parts[inside & (parts == 0)] = 1  # pieces without a point
    if (np.bincount(parts.ravel())[1:] < SMALLEST).any():
        raise BadEdit(f"The points lie too close together: each part has at least {SMALLEST} px.")
    first = segmentation.next_id
    ids = np.array([0, number, *range(first, first + len(points) - 1)], np.int32)
    known = {int(each): confirmed(segmentation, number) for each in ids[1:]}
    return patch_to(segmentation, box, np.where(inside, ids[parts], crop(segmentation, box)), known)


def add(segmentation: Segmentation, point: Sequence[float], outside: Points = ()) -> Patch:
    """A missed object around a point becomes one of the first class: the background that is connected to the point
    where the network's map is as high as its threshold, or as half the value at the point if that is lower.

    outside: points that do not belong to it; the level rises until they are left out.
    """
    (x, y), *others = np.floor(points_of([point, *outside], 1)).astype(int).tolist()
    tall, wide = segmentation.rows, segmentation.labels.shape[1]
    if not (0 <= y < tall and 0 <= x < wide):
        raise BadEdit("The point lies outside the image.")
    if segmentation.labels[y, x]:
        raise BadEdit(f"Object {segmentation.labels[y, x]} is there already.")
    if FOREGROUND not in segmentation.maps:
        raise BadEdit("The maps of the network are not stored with this result: draw the outline instead.")
    here = int(segmentation.maps[FOREGROUND][y, x])
    threshold = 255 * float(segmentation.used.get("threshold") or 0.5)
    for level in np.linspace(min(threshold, here / 2), here, LEVELS):
        box, inside = _around(segmentation, x, y, max(level, 1.0))
        there = [(row, column) for column, row in others if box[0] <= row < box[2] and box[1] <= column < box[3]]
        if not any(inside[row - box[0], column - box[1]] for row, column in there):
            break
    else:
        raise BadEdit("No outline leaves out these points: draw it instead.")
    if not SMALLEST <= inside.sum() <= LARGEST * tall * wide:
        raise BadEdit("The network sees no object with an edge there: draw the outline instead.")
    return paint(segmentation, box, inside, ground=True)


def _around(segmentation: Segmentation, x: int, y: int, level: float) -> tuple[Box, Mask]:
    """The background around a pixel, connected to it, where the map is at least `level`: its box and pixels (h, w)."""
    tall, wide = segmentation.rows, segmentation.labels.shape[1]
    reach = 64
    while True:
        box = max(0, y - reach), max(0, x - reach), min(tall, y + reach + 1), min(wide, x + reach + 1)
        free = (_map(segmentation, FOREGROUND, box) >= level) & (crop(segmentation, box) == 0)
        pieces, _ = components(free)
        inside: Mask = (pieces == pieces[y - box[0], x - box[1]]) & free
        edges = (inside[0].any(), inside[:, 0].any(), inside[-1].any(), inside[:, -1].any())
        ends = (box[0] > 0, box[1] > 0, box[2] < tall, box[3] < wide)
        if not any(edge and end for edge, end in zip(edges, ends, strict=True)):
            return box, inside
        reach *= 2


def smooth(segmentation: Segmentation, ids: Sequence[int]) -> Patch:
    """Outlines lose single teeth and notches: a pixel belongs to the object where most of the nine around it do. No
    other object loses a pixel."""
    _, box, _ = pixels_of(segmentation, ids)
    tall, wide = segmentation.rows, segmentation.labels.shape[1]
    box = max(0, box[0] - 1), max(0, box[1] - 1), min(tall, box[2] + 1), min(wide, box[3] + 1)
    before = crop(segmentation, box)
    after = before.copy()
    for number, rows, columns in boxes_of(before, ids, margin=1):
        part, now = before[rows, columns], after[rows, columns]
        own = part == number
        around = np.pad(own, 1).astype(np.int8)
        tall, wide = own.shape
        nine = sum(around[r : r + tall, c : c + wide] for r in range(3) for c in range(3))
        kept = nine >= 5
        now[own & ~kept] = 0
        now[(now == 0) & (part == 0) & kept] = number
        if not (now == number).any():
            raise BadEdit(f"Object {number} is too thin to be smoothed.")
    if np.array_equal(after, before):
        raise BadEdit("These outlines are smooth already.")
    return patch_to(segmentation, box, after, {})


def _map(segmentation: Segmentation, name: str, box: Box) -> NDArray[np.uint8]:
    """A map of the network in a box (h, w); all zero where it is not stored."""
    top, left, bottom, right = box
    stored = segmentation.maps.get(name)
    return np.zeros((bottom - top, right - left), np.uint8) if stored is None else stored[top:bottom, left:right]
