"""Ten rendered pictures, changed in ways that leave their particles alone: the answer stays, or a warning comes."""

from __future__ import annotations

import pytest

from segmentation.core.network.runtime import Runtime
from tests.accuracy.metamorphic import FORMS, changes, pictures


@pytest.mark.slow
@pytest.mark.weights
def test_forms_of_a_picture_keep_its_answer():
    runtime, forms = Runtime(), ("inverted", "turned", "mirrored", "jpeg", "cropped")
    verdicts = [change.verdict for picture in pictures(None, 10) for _, change in changes(picture, runtime, forms)]
    assert {*forms} <= {*FORMS} and len(verdicts) >= 20
    assert verdicts.count("silent") <= len(verdicts) / 6
