"""What is remembered of objects is what would be measured, and only changed objects are measured again."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from segmentation.core.labels.segmentation import Cut
from segmentation.core.measure.objects.by_object import by_object
from segmentation.core.measure.outlines.polygons import ObjectOutlines, Shifts
from segmentation.core.measure.pixels.runs import Runs
from segmentation.core.measure.review import possible_pieces as cuts
from segmentation.core.measure.review.possible_pieces import possible_pieces
from segmentation.core.measure.shape.shapes import measure
from segmentation.core.measure.table import Table
from segmentation.core.remembered import Memory, remembering

SHAPE = (120, 160)


def labels(gone: int = 0, grown: int = 0) -> NDArray[np.int32]:
    """Twelve ellipses, numbered from 1 on without a gap; one gone, one a row taller."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    drawn = np.zeros(SHAPE, np.int32)
    for number in range(12):
        row, column = divmod(number, 4)
        tall = 9 + row + (number + 1 == grown)
        inside = ((y - 20 - 38 * row) / tall) ** 2 + ((x - 20 - 38 * column) / (10 + column)) ** 2 < 1
        if number + 1 != gone:
            drawn[inside] = drawn.max() + 1
    return drawn


def tables_of(drawn: NDArray[np.int32]) -> tuple[Table, Table]:
    grey = np.arange(drawn.size, dtype=np.uint16).reshape(SHAPE)
    inputs = drawn, grey, np.ones(int(drawn.max()), np.float32), 2.0, SHAPE[0] - 8
    shifts = np.where(drawn > 0, 100 + np.arange(drawn.size).reshape(SHAPE) % 50, 0).astype(np.uint8)
    return measure(*inputs), measure(*inputs, outlines=ObjectOutlines(drawn, Shifts(shifts)))


@pytest.mark.parametrize("change", [{}, {"gone": 3}, {"grown": 6}, {"gone": 12, "grown": 1}])
def test_a_table_from_memory_is_equal_to_the_last_digit(change: dict[str, int]):
    memory, drawn = Memory(), labels(**change)
    with remembering(memory):
        tables_of(labels())
    with remembering(memory):
        from_memory = tables_of(drawn)
    for remembered, measured in zip(from_memory, tables_of(drawn), strict=True):
        assert remembered.columns.keys() == measured.columns.keys()
        for name, values in measured.columns.items():
            np.testing.assert_array_equal(remembered.columns[name], values, err_msg=name)


def test_only_what_changed_is_measured_again_and_what_is_not_asked_for_is_forgotten():
    memory, counts = Memory(), list[int]()

    def areas(some: NDArray[np.int32], runs: Runs) -> dict[str, NDArray[np.int64]]:
        counts.append(int(some.max()))
        return {"area": np.bincount(runs.particle, runs.length).astype(np.int64)}

    def asked_for(drawn: NDArray[np.int32]) -> NDArray[np.int64]:
        with remembering(memory):
            return by_object("areas", drawn, None, areas)["area"]

    whole = asked_for(labels())
    assert counts == [12]
    assert list(asked_for(labels(gone=3))) == list(np.delete(whole, 2)) and counts == [12]
    assert asked_for(labels(grown=6))[5] > whole[5] and counts == [12, 2]  # the third one was forgotten
    assert len(asked_for(np.zeros(SHAPE, np.int32))) == 0


def test_a_line_parts_the_same_outline_once(monkeypatch: pytest.MonkeyPatch):
    calls, memory, parted = [], Memory(), cuts._divided_by
    monkeypatch.setattr(cuts, "_divided_by", lambda *inputs: calls.append(inputs) or parted(*inputs))
    cut = Cut(0.3, [[20.0, 8.0], [20.0, 32.0]], [], [16, 20, 24, 20])
    expected = possible_pieces(labels(), [cut])
    for drawn in (labels(), labels(gone=3), labels(grown=1)):
        with remembering(memory):
            divided = possible_pieces(drawn, [cut])
        assert len(divided.pieces) == 2
    assert len(calls) == 3 and [piece.box for piece in expected.pieces]  # the one above, the first, and the grown one
