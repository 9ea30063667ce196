"""What stands after corrections, measured alone, is what the measuring of everything says."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from segmentation.core import tasks
from segmentation.core.analysis import AnalysisSettings
from segmentation.core.labels.corrections.operations import Corrections, replay_steps
from segmentation.core.labels.corrections.working import WorkingLabels
from segmentation.core.labels.segmentation import Cut, Provenance, Segmentation
from segmentation.core.measure.objects.filters import BY_OTHERS, BY_REGION
from segmentation.core.measure.objects.tilt import Stretch, Tilt
from segmentation.core.measure.outlines.contours import EDGE_SHIFTS, SHIFT_ZERO
from segmentation.core.micrograph.colours import COLOURS, MANY
from segmentation.core.micrograph.types import Calibration, Micrograph
from segmentation.core.pipeline import measure
from segmentation.core.report.corrected.corrected_objects import CorrectedObjects, MeasuringConditions, StoredObjects
from segmentation.core.report.corrected.quick_numbers import QuickNumbers
from segmentation.core.report.exports.viewer import outlines
from segmentation.core.report.summary import MAIN, Summary
from tests.core.builders import disc_labels, grey_of

SHAPE = (240, 300)
SCALE = Calibration(3.1, "typed", relative_uncertainty=0.01)
REGION = [[[150.2, -5.0], [310.0, 20.5], [310.0, 90.0], [160.0, 88.0]], [[0, 200], [60, 260]]]
FIGURES = ("median", "mean", "sd", "d10", "d90", "ecd_median")
SHAPES_OF = {"aspect_ratio", "circularity", "solidity", "convexity", "compactness", "extent", "ellipse_ratio"}


class Case:
    """A drawn picture of a kind, its result as it is stored, and the corrections of it."""

    def __init__(self, task="particles", labels=None, classes=None, names=(), scale=SCALE, metadata=None, **settings):
        outlined = {name: settings.pop(name) for name in ("cuts", "set_aside", "used", "maps") if name in settings}
        labels = disc_labels(30, SHAPE, seed=4) if labels is None else labels
        ids = np.unique(labels[labels > 0]).astype(np.int32)
        self.task = tasks.find(task)
        confidence = np.linspace(0.2, 0.99, len(ids)).astype(np.float32)
        classes = np.zeros(len(ids), np.int32) if classes is None else np.array(classes, np.int32)
        origin = Provenance("0" * 64, task, card={"name": "a", "options": {}, "scores": []})
        facts = names or self.task.class_names, confidence, labels.shape[0], origin
        self.segmentation = Segmentation(labels, ids, classes, *facts, **outlined)
        self.micrograph = Micrograph(grey_of(labels), "a.tif", "0" * 64, scale, metadata=metadata or {})
        settings = {"faint_limit": 0, **settings} if self.task.screened else settings
        self.settings = AnalysisSettings.of(task, **settings)
        self.analysis = measure(self.micrograph, self.segmentation, self.settings)
        self.file = json.loads(json.dumps(outlines(self.analysis)))
        measuring = self.task.effective(self.settings.measurement)
        tilt = Tilt.to_correct(measuring, {})
        terms = MeasuringConditions(self.task, measuring, self.analysis.refused, Stretch.of(tilt) if tilt else None)
        self.corrections = Corrections(WorkingLabels.of(self.segmentation))
        self.state = CorrectedObjects.of(StoredObjects.of([self.file], "particles"), self.corrections.original, terms)

    def do(self, *operations):
        for operation in operations:
            self.corrections.do(operation)
        self.state = self.state.with_corrections(self.corrections)
        return self

    def ignore(self, regions):
        """Other regions to ignore, as the site draws them: a correction, and a setting of the result from then on."""
        self.corrections.do({"op": "ignore", "regions": regions})
        self.settings = self.settings.replaced(ignore=regions)
        terms = replace(self.state.conditions, settings=self.task.effective(self.settings.measurement))
        assert not self.state.is_continued_by(self.corrections, terms)
        self.state = CorrectedObjects.of(self.state.stored, self.corrections.original, terms)
        self.do()

    @property
    def quick(self):
        return QuickNumbers(self.state, self.corrections.now, self.analysis.statistics, self.analysis.quantities)

    def measured(self):
        """Everything measured anew, as a worker does."""
        rows = self.file["particles"]
        judged = {str(why): [row["id"] for row in rows if row["reason"] == why] for why in (*BY_OTHERS, *BY_REGION)}
        after = replay_steps(self.segmentation, self.corrections.steps)
        limit = self.settings.measurement.faint_limit
        after = replace(after, used={**after.used, "by_others": {"faint_limit": limit, **judged}})
        return measure(self.micrograph, after, self.settings)

    def rows(self):
        every = {number: self.state.stored.row(number) for number in self.state.stored.places}
        every |= self.state.rows
        return {number: row for number, row in every.items() if row}

    def check(self):
        """The objects and the numbers are those of the measuring of everything."""
        full, mine = self.measured(), self.rows()
        theirs = {row["id"]: row for row in json.loads(json.dumps(outlines(full)))["particles"]}
        assert mine.keys() == theirs.keys()
        for number, row in theirs.items():
            own = mine[number]
            named = {name: own.get(name) for name in ("id", "class", "kept", "reason", "cut", "by_hand", "rings")}
            assert named == {name: row.get(name) for name in named}
            assert own["outline"] == row["outline"], number
            assert own.get("whole", []) == pytest.approx(row.get("whole", []), abs=1e-6), number
            for name in {"min_feret", "max_feret", "ecd", "area", "weight", "area_fraction"} & row.keys():
                pair = [np.nan if of[name] is None else of[name] for of in (own, row)]
                assert pair[0] == pytest.approx(pair[1], rel=1e-9, nan_ok=True), (number, name)
            shapes = {name: own.get(name) for name in SHAPES_OF & row.keys()}
            assert shapes == {name: row[name] for name in shapes}, number
        words, said = Summary(full.statistics, full.quantities, self.task.thing, self.task.things), self.quick.numbers
        known = {entry.name: entry.value for entry in words.known_quantities}
        if of := full.statistics:
            known |= {name: words.by_number(name).value for name in (*MAIN, "fraction_100nm")}
            known |= {"n_set_aside": f"{of.n_set_aside:,}", "n_kept": f"{int(full.table.kept.sum()):,}"}
            fraction = words.by_number("fraction_100nm")
            if (carried := said.pop("fraction_outlines", None)) and said[fraction.name] == fraction.value:
                assert carried == fraction.outlines_note
            assert self.quick.unit == words.statistics.unit
            if said.get("median", "–") != "–":
                own, theirs = ([getattr(one, name) for name in FIGURES] for one in (self.quick.statistics, of))
                assert own == pytest.approx(theirs, rel=1e-9)
        assert said and said.keys() <= known.keys()
        assert {name for name in said if not is_same(said[name], known[name])} == set()
        return said


def is_same(one, other):
    """Whether two numbers are the same as far as both are written: how far, an interval decides that may be others."""
    places = [len(words.partition(".")[2]) for words in (one, other)]
    if one == other or max(places) == min(places):
        return one == other
    return abs(float(one) - float(other)) <= 0.501 * 10.0 ** -min(places)


def every_kind(case):
    """An operation of every kind that needs no map of a network; the ids are those of the drawn discs."""
    top, left, bottom, right = case.state.stored_boxes[9]
    middle = (left + right) / 2
    return [
        {"op": "delete", "ids": [8]},
        {"op": "split", "id": 9, "line": [[middle, top - 3], [middle + 0.3, bottom + 3]]},
        {"op": "merge", "ids": [15, 16]},
        {"op": "set_aside", "ids": [17], "reason": "dirt"},
        {"op": "reviewed", "ids": [1, 18, 3]},
        {"op": "draw", "polygon": [[2.5, 60], [24, 64], [20, 90], [4, 88]]},
        {"op": "draw", "polygon": [[200, 100], [240, 100], [240, 150], [200, 150]], "id": 19, "replace": True},
        {"op": "paint", "points": [[120, 180], [150, 200]], "radius": 7, "id": 20},
        {"op": "paint", "points": [[296, 200]], "radius": 9},
        {"op": "erase", "points": [[60, 30], [90, 60]], "radius": 5},
        {"op": "delete", "ids": [3]},
        {"op": "restore", "ids": [8, 17, 3]},
        {"op": "fill", "ids": [10]},
    ]


def possible(case, operations):
    """Those of the operations that the picture allows; what is impossible changes nothing."""
    from segmentation.core.labels.corrections.patches import BadEdit

    for operation in operations:
        try:
            case.do(operation)
        except BadEdit:
            continue
        yield operation


KINDS = {
    "particles": {},
    "weighted borders": {"border_correction": "weight"},
    "a filter": {"filter": True},
    "regions to ignore": {"ignore": REGION},
    "a tilted specimen": {"tilt_correction": 40, "border_correction": "weight", "ignore": REGION},
    "a border": {
        "task": "loops",
        "used": {"border": [[[0, 0], [300, 35]], [[280, 35], [300, 240]]]},
        "border_correction": "weight",
    },
    "no scale": {"scale": Calibration(None, "none")},
    "in micrometres": {"scale": Calibration(90.0, "typed")},
    "bubbles": {"task": "bubbles"},
    "grains in regions": {"task": "grains", "ignore": REGION},
    "weighted loops": {"task": "loops", "border_correction": "weight"},
}


@pytest.mark.parametrize("settings", KINDS.values(), ids=KINDS)
def test_corrections_of_every_kind_leave_what_measuring_everything_says(settings):
    case, done = Case(**settings), []
    for operation in possible(case, every_kind(case)):
        done.append(operation["op"])
        case.check()
    assert set(done) >= {"delete", "merge", "split", "set_aside", "reviewed", "draw", "paint", "erase", "restore"}
    for _ in done:
        case.do({"op": "undo"})
    assert not case.state.rows and not case.state.remeasured, "taken back, all is as it was found"
    case.check()


@pytest.mark.parametrize("before", [[], REGION], ids=["none before", "others before"])
def test_regions_that_are_drawn_later_leave_out_what_measuring_everything_leaves_out(before):
    case = Case(ignore=before).do({"op": "delete", "ids": [8]}, {"op": "set_aside", "ids": [17], "reason": "dirt"})
    later = [[[0.0, 0.0], [150.0, 240.0]]]
    case.ignore(later)
    case.check()
    case.do({"op": "paint", "points": [[120, 180], [150, 200]], "radius": 7, "id": 20})
    case.check()
    changed = {row["id"] for row in case.state.changed_since(case.corrections, 2)}
    assert changed >= {*case.state.stored.places} - {8}, "each object may lie in another region"
    case.ignore([])
    case.check()


def phases(**settings):
    labels = np.ones((90, 120), np.int32)
    labels[20:60, 10:50], labels[30:80, 70:110], labels[40:50, 20:30] = 2, 3, 1
    return Case("phases", labels, [0, 1, 2], ("matrix", "sulfide", "oxide"), **settings)


@pytest.mark.parametrize("scale", [SCALE, Calibration.absent()])
def test_what_others_cover_of_a_corrected_object_is_completed_at_once(scale):
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]] + 0.5
    labels = disc_labels(30, SHAPE, seed=4) * (columns < 100)
    for x, y, width in ((180, 100, 40), (204, 108, 44), (260, 60, 30), (236, 68, 40)):
        labels[np.hypot(columns - x, rows - y) <= width / 2] = 50 + int(y < 90)
    shifts = np.full(SHAPE, SHIFT_ZERO, np.uint8)
    shifts[:, 150:] += 3
    case = Case(labels=labels, maps={EDGE_SHIFTS: shifts}, scale=scale)
    case.do(
        {"op": "split", "id": 50, "line": [[193, 80], [189, 140]]}, {"op": "erase", "points": [[236, 48]], "radius": 3}
    )
    case.check()
    assert sum("whole" in row for row in case.state.rows.values() if row) == 1
    case.do({"op": "merge", "ids": [50, max(case.state.rows)]}).check()


@pytest.mark.parametrize(
    "settings",
    [{}, {"ignore": [[[0, 0], [40, 45]]]}, {"used": {"border": [[[0, 0], [40, 45]]]}}],
    ids=["all", "a region to ignore", "a border"],
)
def test_shares_of_classes_follow_their_pixels(settings):
    case, stroke = phases(**settings), {"op": "paint", "points": [[60, 40], [90, 20]], "radius": 6, "id": 2}
    share = case.do(stroke).check()["area_fraction of sulfide"]
    case.do({"op": "paint", "points": [[30, 30]], "radius": 9, "id": 3}).check()
    case.do({"op": "draw", "polygon": [[0, 60], [30, 60], [30, 90], [0, 90]], "class": "oxide"}).check()
    every = [row["id"] for row in case.state.changed_since(case.corrections, 2)]
    assert every == [1, 2, 3, 4], "the share of one changes those of all"
    for _ in range(3):
        case.do({"op": "undo"})
    assert not case.state.rows and case.check()["area_fraction of sulfide"] != share
    assert [row["id"] for row in case.state.changed_since(case.corrections, 3)] == [1, 2, 3, 4]


def test_a_large_picture_of_classes_keeps_its_lines_until_it_is_measured(monkeypatch):
    case = phases()
    monkeypatch.setattr("segmentation.core.report.corrected.corrected_objects.MOST_TRACED_PX", 100)
    case.do({"op": "paint", "points": [[60, 40]], "radius": 6, "id": 2})
    row = case.rows()[2]
    assert row["area"] > case.state.stored.row(2)["area"] and row["outline"] == case.state.stored.row(2)["outline"]


def test_of_kinds_whose_size_is_more_than_an_outline_only_counts_follow_what_is_drawn():
    case = Case("loops")
    assert "median" in case.do({"op": "delete", "ids": [9]}).check()
    said = case.do({"op": "draw", "polygon": [[2, 60], [24, 64], [20, 90], [4, 88]]}).check()
    assert said["loops"] == said["n_kept"] and "median" not in said
    row = case.rows()[31]
    assert row["loop_diameter"] is None and row["ecd"] > 0


def test_numbers_that_rest_on_chances_wait_for_the_measuring():
    left, right = 65, 95
    cut = Cut(0.45, [[80.0, 85.0], [80.0, 125.0]], [], [78, 105, 82, 105])
    labels = np.zeros(SHAPE, np.int32)
    labels[90:120, left:right], labels[20:50, 20:50], labels[150:180, 200:240] = 1, 2, 3
    case = Case(labels=labels, cuts=(cut,), measurand="all")
    assert case.do({"op": "delete", "ids": [3]}).quick.numbers == {"n_set_aside": "0"}
    case = Case(labels=labels, cuts=(cut,))
    numbers = case.do({"op": "delete", "ids": [3]}).quick
    assert numbers.numbers["n_kept"] == "2" and numbers.few_sizes == ["93.4", "93.4"]
    assert case.rows()[1] == case.file["particles"][0]


def test_what_somebody_cut_or_checked_is_not_asked_again():
    """A cut divides what lies on both of its sides: after a split nothing, after a merge the whole."""
    labels = disc_labels(30, SHAPE, seed=4)
    boxes = {number: np.argwhere(labels == number) for number in (9, 10, 15)}
    middles = {number: places.mean(0).round() for number, places in boxes.items()}
    cuts = tuple(
        Cut(probability, [[x, y - 30], [x, y + 30]], [], [int(x) - 2, int(y), int(x) + 2, int(y)])
        for probability, (y, x) in zip((0.9, 0.7, 0.3), middles.values(), strict=True)
    )
    case = Case(labels=labels, cuts=cuts)
    columns = case.file["cuts"]
    assert columns["place"] == [0, 1, 2] and columns["pieces"][2] is None
    whole = case.file["particles"][8]["min_feret"]
    assert all(0.3 * whole < size < 0.75 * whole for size in columns["pieces"][0]) and len(columns["pieces"][0]) == 2
    cuts_now = case.state.cuts_after(None)
    asked = case.quick.doubts(cuts_now)
    assert cuts_now == {0: 9, 1: 10, 2: 15} and asked[0].cut in (0, 1)
    assert {doubt.cut for doubt in asked} == {None, 0, 1} and all(doubt.probability >= 0.4 for doubt in asked)
    y, x = middles[9]
    case.do({"op": "split", "id": 9, "line": [[x, y - 30], [x, y + 30]]}, {"op": "reviewed", "ids": [1, 10]})
    now = case.state.cuts_after(case.corrections.now)
    assert now == {1: 10, 2: 15}
    left = {(doubt.id, doubt.cut) for doubt in case.quick.doubts(now)}
    assert left == {(doubt.id, doubt.cut) for doubt in asked} - {(9, 0), (10, 1), (1, None), (9, None), (10, None)}
    case.do({"op": "merge", "ids": [9, 31]})
    assert case.state.cuts_after(case.corrections.now)[0] in (9, 31)


def test_the_answer_names_the_objects_that_later_corrections_touched():
    case = Case().do({"op": "delete", "ids": [2]}, {"op": "reviewed", "ids": [5]})
    assert case.state.changed_since(case.corrections, 0)[0] == {"id": 2, "gone": True}
    assert [row["id"] for row in case.state.changed_since(case.corrections, 1)] == [5]
    before = case.state
    later = case.do({"op": "undo"}, {"op": "undo"}).state
    assert before.rows and [row["id"] for row in later.changed_since(case.corrections, 2)] == [2, 5]
    assert later.changed_since(case.corrections, 2) == [case.file["particles"][1], case.file["particles"][4]]


def test_an_object_in_pieces_says_of_how_many_it_is():
    case = Case().do({"op": "paint", "points": [[10, 10]], "radius": 4, "id": 20})
    assert case.rows()[20]["pieces"] == 2
    case.check()


def test_examples_are_those_of_what_stands():
    case = Case()
    every = sorted((row["min_feret"], row["id"]) for row in case.file["particles"] if row["confidence"] >= 0.9)
    first, _, last = case.quick.examples
    assert (first.id, last.id) == (every[0][1], every[-1][1])
    assert (first.title, last.title) == ("smallest counted", "largest counted")
    smallest = min((row["min_feret"], row["id"]) for row in case.file["particles"])[1]
    case.do({"op": "reviewed", "ids": [smallest]}, {"op": "delete", "ids": [last.id]})
    first, _, last = case.quick.examples
    assert first.id == smallest and last.id == every[-2][1]
    case.do({"op": "delete", "ids": list(case.corrections.now.objects)[3:]})
    few = case.quick.examples
    assert [example.title for example in few] == [f"particle {example.id}" for example in few] and len(few) == 3
    assert [example.size for example in few] == case.quick.few_sizes


def test_fibres_keep_what_their_shape_says_whatever_a_person_decided():
    labels = np.zeros((160, 240), np.int32)
    labels[37:45, :110], labels[37:45, 130:] = 1, 1  # in two pieces, as another crosses it
    labels[100:108, 40:200], labels[60:78, 171:189], labels[140:142, 20:200] = 2, 3, 4
    case = Case("fibres", labels, [0, 0, 1, 0])
    reasons = {row["id"]: row["reason"] for row in case.file["particles"]}
    assert reasons == {1: "", 2: "", 3: "not clearly a fibre", 4: "thinner than 3 px"}
    said = case.do({"op": "reviewed", "ids": [1, 3, 4]}).check()
    assert said["fibres"] == "2" and "median" in said
    case.do({"op": "class", "ids": [3], "class": "fibre"}, {"op": "class", "ids": [2], "class": "short object"})
    assert [case.rows()[number]["reason"] for number in (2, 3)] == ["not clearly a fibre", ""]
    case.do({"op": "paint", "points": [[60, 41]], "radius": 8, "id": 1})
    row = case.rows()[1]
    assert row["pieces"] == 2 and len(row["rings"]) == 1 and row["fibre_diameter"] is None
    assert "median" not in case.quick.numbers
    case.do({"op": "delete", "ids": [1]}, {"op": "undo"}, {"op": "undo"}, {"op": "undo"}, {"op": "undo"}).check()


@pytest.mark.parametrize("task", ["particles", "bubbles"])
def test_the_numbers_of_a_refused_picture_wait_for_the_measuring(task):
    """A correction says that the picture is none of another kind: then everything is judged anew."""
    case = Case(task, metadata={COLOURS: MANY})
    assert case.analysis.refused and not case.quick.numbers
    case.do({"op": "reviewed", "ids": [1, 9]}, {"op": "draw", "polygon": [[2, 60], [24, 64], [20, 90], [4, 88]]})
    full = {row["id"]: row["reason"] for row in outlines(case.measured())["particles"]}
    touched = {number: row["reason"] for number, row in case.state.rows.items()}
    assert touched.keys() == {1, 8, 9, 31} and touched == {number: full[number] for number in touched}
    assert (case.quick.numbers, case.quick.examples, case.quick.doubts({})) == ({}, [], [])


def test_what_a_person_left_out_within_a_region_stays_in_it_when_it_is_confirmed():
    """In a result that measures corrections the reason of the person stands where that of the region stood."""
    case = Case()
    reasons = {9: "dirt", 17: "dirt"}
    top, left, bottom, right = case.state.stored_boxes[9]
    later = Case(
        labels=case.segmentation.labels, ignore=[[[left - 3, top - 3], [right + 3, bottom + 3]]], set_aside=reasons
    )
    later.do({"op": "reviewed", "ids": [9, 17]}).check()
    assert [later.rows()[number]["reason"] for number in (9, 17)] == ["in a region to ignore", ""]


def test_an_object_that_reaches_over_too_much_of_the_picture_waits_for_the_measuring(monkeypatch):
    case = Case()
    monkeypatch.setattr("segmentation.core.labels.corrections.working.MOST_CROPPED_PX", 5_000)
    case.do({"op": "merge", "ids": [1, 30]})
    [row] = [row for row in case.state.changed_since(case.corrections, 0) if "gone" not in row]
    assert row["kept"] and "min_feret" not in row and row["outline"]
    assert case.quick.numbers == {"n_kept": "29", "n_set_aside": "0"}
