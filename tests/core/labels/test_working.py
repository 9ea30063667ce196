"""Outlines as runs: what lies at a point, how large objects are, and in how many pieces."""

import numpy as np
import pytest

from segmentation.core.labels.corrections.patches import BadEdit
from segmentation.core.labels.corrections.working import STRIP_ROWS, WorkingLabels
from tests.core.builders import disc_labels, segmentation_of

SHAPE = (2 * STRIP_ROWS + 44, 300)


@pytest.fixture
def discs():
    return segmentation_of(disc_labels(40, SHAPE))


def test_points_have_the_ids_of_their_pixels_and_nothing_outside(discs):
    rng = np.random.default_rng(0)
    points = rng.uniform((-20, -20), (SHAPE[1] + 20, SHAPE[0] + 20), (5000, 2))
    column, row = np.floor(points).astype(int).T
    inside = (column >= 0) & (row >= 0) & (column < SHAPE[1]) & (row < SHAPE[0])
    expected = np.where(inside, discs.labels[np.where(inside, row, 0), np.where(inside, column, 0)], 0)
    ids = WorkingLabels.of(discs).ids_at(points)
    assert ids.dtype == np.int32 and set(ids.tolist()) > {0, 1, 40} and not inside.all()
    np.testing.assert_array_equal(ids, expected)
    corners = np.array([(0, 0), (SHAPE[1] - 0.01, SHAPE[0] - 0.01), (SHAPE[1], 0), (0, SHAPE[0]), (-0.01, 5)])
    full = WorkingLabels.of(segmentation_of(np.ones(SHAPE, np.int32)))
    assert full.ids_at(corners).tolist() == [1, 1, 0, 0, 0]
    assert full.ids_at(np.zeros((0, 2))).tolist() == []


def test_areas_are_those_of_the_image(discs):
    areas = WorkingLabels.of(discs).areas()
    assert areas == {number: int((discs.labels == number).sum()) for number in range(1, 41)}
    assert WorkingLabels.of(segmentation_of(np.zeros(SHAPE, np.int32))).areas() == {}


def test_pieces_share_sides(discs):
    labels = discs.labels.copy()
    labels[labels == 2] = 1
    labels[0, :3] = labels[1, 3] = 7  # a corner is none
    now = WorkingLabels.of(segmentation_of(labels))
    assert now.pieces_of([7, 1, 3]) == {1: 2, 3: 1, 7: 3}
    with pytest.raises(BadEdit, match="no object 99"):
        now.pieces_of([99])


def test_runs_touch_an_object_that_they_share_a_corner_with():
    labels = np.zeros((STRIP_ROWS + 5, 20), np.int32)
    labels[STRIP_ROWS, 10:13] = 1
    now = WorkingLabels.of(segmentation_of(labels))

    def touching(row, column):
        return now.touches(np.array([[row * 20 + column, 1, 0]], np.int32), 1)

    places = [
        (STRIP_ROWS - 1, 9),
        (STRIP_ROWS - 1, 13),
        (STRIP_ROWS + 1, 13),
        (STRIP_ROWS, 9),
        (STRIP_ROWS, 11),
        (STRIP_ROWS + 1, 10),
    ]
    assert all(touching(*place) for place in places)
    assert not any(
        touching(*place)
        for place in [(STRIP_ROWS - 2, 11), (STRIP_ROWS, 8), (STRIP_ROWS, 14), (STRIP_ROWS + 2, 11), (0, 0)]
    )
    first = WorkingLabels.of(segmentation_of(np.eye(3, 20, dtype=np.int32)))
    assert not first.touches(np.array([[59, 1, 0]], np.int32), 1)  # the end of a row is not beside the next one
