"""The objects of a result as its corrections leave them, before everything is measured anew.

What nobody touched stands as the file outlines.json has it. What corrections touched is cut out and measured by the
rules of the full measuring, so that counts, sizes and shares are those that it will give. The web process reads this,
too: only `measured_apart` needs scipy.
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

from ..labels.geometry import Box
from ..labels.operations import Corrections, Step
from ..labels.patches import BadEdit, Object
from ..labels.runs import Runs, in_rows, runs_of
from ..labels.segmentation import Provenance, Segmentation
from ..labels.working import STRIP, WorkingLabels
from ..measure.cutouts import CutOut
from ..measure.descriptors import DESCRIPTORS, SIZES
from ..measure.filters import FOR_SIZE, Reason, corrected, set_aside, with_reasons_lifted
from ..measure.quantities import of_class
from ..measure.regions import INSIDE, Region, mask_of
from ..measure.table import REASON_TYPE, Table
from ..measure.tilt import Stretch
from ..micrograph.vendors.facts import MARKS
from ..settings import MeasurementSettings
from ..tasks.base import Task
from .exports.viewer import CELLS, MOST_COORDINATES, TOLERANCE, coordinates, further_rings, short
from .outlines import Points, find_cracks, smooth_rings, thinned
from .picture import PALETTE

Row = dict[str, Any]
Floats = NDArray[np.float64]
LINES = "outline", "rings"  # entries of a row that only a picture needs
SHORT_OBJECT = 1  # the class of fibres that are none
MOST_TRACED = 1 << 22  # px of a picture of classes whose lines are drawn anew at once


@dataclass(frozen=True, eq=False)
class StoredObjects:
    """What the file outlines.json says of n objects, in the order of their ids.

    head: its entries beside the objects and their cells. ids: (n,) int64. texts: the row of each as JSON. columns: (n,)
    numbers by name, NaN where not known. reasons: (n,). by_hand, cut: (n,) bool.
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
        """From the parts of the file, of which only the first has its head. objects: the name of their list. has_texts:
        whether single rows will be asked for."""
        head, texts, numbers, flags = dict[str, Any](), list[bytes](), list[dict[str, float]](), list[Any]()
        for part in parts:
            head = head or {name: value for name, value in part.items() if name not in (CELLS, objects)}
            for row in part[objects]:
                if has_texts:
                    texts.append(json.dumps(row, separators=(",", ":")).encode())
                flags.append((row["id"], row["reason"], "by_hand" in row, "cut" in row))
                numbers.append(
                    {name: entry for name, entry in row.items() if type(entry) in (float, int) or entry is None}
                )
        names = dict.fromkeys(name for row in numbers for name in row if name != "id")
        columns = {name: np.array([row.get(name) for row in numbers], float) for name in names}
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
        return {number: at for at, number in enumerate(self.ids.tolist())}

    @property
    def nm_per_pixel(self) -> float | None:
        return float(self.head["pixel_size"]) if self.head["unit"] == "nm" else None

    def row(self, number: int) -> Row:
        """The row of an object, a new one each time."""
        row: Row = json.loads(self.texts[self.places[number]])
        return row


@dataclass(frozen=True, eq=False)
class Terms:
    """How a result is measured. settings: as they count for the kind of analysis. refused: whether no numbers are given
    because the image is of another kind; a correction says that it is not. stretch: how the picture is stretched to be
    seen from above."""

    task: Task
    settings: MeasurementSettings
    refused: bool = False
    stretch: Stretch | None = None

    def regions(self, labels: WorkingLabels) -> dict[str, Sequence[Region]]:
        """By the reason for which nothing in them counts: writing or drawing, and regions to ignore."""
        regions = {Reason.MARKED: labels.used.get(MARKS, ()), Reason.IGNORED: self.settings.ignore}
        return {str(why): its_regions for why, its_regions in regions.items() if its_regions}


class Anew(NamedTuple):
    """An object measured anew. sizes: by the names of the columns of a row, areas and lengths in the unit of the
    result. px: what its judgement rests on, in px. rings: its lines, the largest first. inside: the reason of the
    regions in which it lies, or ""."""

    sizes: dict[str, float]
    px: dict[str, float]
    rings: list[Points]
    pieces: int
    inside: str


@dataclass(frozen=True, eq=False)
class CorrectedObjects:
    """The objects of a result after its first `count` corrections.

    extents: of each id of the result the box (top, left, bottom, right) around it. reach: of each id that corrections
    gave pixels a box that holds these. anew: what has other pixels than in the result; None where it cannot be measured
    here. rows: of what is not as in the result, None where it is gone. pixels: of each id of a picture of classes how
    many count.
    """

    stored: StoredObjects
    terms: Terms
    extents: Mapping[int, Box]
    count: int = 0
    last: Step | None = None
    reach: Mapping[int, Box] = field(default_factory=dict)
    anew: Mapping[int, Anew | None] = field(default_factory=dict)
    rows: Mapping[int, Row | None] = field(default_factory=dict)
    pixels: Mapping[int, float] = field(default_factory=dict)

    @classmethod
    def of(cls, stored: StoredObjects, original: WorkingLabels, terms: Terms) -> CorrectedObjects:
        """Before all corrections."""
        extents, areas = extents_of(original)
        pixels: dict[int, float] = {}
        if terms.task.semantic:
            ignored = terms.settings.ignore
            pixels = dict.fromkeys(areas, 0.0)
            for strip in original.strips if ignored else ():
                runs = in_rows(runs_of(strip.starts, strip.ends, strip.ids), original.width)
                _add(pixels, runs, _counted(runs, ignored, original.width), 1)
            pixels = pixels if ignored else dict(areas)
        return cls(stored, terms, extents, pixels=pixels)

    def is_before(self, corrections: Corrections) -> bool:
        """Whether it is the state after the first of these corrections."""
        steps = corrections.steps
        return self.count <= len(steps) and (not self.count or steps[self.count - 1] is self.last)

    def followed_by(self, corrections: Corrections) -> CorrectedObjects:
        """The state after all of these corrections, whose first ones it knows."""
        new = corrections.steps[self.count :]
        if not new:
            return self
        reach, moved, touched = dict(self.reach), set[int](), set[int]()
        pixels = dict(self.pixels)
        width, ignored = corrections.now.width, self.terms.settings.ignore
        for step in new:
            touched.update(step.patch.objects)
            after, before = step.patch.runs, step.before.runs
            for number, box in _boxes(after, width).items():
                reach[number] = _around(reach.get(number), box)
                moved.add(number)
            moved.update(np.unique(before[:, 2]).tolist())
            if self.terms.task.semantic:
                for runs, sign in ((after, 1), (before, -1)):
                    _add(pixels, runs, _counted(runs, ignored, width), sign)
        moved.discard(0)
        ahead = replace(self, count=len(corrections.steps), last=new[-1], reach=reach, pixels=pixels)
        if self.terms.task.semantic:
            return replace(ahead, rows=_rows_of_classes(ahead, corrections, moved))
        anew = {**self.anew, **ahead._measured(corrections, moved)}
        ahead = replace(ahead, anew={number: row for number, row in anew.items() if row is not _AS_BEFORE})
        return replace(ahead, rows=ahead._rows_after(corrections, touched))

    # ---- what has other pixels -------------------------------------------------------------------

    def _box(self, number: int) -> Box | None:
        """A box that holds an object now, and in the result."""
        extent, later = self.extents.get(number), self.reach.get(number)
        return _around(extent, later) if later else extent

    def _measured(self, corrections: Corrections, moved: Iterable[int]) -> dict[int, Anew | None]:
        """Those of some objects that have other pixels than in the result, measured; _AS_BEFORE is the mark of others,
        and of those that are gone."""
        rows: dict[int, Anew | None] = dict.fromkeys(moved, _AS_BEFORE)
        cut_out = dict[int, CutOut]()
        for number in sorted(rows):
            box = self._box(number)
            if number not in corrections.now.objects or box is None:
                continue
            try:
                part = CutOut.of(corrections.now, number, box)
                before = CutOut.of(corrections.original, number, box) if number in self.extents else None
            except BadEdit:  # it reaches over too much of the picture
                rows[number] = None
                continue
            if part is not None and not part.is_same(before):
                cut_out[number] = part
        return {**rows, **self._anew(corrections.now, cut_out)}

    def _anew(self, now: WorkingLabels, cut_out: Mapping[int, CutOut]) -> dict[int, Anew | None]:
        if not cut_out:
            return {}
        from ..measure.apart import measured_apart

        parts, stretch, shape = [*cut_out.values()], self.terms.stretch, now.shape
        seen = [stretch.cut_out(part, shape) for part in parts] if stretch else parts
        tall = stretch.frame(shape[1], now.rows)[::-1] if stretch else (now.rows, shape[1])
        table, pieces = measured_apart(seen, self.stored.nm_per_pixel, tall)
        px = table.rescaled(None)
        rings = _rings(parts)
        regions = self.terms.regions(now)
        every: dict[int, Anew | None] = {}
        for at, number in enumerate(cut_out):
            sizes = {name: float(table.length(name)[at]) for name in SIZES}
            sizes |= {name: float(table[name][at]) for name in (*DESCRIPTORS, "edge_weight")}
            judged = {name: float(px[name][at]) for name in ("area_px2", "min_feret_px", "touches_frame")}
            every[number] = Anew(sizes, judged, rings[at], pieces[at], _inside(parts[at], regions))
        return every

    # ---- what each object is after the corrections -----------------------------------------------

    def _rows_after(self, corrections: Corrections, touched: Iterable[int]) -> dict[int, Row | None]:
        now, original, rows = corrections.now, corrections.original, dict(self.rows)
        judged = list[int]()
        for number in sorted(touched):
            rows.pop(number, None)
            if number not in now.objects:
                rows |= {number: None} if number in self.stored.places else {}
            elif number in self.anew or not _is_alike(now.objects[number], original.objects.get(number)):
                judged.append(number)
        for number, reason in zip(judged, self._reasons(corrections, judged), strict=True):
            rows[number] = self._row(now, number, reason)
        return rows

    def _touches_frame(self, now: WorkingLabels, number: int) -> bool:
        if (row := self.anew.get(number)) is not None:
            return bool(row.px["touches_frame"])
        box = self._box(number)
        return box is not None and bool(box[0] <= 0 or box[1] <= 0 or box[2] >= now.rows or box[3] >= now.width)

    def _reasons(self, corrections: Corrections, numbers: Sequence[int]) -> list[str]:
        """The reason to leave out each of some objects that stand, "" where it counts: by the rules of the full
        measuring, of which only what corrections change is asked."""
        now, task, terms = corrections.now, self.terms.task, self.terms
        if not numbers:
            return []
        reasons = [self._reason_before(corrections, number) for number in numbers]
        px = [self._judged_by(now, number) for number in numbers]
        columns = {name: np.array([measures[name] for measures in px], float) for name in px[0]}
        table = Table({"kept": np.array([not why for why in reasons]), "reason": np.array(reasons, REASON_TYPE)})
        table = replace(table, columns={**table.columns, **columns})
        table = corrected(table, _decisions(now, numbers), None)
        table = set_aside(table, terms.settings.filter, FOR_SIZE if task.bounded else ())
        judged: list[str] = (table if task.screened else with_reasons_lifted(table, [Reason.FRAME])).reasons.tolist()
        if not task.parted:
            return judged
        return [why or self._reason_of_fibre(now, number) for number, why in zip(numbers, judged, strict=True)]

    def _reason_of_fibre(self, now: WorkingLabels, number: int) -> str:
        """What `tasks.fibre_table` says of a fibre whatever a person decided, as far as it is known at once:
        width and ends of one with other pixels wait for the measuring."""
        if now.objects[number].class_index == SHORT_OBJECT:
            return str(Reason.SHORT)
        stored = self._stored_reason(number)
        return stored if stored in (Reason.THIN, Reason.PIECE) and number not in self.anew else ""

    def _stored_reason(self, number: int) -> str:
        at = self.stored.places.get(number)
        return "" if at is None else str(self.stored.reasons[at])

    def _reason_before(self, corrections: Corrections, number: int) -> str:
        """What others and regions say of an object: of others what they said when the person began."""
        stored, row = self._stored_reason(number), self.anew.get(number)
        by_others = {str(Reason.FAINT), str(Reason.GAP)}
        if row is not None:
            return row.inside or (stored if stored in by_others else "")
        before = corrections.original.objects.get(number)
        regions = self.terms.regions(corrections.now)
        if regions and ((before is not None and before.reason) or stored == Reason.UNLIKE):
            box = self._box(number)
            with suppress(BadEdit):  # it reaches over too much of the picture
                part = None if box is None else CutOut.of(corrections.now, number, box)
                stored = (_inside(part, regions) if part else "") or stored
            return stored if stored in regions else ""
        return stored if stored in by_others | {*regions} else ""

    def _judged_by(self, now: WorkingLabels, number: int) -> dict[str, float]:
        """What the rules look at, lengths in px."""
        if (row := self.anew.get(number)) is not None:
            px, shape = row.px, row.sizes
        else:
            at, pixel = self.stored.places.get(number), self.stored.nm_per_pixel or 1.0
            shape = {} if at is None else {name: float(values[at]) for name, values in self.stored.columns.items()}
            px = {
                "area_px2": shape.get("area", np.nan) / pixel**2,
                "min_feret_px": shape.get("min_feret", np.nan) / pixel,
                "touches_frame": float(self._touches_frame(now, number)),
            }
        others = {name: shape.get(name, np.nan) for name in ("aspect_ratio", "solidity")}
        return {**px, **others, "confidence": now.objects[number].confidence}

    def _row(self, now: WorkingLabels, number: int, reason: str) -> Row:
        """The row of an object that is not as in the result."""
        current, task, data = self.anew.get(number, _AS_BEFORE), self.terms.task, now.objects[number]
        row = self.stored.row(number) if number in self.stored.places else {}
        is_cut = not reason and bool(task.size) and not (task.screened or task.parted)
        is_cut = is_cut and self._touches_frame(now, number)
        columns = self.stored.columns
        measured = {"confidence": _short(data.confidence)} if "confidence" in columns else {}
        measured |= {"chance": 1.0} if "chance" in columns and (data.by_hand or data.reason) else {}
        head = {
            "id": number,
            **({"class": now.class_names[data.class_index]} if len(now.class_names) > 1 else {}),
            "kept": not reason,
            "reason": reason,
            **({"cut": True} if is_cut else {}),
            **({"by_hand": True} if data.by_hand else {}),
        }
        if current is _AS_BEFORE:
            unchanged = {name: value for name, value in row.items() if name not in ("cut", "by_hand", *head)}
            return {**head, **unchanged, **measured}
        colour = {"colour": row["colour"]} if "colour" in row else {}
        if current is None:
            return {**head, **measured, **colour, "outline": row.get("outline", [])}
        sizes: dict[str, float | None] = {task.size: None} if task.size and task.size not in SIZES else {}
        sizes |= {name: current.sizes[name] for name in SIZES}
        sizes |= {name: _short(current.sizes[name]) for name in DESCRIPTORS if name in columns}
        if self.terms.settings.border_correction == "weight":
            sizes["weight"] = current.sizes["edge_weight"] if np.isfinite(current.sizes["edge_weight"]) else None
        lines = {"outline": coordinates(thinned(current.rings[0], TOLERANCE))}
        rings = {"rings": further_rings(current.rings, MOST_COORDINATES)} if task.parted else {}
        pieces = {"pieces": current.pieces} if current.pieces > 1 else {}
        return {**head, **sizes, **measured, **pieces, **colour, **lines, **rings}

    # ---- what is asked of it ---------------------------------------------------------------------

    def changed_since(self, corrections: Corrections, since: int) -> list[Row]:
        """The rows of the objects that corrections after the first so many touched, in the order of their ids."""
        touched = {number for step in corrections.steps[since : self.count] for number in step.patch.objects}
        if self.terms.task.semantic and touched:  # the shares of all follow
            touched |= {*self.stored.places, *self.rows}
        return [row for number in sorted(touched) if (row := self._row_or_gone(number))]

    def _row_or_gone(self, number: int) -> Row | None:
        if number in self.rows:
            return self.rows[number] or {"id": number, "gone": True}
        return self.stored.row(number) if number in self.stored.places else {"id": number, "gone": True}

    def cuts_after(self, now: WorkingLabels | None) -> dict[int, int]:
        """The place of each possible cut that divides an object, and which one that is. now: None where nothing was
        corrected."""
        cuts = self.stored.head.get("cuts") or {}
        stand = dict(zip(cuts.get("place", ()), cuts.get("id", ()), strict=True))
        asked = [
            (place, sides)
            for place, number, sides in zip(*(cuts.get(name, ()) for name in ("place", "id", "sides")), strict=True)
            if number in self.rows
        ]
        if now is not None and asked:
            ends = now.ids_at(np.array([sides for _, sides in asked], float).reshape(-1, 2)).reshape(-1, 2).tolist()
            for (place, _), (one, other) in zip(asked, ends, strict=True):
                stand[place] = one if one == other else 0
        return {place: number for place, number in stand.items() if number}

    def shares(self, now: WorkingLabels) -> dict[str, float]:
        """Of a picture of classes the share of each class, by the name of the number; {} where nothing counts."""
        sums = dict.fromkeys(range(len(now.class_names)), 0.0)
        for number, data in now.objects.items():
            sums[data.class_index] += self.pixels.get(number, 0.0)
        total = sum(sums.values())
        names = now.class_names
        return {of_class("area_fraction", names[i]): area / total for i, area in sums.items()} if total else {}


_AS_BEFORE = Anew({}, {}, [], 0, "")  # the mark of an object with the pixels that it has in the result


def _is_alike(one: Object, other: Object | None) -> bool:
    """Whether the same is known of an object; NaN is like NaN."""
    return other is not None and one.as_list() == other.as_list()


def _decisions(now: WorkingLabels, numbers: Sequence[int]) -> Segmentation:
    """What people decided on some objects, as the rules of `measure.filters` take it: without a label image."""
    objects = [now.objects[number] for number in numbers]
    return Segmentation(
        np.zeros((0, 0), np.int32),
        np.array(numbers, np.int32),
        np.array([entry.class_index for entry in objects], np.int32),
        now.class_names,
        np.array([entry.confidence for entry in objects], np.float32),
        now.rows,
        Provenance("", ""),
        by_hand=frozenset(number for number, entry in zip(numbers, objects, strict=True) if entry.by_hand),
        set_aside={number: entry.reason for number, entry in zip(numbers, objects, strict=True) if entry.reason},
    )


def _short(value: float, digits: int = 4) -> float | None:
    return short(np.array([value]), digits)[0]


def _rings(parts: Sequence[CutOut]) -> list[list[Points]]:
    """The lines around the pieces and holes of objects, the largest first, in the image."""
    from ..measure.cutouts import in_batches, side_by_side

    every: list[list[Points]] = [[] for _ in parts]
    for batch in in_batches(parts):
        labels, shifts = side_by_side([parts[at] for at in batch])
        rings = smooth_rings(find_cracks(labels), len(batch))
        for at, (down, right), lines in zip(batch, shifts.tolist(), rings, strict=True):
            every[at] = [line + np.array([right, down]) for line in lines]
    return every


def _inside(part: CutOut, regions: Mapping[str, Sequence[Region]]) -> str:
    """The last reason whose regions hold INSIDE of an object or more, "" for none."""
    region = ""
    for reason, its_regions in regions.items():
        inside = mask_of(_shifted(its_regions, part.top, part.left), part.mask.shape)
        if np.count_nonzero(inside & part.mask) >= INSIDE * np.count_nonzero(part.mask):
            region = reason
    return region


def _shifted(regions: Sequence[Region], top: int, left: int) -> list[Region]:
    return [[(x - left, y - top) for x, y in region] for region in regions]


# ---- pixels as runs ------------------------------------------------------------------------------


def extents_of(labels: WorkingLabels) -> tuple[dict[int, Box], dict[int, int]]:
    """The box around each object, and its pixels."""
    boxes, areas = dict[int, Box](), dict[int, int]()
    for strip in labels.strips:
        runs = in_rows(runs_of(strip.starts, strip.ends, strip.ids), labels.width)
        runs = runs[runs[:, 2] > 0]
        for number, box in _boxes(runs, labels.width).items():
            boxes[number] = _around(boxes.get(number), box)
        sums = np.bincount(runs[:, 2], runs[:, 1])
        for number in np.flatnonzero(sums).tolist():
            areas[number] = areas.get(number, 0) + int(sums[number])
    return boxes, areas


def _boxes(runs: Runs, width: int) -> dict[int, Box]:
    """The box around the runs of each id but 0, each run within one row."""
    runs = runs[runs[:, 2] > 0]
    if not len(runs):
        return {}
    runs = runs[np.argsort(runs[:, 2], kind="stable")]
    numbers, starts = np.unique(runs[:, 2], return_index=True)
    row, left = np.divmod(runs[:, 0], width)
    low = (np.minimum.reduceat(ends, starts).tolist() for ends in (row, left))
    high = (np.maximum.reduceat(ends, starts).tolist() for ends in (row + 1, left + runs[:, 1]))
    return dict(zip(numbers.tolist(), zip(*low, *high, strict=True), strict=True))


def _around(one: Box | None, other: Box) -> Box:
    if one is None:
        return other
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])


def _counted(runs: Runs, ignored: Sequence[Region], width: int) -> Floats:
    """(r,) the pixels of runs, each within one row, that lie in no region to ignore."""
    counts = runs[:, 1].astype(float)
    if not ignored or not len(runs):
        return counts
    strips = runs[:, 0] // width // STRIP
    for strip in np.unique(strips).tolist():
        in_strip = np.flatnonzero(strips == strip)
        top = strip * STRIP
        inside = mask_of(_shifted(ignored, top, 0), (STRIP, width)).ravel()
        before = np.concatenate([[0], np.cumsum(inside, dtype=np.int64)])
        starts = runs[in_strip, 0] - top * width
        counts[in_strip] -= before[starts + runs[in_strip, 1]] - before[starts]
    return counts


def _add(sums: dict[int, float], runs: Runs, counts: Floats, sign: int) -> None:
    """Add the counts (r,) of runs to those of their ids."""
    every = np.bincount(runs[:, 2], counts) if len(runs) else np.zeros(0)
    for number in np.flatnonzero(every).tolist():
        if number:
            sums[number] = sums.get(number, 0.0) + sign * float(every[number])


# ---- pictures of classes -------------------------------------------------------------------------


def _rows_of_classes(objects: CorrectedObjects, corrections: Corrections, moved: set[int]) -> dict[int, Row | None]:
    """The rows of all classes, as the share of one changes the others; none where all is as in the result. moved: whose
    pixels are others than in `objects.rows`. The lines of a large picture stay, because to draw them takes seconds."""
    now, original, stored = corrections.now, corrections.original, objects.stored
    if now.objects == original.objects and _is_same_picture(now, original):
        return {}
    shares, sums, pixel = objects.shares(now), dict[int, float](), stored.nm_per_pixel or 1.0
    for number, data in now.objects.items():
        sums[data.class_index] = sums.get(data.class_index, 0.0) + objects.pixels.get(number, 0.0)
    rings = _class_rings(now, moved & now.objects.keys())
    rows: dict[int, Row | None] = dict.fromkeys(stored.places.keys() | objects.rows.keys())
    for number, data in now.objects.items():
        name, count = now.class_names[data.class_index], sums[data.class_index]
        before = objects.rows.get(number) or (stored.row(number) if number in stored.places else {})
        reason = "" if count > 0 else str(Reason.IGNORED)
        lines = rings.get(number)
        rows[number] = {
            "id": number,
            **({"class": name} if len(now.class_names) > 1 else {}),
            "kept": not reason,
            "reason": reason,
            **({"by_hand": True} if data.by_hand else {}),
            "area": count * pixel**2,
            "area_fraction": _short(shares.get(of_class("area_fraction", name), np.nan)),
            "outline": coordinates(thinned(lines[0], TOLERANCE)) if lines else before.get("outline", []),
            "rings": further_rings(lines, MOST_COORDINATES / len(now.objects)) if lines else before.get("rings", []),
            "colour": PALETTE[data.class_index % len(PALETTE)],
        }
    return rows


def _is_same_picture(one: WorkingLabels, other: WorkingLabels) -> bool:
    pairs = zip(one.strips, other.strips, strict=True)
    return all(
        mine is its or (np.array_equal(mine.starts, its.starts) and np.array_equal(mine.ids, its.ids))
        for mine, its in pairs
    )


def _class_rings(now: WorkingLabels, numbers: set[int]) -> dict[int, list[Points]]:
    """The lines of some classes of a picture of up to MOST_TRACED px."""
    if not numbers or now.rows * now.width > MOST_TRACED:
        return {}
    listed = sorted(numbers)
    labels = now.crop((0, 0, now.rows, now.width))
    dense = np.zeros(max(listed[-1], int(labels.max(initial=0))) + 1, np.int32)
    dense[listed] = np.arange(1, len(listed) + 1)
    return dict(zip(listed, smooth_rings(find_cracks(dense[labels]), len(listed)), strict=True))
