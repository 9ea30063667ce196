"""Outlines while they are corrected: runs instead of an image, so that 67 million pixels take 10 MB."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .geometry import Box, Floats, Labels
from .patches import BadEdit, Object, Patch, check_fits
from .runs import Numbers, Runs, Strip, grouped, in_rows, joined, no_runs, runs_of
from .segmentation import Segmentation
from .time_limit import check_time

STRIP = 256  # rows
MOST_CROPPED = 1 << 23  # px; one operation unpacks no larger part of the image
TOO_WIDE = "The object reaches over too large a part of the image for this: draw or erase instead."
NetworkMap = Callable[[Box], NDArray[np.uint8]]  # its part in a box (h, w)


@dataclass(frozen=True, eq=False)
class WorkingLabels:
    """The outlines of a Segmentation; a correction gives new ones, which share the rows that it leaves alone.

    strips: the labels, STRIP rows each. objects: the data of every id that stands. The other fields are those of the
    Segmentation.
    """

    shape: tuple[int, int]
    rows: int
    class_names: tuple[str, ...]
    strips: tuple[Strip, ...]
    objects: Mapping[int, Object]
    next_id: int
    used: Mapping[str, Any] = field(default_factory=dict)
    maps: Mapping[str, NetworkMap] = field(default_factory=dict)

    @classmethod
    def of(cls, result: Segmentation) -> WorkingLabels:
        """From a Segmentation in memory."""
        tall, wide = result.labels.shape
        strips = [Strip.of(result.labels[top : top + STRIP], top * wide) for top in range(0, tall, STRIP)]
        maps = {
            name: lambda box, soft_map=soft_map: soft_map[box[0] : box[2], box[1] : box[3]]
            for name, soft_map in result.maps.items()
        }
        objects = objects_of(result)
        facts = result.rows, result.class_names, (*strips,), objects, result.next_id, result.used, maps
        return cls((tall, wide), *facts)

    @property
    def width(self) -> int:
        return self.shape[1]

    def under(self, runs: Runs) -> tuple[Runs, Numbers]:
        """What lies under runs, each within one row: runs of the ids there, and of each the id of the one above it."""
        bounds = np.arange(len(self.strips) + 1) * STRIP * self.width
        places = np.searchsorted(runs[:, 0], bounds).tolist()
        below, above = [no_runs()], [np.zeros(0, np.int32)]
        for strip, begin, end in zip(self.strips, places[:-1], places[1:], strict=True):
            check_time()
            if begin < end:
                starts, counts, ids = runs[begin:end].T
                runs_here, above_of = strip.under(starts, starts + counts)
                below.append(runs_here)
                above.append(ids[above_of])
        return np.concatenate(below), np.concatenate(above)

    def crop(self, box: Box) -> Labels:
        """The labels in a box (h, w); raises BadEdit if it is too large a part of the image."""
        top, left, bottom, right = box
        if (bottom - top) * (right - left) > MOST_CROPPED:
            raise BadEdit(TOO_WIDE)
        offset = np.arange(top, bottom, dtype=np.int32) * self.width
        row_runs, _ = self.under(runs_of(offset + left, offset + right, 0))
        return np.repeat(row_runs[:, 2], row_runs[:, 1]).reshape(bottom - top, right - left)

    def at(self, points: Floats) -> Numbers:
        """The ids (n,) of the pixels under points (n, 2), x and y; 0 outside the image."""
        tall, wide = self.shape
        x, y = np.floor(points).T
        is_inside = (x >= 0) & (y >= 0) & (x < wide) & (y < tall)
        places = np.where(is_inside, y * wide + x, 0).astype(np.int64)
        strips = np.where(is_inside, places // (STRIP * wide), -1)
        ids = np.zeros(len(places), np.int32)
        for number in np.unique(strips[is_inside]).tolist():
            in_strip, strip = strips == number, self.strips[number]
            ids[in_strip] = strip.ids[np.searchsorted(strip.starts, places[in_strip], "right") - 1]
        return ids

    def touches(self, runs: Runs, number: int) -> bool:
        """Whether runs, each within one row, have a pixel of an object, or one beside it, through a side or corner."""
        rows, left = np.divmod(runs[:, 0], self.width)
        begin, end = np.maximum(left - 1, 0), np.minimum(left + runs[:, 1] + 1, self.width)
        for row in (rows - 1, rows, rows + 1):
            within = (row >= 0) & (row < self.shape[0])
            offset = row[within] * self.width
            around, _ = self.under(runs_of(offset + begin[within], offset + end[within], 0))
            if (around[:, 2] == number).any():
                return True
        return False

    def areas(self) -> dict[int, int]:
        """The pixels of every object, by its id."""
        numbers = np.array(sorted(self.objects), np.int32)
        areas = np.zeros(len(numbers), np.int64)
        for strip in self.strips:
            is_object = strip.ids > 0
            ids, counts = strip.ids[is_object], (strip.ends - strip.starts)[is_object]
            areas += np.bincount(np.searchsorted(numbers, ids), counts, len(numbers)).astype(np.int64)
        return dict(zip(numbers.tolist(), areas.tolist(), strict=True))

    def pieces_of(self, ids: Sequence[int]) -> dict[int, int]:
        """Of how many pieces each of some objects is; pixels of one piece share sides. Raises BadEdit as `chosen`."""
        runs = self.runs_of(self.chosen(ids))
        _, index = np.unique(grouped(runs, self.width), return_index=True)
        numbers, counts = np.unique(runs[index, 2], return_counts=True)
        return dict(zip(numbers.tolist(), counts.tolist(), strict=True))

    def parts(self) -> Iterator[Labels]:
        """The labels, STRIP rows at a time (h, W)."""
        for strip in self.strips:
            yield np.repeat(strip.ids, strip.ends - strip.starts).reshape(-1, self.width)

    def runs_of(self, ids: Sequence[int]) -> Runs:
        """The pixels of some objects."""
        runs = [no_runs()]
        for strip in self.strips:
            check_time()
            at = np.flatnonzero(np.isin(strip.ids, ids))
            runs.append(runs_of(strip.starts[at], strip.ends[at], strip.ids[at]))
        return in_rows(np.concatenate(runs), self.width)

    def every_run(self, top: int, bottom: int) -> tuple[Numbers, Numbers]:
        """All runs of some rows, which may cross the ends of rows: ids and numbers of pixels."""
        low, last = top * self.width, bottom * self.width
        ids, starts = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)]
        for strip in self.strips[top // STRIP : -(-bottom // STRIP)]:
            begin = max(0, int(np.searchsorted(strip.starts, low, "right")) - 1)
            end = int(np.searchsorted(strip.starts, last, "left"))
            ids.append(strip.ids[begin:end])
            starts.append(strip.starts[begin:end])
        begins = np.maximum(np.concatenate(starts), low)
        return np.concatenate(ids), np.diff(np.append(begins, last)).astype(np.int32)

    def as_dict(self) -> dict[str, Any]:
        """What is known of each object, in plain JSON types."""
        ids = sorted(self.objects)
        entries = [self.objects[number].as_list() for number in ids]
        return {
            "next": self.next_id,
            "classes": list(self.class_names),
            "maps": list(self.maps),
            "ids": ids,
            "classes_of": [index for index, *_ in entries],
            "confidence": [confidence for _, confidence, *_ in entries],
            "by_hand": [number for number in ids if self.objects[number].by_hand],
            "set_aside": {str(number): self.objects[number].reason for number in ids if self.objects[number].reason},
        }

    def chosen(self, ids: Sequence[int]) -> list[int]:
        """The ids in ascending order, each once; raises BadEdit for none, and for one that does not stand."""
        if not ids:
            raise BadEdit("Choose at least one object.")
        for number in sorted(set(ids)):
            if number not in self.objects:
                raise BadEdit(f"There is no object {number}: it was deleted, or never there.")
        return sorted(set(ids))

    def boxes(self, ids: Sequence[int], margin: int = 0) -> dict[int, Box]:
        """The box around each of some objects, with a margin as far as the analysed rows reach."""
        runs = self.runs_of(self.chosen(ids))
        runs = runs[np.argsort(runs[:, 2], kind="stable")]
        numbers, starts = np.unique(runs[:, 2], return_index=True)
        top, left = np.divmod(runs[:, 0], self.width)
        bottom, right = top + 1, left + runs[:, 1]
        top, left = (np.minimum.reduceat(corner, starts) for corner in (top, left))
        bottom, right = (np.maximum.reduceat(side, starts) for side in (bottom, right))
        ends = [np.maximum(top - margin, 0), np.maximum(left - margin, 0)]
        ends += [np.maximum(np.minimum(bottom + margin, self.rows), bottom), np.minimum(right + margin, self.width)]
        return dict(zip(numbers.tolist(), zip(*(side.tolist() for side in ends), strict=True), strict=True))

    def written(self, runs: Runs) -> WorkingLabels:
        """With some pixels of other ids, each run within one row; the objects stay as they are."""
        bounds = np.arange(len(self.strips) + 1) * STRIP * self.width
        places = np.searchsorted(runs[:, 0], bounds).tolist()
        strips = [
            strip.written(runs[begin:end]) if begin < end else strip
            for strip, begin, end in zip(self.strips, places[:-1], places[1:], strict=True)
        ]
        return replace(self, strips=tuple(strips))

    def after(self, patches: Iterable[Patch]) -> WorkingLabels:
        """The outlines after the patches, in their order; raises BadEdit if one does not fit."""
        now, objects, next_id = self, dict(self.objects), self.next_id
        for patch in patches:
            check_time()
            check_fits(patch, self.shape)
            now, next_id = now.written(patch.runs), max(next_id, patch.next_id)
            for number, item in patch.objects.items():
                objects.pop(number, None)
                if item is not None:
                    objects[number] = item
        return replace(now, objects=objects, next_id=next_id)

    def patch_to(self, new_runs: Runs, data: Mapping[int, Object | None]) -> Patch:
        """The patch that gives pixels these ids. data: the new data of some objects; others that gain or lose pixels
        are by hand, too."""
        under, new = self.under(new_runs)
        changed = under[:, 2] != new
        under, new = under[changed], new[changed]
        objects = dict(data)
        lost = np.setdiff1d(under[:, 2], [0, *objects])
        left = _areas(self.runs_of(lost.tolist()), lost) - _areas(under, lost) if len(lost) else lost
        for number, area in zip(lost.tolist(), left.tolist(), strict=True):
            objects[number] = self.objects[number].changed() if area > 0 else None
        for number in np.setdiff1d(new, [0, *objects]).tolist():
            objects[number] = self.objects[number].changed()
        runs = joined(np.column_stack([under[:, :2], new]), self.width)
        return Patch(runs, objects, max(self.next_id, 1 + max(objects, default=0)))

    def inverse(self, patch: Patch) -> Patch:
        """The patch that undoes `patch`, which was not applied yet; ids that it used stay used."""
        runs, _ = self.under(patch.runs)
        return Patch(joined(runs, self.width), {id_: self.objects.get(id_) for id_ in patch.objects}, patch.next_id)


def _areas(runs: Runs, ids: Numbers) -> NDArray[np.int64]:
    """The pixels of each of some ids (n,), ascending."""
    runs = runs[np.isin(runs[:, 2], ids)]
    return np.bincount(np.searchsorted(ids, runs[:, 2]), runs[:, 1], len(ids)).astype(np.int64)


def objects_of(outlines: Segmentation) -> dict[int, Object]:
    """The data of every object, by its id."""
    lists = (outlines.ids.tolist(), outlines.classes.tolist(), outlines.confidence.tolist())
    return {
        number: Object(index, confidence, number in outlines.by_hand, outlines.set_aside.get(number, ""))
        for number, index, confidence in zip(*lists, strict=True)
    }
