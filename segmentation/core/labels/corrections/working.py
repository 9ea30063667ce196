"""The outlines of an image during its corrections, as runs of pixels instead of a label image: an image of 67 million
pixels then takes 10 MB."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..segmentation import Segmentation
from .geometry import Box, Floats, Labels
from .patches import BadEdit, Object, Patch, RegionList, check_fits
from .runs import Numbers, Runs, Strip, cut_at_rows, join_runs, no_runs, piece_numbers, runs_of
from .time_limit import check_time

STRIP_ROWS = 256  # rows of a strip
MOST_CROPPED_PX = 1 << 23  # px: the largest part of the image that one operation may unpack
TOO_LARGE = "The object reaches over too large a part of the image for this: draw or erase instead."
NetworkMap = Callable[[Box], NDArray[np.uint8]]  # gives the map's part (h, w) in a box


@dataclass(frozen=True, eq=False)
class WorkingLabels:
    """The outlines of a Segmentation. A correction gives a new object, which shares all strips that do not change.

    shape: (H, W). strips: the labels, STRIP_ROWS rows each. objects: the data of every existing object, by its id. The
    other fields are those of the Segmentation; `rows` is the number of analysed rows, without the data bar. regions:
    the regions to ignore, each a list of corners (x, y).
    """

    shape: tuple[int, int]
    rows: int
    class_names: tuple[str, ...]
    strips: tuple[Strip, ...]
    objects: Mapping[int, Object]
    next_id: int
    used: Mapping[str, Any] = field(default_factory=dict)
    maps: Mapping[str, NetworkMap] = field(default_factory=dict)
    regions: RegionList = ()

    @classmethod
    def of(cls, result: Segmentation) -> WorkingLabels:
        """The outlines of a Segmentation that is in memory."""
        tall, wide = result.labels.shape
        strips = [Strip.of(result.labels[top : top + STRIP_ROWS], top * wide) for top in range(0, tall, STRIP_ROWS)]
        maps = {
            name: lambda box, soft_map=soft_map: soft_map[box[0] : box[2], box[1] : box[3]]
            for name, soft_map in result.maps.items()
        }
        objects = objects_of(result)
        return cls(
            (tall, wide), result.rows, result.class_names, (*strips,), objects, result.next_id, result.used, maps
        )

    @property
    def width(self) -> int:
        return self.shape[1]

    def runs_under(self, runs: Runs) -> tuple[Runs, Numbers]:
        """The runs of these outlines at the pixels of given runs, cut at the ends of the given runs; and (m,) for each
        of them the id of the given run. runs: each within one row."""
        bounds = np.arange(len(self.strips) + 1) * STRIP_ROWS * self.width
        places = np.searchsorted(runs[:, 0], bounds).tolist()
        below, above = [no_runs()], [np.zeros(0, np.int32)]
        for strip, begin, end in zip(self.strips, places[:-1], places[1:], strict=True):
            check_time()
            if begin < end:
                starts, counts, ids = runs[begin:end].T
                runs_here, above_of = strip.runs_under(starts, starts + counts)
                below.append(runs_here)
                above.append(ids[above_of])
        return np.concatenate(below), np.concatenate(above)

    def crop(self, box: Box) -> Labels:
        """The labels (h, w) in a box; raises BadEdit if the box has more than MOST_CROPPED_PX px."""
        top, left, bottom, right = box
        if (bottom - top) * (right - left) > MOST_CROPPED_PX:
            raise BadEdit(TOO_LARGE)
        offset = np.arange(top, bottom, dtype=np.int32) * self.width
        row_runs, _ = self.runs_under(runs_of(offset + left, offset + right, 0))
        return np.repeat(row_runs[:, 2], row_runs[:, 1]).reshape(bottom - top, right - left)

    def ids_at(self, points: Floats) -> Numbers:
        """The ids (n,) of the pixels at points (n, 2), x and y; 0 outside the image."""
        tall, wide = self.shape
        x, y = np.floor(points).T
        is_inside = (x >= 0) & (y >= 0) & (x < wide) & (y < tall)
        places = np.where(is_inside, y * wide + x, 0).astype(np.int64)
        strips = np.where(is_inside, places // (STRIP_ROWS * wide), -1)
        ids = np.zeros(len(places), np.int32)
        for number in np.unique(strips[is_inside]).tolist():
            in_strip, strip = strips == number, self.strips[number]
            ids[in_strip] = strip.ids[np.searchsorted(strip.starts, places[in_strip], "right") - 1]
        return ids

    def touches(self, runs: Runs, number: int) -> bool:
        """Whether a pixel of the runs belongs to the object `number`, or shares a side or corner with it. runs: each
        within one row."""
        rows, left = np.divmod(runs[:, 0], self.width)
        begin, end = np.maximum(left - 1, 0), np.minimum(left + runs[:, 1] + 1, self.width)
        for row in (rows - 1, rows, rows + 1):
            within = (row >= 0) & (row < self.shape[0])
            offset = row[within] * self.width
            around, _ = self.runs_under(runs_of(offset + begin[within], offset + end[within], 0))
            if (around[:, 2] == number).any():
                return True
        return False

    def areas(self) -> dict[int, int]:
        """The area of every object in px, by its id."""
        numbers = np.array(sorted(self.objects), np.int32)
        areas = np.zeros(len(numbers), np.int64)
        for strip in self.strips:
            is_object = strip.ids > 0
            ids, counts = strip.ids[is_object], (strip.ends - strip.starts)[is_object]
            areas += np.bincount(np.searchsorted(numbers, ids), counts, len(numbers)).astype(np.int64)
        return dict(zip(numbers.tolist(), areas.tolist(), strict=True))

    def pieces_of(self, ids: Sequence[int]) -> dict[int, int]:
        """The number of connected pieces of each of some objects, by its id; pixels are connected by their sides.
        Raises BadEdit as `checked_ids`."""
        runs = self.runs_of(self.checked_ids(ids))
        _, index = np.unique(piece_numbers(runs, self.width), return_index=True)
        numbers, counts = np.unique(runs[index, 2], return_counts=True)
        return dict(zip(numbers.tolist(), counts.tolist(), strict=True))

    def label_strips(self) -> Iterator[Labels]:
        """The label image, STRIP_ROWS rows (h, W) at a time."""
        for strip in self.strips:
            yield np.repeat(strip.ids, strip.ends - strip.starts).reshape(-1, self.width)

    def runs_of(self, ids: Sequence[int]) -> Runs:
        """The pixels of some objects, as runs within rows."""
        runs = [no_runs()]
        for strip in self.strips:
            check_time()
            is_wanted = np.isin(strip.ids, ids)
            runs.append(runs_of(strip.starts[is_wanted], strip.ends[is_wanted], strip.ids[is_wanted]))
        return cut_at_rows(np.concatenate(runs), self.width)

    def every_run(self, top: int, bottom: int) -> tuple[Numbers, Numbers]:
        """(n,) each: ids and lengths of all runs, background included, in the rows from `top` to `bottom` (exclusive).
        Runs may cross the ends of rows."""
        low, last = top * self.width, bottom * self.width
        ids, starts = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)]
        for strip in self.strips[top // STRIP_ROWS : -(-bottom // STRIP_ROWS)]:
            begin = max(0, int(np.searchsorted(strip.starts, low, "right")) - 1)
            end = int(np.searchsorted(strip.starts, last, "left"))
            ids.append(strip.ids[begin:end])
            starts.append(strip.starts[begin:end])
        begins = np.maximum(np.concatenate(starts), low)
        return np.concatenate(ids), np.diff(np.append(begins, last)).astype(np.int32)

    def as_dict(self) -> dict[str, Any]:
        """The data of all objects in plain JSON types, for the page's scripts and the API."""
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

    def checked_ids(self, ids: Sequence[int]) -> list[int]:
        """The ids in ascending order, each once; raises BadEdit for an empty list, and for objects that do not
        exist."""
        if not ids:
            raise BadEdit("Choose at least one object.")
        for number in sorted(set(ids)):
            if number not in self.objects:
                raise BadEdit(f"There is no object {number}: it was deleted, or never there.")
        return sorted(set(ids))

    def boxes(self, ids: Sequence[int], margin: int = 0) -> dict[int, Box]:
        """The box around each of some objects, by its id, enlarged by a margin (px) within the analysed rows."""
        runs = self.runs_of(self.checked_ids(ids))
        runs = runs[np.argsort(runs[:, 2], kind="stable")]
        numbers, starts = np.unique(runs[:, 2], return_index=True)
        top, left = np.divmod(runs[:, 0], self.width)
        bottom, right = top + 1, left + runs[:, 1]
        top, left = (np.minimum.reduceat(corner, starts) for corner in (top, left))
        bottom, right = (np.maximum.reduceat(side, starts) for side in (bottom, right))
        ends = [np.maximum(top - margin, 0), np.maximum(left - margin, 0)]
        ends += [np.maximum(np.minimum(bottom + margin, self.rows), bottom), np.minimum(right + margin, self.width)]
        return dict(zip(numbers.tolist(), zip(*(side.tolist() for side in ends), strict=True), strict=True))

    def overwritten(self, runs: Runs) -> WorkingLabels:
        """The outlines after the pixels of some runs, each within one row, have got the runs' ids. The data of objects
        does not change."""
        bounds = np.arange(len(self.strips) + 1) * STRIP_ROWS * self.width
        places = np.searchsorted(runs[:, 0], bounds).tolist()
        strips = [
            strip.overwritten(runs[begin:end]) if begin < end else strip
            for strip, begin, end in zip(self.strips, places[:-1], places[1:], strict=True)
        ]
        return replace(self, strips=tuple(strips))

    def after(self, patches: Iterable[Patch]) -> WorkingLabels:
        """The outlines after the patches, in their order; raises BadEdit if one does not fit."""
        now, objects, next_id, regions = self, dict(self.objects), self.next_id, self.regions
        for patch in patches:
            check_time()
            check_fits(patch, self.shape)
            now, next_id = now.overwritten(patch.runs), max(next_id, patch.next_id)
            regions = regions if patch.regions is None else patch.regions
            for number, item in patch.objects.items():
                objects.pop(number, None)
                if item is not None:
                    objects[number] = item
        return replace(now, objects=objects, next_id=next_id, regions=regions)

    def patch_to(self, new_runs: Runs, data: Mapping[int, Object | None]) -> Patch:
        """The patch that gives the pixels of `new_runs` their ids. data: the new data of some objects; None for deleted
        ones. Other objects that gain or lose pixels become "by hand", or are deleted if no pixel is left."""
        under, new = self.runs_under(new_runs)
        changed = under[:, 2] != new
        under, new = under[changed], new[changed]
        objects = dict(data)
        losers = np.setdiff1d(under[:, 2], [0, *objects])  # objects that lose pixels
        left = _areas(self.runs_of(losers.tolist()), losers) - _areas(under, losers) if len(losers) else losers
        for number, area in zip(losers.tolist(), left.tolist(), strict=True):
            objects[number] = self.objects[number].changed() if area > 0 else None
        for number in np.setdiff1d(new, [0, *objects]).tolist():
            objects[number] = self.objects[number].changed()
        runs = join_runs(np.column_stack([under[:, :2], new]), self.width)
        return Patch(runs, objects, max(self.next_id, 1 + max(objects, default=0)))

    def inverse(self, patch: Patch) -> Patch:
        """The patch that takes back `patch`, which was not yet applied to these outlines. Ids that `patch` gave are not
        given again."""
        runs, _ = self.runs_under(patch.runs)
        objects = {number: self.objects.get(number) for number in patch.objects}
        regions = None if patch.regions is None else self.regions
        return Patch(join_runs(runs, self.width), objects, patch.next_id, regions)


def _areas(runs: Runs, ids: Numbers) -> NDArray[np.int64]:
    """(n,) px: how many pixels of the runs have each of the ids (n,), ascending."""
    runs = runs[np.isin(runs[:, 2], ids)]
    return np.bincount(np.searchsorted(ids, runs[:, 2]), runs[:, 1], len(ids)).astype(np.int64)


def objects_of(outlines: Segmentation) -> dict[int, Object]:
    """The data of every object, by its id."""
    lists = (outlines.ids.tolist(), outlines.classes.tolist(), outlines.confidence.tolist())
    return {
        number: Object(index, confidence, number in outlines.by_hand, outlines.set_aside.get(number, ""))
        for number, index, confidence in zip(*lists, strict=True)
    }
