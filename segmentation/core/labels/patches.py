"""Patches: what a correction changes of a Segmentation, applied and undone bit for bit; numpy alone.

A Patch holds the new ids of a box and the new data of the objects that it touches. A Segmentation and its patches give
exactly the corrected one, bit for bit (`apply`); `inverse` undoes a patch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite, nan
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .geometry import Box, Floats, Labels, Mask
from .segmentation import MOST_IDS, Segmentation

MOST_POINTS = 2000  # of a line or polygon
FARTHEST = 1e6  # px; no image is so wide
Points = Sequence[Sequence[float]]
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
    now = {number: known_object(segmentation, number) for number in patch.objects}
    top, left, bottom, right = patch.box
    return Patch(patch.box, _runs(segmentation.labels[top:bottom, left:right]), now, patch.next_id)


def points_of(points: Points, least: int) -> Floats:
    try:
        found = np.array(points, float).reshape(-1, 2)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadEdit("A line or outline is a list of points [x, y].") from error
    if not least <= len(found) <= MOST_POINTS or not (np.abs(found) < FARTHEST).all():
        raise BadEdit(f"It takes {least} to {MOST_POINTS} points [x, y], each in pixels of the image.")
    return found


def check(segmentation: Segmentation, ids: Sequence[int]) -> None:
    if not ids:
        raise BadEdit("Choose at least one object.")
    if len(unknown := np.setdiff1d(ids, segmentation.ids)):
        raise BadEdit(f"There is no object {unknown[0]}: it was deleted, or never there.")


def pixels_of(segmentation: Segmentation, ids: Sequence[int]) -> tuple[NDArray[np.int32], Box, Mask]:
    """The ids in ascending order, the box around the objects, and which of its pixels are theirs."""
    check(segmentation, ids)
    chosen = np.unique(np.array(ids, np.int32))
    among = np.zeros(int(segmentation.ids.max()) + 1, bool)
    among[chosen] = True
    mask = among[segmentation.labels]
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
    return chosen, box, mask[box[0] : box[2], box[1] : box[3]]


def crop(segmentation: Segmentation, box: Box) -> Labels:
    top, left, bottom, right = box
    return segmentation.labels[top:bottom, left:right]


def known_object(segmentation: Segmentation, number: int) -> Object | None:
    at = int(np.searchsorted(segmentation.ids, number))
    if at == len(segmentation) or segmentation.ids[at] != number:
        return None
    return Object(
        int(segmentation.classes[at]),
        float(segmentation.confidence[at]),
        number in segmentation.by_hand,
        segmentation.set_aside.get(number, ""),
    )


def changed(segmentation: Segmentation, number: int, **said: Any) -> Object:
    known = known_object(segmentation, number)
    assert known is not None
    return known._replace(**said)


def confirmed(segmentation: Segmentation, number: int) -> Object:
    """An object confirmed by a person, so that it counts."""
    return changed(segmentation, number, confidence=nan, by_hand=True, reason="")


def patch_to(segmentation: Segmentation, box: Box, after: Labels, known: Mapping[int, Object | None]) -> Patch:
    """The patch that turns a box into `after` (h, w), without unchanged rows and columns at its edges."""
    before = crop(segmentation, box)
    changed = before != after
    objects: dict[int, Object | None] = dict(known)
    touched = np.setdiff1d(before[changed], [0, *objects])
    if touched.size:
        areas = (
            np.bincount(each.ravel(), minlength=touched.max() + 1) for each in (segmentation.labels, before, after)
        )
        whole, here, there = (each[touched] for each in areas)
        for number, area in zip(touched.tolist(), (whole - here + there).tolist(), strict=True):
            objects[number] = confirmed(segmentation, number) if area > 0 else None
    for number in np.setdiff1d(after[changed], [0, *objects]).tolist():
        objects[number] = confirmed(segmentation, number)
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
