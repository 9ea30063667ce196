"""Corrections of a Segmentation: every operation is a function that returns a Patch; numpy alone.

Positions are (x, y) in pixels of the image, x to the right, y down; (0, 0) is the top left corner of the first pixel,
so its centre is (0.5, 0.5).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import nan

import numpy as np

from .geometry import SMALLEST, Box, Mask, boxes_of, components, crosses_itself, cut, line_pixels, polygon_pixels
from .patches import (
    NOTHING,
    BadEdit,
    Object,
    Patch,
    Points,
    changed,
    check,
    confirmed,
    crop,
    known_object,
    patch_to,
    pixels_of,
    points_of,
)
from .segmentation import Segmentation


def delete(segmentation: Segmentation, ids: Sequence[int]) -> Patch:
    """The objects become background."""
    _, box, inside = pixels_of(segmentation, ids)
    return patch_to(segmentation, box, np.where(inside, 0, crop(segmentation, box)), {})


def restore(segmentation: Segmentation, ids: Sequence[int], earlier: Segmentation) -> Patch:
    """Objects that were set aside are kept again. Deleted objects come back from `earlier` with their ids, on pixels
    that are still background."""
    standing = [number for number in ids if number in segmentation.ids]
    gone = [number for number in ids if number not in segmentation.ids]
    kept = {number: confirmed(segmentation, number) for number in standing}
    if not gone:
        return patch_to(segmentation, NOTHING, np.zeros((0, 0), np.int32), kept)
    _, box, inside = pixels_of(earlier, gone)
    now = crop(segmentation, box)
    after = np.where(inside & (now == 0), crop(earlier, box), now)
    if lost := sorted(set(gone) - set(np.unique(after).tolist())):
        raise BadEdit(f"Nothing of object {lost[0]} can be restored: other objects lie where it was.")
    return patch_to(segmentation, box, after, kept | {number: known_object(earlier, number) for number in gone})


def set_aside(segmentation: Segmentation, ids: Sequence[int], reason: str) -> Patch:
    """The objects stay in the image but do not count; reason: a word or two for the tables."""
    if not 0 < len(reason.strip()) <= 40:
        raise BadEdit("A reason has 1 to 40 characters.")
    check(segmentation, ids)
    known = {number: changed(segmentation, number, reason=reason.strip()) for number in ids}
    return patch_to(segmentation, NOTHING, np.zeros((0, 0), np.int32), known)


def reviewed(segmentation: Segmentation, ids: Sequence[int]) -> Patch:
    """A person has checked the outlines of the objects, so they count."""
    check(segmentation, ids)
    known = {number: confirmed(segmentation, number) for number in ids}
    return patch_to(segmentation, NOTHING, np.zeros((0, 0), np.int32), known)


def reclassify(segmentation: Segmentation, ids: Sequence[int], name: str) -> Patch:
    """The objects get the class of this name."""
    if name not in segmentation.class_names:
        raise BadEdit(f"There is no class {name}; the classes are {', '.join(segmentation.class_names)}.")
    check(segmentation, ids)
    place = segmentation.class_names.index(name)
    known = {number: changed(segmentation, number, place=place, confidence=nan, by_hand=True) for number in ids}
    return patch_to(segmentation, NOTHING, np.zeros((0, 0), np.int32), known)


def merge(segmentation: Segmentation, ids: Sequence[int]) -> Patch:
    """The objects become one object with the id of the largest."""
    if len(set(ids)) < 2:
        raise BadEdit("Choose at least two objects to merge.")
    chosen, box, inside = pixels_of(segmentation, ids)
    now = crop(segmentation, box)
    areas = np.bincount(np.searchsorted(chosen, now[inside]), minlength=len(chosen))
    largest = int(chosen[areas.argmax()])
    return patch_to(segmentation, box, np.where(inside, largest, now), {largest: confirmed(segmentation, largest)})


def split(segmentation: Segmentation, number: int, line: Points) -> Patch:
    """The object is cut along a line of at least two points; the largest part keeps its id."""
    _, box, inside = pixels_of(segmentation, [number])
    parts = cut(inside, line_pixels(points_of(line, 2), box))
    if parts.max() < 2:
        raise BadEdit(
            f"The line does not split object {number}: draw it from edge to edge, so that each part has at least"
            f" {SMALLEST} px."
        )
    first = segmentation.next_id
    ids = np.array([0, number, *range(first, first + parts.max() - 1)], np.int32)
    known = {int(each): confirmed(segmentation, number) for each in ids[1:]}
    return patch_to(segmentation, box, np.where(inside, ids[parts], crop(segmentation, box)), known)


def draw(
    segmentation: Segmentation, polygon: Points, number: int | None = None, *, ground: bool = False, name: str = ""
) -> Patch:
    """The pixels whose centres lie in the polygon become an object, or part of object `number`.

    ground: take background only, not pixels of other objects. name: class of a new object; the first without one.
    """
    box, inside = _filled(segmentation, polygon)
    return paint(segmentation, box, inside, number, ground=ground, name=name)


def paint(
    segmentation: Segmentation,
    box: Box,
    inside: Mask,
    number: int | None = None,
    *,
    ground: bool = False,
    name: str = "",
) -> Patch:
    """As `draw`, of pixels `inside` (h, w) the box."""
    if name and name not in segmentation.class_names:
        raise BadEdit(f"There is no class {name}; the classes are {', '.join(segmentation.class_names)}.")
    now = crop(segmentation, box)
    taken = inside & (now == 0) if ground else inside
    if not taken.any():
        raise BadEdit("The outline holds no pixel that could be taken: draw it larger, or over other objects.")
    place = segmentation.class_names.index(name) if name else 0
    if number is None:
        number, known = segmentation.next_id, Object(place, nan, True, "")
    else:
        check(segmentation, [number])
        known = confirmed(segmentation, number)
    return patch_to(segmentation, box, np.where(taken, np.int32(number), now), {number: known})


def erase(segmentation: Segmentation, polygon: Points) -> Patch:
    """The pixels whose centres lie in the polygon become background."""
    box, inside = _filled(segmentation, polygon)
    now = crop(segmentation, box)
    if not now[inside].any():
        raise BadEdit("There is nothing to erase there.")
    return patch_to(segmentation, box, np.where(inside, 0, now), {})


def fill(segmentation: Segmentation, ids: Sequence[int]) -> Patch:
    """Background that an object encloses becomes part of it."""
    check(segmentation, ids)
    _, box, _ = pixels_of(segmentation, ids)
    before = crop(segmentation, box)
    after = before.copy()
    for number, rows, columns in boxes_of(before, ids):
        own = before[rows, columns]
        outside, count = components(np.pad(own != number, 1, constant_values=True), corners=True)
        enclosed = (outside > 0) & (outside != outside[0, 0]) if count > 1 else np.zeros_like(outside, bool)
        after[rows, columns][enclosed[1:-1, 1:-1] & (own == 0)] = number
    if np.array_equal(after, before):
        raise BadEdit("These objects have no holes.")
    return patch_to(segmentation, box, after, {})


def _filled(segmentation: Segmentation, polygon: Points) -> tuple[Box, Mask]:
    """The box of a polygon, within the analysed rows, and the pixels whose centres lie in it."""
    points = points_of(polygon, 3)
    if crosses_itself(points):
        raise BadEdit("The outline crosses itself: draw it without a loop.")
    tall, wide = segmentation.rows, segmentation.labels.shape[1]
    low, high = np.floor(points.min(0)), np.ceil(points.max(0))
    left, top = np.clip(low, 0, (wide, tall)).astype(int).tolist()
    right, bottom = np.clip(high, 0, (wide, tall)).astype(int).tolist()
    if left >= right or top >= bottom:
        raise BadEdit("The outline lies outside the image.")
    box = top, left, bottom, right
    return box, polygon_pixels(points, box)
