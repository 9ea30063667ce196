"""Scale bars drawn over the picture itself, read from the pixels to the scale."""

from __future__ import annotations

import pytest

from segmentation.core.micrograph.scale_bar.barreading import read_bar
from segmentation.core.micrograph.types import Calibration, Micrograph

from .bars import OVER, over_picture


@pytest.mark.parametrize("name", OVER)
def test_a_bar_over_the_picture_is_read(name):
    (length, across), drawn, nm = OVER[name]
    pixels = over_picture(length, across, **drawn)
    bar_reading = read_bar(Micrograph(pixels, "drawn.png", "0" * 64, Calibration.absent()))
    assert bar_reading is not None and bar_reading.sure
    assert bar_reading.nm_per_pixel == pytest.approx(nm / across, rel=0.02)
