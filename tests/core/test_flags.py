"""Warnings, their short forms, and how they are stored."""

from __future__ import annotations

import json

import numpy as np
import pytest

from segmentation.core.flags import (
    DO_NOT_USE,
    LONGEST_SHORT_FORM,
    TWO_SCALES,
    WRONG,
    Flag,
    as_json,
    from_json,
    short_forms,
    warning_texts,
)
from segmentation.core.micrograph.types import Calibration, Micrograph
from segmentation.core.report.summary import Summary
from segmentation.core.stages.measuring import _flags_of_scale

FAINT = Flag("77 outlines are faint.", "77 faint outlines set aside", reason="much fainter than the others")
SCALE = Flag.doubtful("The file gives 2 nm, the bar 3 nm.", "Scale doubtful", ids=(3, 5))
NOTE = Flag("The file is a stack of 2 sections.")


def test_what_is_stored_is_read_again():
    flags = [FAINT, SCALE, NOTE]
    stored = json.loads(json.dumps(as_json(flags)))
    assert stored["warnings"] == [flag.text for flag in flags]
    assert from_json(stored) == flags


def test_the_short_forms_stand_once_and_notes_have_none():
    assert short_forms([NOTE, SCALE, FAINT, SCALE]) == [SCALE.short, FAINT.short]


def test_there_are_three_levels_and_one_warning():
    wrong = Flag.doubtful("The scale is wrong.", "Do not use: scale wrong by a factor of 10?", level=DO_NOT_USE)
    assert [flag.level for flag in (NOTE, FAINT, SCALE, wrong)] == [*["Note"] * 2, "Look at the picture", "Do not use"]
    assert (NOTE.headline, wrong.headline) == (NOTE.text, "scale wrong by a factor of 10?")
    assert [SCALE.opening_words, Flag.doubtful("34 %.", WRONG, kind="wrong outlines").opening_words] == [
        "",
        "Unsure:",
    ]
    assert (
        warning_texts([NOTE, FAINT, SCALE]) == ["Look at the picture: Scale doubtful"] and warning_texts([NOTE]) == []
    )


def test_two_warnings_are_said_those_that_move_the_numbers_most():
    """Of three doubts of one level the middle one by its place in the list is the lightest."""
    shares = {"70 % right": 0.3, "Unusual picture": 0.1, "Specks missed": 0.57}
    flags = [Flag.doubtful(f"{short}.", short, moves="count", by=by) for short, by in shares.items()]
    assert warning_texts(flags) == ["Look at the picture: Specks missed", "Look at the picture: 70 % right"]
    stored = from_json(json.loads(json.dumps(as_json(flags))))
    assert [(flag.moves, flag.by) for flag in stored] == [("count", by) for by in shares.values()]
    assert [flag.short for flag in Summary(None, {}).first_notices(flags)] == ["Specks missed", "70 % right"]


@pytest.mark.parametrize(("short", "doubt"), [("x" * (LONGEST_SHORT_FORM + 1), False), ("", True)])
def test_a_short_form_that_does_not_fit_or_is_missing_is_refused(short, doubt):
    with pytest.raises(ValueError, match="short form"):
        Flag("A sentence.", short, doubt)


def test_the_gravest_level_is_said_whatever_came_first():
    flags = [
        Flag("A note.", "note"),
        Flag.doubtful("Few are right.", "Few right", moves="count", by=0.6),
        Flag.doubtful("4 times.", "Do not use: wrong scale", level=DO_NOT_USE),
    ]
    assert warning_texts(flags) == ["Do not use: wrong scale", "Look at the picture: Few right"]
    assert warning_texts(flags[:2]) == ["Look at the picture: Few right"] and warning_texts([]) == []
    assert [flag.headline for flag in Summary(None, {}).notices_of(flags)] == ["wrong scale", "Few right", "note"]


def test_a_scale_that_two_others_contradict_is_one_warning():
    """File and data bar agree; the typed width differs from both by 9 %, then from none."""
    micrograph = Micrograph(
        np.zeros((64, 64), np.float32),
        name="a.tif",
        sha256="",
        calibration=Calibration(7.34, "metadata"),
        reading=Calibration(7.32, "data bar"),
    )
    warning, *others = _flags_of_scale(micrograph, Calibration(8.0, "typed"))
    assert (warning.short, warning.level, others) == (TWO_SCALES, "Look at the picture", [])
    assert "The file gives 7.34 nm per pixel" in warning.text and warning.text.count("check which is right") == 2
    assert list(_flags_of_scale(micrograph, Calibration(7.34, "typed"))) == []
