"""Which calibration of an image is in use, and why."""

from __future__ import annotations

import pytest

from segmentation.core.micrograph.types import ABSENT, Calibration, Scale, ScaleReason

FILE, BY_A_PROGRAM = Calibration(2.0, "metadata", "Zeiss"), Calibration(2.0, "metadata", "ImageJ, px")
BAR, NEAR = Calibration(3.0, "read"), Calibration(2.03, "read")
TYPED, USED = Calibration(5.0, "typed"), Calibration(7.0, "typed")


@pytest.mark.parametrize(
    ("scale", "in_use", "why"),
    [
        (Scale(), ABSENT, ScaleReason.NOT_KNOWN),
        (Scale(FILE), FILE, ScaleReason.FILE),
        (Scale(bar=BAR), ABSENT, ScaleReason.NOT_KNOWN),  # doubtful
        (Scale(bar=BAR, is_bar_sure=True), BAR, ScaleReason.BAR),
        (Scale(FILE, NEAR, is_bar_sure=True, texts_agree=True), FILE, ScaleReason.FILE),
        (Scale(FILE, BAR, is_bar_sure=True), FILE, ScaleReason.FILE),  # one text may be misread
        (Scale(FILE, BAR, is_bar_sure=True, texts_agree=True), ABSENT, ScaleReason.CONTRADICTED),
        (Scale(BY_A_PROGRAM, BAR, is_bar_sure=True), ABSENT, ScaleReason.CONTRADICTED),
        (Scale(BY_A_PROGRAM, BAR), BY_A_PROGRAM, ScaleReason.FILE),
        (Scale(FILE, BAR, TYPED, is_bar_sure=True, texts_agree=True), TYPED, ScaleReason.STATED),
        (Scale(FILE, stated=ABSENT), ABSENT, ScaleReason.STATED),  # pixels are wanted
        (Scale(FILE, stated=TYPED, measured=USED), USED, ScaleReason.MEASURED),
    ],
)
def test_one_rule_chooses(scale, in_use, why):
    assert scale.choose() == (in_use, why) and scale.in_use == in_use


def test_the_same_scale_asked_for_less():
    scale = Scale(FILE, BAR, TYPED, USED, instrument_uncertainty=0.01, instrument_note="grating")
    assert (
        scale.before_measurement.choose()[1] == ScaleReason.STATED
        and scale.before_measurement.in_use.nm_per_pixel == 5.0
    )
    assert scale.before_measurement.in_use.instrument_note == "grating"
    assert scale.of_image.choose() == (FILE, ScaleReason.FILE)
    assert scale.with_stated(None).in_use.nm_per_pixel == 2.0
    assert scale.with_stated(BAR).in_use.nm_per_pixel == 3.0
