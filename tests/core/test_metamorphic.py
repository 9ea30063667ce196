"""Ten rendered pictures in all ten forms, which leave their particles alone: the answer stays, or a warning comes."""

from __future__ import annotations

from collections import Counter

import pytest

from segmentation.core import pipeline
from segmentation.core.network.runtime import Runtime
from tools.accuracy.drawn.metamorphic import FORMS, changes, pictures

# Pictures of ten whose answer changes without a word: as measured, and one more, for processors that round otherwise.
# Of the 100 answers 18 do so, and none gets a warning in its place: with 24 to 64 particles a few more or less tell.
SILENT = {
    "inverted": 0,
    "turned": 1,
    "mirrored": 2,
    "half size": 3,
    "double size": 4,
    "noise": 4,
    "blur": 2,
    "strong blur": 6,
    "jpeg": 1,
    "cropped": 4,
}


@pytest.mark.slow
@pytest.mark.weights
def test_forms_of_a_picture_keep_its_answer(monkeypatch):
    """It takes 50 s of processor time. The draws of the arrangement change no outline, and are left out."""
    monkeypatch.setattr(pipeline, "with_arrangement", lambda analysis, clock: analysis)
    runtime, silent, compared = Runtime(), Counter(), Counter()
    for picture in pictures(None, 10):
        for form, change in changes(picture, runtime):
            compared[form] += 1
            silent[form] += change.verdict == "silent"
    assert compared == dict.fromkeys(FORMS, 10)
    assert {form: count for form, count in silent.items() if count > SILENT[form]} == {}
    assert silent.total() <= 20
