"""The objects of a result directly after corrections, before the whole image is measured again.

Unchanged objects are read from the file outlines.json. Objects with other pixels are cut out and
measured by the rules of the full measurement, which will give the same counts, sizes and shares.
The web process imports this module; only `table_and_part_counts` needs scipy.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ...labels.corrections.geometry import Box
from ...labels.corrections.operations import Corrections, Step
from ...labels.corrections.patches import BadEdit
from ...labels.corrections.runs import Runs, cut_at_rows, runs_of
from ...labels.corrections.working import STRIP_ROWS, WorkingLabels
from ...labels.segmentation import Provenance, Segmentation
from ...measure.objects.cutouts import CutOut
from ...measure.objects.filters import FOR_SIZE, Reason, judge
from ...measure.objects.regions import INSIDE, Region, mask_of, reaches_border, regions_by_reason, uncounted
from ...measure.objects.tilt import Stretch
from ...measure.outlines.borders import find_pixel_borders
from ...measure.outlines.contours import EDGE_SHIFTS
from ...measure.quantities import of_class
from ...measure.shape.descriptors import DESCRIPTORS, SIZES
from ...measure.table import REASON_TYPE, Table
from ...settings import MeasurementSettings
from ...tasks.base import Task
from ..exports.viewer import (
    CELLS,
    MOST_COORDINATES,
    further_rings,
    object_row,
    outline_coordinates,
    rounded_values,
)
from ..figures.picture import PALETTE
from ..outlines import Points, smooth_rings

Row = dict[str, Any]
Floats = NDArray[np.float64]
OUTLINE_KEYS = "outline", "rings"  # entries of a row that only a picture of the objects needs
SHORT_OBJECT_CLASS = 1  # index of the class of objects too short for a fibre
MOST_TRACED_PX = 1 << 22  # in larger pictures of classes the outlines are not traced again after a correction


@dataclass(frozen=True, eq=False)
class StoredObjects:
    """The n objects of the file outlines.json (`exports.viewer.outlines`), in the order of their
    ids.

    head: the entries of the file without the objects and their cells.
    ids: (n,) int64.
    texts: the row of each object as JSON.
    columns: the numbers by name, (n,) each, NaN if not known.
    reasons: (n,) why an object is left out, "" if it counts.
    by_hand: (n,) bool, drawn or confirmed by a person.
    cut: (n,) bool, touches the frame.
    """

    head: dict[str, Any]
    ids: NDArray[np.int64]
    texts: list[bytes]
    columns: dict[str, Floats]
    reasons: NDArray[np.str_]
    by_hand: NDArray[np.bool_]
    cut: NDArray[np.bool_]

    @classmethod
    def of(cls, parts: Iterable[Mapping[str, Any]], objects: str, *, has_texts: bool = True) -> Self:
        """Read the file from its parts; only the first part has the head.

        objects: the key of the list of objects in the file. has_texts: whether to keep the texts,
        which `row` needs.
        """
        head, texts, object_ids, flags = dict[str, Any](), list[bytes](), list[dict[str, float]](), list[Any]()
        for part in parts:
            head = head or {name: value for name, value in part.items() if name not in (CELLS, objects)}
            for row in part[objects]:
                if has_texts:
                    texts.append(json.dumps(row, separators=(",", ":")).encode())
                flags.append((row["id"], row["reason"], "by_hand" in row, "cut" in row))
                object_ids.append(
                    {name: entry for name, entry in row.items() if type(entry) in (float, int) or entry is None}
                )
        names = dict.fromkeys(name for row in object_ids for name in row if name != "id")
        columns = {name: np.array([row.get(name) for row in object_ids], float) for name in names}
        ids, reasons, by_hand, cut = zip(*flags, strict=True) if flags else ((),) * 4
        return cls(
            head,
            np.array(ids, np.int64),
            texts,
            columns,
            np.array(reasons, REASON_TYPE),
            np.array(by_hand, np.bool_),
            np.array(cut, np.bool_),
        )

    @cached_property
    def places(self) -> dict[int, int]:
        """The index of each object in the arrays, by its id."""
        return {object_id: index for index, object_id in enumerate(self.ids.tolist())}

    @property
    def nm_per_pixel(self) -> float | None:
        return float(self.head["pixel_size"]) if self.head["unit"] == "nm" else None

    def after(self, rows: Mapping[int, Row | None]) -> StoredObjects:
        """The objects with these rows in place of their own, without those whose row is None, ascending by id: with a
        fixed order the last digits of weighted numbers are repeatable. Without texts."""
        stays = ~np.isin(self.ids, [*rows])
        new = StoredObjects.of([{"": [row for row in rows.values() if row]}], "", has_texts=False)
        order = np.argsort(np.concatenate([self.ids[stays], new.ids]), kind="stable")

        def joined(stored: NDArray[Any], others: NDArray[Any]) -> NDArray[Any]:
            return np.concatenate([stored[stays], others])[order]

        unknown, others = np.full(len(self.ids), np.nan), np.full(len(new.ids), np.nan)
        columns = {
            name: joined(self.columns.get(name, unknown), new.columns.get(name, others))
            for name in self.columns | new.columns
        }
        return StoredObjects(
            self.head,
            joined(self.ids, new.ids),
            [],
            columns,
            joined(self.reasons, new.reasons),
            joined(self.by_hand, new.by_hand),
            joined(self.cut, new.cut),
        )

    def row(self, object_id: int) -> Row:
        """The row of an object by its id; a new dictionary each time."""
        row: Row = json.loads(self.texts[self.places[object_id]])
        return row


@dataclass(frozen=True, eq=False)
class MeasuringConditions:
    """The settings and circumstances that decide how the objects of a result are measured.

    settings: as they apply to the kind of analysis. refused: whether there are no numbers because
    the image is of another kind; after the first correction it is measured all the same. stretch:
    the correction of the specimen's tilt, or None.
    """

    task: Task
    settings: MeasurementSettings
    refused: bool = False
    stretch: Stretch | None = None


class RemeasuredObject(NamedTuple):
    """An object that was measured again after a correction.

    measures: by their names in a row, areas and lengths in the unit of the result.
    filter_measures_px: the measures that decide whether it counts, in px (area in px²).
    rings: its outline and further rings, the largest first. whole: its completed outline, None if it is not completed.
    pieces: how many parts it has.
    region_reason: the first reason of the regions in which it lies, or "".
    """

    measures: dict[str, float]
    filter_measures_px: dict[str, float]
    rings: list[Points]
    whole: Points | None
    pieces: int
    region_reason: str


@dataclass(frozen=True, eq=False)
class CorrectedObjects:
    """The objects of a result after its first `count` corrections. The keys of all mappings are ids
    of objects.

    stored: the objects of the result.
    conditions: how they are measured.
    last: the last correction.
    stored_boxes: the box (top, left, bottom, right) around each object of the result.
    later_boxes: a box around all pixels that corrections added to an object.
    remeasured: the objects whose pixels changed; None for an object too large to be measured here.
    rows: the rows of changed and new objects; None for a deleted one.
    pixels: only for classes of pixels: the number of counted pixels of each.
    region_reasons: of the objects that lay in a region before all corrections, the reason of it.
    """

    stored: StoredObjects
    conditions: MeasuringConditions
    stored_boxes: Mapping[int, Box]
    count: int = 0
    last: Step | None = None
    later_boxes: Mapping[int, Box] = field(default_factory=dict)
    remeasured: Mapping[int, RemeasuredObject | None] = field(default_factory=dict)
    rows: Mapping[int, Row | None] = field(default_factory=dict)
    pixels: Mapping[int, float] = field(default_factory=dict)
    region_reasons: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, stored: StoredObjects, original: WorkingLabels, conditions: MeasuringConditions) -> CorrectedObjects:
        """The objects of a result without corrections of outlines. original: its labels."""
        stored_boxes, areas = _boxes_and_areas(original)
        if conditions.task.semantic:
            pixels = _pixels_outside(original, areas, uncounted(original.used, conditions.settings.ignore))
            return cls(stored, conditions, stored_boxes, pixels=pixels)
        reasons = dict[int, str]()
        # The first reason is entered last, so that it holds where several do.
        for reason, regions in reversed(regions_by_reason(original.used, conditions.settings.ignore).items()):
            outside = _pixels_outside(original, areas, regions)
            reasons |= {number: reason for number, area in areas.items() if area - outside[number] >= INSIDE * area}
        return cls(stored, conditions, stored_boxes, region_reasons=reasons)

    def is_continued_by(self, corrections: Corrections, conditions: MeasuringConditions) -> bool:
        """Whether the corrections of this state are the first `count` of these corrections, and it ignores the same
        regions."""
        steps = corrections.steps
        if self.conditions.settings.ignore != conditions.settings.ignore:
            return False
        return self.count <= len(steps) and (not self.count or steps[self.count - 1] is self.last)

    def with_corrections(self, corrections: Corrections) -> CorrectedObjects:
        """The state after all of these corrections; this state must have the first `count` of them
        (`is_continued_by`)."""
        new = corrections.steps[self.count :]
        if not new:
            return self
        # repainted_ids: objects whose pixels these steps changed. changed_ids: objects of which they changed anything.
        later_boxes, repainted_ids, changed_ids = dict(self.later_boxes), set[int](), set[int]()
        pixels = dict(self.pixels)
        width, ignored = corrections.now.width, uncounted(corrections.now.used, self.conditions.settings.ignore)
        if not self.count:
            changed_ids.update(self._moved_ids)
        for step in new:
            changed_ids.update(step.patch.objects)
            after, before = step.patch.runs, step.before.runs
            for object_id, box in _boxes(after, width).items():
                later_boxes[object_id] = _joint_box(later_boxes.get(object_id), box)
                repainted_ids.add(object_id)
            repainted_ids.update(np.unique(before[:, 2]).tolist())
            if self.conditions.task.semantic:
                for runs, sign in ((after, 1), (before, -1)):
                    _add_to_sums(pixels, runs, _counted_pixels(runs, ignored, width), sign)
        repainted_ids.discard(0)
        count = len(corrections.steps)
        state = replace(self, count=count, last=new[-1], later_boxes=later_boxes, pixels=pixels)
        if self.conditions.task.semantic:
            return replace(state, rows=_rows_of_classes(state, corrections, repainted_ids))
        remeasured = {**self.remeasured, **state._measured_again(corrections, repainted_ids)}
        remeasured = {object_id: entry for object_id, entry in remeasured.items() if entry is not _UNCHANGED}
        state = replace(state, remeasured=remeasured)
        return replace(state, rows=state._rows_after(corrections, changed_ids))

    @cached_property
    def _moved_ids(self) -> frozenset[int]:
        """The objects that the present regions leave out and the result did not, or the other way round."""
        stored = {int(number) for number in self.stored.ids[self.stored.reasons == str(Reason.IGNORED)]}
        ignored = {number for number, reason in self.region_reasons.items() if reason == Reason.IGNORED}
        return frozenset(stored ^ ignored)

    # ---- objects with other pixels -------------------------------------------------------------------

    def _box(self, object_id: int) -> Box | None:
        """A box around an object, as it is now and as it was in the result; None for an unknown
        id."""
        before, later = self.stored_boxes.get(object_id), self.later_boxes.get(object_id)
        return _joint_box(before, later) if later else before

    def _measured_again(
        self, corrections: Corrections, repainted_ids: Iterable[int]
    ) -> dict[int, RemeasuredObject | None]:
        """For each of these ids the object measured again; None if it is too large.

        It is _UNCHANGED if the object was deleted, or if its pixels are again the pixels in the
        result.
        """
        entries: dict[int, RemeasuredObject | None] = dict.fromkeys(repainted_ids, _UNCHANGED)
        cut_out = dict[int, CutOut]()
        for object_id in sorted(entries):
            box = self._box(object_id)
            if object_id not in corrections.now.objects or box is None:
                continue
            try:
                part = CutOut.of(corrections.now, object_id, box)
                before = CutOut.of(corrections.original, object_id, box) if object_id in self.stored_boxes else None
            except BadEdit:  # its box is too large a part of the picture
                entries[object_id] = None
                continue
            if part is not None and not part.is_same(before):
                cut_out[object_id] = part
        return {**entries, **self._measured_cut_outs(corrections.now, cut_out)}

    def _measured_cut_outs(
        self, now: WorkingLabels, cut_out: Mapping[int, CutOut]
    ) -> dict[int, RemeasuredObject | None]:
        """The objects that were cut out of the labels, measured, by id."""
        if not cut_out:
            return {}
        from ...measure.shape.cut_out_tables import completed_cut_outs, table_and_part_counts

        parts, stretch, shape = [*cut_out.values()], self.conditions.stretch, now.shape
        stretched = [stretch.cut_out(part, shape) for part in parts] if stretch else parts
        frame = stretch.frame(shape[1], now.rows)[::-1] if stretch else (now.rows, shape[1])
        table, pieces = table_and_part_counts(stretched, self.stored.nm_per_pixel, frame)
        wholes = dict[int, Points]()
        if self.conditions.task.screened and not stretch and EDGE_SHIFTS in now.maps:
            table, wholes = completed_cut_outs(table, now, parts, [*cut_out])
        px_table = table.rescaled(None)
        rings = _rings(parts)
        regions = regions_by_reason(now.used, self.conditions.settings.ignore)
        entries: dict[int, RemeasuredObject | None] = {}
        for index, object_id in enumerate(cut_out):
            measures = {name: float(table.length(name)[index]) for name in SIZES}
            measures |= {name: float(table[name][index]) for name in (*DESCRIPTORS, "edge_weight")}
            filter_measures_px = {
                name: float(px_table[name][index]) for name in ("area_px2", "min_feret_px", "touches_frame")
            }
            if reaches_border(parts[index], now.used):
                filter_measures_px["touches_frame"], measures["edge_weight"] = 1.0, np.nan
            reason = _region_reason(parts[index], regions)
            lines = rings[index], wholes.get(index)
            entries[object_id] = RemeasuredObject(measures, filter_measures_px, *lines, pieces[index], reason)
        return entries

    # ---- the row of each object after the corrections -----------------------------------------------

    def _rows_after(self, corrections: Corrections, changed_ids: Iterable[int]) -> dict[int, Row | None]:
        """The rows of all changed, new and deleted objects, after corrections changed these ids."""
        now, original, rows = corrections.now, corrections.original, dict(self.rows)
        changed = list[int]()
        for object_id in sorted(changed_ids):
            rows.pop(object_id, None)
            if object_id not in now.objects:
                rows |= {object_id: None} if object_id in self.stored.places else {}
                continue
            before = original.objects.get(object_id)
            is_same = before is not None and now.objects[object_id].as_list() == before.as_list()  # NaN equals NaN
            if not is_same or object_id in self.remeasured or object_id in self._moved_ids:
                changed.append(object_id)
        for object_id, reason in zip(changed, self._reasons(corrections, changed), strict=True):
            rows[object_id] = self._row(now, object_id, reason)
        return rows

    def _touches_frame(self, now: WorkingLabels, object_id: int) -> bool:
        """Whether an object reaches the edge of the image."""
        if (entry := self.remeasured.get(object_id)) is not None:
            return bool(entry.filter_measures_px["touches_frame"])
        box = self._box(object_id)
        if box is None or box[0] <= 0 or box[1] <= 0 or box[2] >= now.rows or box[3] >= now.width:
            return box is not None
        with suppress(BadEdit):  # its box is too large a part of the picture
            part = CutOut.of(now, object_id, box) if uncounted(now.used, ()) else None
            return part is not None and reaches_border(part, now.used)
        return False

    def _reasons(self, corrections: Corrections, object_ids: Sequence[int]) -> list[str]:
        """For each of these objects the reason to leave it out, or "" if it counts.

        The rules of the full measurement whose outcome a correction can change decide it.
        """
        now, task, conditions = corrections.now, self.conditions.task, self.conditions
        if not object_ids:
            return []
        reasons = [self._reason_before(corrections, object_id) for object_id in object_ids]
        rows = [self._filter_measures(now, object_id) for object_id in object_ids]
        columns = {name: np.array([measures[name] for measures in rows]) for name in rows[0]}
        columns |= {"kept": np.array([not why for why in reasons]), "reason": np.array(reasons, REASON_TYPE)}
        person = _decisions(now, object_ids)
        judged = judge(
            Table(columns),
            conditions.settings.filter,
            {Reason.SHORT: task.parted & (person.classes == SHORT_OBJECT_CLASS)},
            person=person,
            too_small=FOR_SIZE if task.bounded else (),
            screened=task.screened,
        )
        return [str(reason) for reason in judged.reasons]

    def _stored_reason(self, object_id: int) -> str:
        """The reason of an object in the result; "" if it counted or is new."""
        index = self.stored.places.get(object_id)
        return "" if index is None else str(self.stored.reasons[index])

    def _reason_before(self, corrections: Corrections, object_id: int) -> str:
        """The reason to leave out an object that does not depend on its own measures, but on its
        region or on other objects; "" if none.

        Reasons that depend on other objects stay as they were in the result. The width and the ends of a fibre with
        other pixels are known only after the full measurement.
        """
        stored, entry = self._stored_reason(object_id), self.remeasured.get(object_id)
        region_reason = self.region_reasons.get(object_id, "") if entry is None else entry.region_reason
        by_others = (Reason.FAINT, Reason.GAP) if entry else (Reason.FAINT, Reason.GAP, Reason.THIN, Reason.PIECE)
        return region_reason or (stored if stored in by_others else "")

    def _filter_measures(self, now: WorkingLabels, object_id: int) -> dict[str, float]:
        """The measures of an object that decide whether it counts, lengths in px."""
        if (entry := self.remeasured.get(object_id)) is not None:
            px, measures = entry.filter_measures_px, entry.measures
        else:
            index, pixel = self.stored.places.get(object_id), self.stored.nm_per_pixel or 1.0
            measures = (
                {} if index is None else {name: float(values[index]) for name, values in self.stored.columns.items()}
            )
            px = {
                "area_px2": measures.get("area", np.nan) / pixel**2,
                "min_feret_px": measures.get("min_feret", np.nan) / pixel,
                "touches_frame": float(self._touches_frame(now, object_id)),
            }
        others = {name: measures.get(name, np.nan) for name in ("aspect_ratio", "solidity")}
        return {**px, **others, "confidence": now.objects[object_id].confidence}

    def _row(self, now: WorkingLabels, object_id: int, reason: str) -> Row:
        """The row of a changed or new object."""
        entry, task, data = self.remeasured.get(object_id, _UNCHANGED), self.conditions.task, now.objects[object_id]
        row = self.stored.row(object_id) if object_id in self.stored.places else {}
        touches_frame = not reason and bool(task.size) and not (task.screened or task.parted)
        touches_frame = touches_frame and self._touches_frame(now, object_id)
        columns = self.stored.columns
        probabilities = {"confidence": _rounded(data.confidence)} if "confidence" in columns else {}
        probabilities |= {"chance": 1.0} if "chance" in columns and (data.by_hand or data.reason) else {}
        class_name = now.class_names[data.class_index] if len(now.class_names) > 1 else ""
        head = object_row(object_id, reason, class_name=class_name, is_cut=touches_frame, by_hand=data.by_hand)
        if entry is _UNCHANGED:
            unchanged = {name: value for name, value in row.items() if name not in ("cut", "by_hand", *head)}
            return {**head, **unchanged, **probabilities}
        colour = {"colour": row["colour"]} if "colour" in row else {}
        if entry is None:  # it is too large to be measured here
            return {**head, **probabilities, **colour, "outline": row.get("outline", [])}
        sizes: dict[str, float | None] = {task.size: None} if task.size and task.size not in SIZES else {}
        sizes |= {name: entry.measures[name] for name in SIZES}
        sizes |= {name: _rounded(entry.measures[name]) for name in DESCRIPTORS if name in columns}
        if self.conditions.settings.border_correction == "weight":
            sizes["weight"] = entry.measures["edge_weight"] if np.isfinite(entry.measures["edge_weight"]) else None
        lines = {"outline": outline_coordinates(entry.rings[0])}
        rings = {"rings": further_rings(entry.rings, MOST_COORDINATES)} if task.parted else {}
        pieces = {"pieces": entry.pieces} if entry.pieces > 1 else {}
        whole = {} if entry.whole is None else {"whole": outline_coordinates(entry.whole)}
        return {**head, **sizes, **probabilities, **pieces, **colour, **whole, **lines, **rings}

    # ---- results for callers ------------------------------------------------------------------------

    def changed_since(self, corrections: Corrections, since: int) -> list[Row]:
        """The rows of the objects that corrections after the first `since` changed, sorted by id.

        The row of a deleted object is {"id", "gone": True}.
        """
        later = corrections.steps[since : self.count]
        changed_ids = {object_id for step in later for object_id in step.patch.objects}
        other_regions = any(step.patch.regions is not None for step in later)
        if other_regions or (self.conditions.task.semantic and changed_ids):  # the shares of all classes change
            changed_ids |= {*self.stored.places, *self.rows}
        return [row for object_id in sorted(changed_ids) if (row := self._row_or_gone(object_id))]

    def _row_or_gone(self, object_id: int) -> Row | None:
        """The row of an object, also if it was deleted."""
        if object_id in self.rows:
            return self.rows[object_id] or {"id": object_id, "gone": True}
        return self.stored.row(object_id) if object_id in self.stored.places else {"id": object_id, "gone": True}

    def cuts_after(self, now: WorkingLabels | None) -> dict[int, int]:
        """The possible cuts that still divide an object: place of the cut -> id of the object.

        now: the labels; None if nothing was corrected.
        """
        cuts = self.stored.head.get("cuts") or {}
        object_of_cut = dict(zip(cuts.get("place", ()), cuts.get("id", ()), strict=True))
        changed = [
            (place, sides)
            for place, object_id, sides in zip(*(cuts.get(name, ()) for name in ("place", "id", "sides")), strict=True)
            if object_id in self.rows
        ]
        if now is not None and changed:  # a cut still divides an object if both sides of it belong to this object
            ends = now.ids_at(np.array([sides for _, sides in changed], float).reshape(-1, 2)).reshape(-1, 2).tolist()
            for (place, _), (one, other) in zip(changed, ends, strict=True):
                object_of_cut[place] = one if one == other else 0
        return {place: object_id for place, object_id in object_of_cut.items() if object_id}

    def shares(self, now: WorkingLabels) -> dict[str, float]:
        """The share of each class of pixels, by the name of the quantity; {} if no pixel counts."""
        sums = dict.fromkeys(range(len(now.class_names)), 0.0)
        for object_id, data in now.objects.items():
            sums[data.class_index] += self.pixels.get(object_id, 0.0)
        total = sum(sums.values())
        names = now.class_names
        return {of_class("area_fraction", names[i]): area / total for i, area in sums.items()} if total else {}


_UNCHANGED = RemeasuredObject({}, {}, [], None, 0, "")  # in place of an object with the same pixels as in the result


def _decisions(now: WorkingLabels, object_ids: Sequence[int]) -> Segmentation:
    """A segmentation without a label image, with which `measure.filters` applies the decisions of
    people on some objects."""
    objects = [now.objects[object_id] for object_id in object_ids]
    return Segmentation(
        np.zeros((0, 0), np.int32),
        np.array(object_ids, np.int32),
        np.array([entry.class_index for entry in objects], np.int32),
        now.class_names,
        np.array([entry.confidence for entry in objects], np.float32),
        now.rows,
        Provenance("", ""),
        by_hand=frozenset(object_id for object_id, entry in zip(object_ids, objects, strict=True) if entry.by_hand),
        set_aside={
            object_id: entry.reason for object_id, entry in zip(object_ids, objects, strict=True) if entry.reason
        },
    )


def _rounded(value: float, digits: int = 4) -> float | None:
    """One number as `exports.viewer.rounded_values` writes it."""
    return rounded_values(np.array([value]), digits)[0]


def _rings(parts: Sequence[CutOut]) -> list[list[Points]]:
    """For each part the smooth rings around its pieces and holes, the largest first, in px of the
    image."""
    from ...measure.objects.cutouts import in_batches, side_by_side

    rings_of_parts: list[list[Points]] = [[] for _ in parts]
    for batch in in_batches(parts):
        labels, shifts = side_by_side([parts[index] for index in batch])
        rings = smooth_rings(find_pixel_borders(labels), len(batch))
        for index, (down, right), lines in zip(batch, shifts.tolist(), rings, strict=True):
            rings_of_parts[index] = [line + np.array([right, down]) for line in lines]
    return rings_of_parts


def _region_reason(part: CutOut, regions: Mapping[Reason, Sequence[Region]]) -> str:
    """The first reason whose regions contain at least the share INSIDE of an object; "" for none."""
    for reason, its_regions in regions.items():
        inside = mask_of(_shifted(its_regions, part.top, part.left), part.mask.shape)
        if np.count_nonzero(inside & part.mask) >= INSIDE * np.count_nonzero(part.mask):
            return str(reason)
    return ""


def _shifted(regions: Sequence[Region], top: int, left: int) -> list[Region]:
    """The regions in coordinates with the origin (left, top)."""
    return [[(x - left, y - top) for x, y in region] for region in regions]


# ---- pixels as runs ------------------------------------------------------------------------------


def _boxes_and_areas(labels: WorkingLabels) -> tuple[dict[int, Box], dict[int, int]]:
    """The box around each object, and its number of pixels, by id."""
    boxes, areas = dict[int, Box](), dict[int, int]()
    for strip in labels.strips:
        runs = cut_at_rows(runs_of(strip.starts, strip.ends, strip.ids), labels.width)
        runs = runs[runs[:, 2] > 0]
        for object_id, box in _boxes(runs, labels.width).items():
            boxes[object_id] = _joint_box(boxes.get(object_id), box)
        sums = np.bincount(runs[:, 2], runs[:, 1])
        for object_id in np.flatnonzero(sums).tolist():
            areas[object_id] = areas.get(object_id, 0) + int(sums[object_id])
    return boxes, areas


def _pixels_outside(labels: WorkingLabels, areas: Mapping[int, int], regions: Sequence[Region]) -> dict[int, float]:
    """The number of pixels of each object that lie in none of the regions, by id. areas: all pixels, by id."""
    sums = dict.fromkeys(areas, 0.0)
    for strip in labels.strips if regions else ():
        runs = cut_at_rows(runs_of(strip.starts, strip.ends, strip.ids), labels.width)
        _add_to_sums(sums, runs, _counted_pixels(runs, regions, labels.width), 1)
    return sums if regions else {number: float(area) for number, area in areas.items()}


def _boxes(runs: Runs, width: int) -> dict[int, Box]:
    """The box around the runs of each id but 0. Each run lies within one row."""
    runs = runs[runs[:, 2] > 0]
    if not len(runs):
        return {}
    runs = runs[np.argsort(runs[:, 2], kind="stable")]
    object_ids, starts = np.unique(runs[:, 2], return_index=True)
    row, left = np.divmod(runs[:, 0], width)
    low = (np.minimum.reduceat(ends, starts).tolist() for ends in (row, left))
    high = (np.maximum.reduceat(ends, starts).tolist() for ends in (row + 1, left + runs[:, 1]))
    return dict(zip(object_ids.tolist(), zip(*low, *high, strict=True), strict=True))


def _joint_box(one: Box | None, other: Box) -> Box:
    """The box around both."""
    if one is None:
        return other
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])


def _counted_pixels(runs: Runs, ignored: Sequence[Region], width: int) -> Floats:
    """(r,) how many pixels of each run lie in no region to ignore. Each run lies within one row."""
    counts = runs[:, 1].astype(float)
    if not ignored or not len(runs):
        return counts
    strips = runs[:, 0] // width // STRIP_ROWS
    for strip in np.unique(strips).tolist():
        in_strip = np.flatnonzero(strips == strip)
        top = strip * STRIP_ROWS
        inside = mask_of(_shifted(ignored, top, 0), (STRIP_ROWS, width)).ravel()
        before = np.concatenate([[0], np.cumsum(inside, dtype=np.int64)])
        starts = runs[in_strip, 0] - top * width
        counts[in_strip] -= before[starts + runs[in_strip, 1]] - before[starts]
    return counts


def _add_to_sums(sums: dict[int, float], runs: Runs, counts: Floats, sign: int) -> None:
    """Add the counts (r,) of runs, times `sign`, to the sums of their ids."""
    totals = np.bincount(runs[:, 2], counts) if len(runs) else np.zeros(0)
    for object_id in np.flatnonzero(totals).tolist():
        if object_id:
            sums[object_id] = sums.get(object_id, 0.0) + sign * float(totals[object_id])


# ---- pictures of classes -------------------------------------------------------------------------


def _rows_of_classes(
    objects: CorrectedObjects, corrections: Corrections, repainted_ids: set[int]
) -> dict[int, Row | None]:
    """The rows of all classes, because a change of one share changes all others; {} if no class
    differs from the result.

    repainted_ids: classes with other pixels than in `objects.rows`. In a picture over
    MOST_TRACED_PX the outlines stay as they were, because tracing them takes seconds.
    """
    now, original, stored = corrections.now, corrections.original, objects.stored
    is_same = all(step.patch.regions is None for step in corrections.steps)
    if is_same and now.objects == original.objects and _is_same_picture(now, original):
        return {}
    shares, sums, pixel = objects.shares(now), dict[int, float](), stored.nm_per_pixel or 1.0
    for object_id, data in now.objects.items():
        sums[data.class_index] = sums.get(data.class_index, 0.0) + objects.pixels.get(object_id, 0.0)
    rings = _class_rings(now, repainted_ids & now.objects.keys())
    rows: dict[int, Row | None] = dict.fromkeys(stored.places.keys() | objects.rows.keys())
    for object_id, data in now.objects.items():
        name, count = now.class_names[data.class_index], sums[data.class_index]
        earlier_row = objects.rows.get(object_id) or (stored.row(object_id) if object_id in stored.places else {})
        reason = "" if count > 0 else str(Reason.IGNORED)
        lines = rings.get(object_id)
        rows[object_id] = object_row(
            object_id,
            reason,
            class_name=name if len(now.class_names) > 1 else "",
            by_hand=data.by_hand,
            area=count * pixel**2,
            area_fraction=_rounded(shares.get(of_class("area_fraction", name), np.nan)),
            outline=outline_coordinates(lines[0]) if lines else earlier_row.get("outline", []),
            rings=further_rings(lines, MOST_COORDINATES / len(now.objects)) if lines else earlier_row.get("rings", []),
            colour=PALETTE[data.class_index % len(PALETTE)],
        )
    return rows


def _is_same_picture(one: WorkingLabels, other: WorkingLabels) -> bool:
    """Whether both have the same labels at all pixels."""
    pairs = zip(one.strips, other.strips, strict=True)
    return all(a is b or (np.array_equal(a.starts, b.starts) and np.array_equal(a.ids, b.ids)) for a, b in pairs)


def _class_rings(now: WorkingLabels, object_ids: set[int]) -> dict[int, list[Points]]:
    """The smooth rings of some classes, by id; {} if the picture has over MOST_TRACED_PX px."""
    if not object_ids or now.rows * now.width > MOST_TRACED_PX:
        return {}
    ordered_ids = sorted(object_ids)
    labels = now.crop((0, 0, now.rows, now.width))
    dense = np.zeros(max(ordered_ids[-1], int(labels.max(initial=0))) + 1, np.int32)
    dense[ordered_ids] = np.arange(1, len(ordered_ids) + 1)
    return dict(zip(ordered_ids, smooth_rings(find_pixel_borders(dense[labels]), len(ordered_ids)), strict=True))
