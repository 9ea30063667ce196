"""The polarity of particles is looked at again where their outlines speak against it."""

from __future__ import annotations

import numpy as np
import pytest

from segmentation.core.network.cards import find
from segmentation.core.network.scale_search import View
from segmentation.core.tasks.particles import (
    MOST_AGAINST,
    ParticleSettings,
    decode,
    other_settings,
    shows_more,
)
from tests.core.builders import segmentation_of
from tests.core.labels.test_contrast import bed

EXPLAINS = {"polarity": "dark", "inside": 40, "promised": 30.0, "worth": 0.3, "expected": 0.9, "scale": 1.0}


def reading(**used):
    labels = np.zeros((40, 60), np.int32)
    labels[4:20, 4:20], labels[4:20, 24:40] = 1, 2
    return segmentation_of(labels, **{**EXPLAINS, **used})


def test_the_other_polarity_is_looked_at_where_outlines_have_the_contrast_of_gaps():
    settings = ParticleSettings()
    assert not list(other_settings(reading(against=MOST_AGAINST), settings))
    assert list(other_settings(reading(against=0.3), settings)) == [{"polarity": "bright"}]
    assert not list(other_settings(reading(against=0.3), ParticleSettings(polarity="dark")))


@pytest.mark.parametrize(
    ("other", "taken"),
    [
        ({"promised": 60.0, "worth": 0.5}, True),
        ({"promised": 31.0, "worth": 0.5}, False),  # hardly more
        ({"promised": 60.0, "worth": 0.2}, False),  # explains less of the picture
        ({"promised": 60.0, "worth": 0.5, "polarity": "dark"}, False),
    ],
)
def test_it_is_taken_where_it_promises_more_and_explains_more(other, taken):
    bright = reading(**{"polarity": "bright", **other})
    assert shows_more(bright, reading(against=0.3)) == taken
    assert not shows_more(bright, reading(against=0.0))


def test_outlines_of_the_other_contrast_speak_against_the_polarity():
    """Of bright squares that are shown inverted all have the contrast of gaps."""
    grey, labels = bed(level=180)
    foreground = np.where(labels > 0, 255, 0)
    inner = np.minimum(*(np.abs((axis % 20) - 9.5) for axis in np.indices(grey.shape)))
    maps = np.stack([foreground, np.where(labels > 0, np.clip(255 - 20 * inner, 130, 255), 0)]).astype(np.uint8)
    inputs = View(polarity="bright"), find("particles"), ParticleSettings()
    right, wrong = (decode(maps, picture, *inputs).used["against"] for picture in (grey, 255 - grey))
    assert right <= MOST_AGAINST and wrong == 1.0
