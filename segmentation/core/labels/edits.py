"""Corrections of outlines: every operation is a function that returns a Patch.

Positions are (x, y) in pixels of the image, x to the right, y down; (0, 0) is the top left corner of the first pixel,
so its centre is (0.5, 0.5).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import combinations
from math import nan

import numpy as np

from .drawn import polygon_spans, stroke_spans
from .geometry import (
    BOUNDARY,
    SMALLEST,
    Box,
    Floats,
    Labels,
    Mask,
    components,
    crosses_itself,
    cut,
    line_pixels,
    middle_of,
    points_along,
    steps_from,
    to_edge,
    without_boundary,
)
from .patches import BadEdit, Object, Patch, Points, points_of
from .runs import Runs, grouped, no_runs, runs_in, runs_of, united
from .time_limit import check_time
from .working import WorkingLabels

NO_CHANGES: Mapping[int, Object | None] = {}
NO_PIXEL = "The outline contains no pixel that can be taken: draw it larger, or over other objects."
OUTSIDE = "The point lies outside the image."
NO_BOUNDARY = "No boundary is near: zoom in, then press on the boundary itself."
GAP = BOUNDARY + 2  # px that a ragged boundary may be wide
NEAR = 9  # px from a boundary that a line follows to the objects on its sides
BESIDE = 1.5  # px from the middle of a cut to the pixels that say which object it divides
POINTS_AT_ONCE = 1 << 10
LEAST_RADIUS, LARGEST_RADIUS = 0.5, 500.0  # px, of a brush


def delete(now: WorkingLabels, ids: Sequence[int]) -> Patch:
    """The objects become background."""
    return now.patch_to(_all_as(now.runs_of(now.chosen(ids)), 0), {})


def restore(now: WorkingLabels, ids: Sequence[int], earlier: WorkingLabels) -> Patch:
    """Objects that were set aside are kept again. Deleted objects come back from `earlier` with their ids, on pixels
    that are still background."""
    objects = {number: now.objects[number].confirmed() for number in ids if number in now.objects}
    gone = [number for number in ids if number not in now.objects]
    if not gone:
        return now.patch_to(no_runs(), objects)
    runs, numbers = now.under(earlier.runs_of(earlier.chosen(gone)))
    free = runs[:, 2] == 0
    if lost := sorted(set(gone) - set(numbers[free].tolist())):
        raise BadEdit(f"Nothing of object {lost[0]} can be restored: other objects lie where it was.")
    restored = np.column_stack([runs[:, :2], numbers])[free]
    return now.patch_to(restored, objects | {number: earlier.objects[number] for number in gone})


def set_aside(now: WorkingLabels, ids: Sequence[int], reason: str) -> Patch:
    """The objects stay in the image but do not count; reason: a word or two for the tables."""
    if not 0 < len(reason.strip()) <= 40:
        raise BadEdit("A reason has 1 to 40 characters.")
    objects = {number: now.objects[number]._replace(reason=reason.strip()) for number in now.chosen(ids)}
    return now.patch_to(no_runs(), objects)


def reviewed(now: WorkingLabels, ids: Sequence[int]) -> Patch:
    """A person has checked the outlines of the objects, so they count."""
    return now.patch_to(no_runs(), {number: now.objects[number].confirmed() for number in now.chosen(ids)})


def reclassify(now: WorkingLabels, ids: Sequence[int], name: str) -> Patch:
    """The objects get the class of this name."""
    class_index = _class_index(now, name)
    new = {number: now.objects[number].changed()._replace(class_index=class_index) for number in now.chosen(ids)}
    return now.patch_to(no_runs(), new)


def merge(
    now: WorkingLabels, ids: Sequence[int] | None = None, points: Points | None = None, boundary: bool = False
) -> Patch:
    """The objects become one object with the id of the largest; of several as large, with the lowest of their ids.

    points: instead of ids a line, or one point, on the boundaries that go: `_along`. boundary: the boundaries between
    the objects become part of it.
    """
    if (ids is None) == (points is None):
        raise BadEdit("merge needs ids or points, one of both.")
    ids = _along(now, points_of(points, 1)) if points is not None else ids or ()
    if len(set(ids)) < 2:
        raise BadEdit("Choose at least two objects to merge.")
    runs = now.runs_of(now.chosen(ids))
    largest = int(np.bincount(runs[:, 2], runs[:, 1]).argmax())
    changed_runs = np.concatenate([runs, *(_background_between(now, now.chosen(ids)) if boundary else ())])
    starts, ends = united(changed_runs[:, 0], changed_runs[:, 0] + changed_runs[:, 1])
    return now.patch_to(runs_of(starts, ends, largest), {largest: now.objects[largest].confirmed()})


def _along(now: WorkingLabels, line: Floats) -> list[int]:
    """The objects on both sides of the boundaries that a line crosses or follows. At each of its pixels it is at a
    boundary if the two nearest objects are at most NEAR away; a boundary that is met less than half as often as the one
    that is met most often is only brushed against."""
    down, along = np.mgrid[-NEAR : NEAR + 1, -NEAR : NEAR + 1]
    distance = np.hypot(down, along).ravel()
    order = np.argsort(distance, kind="stable")[: int((distance <= NEAR).sum())]
    around = np.stack([along.ravel()[order], down.ravel()[order]], axis=1)
    points = np.floor(_points_along(now, line))
    pairs = [np.zeros((0, 2), np.int32)]
    for begin in range(0, len(points), POINTS_AT_ONCE):
        check_time()
        places = points[begin : begin + POINTS_AT_ONCE, None] + around
        ids = now.at(places.reshape(-1, 2)).reshape(places.shape[:2])
        nearest = _first(ids, ids > 0)
        second = _first(ids, (ids > 0) & (ids != nearest[:, None]))
        pairs.append(np.sort(np.stack([nearest, second], axis=1)[second > 0], axis=1))
    met, counts = np.unique(np.concatenate(pairs), axis=0, return_counts=True)
    if not len(met):
        raise BadEdit(NO_BOUNDARY)
    return [int(number) for number in np.unique(met[2 * counts >= counts.max()])]


def _points_along(now: WorkingLabels, line: Floats) -> Floats:
    """Points (m, 2) on the part of a line that lies in the image, a pixel apart at most."""
    try:
        return points_along(line, (0, 0, now.rows, now.width))
    except ValueError as problem:
        raise BadEdit("The line is too long: draw it in smaller parts.") from problem


def _first(ids: Labels, where: Mask) -> Labels:
    """Of each row (n, m) the first of the ids that are wanted (n,); 0 where there is none."""
    firsts: Labels = np.where(where.any(1), np.take_along_axis(ids, where.argmax(1)[:, None], 1)[:, 0], 0)
    return firsts


def _background_between(now: WorkingLabels, ids: Sequence[int]) -> Iterator[Runs]:
    """Of each two objects the background between them: the steps to one and to the other are GAP + 1 in sum at most,
    and those to any other object more than a boundary."""
    boxes = now.boxes(ids, margin=GAP)
    for one, other in combinations(ids, 2):
        check_time()
        top, left = (max(pair) for pair in zip(boxes[one][:2], boxes[other][:2], strict=True))
        bottom, right = (min(pair) for pair in zip(boxes[one][2:], boxes[other][2:], strict=True))
        if top >= bottom or left >= right:
            continue
        ends = max(0, top - GAP), max(0, left - GAP), min(now.rows, bottom + GAP), min(now.width, right + GAP)
        labels = now.crop(ends)
        steps = steps_from(labels == one, GAP) + steps_from(labels == other, GAP)
        others = steps_from((labels != 0) & ~np.isin(labels, ids), BOUNDARY)
        yield runs_in(labels, (labels == 0) & (steps <= GAP + 1) & (others > BOUNDARY), ends, now.width)


def split(now: WorkingLabels, number: int | None, line: Points, boundary: bool = False) -> Patch:
    """The object is cut along a line of at least two points; the largest part keeps its id. Without a number every
    object is cut that the line divides, but not what its ends stick out into.

    If the line as drawn does not divide the object of the number, else the one that most of it lies in, its ends go on
    to an edge of that which is near (`to_edge`). boundary: the parts have a boundary between them.
    """
    points = points_of(line, 2)
    if number is None:
        ids, number = _crossed(now, points)
    else:
        ids = [number]
    runs, objects = [no_runs()], dict[int, Object | None]()
    for object_id, box in now.boxes(ids).items():
        check_time()
        inside = now.crop(box) == object_id
        parts = _parted(inside, points, box, boundary)
        if parts is None and object_id == number:
            parts = _parted(inside, to_edge(points, inside, box), box, boundary)
        if parts is None:
            continue
        new_id = max(now.next_id, 1 + max(objects, default=0))
        numbers = np.array([0, object_id, *range(new_id, new_id + parts.max() - 1)], np.int32)
        objects |= {new: now.objects[object_id].confirmed() for new in numbers[1:].tolist()}
        runs.append(runs_in(numbers[parts], inside, box, now.width))
    if not objects:
        whole = f"object {number}" if len(ids) == 1 else "any object"
        raise BadEdit(
            f"The line does not split {whole}: draw it from edge to edge, so that each part has at least {SMALLEST} px."
        )
    all_runs = np.concatenate(runs)
    return now.patch_to(all_runs[all_runs[:, 0].argsort()], objects)


def _crossed(now: WorkingLabels, line: Floats) -> tuple[list[int], int]:
    """The objects that a line is drawn across, and the one that most of it lies in. At its ends it sticks out into
    objects that have less than half as much of it as that one."""
    under = now.at(_points_along(now, line))
    under = under[under > 0]
    if not len(under):
        raise BadEdit("The line crosses no object: draw it across one, from edge to edge.")
    ids, lengths = np.unique(under, return_counts=True)
    is_meant = ~np.isin(ids, under[[0, -1]]) | (2 * lengths >= lengths.max())
    return ids[is_meant].tolist(), int(ids[lengths.argmax()])


def _parted(inside: Mask, line: Floats, box: Box, boundary: bool) -> Labels | None:
    """Parts (h, w) 1, 2, ... of an object in a box on both sides of a line; None where it does not divide it."""
    parts = cut(inside, line_pixels(line, box))
    parts = without_boundary(parts) if boundary else parts
    is_divided = parts.max() > 1 and (np.bincount(parts[inside])[1:] >= SMALLEST).all()
    return parts if is_divided else None


def split_along(now: WorkingLabels, lines: Sequence[Points], boundary: bool = False) -> Patch:
    """Objects are cut along lines, one after the other, as possible cuts are: each line divides the object on both
    sides of its middle, as it is after the lines before. A line that divides nothing is passed over."""
    after, written, objects = now, list[Runs](), dict[int, Object | None]()
    for line in lines:
        check_time()
        middle, across = middle_of(points_of(line, 2))
        one, other = after.at(np.stack([middle - BESIDE * across, middle + BESIDE * across])).tolist()
        if one != other or not one:
            continue
        with suppress(BadEdit):
            patch = split(after, one, line, boundary)
            after, objects = after.after([patch]), {**objects, **patch.objects}
            written.append(patch.runs)
    none = f"No line splits an object so that each part has at least {SMALLEST} px."
    return difference(now, after, written, none, objects)


def draw(
    now: WorkingLabels,
    polygon: Points,
    number: int | None = None,
    *,
    ground: bool = False,
    name: str = "",
    replace: bool = False,
    touching: bool = False,
) -> Patch:
    """The pixels whose centres lie in the polygon become an object, or part of object `number`.

    ground: take background only, not pixels of other objects. name: class of a new object; the first without one.
    replace: object `number` has these pixels alone afterwards. touching: as of `_meant`.
    """
    pixels = _in_polygon(now, polygon)
    if touching:
        number, name = _meant(now, pixels, number, name)
        replace = replace and number is not None
    return _redraw(now, pixels, number, ground) if replace else assign(now, pixels, number, ground=ground, name=name)


def _meant(now: WorkingLabels, pixels: Runs, number: int | None, name: str) -> tuple[int | None, str]:
    """The object that drawn pixels belong to, and the class of a new one. Pixels that neither lie in object `number`
    nor beside it belong to none: a new one has its class, if no other is named. An object that is gone is far from
    everything."""
    if number is None or number not in now.objects:
        return None, name
    if now.touches(pixels, number):
        return number, name
    return None, name or now.class_names[now.objects[number].class_index]


def _redraw(now: WorkingLabels, pixels: Runs, number: int | None, ground: bool) -> Patch:
    if number is None:
        raise BadEdit("Name the object that is drawn again.")
    old = _all_as(now.runs_of(now.chosen([number])), 0)
    without = now.written(old)
    if ground:
        pixels, _ = without.under(pixels)
        pixels = pixels[pixels[:, 2] == 0]
    if not len(pixels):
        raise BadEdit(NO_PIXEL)
    drawn = _all_as(pixels, number)
    objects = {number: now.objects[number].confirmed()}
    return difference(now, without.written(drawn), [old, drawn], "The outline is the same as before.", objects)


def paint(
    now: WorkingLabels,
    points: Points,
    radius: float,
    number: int | None = None,
    *,
    ground: bool = False,
    name: str = "",
    touching: bool = False,
) -> Patch:
    """As `draw`, of the pixels whose centres lie within `radius` of a line through points; one point is a disc."""
    pixels = _in_stroke(now, points, radius)
    if touching:
        number, name = _meant(now, pixels, number, name)
    return assign(now, pixels, number, ground=ground, name=name)


def assign(
    now: WorkingLabels, pixels: Runs, number: int | None = None, *, ground: bool = False, name: str = ""
) -> Patch:
    """As `draw`, of these pixels."""
    class_index = _class_index(now, name) if name else 0
    if number is None:
        number, item = now.next_id, Object(class_index, nan, True, "")
    else:
        item = now.objects[now.chosen([number])[0]].confirmed()
    if ground:
        pixels, _ = now.under(pixels)
        pixels = pixels[pixels[:, 2] == 0]
    if not len(pixels):
        raise BadEdit(NO_PIXEL)
    return now.patch_to(_all_as(pixels, number), {number: item})


def area(now: WorkingLabels, point: Sequence[float], number: int | None = None, *, name: str = "") -> Patch:
    """As `draw`, of the pixels of one object, or of the background, that hang together around a point through sides."""
    ((x, y),) = np.floor(points_of([point], 1)).astype(int).tolist()
    if not (0 <= y < now.rows and 0 <= x < now.width):
        raise BadEdit(OUTSIDE)
    runs = now.runs_of([int(now.crop((y, x, y + 1, x + 1))[0, 0])])
    runs = runs[runs[:, 0] < now.rows * now.width]  # background reaches into the data bar
    pieces = grouped(runs, now.width)
    piece = pieces[np.searchsorted(runs[:, 0], y * now.width + x, "right") - 1]
    return assign(now, runs[pieces == piece], number, name=name)


def erase(
    now: WorkingLabels,
    polygon: Points | None = None,
    points: Points | None = None,
    radius: float | None = None,
    number: int | None = None,
    touching: bool = False,
) -> Patch:
    """The pixels of a polygon as in `draw`, or of a stroke as in `paint`, become background; of object `number` alone
    where it is named. touching: where they hold none of that object, whatever lies there goes."""
    if (polygon is None) == (points is None) or (points is None) != (radius is None):
        raise BadEdit("erase needs a polygon, or points and a radius.")
    pixels = _in_polygon(now, polygon) if points is None or radius is None else _in_stroke(now, points, radius)
    runs, _ = now.under(pixels)
    if touching and not (runs[:, 2] == number).any():
        number = None
    is_erased = runs[:, 2] != 0 if number is None else runs[:, 2] == now.chosen([number])[0]
    if not is_erased.any():
        raise BadEdit("There is nothing to erase there.")
    return now.patch_to(_all_as(runs[is_erased], 0), {})


def fill(now: WorkingLabels, ids: Sequence[int]) -> Patch:
    """Background that an object encloses becomes part of it."""
    after, filled = now, []
    for number, box in now.boxes(ids).items():
        labels = now.crop(box)
        outside, count = components(np.pad(labels != number, 1, constant_values=True), corners=True)
        if count > 1:
            enclosed = ((outside > 0) & (outside != outside[0, 0]))[1:-1, 1:-1] & (labels == 0)
            filled.append(runs_in(np.full_like(labels, number), enclosed, box, now.width))
            after = after.written(filled[-1])
    return difference(now, after, filled, "These objects have no holes.")


def difference(
    now: WorkingLabels,
    after: WorkingLabels,
    written: Sequence[Runs],
    none: str,
    objects: Mapping[int, Object | None] = NO_CHANGES,
) -> Patch:
    """The patch from `now` to `after`, which has the runs `written`; raises BadEdit(none) where no pixel differs."""
    all_runs = np.concatenate([no_runs(), *written])
    starts, ends = united(all_runs[:, 0], all_runs[:, 0] + all_runs[:, 1])
    patch = now.patch_to(after.under(runs_of(starts, ends, 0))[0], objects)
    if not len(patch.runs):
        raise BadEdit(none)
    return patch


def _all_as(runs: Runs, number: int) -> Runs:
    return runs_of(runs[:, 0], runs[:, 0] + runs[:, 1], number)


def _class_index(now: WorkingLabels, name: str) -> int:
    if name not in now.class_names:
        raise BadEdit(f"There is no class {name}; the classes are {', '.join(now.class_names)}.")
    return now.class_names.index(name)


def _in_polygon(now: WorkingLabels, polygon: Points | None) -> Runs:
    """The pixels within the analysed rows whose centres lie in a polygon."""
    points = points_of(polygon or (), 3)
    if crosses_itself(points):
        raise BadEdit("The outline crosses itself: draw it without a loop.")
    try:
        spans, twice = polygon_spans(points, now.rows, now.width)
    except ValueError as problem:
        raise BadEdit("The outline goes to and fro too often: draw it in smaller parts.") from problem
    if twice:
        raise BadEdit("The outline runs around the same place twice: draw it without a loop.")
    low, high = points.min(0), points.max(0)
    if (high <= 0).any() or (low >= (now.width, now.rows)).any():
        raise BadEdit("The outline lies outside the image.")
    return runs_of(*spans, 0)


def _in_stroke(now: WorkingLabels, points: Points, radius: float) -> Runs:
    """The pixels within the analysed rows that a round brush paints along points."""
    if not LEAST_RADIUS <= radius <= LARGEST_RADIUS:
        raise BadEdit(f"A radius is {LEAST_RADIUS:g} to {LARGEST_RADIUS:g} pixels.")
    spans = stroke_spans(points_of(points, 1), radius, now.rows, now.width)
    if not len(spans[0]):
        raise BadEdit("The stroke holds no pixel of the image.")
    return runs_of(*spans, 0)
