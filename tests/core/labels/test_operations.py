"""Lists of operations: done in order or not at all, with a sentence that says which one cannot be done."""

import json
from dataclasses import replace

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from segmentation.core.labels.corrections.operations import OPERATIONS, Corrections, correct, steps_from_first_undone
from segmentation.core.labels.corrections.patches import BadEdit, Patch
from segmentation.core.labels.corrections.working import WorkingLabels
from segmentation.core.labels.segmentation import Segmentation
from tests.core.labels.test_edits import FOUND, area, same

ALL = [
    {"op": "set_aside", "ids": [2], "reason": "a satellite"},
    {"op": "restore", "ids": [2]},
    {"op": "split", "id": 5, "line": [[9, 25], [22, 25]]},
    {"op": "merge", "ids": [12, 9]},
    {"op": "draw", "polygon": [[30, 2], [40, 2], [40, 7], [30, 7]], "class": "long"},
    {"op": "draw", "polygon": [[40, 2], [42, 2], [42, 7], [40, 7]], "id": 13, "ground": True},
    {"op": "erase", "polygon": [[30, 2], [32, 2], [32, 7], [30, 7]]},
    {"op": "paint", "points": [[45, 20], [46, 22]], "radius": 2, "class": "long"},
    {"op": "erase", "points": [[45, 20], [46, 22]], "radius": 4.5, "id": 14},
    {"op": "fill", "ids": [2]},
    {"op": "class", "ids": [2], "class": "long"},
    {"op": "reviewed", "ids": [5]},
    {"op": "ignore", "regions": [[[0, 0], [5, 5]], [[10, 0], [20, 0], [15, 9.5]]]},
    {"op": "delete", "ids": [9, 12]},
]


def test_every_operation_can_be_written_as_json():
    elsewhere = {"add", "area", "smooth"}  # test_guided, test_edits
    assert {entry["op"] for entry in ALL} == OPERATIONS.keys() - elsewhere
    after = correct(FOUND, json.loads(json.dumps(ALL[:-1])))
    assert after.ids.tolist() == [2, 5, 9, 13] or after.ids.tolist() == [2, 5, 12, 13]
    assert (area(after, 2), area(after, 13)) == (100, 50)
    assert after.provenance.edits == tuple(ALL[:-1])
    assert after.by_hand == set(after.ids.tolist())


def test_the_other_entries_of_operations_can_be_written_as_json():
    operations = [
        {"op": "merge", "points": [[20, 25]]},
        {"op": "split", "cuts": [[[20, 18], [20, 32]], [[0, 0], [1, 1]]]},
        {"op": "paint", "points": [[40, 8]], "radius": 3, "id": 2, "touching": True},
        {"op": "erase", "points": [[41, 8]], "radius": 3, "id": 2, "touching": True},
    ]
    corrections = Corrections(WorkingLabels.of(FOUND))
    steps = [corrections.do(operation) for operation in json.loads(json.dumps(operations))]
    assert [step.patch.ids_left for step in steps] == [[5], [5, 12], [13], [13]]
    assert correct(FOUND, operations).ids.tolist() == [2, 5, 12, 13]


def test_regions_to_ignore_are_a_step_that_undo_takes_back_and_the_log_keeps():
    first, second = [[[0.0, 0.0], [5.0, 5.0]]], [[[1.0, 0.0], [6.0, 5.0]]]
    corrections = Corrections(replace(WorkingLabels.of(FOUND), regions=first))
    step = corrections.do({"op": "ignore", "regions": [[[1, 0], [6, 5]]]})
    assert corrections.now.regions == second and step.before.regions == first
    corrections.do({"op": "delete", "ids": [2]})
    assert corrections.now.regions == second and corrections.steps[1].patch.as_dict().keys() == {
        "runs",
        "objects",
        "next",
    }
    read = [Patch.from_dict(json.loads(json.dumps(one.as_dict()))) for one in (step.patch, step.before)]
    assert [patch.regions for patch in read] == [second, first]
    corrections.do({"op": "undo"})
    corrections.do({"op": "undo"})
    assert corrections.now.regions == first
    corrections.do({"op": "redo"})
    assert corrections.now.regions == second
    for wrong in ([[[0, 0]]], [[[0, 0], [0, 5]]], "all"):
        with pytest.raises(BadEdit, match="regions is a list of at most 50 regions"):
            corrections.do({"op": "ignore", "regions": wrong})


def test_undo_takes_back_one_operation_after_the_other():
    operations = [*ALL[2:6], *([{"op": "undo"}] * 4)]
    same(correct(FOUND, operations), FOUND)
    assert len(correct(FOUND, operations).provenance.edits) == 8


@pytest.mark.parametrize(
    ("operation", "sentence"),
    [
        ({"op": "explode"}, "op is one of delete, restore"),
        (7, "op is one of"),
        ({"op": "delete"}, "delete needs ids"),
        ({"op": "delete", "ids": 7}, "ids is a list of numbers"),
        ({"op": "delete", "ids": [True]}, "ids is a list of numbers of objects, from 1 on"),
        ({"op": "delete", "ids": [2], "line": []}, "delete has no line"),
        ({"op": "split", "id": 5, "line": "no"}, "a list of such points"),
        ({"op": "set_aside", "ids": [2], "reason": 3}, "reason is a text"),
        ({"op": "draw", "polygon": [[1, 1], [4, 1], [4, 4]], "ground": 1}, "ground is true or false"),
        ({"op": "paint", "points": [[1, 1]], "radius": "3"}, "radius is a number"),
        ({"op": "paint", "points": [[1, 1]], "radius": 10**400}, "0.5 to 500 pixels"),
        ({"op": "undo"}, "nothing to undo"),
        ({"op": "merge", "ids": [2, 77]}, "no object 77"),
        ({"op": "merge"}, "ids or points"),
        ({"op": "merge", "ids": [2, 5], "points": [[20, 25]]}, "ids or points"),
        ({"op": "split", "cuts": [[20, 25], [9, 25]]}, "cuts is a list of lines"),
        ({"op": "split", "id": 5, "cuts": [[[9, 25], [22, 25]]]}, "no id with cuts"),
        ({"op": "split", "cuts": [[[9, 25]]]}, "It takes 2"),
    ],
)
def test_what_cannot_be_done_names_its_place(operation, sentence):
    first = [] if operation == {"op": "undo"} else [ALL[0]]
    with pytest.raises(BadEdit, match=sentence) as caught:
        correct(FOUND, [*first, operation])
    assert str(caught.value).startswith(f"Operation {len(first) + 1}: ")


def test_the_steps_from_the_first_that_was_taken_back():
    """A page that is loaded anew knows from them what can be made again, and which objects it gave."""
    corrections = Corrections(WorkingLabels.of(FOUND))
    assert steps_from_first_undone(corrections.steps) == []
    for operation in (ALL[0], ALL[4], {"op": "undo"}, ALL[4]):
        corrections.do(operation)
    one, undo, again = steps_from_first_undone(corrections.steps)
    assert one == {"number": 2, "operation": ALL[4], "undoes": None, "made": [one["made"][0]]}
    assert undo == {"number": 3, "operation": {"op": "undo"}, "undoes": 2, "made": []}
    assert again["number"] == 4 and again["operation"] == ALL[4] and again["made"] != one["made"]


def test_the_command_corrects_a_stored_file(tmp_path, capsys):
    FOUND.save(tmp_path / "a.npz")
    (tmp_path / "ops.json").write_text(json.dumps([ALL[-1] | {"ids": [9]}]))
    call_command("edit", tmp_path / "a.npz", operations=tmp_path / "ops.json", out=tmp_path / "b.npz")
    assert "2 objects (3 before)" in capsys.readouterr().out
    assert Segmentation.load(tmp_path / "b.npz").ids.tolist() == [2, 5]


@pytest.mark.parametrize(("content", "sentence"), [("{", "JSON list"), ("{}", "JSON list"), ("[7]", "Operation 1")])
def test_the_command_refuses_in_a_sentence(tmp_path, content, sentence):
    FOUND.save(tmp_path / "a.npz")
    (tmp_path / "ops.json").write_text(content)
    with pytest.raises(CommandError, match=sentence):
        call_command("edit", tmp_path / "a.npz", operations=tmp_path / "ops.json", out=tmp_path / "b.npz")
    with pytest.raises(CommandError, match="No such file"):
        call_command("edit", tmp_path / "no.npz", operations=tmp_path / "ops.json", out=tmp_path / "b.npz")
    np.testing.assert_equal((tmp_path / "b.npz").exists(), False)


@pytest.mark.parametrize(
    "operation",
    [{"op": ["delete"]}, {"op": "draw", "polygon": None}, {"op": "class", "ids": [2], "class": None},
     {"op": "draw", "polygon": [[10**400, 2], [3, 4], [5, 6]]},
     {"op": "draw", "polygon": [["1", "2"], ["3", "4"], ["5", "6"]]},
     {"op": "draw", "polygon": [[True, 2], [3, 4], [5, 6]]},
     {"op": "draw", "polygon": [[1, 2, 3], [3, 4, 5], [5, 6, 7]]}, {"op": "add", "point": [1]},
     {"op": "split", "id": 5, "points": []}, {"op": "split", "id": 2**70, "line": [[0, 0], [9, 9]]}],
)  # fmt: skip
def test_nonsense_is_refused_in_a_sentence(operation):
    with pytest.raises(BadEdit, match=r"Operation 1: .*\."):
        correct(FOUND, [operation])
