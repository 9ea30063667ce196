"""Corrections of outlines by ids, lines and drawn shapes: each operation is a function that returns a Patch, the pixels
and objects that it changes.

The first argument, `now`, contains the outlines before the operation. Positions are (x, y) in pixels of the
image, x to the right, y down; (0, 0) is the top left corner of the first pixel, so its centre is (0.5, 0.5). A
"boundary" is a strip of background between objects, as between grains. Every operation raises BadEdit if it is
impossible.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import combinations
from math import nan

import numpy as np

from ...settings import regions_of
from .geometry import (
    BOUNDARY,
    SMALLEST,
    Box,
    Floats,
    Labels,
    Mask,
    components,
    crosses_itself,
    cut_parts,
    line_pixels,
    middle_of,
    points_along,
    steps_from,
    to_edge,
    without_boundary,
)
from .patches import BadEdit, Object, Patch, Points, RegionList, points_of
from .runs import Runs, no_runs, piece_numbers, runs_in, runs_of, unite_runs
from .shape_pixels import polygon_spans, stroke_spans
from .time_limit import check_time
from .working import WorkingLabels

NO_CHANGES: Mapping[int, Object | None] = {}
NO_PIXEL = "The outline contains no pixel that can be taken: draw it larger, or over other objects."
OUTSIDE = "The point lies outside the image."
NO_BOUNDARY = "No boundary is near: zoom in, then press on the boundary itself."
GAP_PX = BOUNDARY + 2  # px: largest width of a ragged boundary
NEAR_PX = 9  # px: a line follows a boundary if the objects on its sides are at most so far away
BESIDE_PX = 1.5  # px on either side of a cut's middle: the pixels there say which object it divides
POINTS_AT_ONCE = 1 << 10  # points of a line in one calculation
LEAST_RADIUS, LARGEST_RADIUS = 0.5, 500.0  # px, of a brush


def delete(now: WorkingLabels, ids: Sequence[int]) -> Patch:
    """The objects become background."""
    return now.patch_to(_with_id(now.runs_of(now.checked_ids(ids)), 0), {})


def restore(now: WorkingLabels, ids: Sequence[int], earlier: WorkingLabels) -> Patch:
    """Objects that a person left out are counted again. Deleted objects come back from `earlier`, the outlines before
    all corrections, with their ids, on pixels that are still background."""
    objects = {number: now.objects[number].confirmed() for number in ids if number in now.objects}
    deleted = [number for number in ids if number not in now.objects]
    if not deleted:
        return now.patch_to(no_runs(), objects)
    runs, numbers = now.runs_under(earlier.runs_of(earlier.checked_ids(deleted)))
    is_free = runs[:, 2] == 0
    if covered := sorted(set(deleted) - set(numbers[is_free].tolist())):
        raise BadEdit(f"Nothing of object {covered[0]} can be restored: other objects lie where it was.")
    restored_runs = np.column_stack([runs[:, :2], numbers])[is_free]
    return now.patch_to(restored_runs, objects | {number: earlier.objects[number] for number in deleted})


def set_aside(now: WorkingLabels, ids: Sequence[int], reason: str) -> Patch:
    """The objects stay outlined but do not count. reason: a word or two for the tables, up to 40 characters."""
    if not 0 < len(reason.strip()) <= 40:
        raise BadEdit("A reason has 1 to 40 characters.")
    objects = {number: now.objects[number]._replace(reason=reason.strip()) for number in now.checked_ids(ids)}
    return now.patch_to(no_runs(), objects)


def ignore(now: WorkingLabels, regions: RegionList) -> Patch:
    """These are all regions to ignore: what lies in them, at least by half, does not count."""
    return Patch(next_id=now.next_id, regions=[[list(corner) for corner in region] for region in regions_of(regions)])


def review(now: WorkingLabels, ids: Sequence[int]) -> Patch:
    """A person has checked the outlines of the objects, so they count."""
    return now.patch_to(no_runs(), {number: now.objects[number].confirmed() for number in now.checked_ids(ids)})


def reclassify(now: WorkingLabels, ids: Sequence[int], name: str) -> Patch:
    """The objects get the class of this name."""
    class_index = _class_index(now, name)
    new = {number: now.objects[number].changed()._replace(class_index=class_index) for number in now.checked_ids(ids)}
    return now.patch_to(no_runs(), new)


def merge(
    now: WorkingLabels, ids: Sequence[int] | None = None, points: Points | None = None, boundary: bool = False
) -> Patch:
    """The objects become one object. It has the id of the largest one; if several are equally large, the lowest id.

    points: instead of ids, a line (or one point) across or along the boundaries that are removed, see
    `_ids_along`. boundary: whether the boundaries between the objects become part of the new object.
    """
    if (ids is None) == (points is None):
        raise BadEdit("merge needs ids or points, one of both.")
    ids = _ids_along(now, points_of(points, 1)) if points is not None else ids or ()
    if len(set(ids)) < 2:
        raise BadEdit("Choose at least two objects to merge.")
    runs = now.runs_of(now.checked_ids(ids))
    largest = int(np.bincount(runs[:, 2], runs[:, 1]).argmax())
    changed_runs = np.concatenate([runs, *(_background_between(now, now.checked_ids(ids)) if boundary else ())])
    starts, ends = unite_runs(changed_runs[:, 0], changed_runs[:, 0] + changed_runs[:, 1])
    return now.patch_to(runs_of(starts, ends, largest), {largest: now.objects[largest].confirmed()})


def _ids_along(now: WorkingLabels, line: Floats) -> list[int]:
    """The ids of the objects on both sides of the boundaries that a line (n, 2) crosses or follows.

    A point of the line is at the boundary of the two nearest objects if both are at most NEAR_PX away. Boundaries with
    less than half as many points as the one with the most are ignored: the line only touches them.
    """
    dy, dx = np.mgrid[-NEAR_PX : NEAR_PX + 1, -NEAR_PX : NEAR_PX + 1]
    distance = np.hypot(dy, dx).ravel()
    order = np.argsort(distance, kind="stable")[: int((distance <= NEAR_PX).sum())]
    around = np.stack([dx.ravel()[order], dy.ravel()[order]], axis=1)
    points = np.floor(_points_along(now, line))
    pairs = [np.zeros((0, 2), np.int32)]
    for begin in range(0, len(points), POINTS_AT_ONCE):
        check_time()
        places = points[begin : begin + POINTS_AT_ONCE, None] + around
        ids = now.ids_at(places.reshape(-1, 2)).reshape(places.shape[:2])
        nearest = _first_ids(ids, ids > 0)
        second = _first_ids(ids, (ids > 0) & (ids != nearest[:, None]))
        pairs.append(np.sort(np.stack([nearest, second], axis=1)[second > 0], axis=1))
    boundaries, counts = np.unique(np.concatenate(pairs), axis=0, return_counts=True)
    if not len(boundaries):
        raise BadEdit(NO_BOUNDARY)
    return [int(number) for number in np.unique(boundaries[2 * counts >= counts.max()])]


def _points_along(now: WorkingLabels, line: Floats) -> Floats:
    """Points (m, 2) on the part of a line (n, 2) that lies in the image, at most a pixel apart."""
    try:
        return points_along(line, (0, 0, now.rows, now.width))
    except ValueError as problem:
        raise BadEdit("The line is too long: draw it in smaller parts.") from problem


def _first_ids(ids: Labels, allowed: Mask) -> Labels:
    """(n,) the first allowed id in each row of `ids` (n, m); 0 for a row without one. allowed: (n, m)."""
    first_ids: Labels = np.where(allowed.any(1), np.take_along_axis(ids, allowed.argmax(1)[:, None], 1)[:, 0], 0)
    return first_ids


def _background_between(now: WorkingLabels, ids: Sequence[int]) -> Iterator[Runs]:
    """The background between every two of the objects: pixels whose distances to both are GAP_PX + 1 px at most in sum,
    and which are more than BOUNDARY px away from any other object."""
    boxes = now.boxes(ids, margin=GAP_PX)
    for one, other in combinations(ids, 2):
        check_time()
        top, left = (max(pair) for pair in zip(boxes[one][:2], boxes[other][:2], strict=True))
        bottom, right = (min(pair) for pair in zip(boxes[one][2:], boxes[other][2:], strict=True))
        if top >= bottom or left >= right:
            continue
        ends = (
            max(0, top - GAP_PX),
            max(0, left - GAP_PX),
            min(now.rows, bottom + GAP_PX),
            min(now.width, right + GAP_PX),
        )
        labels = now.crop(ends)
        steps = steps_from(labels == one, GAP_PX) + steps_from(labels == other, GAP_PX)
        others = steps_from((labels != 0) & ~np.isin(labels, ids), BOUNDARY)
        yield runs_in(labels, (labels == 0) & (steps <= GAP_PX + 1) & (others > BOUNDARY), ends, now.width)


def split(now: WorkingLabels, number: int | None, line: Points, boundary: bool = False) -> Patch:
    """An object is cut along a line of at least two points; the largest part keeps its id.

    number: the id of the object. Without it the line cuts every object that it divides, except objects that contain
    only its ends (`_crossed`). If the line does not divide the object `number`, or without a number the object in
    which most of the line lies, the line's ends are extended to a near edge of that object (`to_edge`). boundary:
    whether the parts have a boundary between them.
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
        parts = _divided(inside, points, box, boundary)
        if parts is None and object_id == number:
            parts = _divided(inside, to_edge(points, inside, box), box, boundary)
        if parts is None:
            continue
        new_id = max(now.next_id, 1 + max(objects, default=0))
        numbers = np.array([0, object_id, *range(new_id, new_id + parts.max() - 1)], np.int32)
        objects |= {new: now.objects[object_id].confirmed() for new in numbers[1:].tolist()}
        runs.append(runs_in(numbers[parts], inside, box, now.width))
    if not objects:
        words = f"object {number}" if len(ids) == 1 else "any object"
        raise BadEdit(
            f"The line does not split {words}: draw it from edge to edge, so that each part has at least {SMALLEST} px."
        )
    all_runs = np.concatenate(runs)
    return now.patch_to(all_runs[all_runs[:, 0].argsort()], objects)


def _crossed(now: WorkingLabels, line: Floats) -> tuple[list[int], int]:
    """The ids of the objects that a line (n, 2) crosses, and the id of the one in which most of it lies.

    An object at an end of the line is not crossed if less than half as much of the line lies in it as in that one.
    """
    ids_along = now.ids_at(_points_along(now, line))
    ids_along = ids_along[ids_along > 0]
    if not len(ids_along):
        raise BadEdit("The line crosses no object: draw it across one, from edge to edge.")
    ids, lengths = np.unique(ids_along, return_counts=True)
    is_crossed = ~np.isin(ids, ids_along[[0, -1]]) | (2 * lengths >= lengths.max())
    return ids[is_crossed].tolist(), int(ids[lengths.argmax()])


def _divided(inside: Mask, line: Floats, box: Box, boundary: bool) -> Labels | None:
    """The parts (h, w) 1, 2, ... of an object (h, w) in a box on both sides of a line (n, 2); None if the line does not
    divide the object."""
    parts = cut_parts(inside, line_pixels(line, box))
    parts = without_boundary(parts) if boundary else parts
    is_divided = parts.max() > 1 and (np.bincount(parts[inside])[1:] >= SMALLEST).all()
    return parts if is_divided else None


def split_along(now: WorkingLabels, lines: Sequence[Points], boundary: bool = False) -> Patch:
    """Objects are cut along lines, one after the other, such as the lines of possible cuts. Each line divides the
    object that lies on both sides of its middle after the cuts before. A line that divides nothing is skipped."""
    after, changed_runs, objects = now, list[Runs](), dict[int, Object | None]()
    for line in lines:
        check_time()
        middle, across = middle_of(points_of(line, 2))
        one, other = after.ids_at(np.stack([middle - BESIDE_PX * across, middle + BESIDE_PX * across])).tolist()
        if one != other or not one:
            continue
        with suppress(BadEdit):
            patch = split(after, one, line, boundary)
            after, objects = after.after([patch]), {**objects, **patch.objects}
            changed_runs.append(patch.runs)
    sentence = f"No line splits an object so that each part has at least {SMALLEST} px."
    return difference(now, after, changed_runs, sentence, objects)


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
    """The pixels whose centres lie in a polygon become a new object, or part of the object `number`.

    ground: whether only background is taken, and no pixels of other objects. name: the class of a new object; by
    default the first class. replace: whether the object `number` consists of these pixels alone afterwards. touching:
    whether pixels that do not touch the object `number` become a new object (`_object_meant`).
    """
    pixels = _in_polygon(now, polygon)
    if touching:
        number, name = _object_meant(now, pixels, number, name)
        replace = replace and number is not None
    return _redraw(now, pixels, number, ground) if replace else assign(now, pixels, number, ground=ground, name=name)


def _object_meant(now: WorkingLabels, pixels: Runs, number: int | None, name: str) -> tuple[int | None, str]:
    """The id of the object to which drawn pixels belong, or None for a new object, and the class of a new object.

    They belong to the object `number` if they lie in it or beside it. Otherwise they become a new object, which has the
    class `name`, or without a name the class of the object `number`.
    """
    if number is None or number not in now.objects:
        return None, name
    if now.touches(pixels, number):
        return number, name
    return None, name or now.class_names[now.objects[number].class_index]


def _redraw(now: WorkingLabels, pixels: Runs, number: int | None, ground: bool) -> Patch:
    """As `draw` with `replace`, for given pixels."""
    if number is None:
        raise BadEdit("Name the object that is drawn again.")
    old = _with_id(now.runs_of(now.checked_ids([number])), 0)
    without_object = now.overwritten(old)
    if ground:
        pixels, _ = without_object.runs_under(pixels)
        pixels = pixels[pixels[:, 2] == 0]
    if not len(pixels):
        raise BadEdit(NO_PIXEL)
    new = _with_id(pixels, number)
    objects = {number: now.objects[number].confirmed()}
    after = without_object.overwritten(new)
    return difference(now, after, [old, new], "The outline is the same as before.", objects)


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
    """As `draw`, but for the pixels whose centres lie within `radius` px of a line through points; a single point gives
    a disc."""
    pixels = _in_stroke(now, points, radius)
    if touching:
        number, name = _object_meant(now, pixels, number, name)
    return assign(now, pixels, number, ground=ground, name=name)


def assign(
    now: WorkingLabels, pixels: Runs, number: int | None = None, *, ground: bool = False, name: str = ""
) -> Patch:
    """As `draw`, but for given pixels."""
    class_index = _class_index(now, name) if name else 0
    if number is None:
        number, item = now.next_id, Object(class_index, nan, True, "")
    else:
        item = now.objects[now.checked_ids([number])[0]].confirmed()
    if ground:
        pixels, _ = now.runs_under(pixels)
        free = [0, *(left_out for left_out, data in now.objects.items() if data.reason)]
        pixels = pixels[np.isin(pixels[:, 2], free)]
    if not len(pixels):
        raise BadEdit(NO_PIXEL)
    return now.patch_to(_with_id(pixels, number), {number: item})


def draw_area(now: WorkingLabels, point: Sequence[float], number: int | None = None, *, name: str = "") -> Patch:
    """As `draw`, but for a connected area around a point: pixels of one object, or of background, connected by their
    sides."""
    ((x, y),) = np.floor(points_of([point], 1)).astype(int).tolist()
    if not (0 <= y < now.rows and 0 <= x < now.width):
        raise BadEdit(OUTSIDE)
    runs = now.runs_of([int(now.crop((y, x, y + 1, x + 1))[0, 0])])
    runs = runs[runs[:, 0] < now.rows * now.width]  # without the background below, in the data bar
    pieces = piece_numbers(runs, now.width)
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
    """The pixels of a polygon as in `draw`, or of a stroke as in `paint`, become background.

    number: only pixels of this object are erased. touching: whether pixels of all objects are erased if none belongs to
    the object `number`.
    """
    if (polygon is None) == (points is None) or (points is None) != (radius is None):
        raise BadEdit("erase needs a polygon, or points and a radius.")
    pixels = _in_polygon(now, polygon) if points is None or radius is None else _in_stroke(now, points, radius)
    runs, _ = now.runs_under(pixels)
    if touching and not (runs[:, 2] == number).any():
        number = None
    is_erased = runs[:, 2] != 0 if number is None else runs[:, 2] == now.checked_ids([number])[0]
    if not is_erased.any():
        raise BadEdit("There is nothing to erase there.")
    return now.patch_to(_with_id(runs[is_erased], 0), {})


def fill(now: WorkingLabels, ids: Sequence[int]) -> Patch:
    """Background that an object encloses becomes part of it."""
    after, changed_runs = now, []
    for number, box in now.boxes(ids).items():
        labels = now.crop(box)
        outside, count = components(np.pad(labels != number, 1, constant_values=True), corners=True)
        if count > 1:
            holes = ((outside > 0) & (outside != outside[0, 0]))[1:-1, 1:-1] & (labels == 0)
            changed_runs.append(runs_in(np.full_like(labels, number), holes, box, now.width))
            after = after.overwritten(changed_runs[-1])
    return difference(now, after, changed_runs, "These objects have no holes.")


def difference(
    now: WorkingLabels,
    after: WorkingLabels,
    changed_runs: Sequence[Runs],
    sentence: str,
    objects: Mapping[int, Object | None] = NO_CHANGES,
) -> Patch:
    """The patch from `now` to `after`, which may differ in `changed_runs` only. Raises BadEdit(sentence) if no pixel
    differs. objects: the new data of objects."""
    all_runs = np.concatenate([no_runs(), *changed_runs])
    starts, ends = unite_runs(all_runs[:, 0], all_runs[:, 0] + all_runs[:, 1])
    patch = now.patch_to(after.runs_under(runs_of(starts, ends, 0))[0], objects)
    if not len(patch.runs):
        raise BadEdit(sentence)
    return patch


def _with_id(runs: Runs, number: int) -> Runs:
    """The same runs, all with this id."""
    return runs_of(runs[:, 0], runs[:, 0] + runs[:, 1], number)


def _class_index(now: WorkingLabels, name: str) -> int:
    """The place of a class in `class_names`."""
    if name not in now.class_names:
        raise BadEdit(f"There is no class {name}; the classes are {', '.join(now.class_names)}.")
    return now.class_names.index(name)


def _in_polygon(now: WorkingLabels, polygon: Points | None) -> Runs:
    """The pixels within the analysed rows whose centres lie in a polygon."""
    points = points_of(polygon or (), 3)
    if crosses_itself(points):
        raise BadEdit("The outline crosses itself: draw it without a loop.")
    try:
        spans, covers_twice = polygon_spans(points, now.rows, now.width)
    except ValueError as problem:
        raise BadEdit("The outline goes to and fro too often: draw it in smaller parts.") from problem
    if covers_twice:
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
        raise BadEdit("The stroke contains no pixel of the image.")
    return runs_of(*spans, 0)
