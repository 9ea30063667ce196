"""Corrections of a Segmentation: every operation is a function that returns a Patch; numpy alone.

A Patch holds the new ids of a box and the new data of the objects that it touches. A Segmentation and its patches give
exactly the corrected one, bit for bit (`apply`); `inverse` undoes a patch. Positions are (x, y) in pixels of the image,
x to the right, y down; (0, 0) is the top left corner of the first pixel, so its centre is (0.5, 0.5).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite, nan
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .geometry import SMALLEST, Box, Floats, Labels, Mask, components, crosses_itself, cut, line_pixels, polygon_pixels
from .segmentation import MOST_IDS, Segmentation

MOST_POINTS = 2000  # of a line or polygon
FARTHEST = 1e6  # px; no image is so wide
Points = Sequence[tuple[float, float]]
NOTHING: Box = (0, 0, 0, 0)


class BadEdit(ValueError):
    """An operation cannot be done; the message is one sentence that says why."""


class Object(NamedTuple):
    """The data of one object, see Segmentation. reason: why a person set it aside, "" if nobody did."""

    place: int
    confidence: float
    by_hand: bool
    reason: str


@dataclass(frozen=True)
class Patch:
    """What an operation changes.

    box: the part of the labels that it writes. runs: its new ids, row by row, as (id, number of pixels). objects: the
    new data of every id that it touches; None if the object is gone. next_id: the first free id afterwards.
    """

    box: Box = NOTHING
    runs: tuple[tuple[int, int], ...] = ()
    objects: Mapping[int, Object | None] = field(default_factory=dict)
    next_id: int = 1

    @property
    def made(self) -> list[int]:
        """The touched ids that still exist afterwards."""
        return [number for number, each in self.objects.items() if each is not None]

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types; an unknown confidence is None."""
        known = {
            str(number): None if each is None else [each.place, _or_none(each.confidence), each.by_hand, each.reason]
            for number, each in self.objects.items()
        }
        return {"box": list(self.box), "runs": [list(run) for run in self.runs], "objects": known, "next": self.next_id}

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Patch:
        """The patch that `as_dict` wrote; raises BadEdit for anything else."""
        try:
            top, left, bottom, right = map(int, said["box"])
            runs = tuple((int(number), int(count)) for number, count in said["runs"])
            objects = {int(number): _object(each) for number, each in said["objects"].items()}
            return cls((top, left, bottom, right), runs, objects, int(said["next"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadEdit("This is not an edit of DeepSegm: export it again.") from error


def _or_none(value: float) -> float | None:
    return float(value) if isfinite(value) else None


def _object(said: Sequence[Any] | None) -> Object | None:
    if said is None:
        return None
    place, confidence, by_hand, reason = said
    return Object(int(place), nan if confidence is None else float(confidence), bool(by_hand), str(reason))


def apply(segmentation: Segmentation, patches: Iterable[Patch]) -> Segmentation:
    """The segmentation after the patches, in their order.

    Alternatives are dropped, because they belong to the old outlines. Raises BadEdit if a patch does not fit.
    """
    labels, next_id, changed = segmentation.labels.copy(), segmentation.next_id, False
    known: dict[int, Object | None] = {}
    for patch in patches:
        top, left, bottom, right = patch.box
        if not (0 <= top <= bottom <= labels.shape[0] and 0 <= left <= right <= labels.shape[1]):
            raise BadEdit("An edit lies outside the image.")
        ids, counts = np.array(patch.runs, np.int64).reshape(-1, 2).T
        if (counts < 1).any() or counts.sum() != (bottom - top) * (right - left):
            raise BadEdit("An edit does not fill the part of the image that it is for.")
        if len(ids) and not 0 <= ids.min() <= ids.max() < patch.next_id <= MOST_IDS:
            raise BadEdit("An edit names an object that cannot be.")
        labels[top:bottom, left:right] = np.repeat(ids, counts).reshape(bottom - top, right - left)
        known |= patch.objects
        next_id, changed = max(next_id, patch.next_id), True
    return _with(segmentation, labels, known, next_id) if changed else segmentation


def _with(segmentation: Segmentation, labels: Labels, known: Mapping[int, Object | None], next_id: int) -> Segmentation:
    rest = ~np.isin(segmentation.ids, list(known))
    new = {number: each for number, each in known.items() if each is not None}
    ids = np.concatenate([segmentation.ids[rest], np.array([*new], np.int32)])
    order = np.argsort(ids)
    places = np.array([each.place for each in new.values()], np.int32)
    confidence = np.array([each.confidence for each in new.values()], np.float32)
    by_hand = {number for number, each in new.items() if each.by_hand}
    reasons = {number: each.reason for number, each in new.items() if each.reason}
    return replace(
        segmentation,
        labels=labels,
        ids=ids[order],
        classes=np.concatenate([segmentation.classes[rest], places])[order],
        confidence=np.concatenate([segmentation.confidence[rest], confidence])[order],
        next_id=next_id,
        by_hand=frozenset(segmentation.by_hand - known.keys()) | by_hand,
        set_aside={number: why for number, why in segmentation.set_aside.items() if number not in known} | reasons,
        alternatives={},
    )


def inverse(segmentation: Segmentation, patch: Patch) -> Patch:
    """The patch that undoes `patch`, for the segmentation before `patch`; ids that it used stay used."""
    now = {number: _known(segmentation, number) for number in patch.objects}
    top, left, bottom, right = patch.box
    return Patch(patch.box, _runs(segmentation.labels[top:bottom, left:right]), now, patch.next_id)


def delete(segmentation: Segmentation, ids: Sequence[int]) -> Patch:
    """The objects become background."""
    _, box, inside = _pixels_of(segmentation, ids)
    return _patch(segmentation, box, np.where(inside, 0, _crop(segmentation, box)), {})


def restore(segmentation: Segmentation, ids: Sequence[int], earlier: Segmentation) -> Patch:
    """Objects that were set aside are kept again. Deleted objects come back from `earlier` with their ids, on pixels
    that are still background."""
    standing = [number for number in ids if number in segmentation.ids]
    gone = [number for number in ids if number not in segmentation.ids]
    kept = {number: _by_hand(segmentation, number) for number in standing}
    if not gone:
        return _patch(segmentation, NOTHING, np.zeros((0, 0), np.int32), kept)
    _, box, inside = _pixels_of(earlier, gone)
    now = _crop(segmentation, box)
    after = np.where(inside & (now == 0), _crop(earlier, box), now)
    if lost := sorted(set(gone) - set(np.unique(after).tolist())):
        raise BadEdit(f"Nothing of object {lost[0]} can be restored: other objects lie where it was.")
    return _patch(segmentation, box, after, kept | {number: _known(earlier, number) for number in gone})


def set_aside(segmentation: Segmentation, ids: Sequence[int], reason: str) -> Patch:
    """The objects stay in the image but do not count; reason: a word or two for the tables."""
    if not 0 < len(reason.strip()) <= 40:
        raise BadEdit("A reason has 1 to 40 characters.")
    _check(segmentation, ids)
    known = {number: _changed(segmentation, number, reason=reason.strip()) for number in ids}
    return _patch(segmentation, NOTHING, np.zeros((0, 0), np.int32), known)


def reviewed(segmentation: Segmentation, ids: Sequence[int]) -> Patch:
    """A person has checked the outlines of the objects, so they count."""
    _check(segmentation, ids)
    known = {number: _by_hand(segmentation, number) for number in ids}
    return _patch(segmentation, NOTHING, np.zeros((0, 0), np.int32), known)


def reclassify(segmentation: Segmentation, ids: Sequence[int], name: str) -> Patch:
    """The objects get the class of this name."""
    if name not in segmentation.class_names:
        raise BadEdit(f"There is no class {name}; the classes are {', '.join(segmentation.class_names)}.")
    _check(segmentation, ids)
    place = segmentation.class_names.index(name)
    known = {number: _changed(segmentation, number, place=place, confidence=nan, by_hand=True) for number in ids}
    return _patch(segmentation, NOTHING, np.zeros((0, 0), np.int32), known)


def merge(segmentation: Segmentation, ids: Sequence[int]) -> Patch:
    """The objects become one object with the id of the largest."""
    if len(set(ids)) < 2:
        raise BadEdit("Choose at least two objects to merge.")
    chosen, box, inside = _pixels_of(segmentation, ids)
    now = _crop(segmentation, box)
    areas = np.bincount(np.searchsorted(chosen, now[inside]), minlength=len(chosen))
    largest = int(chosen[areas.argmax()])
    return _patch(segmentation, box, np.where(inside, largest, now), {largest: _by_hand(segmentation, largest)})


def split(segmentation: Segmentation, number: int, line: Points) -> Patch:
    """The object is cut along a line of at least two points; the largest part keeps its id."""
    _, box, inside = _pixels_of(segmentation, [number])
    parts = cut(inside, line_pixels(_points(line, 2), box))
    if parts.max() < 2:
        raise BadEdit(
            f"The line does not split object {number}: draw it from edge to edge, so that each part has at least"
            f" {SMALLEST} px."
        )
    first = segmentation.next_id
    ids = np.array([0, number, *range(first, first + parts.max() - 1)], np.int32)
    known = {int(each): _by_hand(segmentation, number) for each in ids[1:]}
    return _patch(segmentation, box, np.where(inside, ids[parts], _crop(segmentation, box)), known)


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
    now = _crop(segmentation, box)
    taken = inside & (now == 0) if ground else inside
    if not taken.any():
        raise BadEdit("The outline holds no pixel that could be taken: draw it larger, or over other objects.")
    place = segmentation.class_names.index(name) if name else 0
    if number is None:
        number, known = segmentation.next_id, Object(place, nan, True, "")
    else:
        _check(segmentation, [number])
        known = _by_hand(segmentation, number)
    return _patch(segmentation, box, np.where(taken, np.int32(number), now), {number: known})


def erase(segmentation: Segmentation, polygon: Points) -> Patch:
    """The pixels whose centres lie in the polygon become background."""
    box, inside = _filled(segmentation, polygon)
    now = _crop(segmentation, box)
    if not now[inside].any():
        raise BadEdit("There is nothing to erase there.")
    return _patch(segmentation, box, np.where(inside, 0, now), {})


def fill(segmentation: Segmentation, ids: Sequence[int]) -> Patch:
    """Background that an object encloses becomes part of it."""
    _check(segmentation, ids)
    _, box, _ = _pixels_of(segmentation, ids)
    before = _crop(segmentation, box)
    after = before.copy()
    for number in ids:
        outside, count = components(np.pad(before != number, 1, constant_values=True), corners=True)
        enclosed = (outside > 0) & (outside != outside[0, 0]) if count > 1 else np.zeros_like(outside, bool)
        after[enclosed[1:-1, 1:-1] & (before == 0)] = number
    if np.array_equal(after, before):
        raise BadEdit("These objects have no holes.")
    return _patch(segmentation, box, after, {})


def _points(points: Points, least: int) -> Floats:
    try:
        found = np.array(points, float).reshape(-1, 2)
    except (TypeError, ValueError) as error:
        raise BadEdit("A line or outline is a list of points [x, y].") from error
    if not least <= len(found) <= MOST_POINTS or not (np.abs(found) < FARTHEST).all():
        raise BadEdit(f"It takes {least} to {MOST_POINTS} points [x, y], each in pixels of the image.")
    return found


def _filled(segmentation: Segmentation, polygon: Points) -> tuple[Box, Mask]:
    """The box of a polygon, within the analysed rows, and the pixels whose centres lie in it."""
    points = _points(polygon, 3)
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


def _check(segmentation: Segmentation, ids: Sequence[int]) -> None:
    if not ids:
        raise BadEdit("Choose at least one object.")
    if len(unknown := np.setdiff1d(ids, segmentation.ids)):
        raise BadEdit(f"There is no object {unknown[0]}: it was deleted, or never there.")


def _pixels_of(segmentation: Segmentation, ids: Sequence[int]) -> tuple[NDArray[np.int32], Box, Mask]:
    """The ids in ascending order, the box around the objects, and which of its pixels are theirs."""
    _check(segmentation, ids)
    chosen = np.unique(np.array(ids, np.int32))
    among = np.zeros(int(segmentation.ids.max()) + 1, bool)
    among[chosen] = True
    mask = among[segmentation.labels]
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
    return chosen, box, mask[box[0] : box[2], box[1] : box[3]]


def _crop(segmentation: Segmentation, box: Box) -> Labels:
    top, left, bottom, right = box
    return segmentation.labels[top:bottom, left:right]


def _known(segmentation: Segmentation, number: int) -> Object | None:
    at = int(np.searchsorted(segmentation.ids, number))
    if at == len(segmentation) or segmentation.ids[at] != number:
        return None
    return Object(
        int(segmentation.classes[at]),
        float(segmentation.confidence[at]),
        number in segmentation.by_hand,
        segmentation.set_aside.get(number, ""),
    )


def _changed(segmentation: Segmentation, number: int, **said: Any) -> Object:
    known = _known(segmentation, number)
    assert known is not None
    return known._replace(**said)


def _by_hand(segmentation: Segmentation, number: int) -> Object:
    """An object confirmed by a person, so that it counts."""
    return _changed(segmentation, number, confidence=nan, by_hand=True, reason="")


def _patch(segmentation: Segmentation, box: Box, after: Labels, known: Mapping[int, Object | None]) -> Patch:
    """The patch that turns a box into `after` (h, w), without unchanged rows and columns at its edges."""
    before = _crop(segmentation, box)
    changed = before != after
    objects: dict[int, Object | None] = dict(known)
    for number in np.setdiff1d(before[changed], [0, *objects]).tolist():
        left = (after == number).any() or (segmentation.labels == number).sum() > (before == number).sum()
        objects[number] = _by_hand(segmentation, number) if left else None
    for number in np.setdiff1d(after[changed], [0, *objects]).tolist():
        objects[number] = _by_hand(segmentation, number)
    next_id = max(segmentation.next_id, 1 + max(objects, default=0))
    if not changed.any():
        return Patch(NOTHING, (), objects, next_id)
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    part = after[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    top, left_edge = box[0] + int(rows[0]), box[1] + int(columns[0])
    return Patch((top, left_edge, top + part.shape[0], left_edge + part.shape[1]), _runs(part), objects, next_id)


def _runs(part: Labels) -> tuple[tuple[int, int], ...]:
    flat = part.ravel()
    if not flat.size:
        return ()
    starts = np.flatnonzero(np.r_[True, flat[1:] != flat[:-1]])
    counts = np.diff(np.r_[starts, flat.size])
    return tuple(zip(flat[starts].tolist(), counts.tolist(), strict=True))
