"""The browser's editor against the core: the same pixels after the same operations, the same sizes."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from segmentation.core.labels.operations import Corrections
from segmentation.core.labels.patches import BadEdit
from segmentation.core.labels.segmentation import Provenance, Segmentation
from segmentation.core.labels.working import WorkingLabels
from segmentation.core.measure.distribution import quantiles
from segmentation.core.measure.shapes import measure
from segmentation.core.measure.similar import alike

REPLAY = Path(__file__).parents[1] / "js" / "replay.mjs"
SHAPE, ROWS = (60, 80), 52
CLASSES = ("round", "long")
pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="there is no node here")


def replayed(labels, operations, objects=()):
    """What the editor's scripts make of the same operations, and the numbers of some objects."""
    payload = {
        "width": SHAPE[1],
        "height": SHAPE[0],
        "rows": labels.rows,
        "next": labels.next_id,
        "classes": CLASSES,
        "pairs": pairs(labels.labels),
        "operations": operations,
        "objects": list(objects),
    }
    answer = subprocess.run(
        ["node", str(REPLAY)], input=json.dumps(payload), capture_output=True, text=True, check=True, timeout=120
    )
    return json.loads(answer.stdout)


def pairs(labels):
    flat = labels.ravel()
    starts = np.flatnonzero(np.r_[True, flat[1:] != flat[:-1]])
    return np.column_stack([flat[starts], np.diff(np.r_[starts, flat.size])]).ravel().tolist()


def random_objects(rng, count=14):
    labels = np.zeros(SHAPE, np.int32)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    for number in range(1, count + 1):
        centre, axes = rng.uniform((0, 0), (ROWS, SHAPE[1])), rng.uniform(2, 9, 2)
        turn = rng.uniform(0, np.pi)
        u, v = (x - centre[1]) * np.cos(turn) + (y - centre[0]) * np.sin(turn), 0
        v = (y - centre[0]) * np.cos(turn) - (x - centre[1]) * np.sin(turn)
        labels[((u / axes[0]) ** 2 + (v / axes[1]) ** 2 <= 1) & (labels == 0)] = number
    labels[ROWS:] = 0
    ids = np.unique(labels[labels > 0]).astype(np.int32)
    none = np.full(len(ids), np.nan, np.float32)
    return Segmentation(
        labels, ids, np.zeros(len(ids), np.int32), CLASSES, none, ROWS, Provenance("ab" * 32, "particles"), next_id=20
    )


def random_operation(labels, rng):
    ids = sorted(labels.objects) or [1]
    chosen = rng.choice(ids, min(len(ids), int(rng.integers(1, 4))), replace=False).tolist()
    points = np.round(rng.uniform((-3, -3), (SHAPE[1] + 3, SHAPE[0] + 3), (int(rng.integers(1, 6)), 2)), 2).tolist()
    radius = float(np.round(rng.uniform(0.5, 5), 1))
    ways = [
        {"op": "delete", "ids": chosen[:1]},
        {"op": "merge", "ids": chosen},
        {"op": "merge", "ids": chosen, "boundary": True},
        {"op": "area", "point": points[0], "id": chosen[0]},
        {"op": "area", "point": points[0], "class": "long"},
        {"op": "set_aside", "ids": chosen, "reason": "odd"},
        {"op": "restore", "ids": chosen},
        {"op": "reviewed", "ids": chosen},
        {"op": "class", "ids": chosen, "class": "long"},
        {"op": "draw", "polygon": points},
        {"op": "draw", "polygon": points, "id": chosen[0], "ground": True},
        {"op": "draw", "polygon": points, "class": "long"},
        {"op": "draw", "polygon": points, "id": chosen[0], "replace": True},
        {"op": "draw", "polygon": points, "id": chosen[0], "replace": True, "ground": True},
        {"op": "paint", "points": points, "radius": radius},
        {"op": "paint", "points": points, "radius": radius, "id": chosen[0]},
        {"op": "paint", "points": points, "radius": radius, "ground": True},
        {"op": "erase", "points": points, "radius": radius},
        {"op": "erase", "points": points, "radius": radius, "id": chosen[0]},
        {"op": "erase", "polygon": points},
        {"op": "undo"},
    ]
    return ways[rng.integers(len(ways))]


@pytest.mark.parametrize("seed", range(3))
def test_the_browser_makes_the_same_corrections(seed):
    rng = np.random.default_rng(seed)
    labels = random_objects(rng)
    corrections = Corrections(WorkingLabels.of(labels))
    operations, expected = [], []
    while len(operations) < 400:
        operation = random_operation(corrections.now, rng)
        try:
            patch = corrections.do(operation).patch
        except BadEdit as problem:
            assert "runs of an edit" not in str(problem)
            continue
        operations.append(operation)
        expected.append(
            {
                "check": patch.check,
                "objects": {str(number): entry and entry.as_list() for number, entry in patch.objects.items()},
                "next": patch.next_id,
            }
        )
    done = replayed(labels, operations)
    for operation, step, expected_step in zip(operations, done["steps"], expected, strict=True):
        assert step == expected_step, operation
    assert done["pairs"] == pairs(corrections.now.crop((0, 0, *SHAPE)))


def test_what_the_core_refuses_the_browser_refuses():
    rng = np.random.default_rng(9)
    labels = random_objects(rng)
    refused = []
    while len(refused) < 40:
        operation = random_operation(WorkingLabels.of(labels), rng)
        try:
            Corrections(WorkingLabels.of(labels)).do(operation)
        except BadEdit as problem:
            if operation["op"] != "undo" and "twice" not in str(problem):
                refused.append(operation)
    assert {op["op"] for op in refused} >= {"merge", "draw", "erase"}
    assert all("impossible" in step for step in replayed(labels, refused)["steps"])


def test_the_browser_measures_the_same_sizes():
    rng = np.random.default_rng(4)
    labels = random_objects(rng, 60)
    table = measure(labels.dense, np.zeros(SHAPE, np.uint8), labels.confidence, None, ROWS)
    sizes = replayed(labels, [])["sizes"]
    assert list(map(int, sizes)) == sorted(labels.ids.tolist())
    for name in ("area", "ecd", "min_feret", "max_feret"):
        column = [sizes[str(number)][name] for number in labels.ids.tolist()]
        np.testing.assert_allclose(column, table.length(name), atol=1e-9, rtol=0)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_browser_gives_the_same_median_and_fraction(weighted):
    rng = np.random.default_rng(6)
    size, weights = np.sort(rng.lognormal(4.6, 0.5, 57)), rng.uniform(1, 1.4, 57) if weighted else np.ones(57)
    counted = [
        {"id": i, "kept": True, "min_feret": value, **({"weight": weight} if weighted else {})}
        for i, (value, weight) in enumerate(zip(size.tolist(), weights.tolist(), strict=True), 1)
    ]
    left_out = [{"id": 90, "kept": False, "min_feret": 3.0}, {"id": 91, "kept": True, "cut": True, "min_feret": 3.0}]
    numbers = replayed(random_objects(rng), [], [*counted, *left_out])["numbers"]
    nano = (size >= 1) & (size <= 100)
    assert numbers["kept"] == 58
    assert numbers["median"] == pytest.approx(quantiles(size, weights, (0.5,))[0], rel=1e-12)
    assert numbers["fraction"] == pytest.approx(np.average(nano, weights=weights), rel=1e-12)


def rows_of(columns):
    rows = [dict(zip(columns, map(float, values), strict=True)) for values in zip(*columns.values(), strict=True)]
    return [{"id": number, "kept": True, **row} for number, row in enumerate(rows, 1)]


def test_the_browser_finds_the_same_objects_alike():
    """Four small pale specks, among them 1 and 5, and forty large particles; one was drawn and has sizes alone."""
    rng = np.random.default_rng(3)
    speck = np.isin(np.arange(1, 45), (1, 5, 9, 44))
    columns = {
        "min_feret": np.where(speck, 6, 60) * rng.lognormal(0, 0.1, 44),
        "aspect_ratio": rng.uniform(0.7, 1, 44),
        "circularity": np.where(speck, 0.6, 0.9) + rng.uniform(-0.03, 0.03, 44),
        "relative_contrast": np.where(speck, 0.1, 0.5) + rng.uniform(-0.05, 0.05, 44),
    }
    columns["area"] = 0.8 * columns["min_feret"] ** 2 / columns["aspect_ratio"]
    objects = rows_of(columns)
    objects[-1] |= {"circularity": None, "relative_contrast": None}
    columns |= {name: np.r_[columns[name][:-1], np.nan] for name in ("circularity", "relative_contrast")}
    likeness = alike(columns, [0, 4], "min_feret")
    assert set(np.flatnonzero(likeness > 0.5) + 1) == {1, 5, 9, 44} and likeness[0] == likeness[4] == 1
    theirs = replayed(random_objects(rng), [], objects)["alike"]
    assert [number for number, _ in theirs] == list(range(1, 45))
    assert [value for _, value in theirs] == pytest.approx(likeness.tolist(), abs=1e-9)


@pytest.mark.parametrize("measure", ["min_feret", "aspect_ratio", "relative_contrast"])
def test_of_two_mixed_groups_those_alike_are_of_one(measure):
    """Sixty objects and forty others that differ in one measure: the spread of both together says nothing of either."""
    rng, other = np.random.default_rng(4), np.arange(100) >= 60
    usual = {"min_feret": (60.0, 25.0), "aspect_ratio": (0.9, 0.4), "relative_contrast": (1.0, 0.3)}
    means = {name: np.where(other, pair[name == measure], pair[0]) for name, pair in usual.items()}
    columns = {name: mean * rng.lognormal(0, 0.08, 100) for name, mean in means.items()}
    columns["area"] = 0.8 * columns["min_feret"] ** 2 / columns["aspect_ratio"]
    for places in (other, ~other):
        chosen = [alike(columns, [place], "min_feret") >= 0.6 for place in np.flatnonzero(places)]
        assert np.mean([places[likely].mean() for likely in chosen]) >= 0.9
        assert np.mean([likely[places].mean() for likely in chosen]) >= 0.25
    theirs = replayed(random_objects(rng), [], rows_of(columns))["alike"]
    assert [value for _, value in theirs] == pytest.approx(alike(columns, [0, 4], "min_feret").tolist(), abs=1e-9)
