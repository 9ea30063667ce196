"""Twenty-four drawn texts and scale bars: a reading that is sure is right, and no scale is lost in silence."""

from __future__ import annotations

import pytest

from tests.core.micrograph.twenty_four import ACROSS, CASES, LEFT, Case

OFFERED = ("2 × 100 nm", ".5 µm", "1. µm", "200 pm")  # each can be read in two ways
QUESTIONS = {
    "slanted bar": "question with the ends of the line",
    "a length without a line": "question",
    "a bar without a text": "question with the ends of the line",
}
QUICK = ("black bar, white letters with a shadow (JEOL TEM Center)", "data bar, end tick beside its text", "200 pm")


def test_there_are_twenty_four() -> None:
    assert len(CASES) == 24


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=() if case.words in {*QUICK, *QUESTIONS} else pytest.mark.slow, id=case.words)
        for case in CASES
    ],
)
def test_a_drawn_scale_is_right_or_asked_about(case: Case) -> None:
    pytest.importorskip("rapidocr")
    reading = case.reading()
    assert reading is not None
    expected = QUESTIONS.get(case.words) or f"right, {'offered' if case.words in OFFERED else 'sure'}"
    assert case.outcome(reading) == expected
    if reading.ends is not None:
        assert reading.ends[2] - reading.ends[0] == pytest.approx(ACROSS, abs=3)
        assert case.words.startswith("data bar") or reading.ends[0] == pytest.approx(LEFT, abs=2)
