"""Patches: a Patch is the change that a correction makes in a Segmentation.

A Patch contains runs of the pixels whose id changes, and the new data of the objects that change. A Segmentation and
its patches give exactly the corrected Segmentation, bit for bit (`apply_patches`); this needs numpy alone.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import isfinite, nan
from typing import Any, NamedTuple

import numpy as np

from ..segmentation import MOST_IDS, Segmentation
from .geometry import Floats, Labels
from .runs import Runs, compress_runs, decompress_runs, no_runs, pixels_and_ids

MOST_RUNS = 1 << 22  # of a stored patch
MOST_POINTS = 2000  # of a line or polygon
LARGEST_COORDINATE = 1e6  # px; no image is so wide
Points = Sequence[Sequence[float]]
RegionList = Sequence[Points]


class BadEdit(ValueError):
    """An operation cannot be done; the message is one sentence that says why."""


class Object(NamedTuple):
    """The data of one object, as in Segmentation. reason: why a person left it out, "" if nobody did."""

    class_index: int
    confidence: float
    by_hand: bool
    reason: str

    def confirmed(self) -> Object:
        """The object after a person has confirmed it, so that it counts."""
        return self._replace(confidence=nan, by_hand=True, reason="")

    def changed(self) -> Object:
        """The object after its pixels or class were changed; if a person had left it out, it stays left out."""
        return self._replace(confidence=nan, by_hand=True)

    def as_list(self) -> list[Any]:
        """Plain JSON types; an unknown confidence is None."""
        confidence = float(self.confidence) if isfinite(self.confidence) else None
        return [self.class_index, confidence, self.by_hand, self.reason]


class Patch:
    """The change that an operation makes.

    runs: the pixels whose id changes, with their new ids; compressed in memory, because a log has many patches.
    objects: the new data of every changed object, by its id; None for an object that no longer exists. next_id: the
    first free id afterwards. regions: all regions to ignore afterwards, each a list of corners (x, y); None if they do
    not change.
    """

    def __init__(
        self,
        runs: Runs | None = None,
        objects: Mapping[int, Object | None] | None = None,
        next_id: int = 1,
        regions: RegionList | None = None,
    ) -> None:
        self._packed = compress_runs(no_runs() if runs is None else runs)
        self.objects, self.next_id, self.regions = objects or {}, next_id, regions

    @property
    def runs(self) -> Runs:
        return decompress_runs(self._packed)

    @property
    def ids_left(self) -> list[int]:
        """The ids in `objects` that exist afterwards."""
        return [number for number, item in self.objects.items() if item is not None]

    @property
    def check(self) -> int:
        """CRC-32 of the runs as little-endian int32 (start, count, id of each run, in order)."""
        return zlib.crc32(self.runs.astype("<i4").tobytes())

    def as_dict(self) -> dict[str, Any]:
        """The patch in plain JSON types, as it is stored: the compressed runs in base64."""
        return {"runs": base64.b64encode(self._packed).decode(), **self._others()}

    def as_lists(self) -> dict[str, Any]:
        """The patch in plain JSON types for scripts that draw it: each run is a list of three numbers."""
        return {"runs": self.runs.tolist(), **self._others()}

    def _others(self) -> dict[str, Any]:
        objects = {str(number): item and item.as_list() for number, item in self.objects.items()}
        regions = {} if self.regions is None else {"regions": self.regions}
        return {"objects": objects, "next": self.next_id, **regions}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Patch:
        """The patch that `as_dict` wrote, or `as_lists` (version 1.0 stored these); raises BadEdit for anything
        else."""
        try:
            runs = content["runs"]
            runs = (
                decompress_runs(base64.b64decode(runs), MOST_RUNS)
                if isinstance(runs, str)
                else np.array(runs or no_runs())
            )
            if runs.dtype.kind != "i" or runs.shape[1:] != (3,) or runs.min(initial=0) < 0 or runs.max(initial=0) >> 31:
                raise ValueError("no runs")
            objects = {int(number): _object(item) for number, item in content["objects"].items()}
            return cls(runs.astype(np.int32), objects, int(content["next"]), content.get("regions"))
        except (KeyError, TypeError, ValueError, AttributeError, zlib.error) as error:
            raise BadEdit("This is not an edit of DeepSegm: export it again.") from error


def _object(row: Sequence[Any] | None) -> Object | None:
    if row is None:
        return None
    class_index, confidence, by_hand, reason = row
    return Object(int(class_index), nan if confidence is None else float(confidence), bool(by_hand), str(reason))


def check_fits(patch: Patch, shape: tuple[int, int]) -> None:
    """Raises BadEdit if a patch cannot belong to an image of this shape (H, W)."""
    starts, counts, ids = patch.runs.T.astype(np.int64)
    ends = starts + counts
    if (counts < 1).any() or (starts < 0).any() or ends.max(initial=0) > shape[0] * shape[1]:
        raise BadEdit("An edit lies outside the image.")
    if (starts[1:] < ends[:-1]).any() or (starts // shape[1] != (ends - 1) // shape[1]).any():
        raise BadEdit("The runs of an edit are not in order, each within one row.")
    if len(ids) and not 0 <= ids.min() <= ids.max() < patch.next_id <= MOST_IDS:
        raise BadEdit("An edit names an object that cannot be.")


def apply_patches(segmentation: Segmentation, patches: Iterable[Patch]) -> Segmentation:
    """The segmentation after the patches, in their order.

    `alternatives` becomes empty, because they belong to the old outlines. Raises BadEdit if a patch does not fit.
    """
    labels, next_id, changed = segmentation.labels.copy(), segmentation.next_id, False
    objects: dict[int, Object | None] = {}
    for patch in patches:
        check_fits(patch, (labels.shape[0], labels.shape[1]))
        pixels, ids = pixels_and_ids(patch.runs)
        labels.ravel()[pixels] = ids
        objects |= patch.objects
        next_id, changed = max(next_id, patch.next_id), True
    return _apply(segmentation, labels, objects, next_id) if changed else segmentation


def _apply(segmentation: Segmentation, labels: Labels, data: Mapping[int, Object | None], next_id: int) -> Segmentation:
    """The segmentation with new labels (H, W), and with new data of some objects; None for a deleted object."""
    unchanged = ~np.isin(segmentation.ids, list(data))
    new = {number: item for number, item in data.items() if item is not None}
    ids = np.concatenate([segmentation.ids[unchanged], np.array([*new], np.int32)])
    order = np.argsort(ids)
    classes = np.array([item.class_index for item in new.values()], np.int32)
    confidence = np.array([item.confidence for item in new.values()], np.float32)
    by_hand = {number for number, item in new.items() if item.by_hand}
    reasons = {number: item.reason for number, item in new.items() if item.reason}
    return replace(
        segmentation,
        labels=labels,
        ids=ids[order],
        classes=np.concatenate([segmentation.classes[unchanged], classes])[order],
        confidence=np.concatenate([segmentation.confidence[unchanged], confidence])[order],
        next_id=next_id,
        by_hand=frozenset(segmentation.by_hand - data.keys()) | by_hand,
        set_aside={number: reason for number, reason in segmentation.set_aside.items() if number not in data} | reasons,
        alternatives={},
    )


def points_of(points: Points, least: int) -> Floats:
    """The points of a line or outline as an array (n, 2); raises BadEdit for fewer than `least`, and for
    anything but pairs of numbers."""
    try:
        array = np.array(points, float).reshape(-1, 2)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadEdit("A line or outline is a list of points [x, y].") from error
    if not least <= len(array) <= MOST_POINTS or not (np.abs(array) < LARGEST_COORDINATE).all():
        raise BadEdit(f"It takes {least} to {MOST_POINTS} points [x, y], each in pixels of the image.")
    return array
