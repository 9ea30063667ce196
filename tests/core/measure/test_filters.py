"""Every reason, its limit and the order of judging."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from segmentation.core.measure.objects.filters import (
    ALWAYS,
    BY_HAND,
    BY_OTHERS,
    BY_REGION,
    FILTER_REASONS,
    Reason,
    judge,
)
from segmentation.core.measure.shape.shapes import measure
from tests.core.builders import grey_of

from .particle_tables import table_of

OF_FIBRES = (Reason.SHORT, Reason.THIN, Reason.PIECE)  # given by the task of fibres alone
BY_IMAGE = (Reason.UNLIKE, *BY_REGION, *BY_OTHERS)


def judged(labels, filter, confidence=None, nm_per_pixel=None):
    confidence = np.ones(int(labels.max()), np.float32) if confidence is None else confidence
    table = measure(labels, grey_of(labels), confidence, nm_per_pixel, labels.shape[0])
    return judge(table, filter)


def block(height, width, margin=2):
    labels = np.zeros((height + 2 * margin, width + 2 * margin), np.int32)
    labels[margin : margin + height, margin : margin + width] = 1
    return labels


def reason(labels, filter, **more):
    return str(judged(labels, filter, **more).reasons[0])


@pytest.mark.parametrize("filter", [False, True])
@pytest.mark.parametrize(
    ("labels", "expected"),
    [(block(20, 20), ""), (block(20, 20, margin=0), Reason.FRAME), (block(2, 4), Reason.SLIP),
     (block(2, 2, margin=0), Reason.FRAME)],
)  # fmt: skip
def test_reasons_that_always_apply(labels, expected, filter):
    assert reason(labels, filter) == expected


@pytest.mark.parametrize(
    ("labels", "expected"),
    [(block(3, 3), Reason.SMALL), (block(3, 5), Reason.SMALL), (block(4, 4), Reason.UNRESOLVED),
     (block(4, 9), Reason.UNRESOLVED), (block(5, 5), ""), (block(6, 39), ""), (block(6, 41), Reason.ODD)],
)  # fmt: skip
def test_reasons_of_the_filter(labels, expected):
    assert reason(labels, True) == expected
    assert reason(labels, False) == ""


@pytest.mark.parametrize(("value", "expected"), [(0.49, Reason.UNSURE), (0.51, ""), (float("nan"), "")])
def test_low_confidence(value, expected):
    assert reason(block(20, 20), True, confidence=np.array([value], np.float32)) == expected


def test_a_particle_with_a_deep_bay_is_odd():
    labels = block(20, 20)
    labels[2:17, 7:17] = 0
    assert reason(labels, True) == Reason.ODD


def test_first_reason_in_order_is_kept():
    labels = block(3, 3)
    assert reason(labels, True, confidence=np.array([0.1], np.float32)) == Reason.SMALL
    assert sorted([*ALWAYS, *BY_IMAGE, *FILTER_REASONS, *OF_FIBRES]) == sorted(Reason)


def test_limits_are_in_pixels_whatever_the_calibration():
    labels = np.zeros((40, 60), np.int32)
    for value, side in enumerate((2, 3, 4, 5, 9), start=1):
        labels[5 : 5 + side, 10 * value : 10 * value + side] = value
    expected = judged(labels, True).reasons.tolist()
    assert len(set(expected)) == 4
    for nm_per_pixel in (0.01, 7.3, 1e4):
        assert judged(labels, True, nm_per_pixel=nm_per_pixel).reasons.tolist() == expected


def test_judging_again_starts_afresh():
    table = judged(block(3, 3), True)
    assert table.kept.tolist() == [False]
    assert judge(table, False).kept.tolist() == [True]
    assert table.kept.tolist() == [False]


def test_every_reason_has_a_definition_with_its_limit():
    for member in Reason:
        assert member.definition.endswith(".")
        assert member in (Reason.FRAME, *BY_IMAGE, *OF_FIBRES) or any(letter.isdigit() for letter in member.definition)


@pytest.mark.parametrize("before", BY_IMAGE)
def test_what_was_drawn_by_hand_at_the_frame_does_not_count_even_where_it_is_faint(before):
    table = table_of([50, 50], [before, before], touches_frame=[True, False], **{BY_HAND: [True, True]})
    inside = before == Reason.IGNORED  # a region that a person drew goes before all
    assert judge(table, True).reasons.tolist() == ([Reason.IGNORED] * 2 if inside else [Reason.FRAME, ""])


def test_what_others_said_of_an_outline_holds_whatever_was_done_beside_it():
    table, now = table_of([50] * 5), {Reason.HIDDEN: np.arange(5) == 1, Reason.FAINT: np.arange(5) == 2}
    before = {"faint_limit": None, Reason.HIDDEN: [1, 3], Reason.FAINT: [4], Reason.GAP: []}
    person = SimpleNamespace(ids=np.arange(1, 6), used={"by_others": before}, by_hand=(), set_aside={})
    held = [Reason.HIDDEN, "", Reason.HIDDEN, Reason.FAINT, ""]
    assert judge(table, True, now, person=person).reasons.tolist() == held
    changed = judge(table, True, now, person=person, faint_limit=30.0).reasons.tolist()
    assert changed == ["", Reason.HIDDEN, Reason.FAINT, "", ""]


def test_what_others_judge_as_faint_is_at_the_frame_first_as_no_setting_counts_it():
    faint = [str(Reason.FAINT)] * 2
    table = table_of([30, 30], faint, touches_frame=[1, 0])
    assert judge(table, True).reasons.tolist() == [Reason.FRAME, Reason.FAINT]
