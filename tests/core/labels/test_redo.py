"""What was taken back is made again, to the pixel and with the same ids."""

from __future__ import annotations

import numpy as np
import pytest

from segmentation.core.labels.corrections.operations import Corrections, redoable_steps
from segmentation.core.labels.corrections.patches import BadEdit
from segmentation.core.labels.corrections.working import WorkingLabels
from tests.core.builders import segmentation_of

SPLIT = {"op": "split", "id": 1, "line": [[20.5, 0], [20.5, 40]]}
DRAW = {"op": "draw", "polygon": [[50, 50], [60, 50], [60, 60], [50, 60]]}


@pytest.fixture
def corrections():
    labels = np.zeros((80, 80), np.int32)
    labels[5:35, 5:35] = 1
    return Corrections(WorkingLabels.of(segmentation_of(labels)))


def pixels(corrections):
    return corrections.now.crop((0, 0, 80, 80))


def test_undone_steps_come_back_in_their_order_with_their_ids(corrections):
    corrections.do(SPLIT)
    split = pixels(corrections)
    corrections.do(DRAW)
    drawn = pixels(corrections)
    for _ in range(2):
        corrections.do({"op": "undo"})
    assert redoable_steps(corrections.steps) == [2, 1]
    corrections.do({"op": "redo"})
    assert np.array_equal(pixels(corrections), split) and redoable_steps(corrections.steps) == [2]
    step = corrections.do({"op": "redo"})
    assert (
        np.array_equal(pixels(corrections), drawn)
        and step.operation == DRAW
        and redoable_steps(corrections.steps) == []
    )
    replayed = Corrections(corrections.original, corrections.steps)
    assert np.array_equal(pixels(replayed), drawn) and replayed.now.objects.keys() == corrections.now.objects.keys()


def test_another_step_ends_what_can_be_made_again(corrections):
    corrections.do(SPLIT)
    corrections.do({"op": "undo"})
    corrections.do(DRAW)
    with pytest.raises(BadEdit, match="nothing to redo"):
        corrections.do({"op": "redo"})
    with pytest.raises(BadEdit, match="no other entries"):
        corrections.do({"op": "redo", "id": 1})
