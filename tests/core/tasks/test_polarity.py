"""Polarity and model of particles: what is looked at again where outlines speak against them, or nothing counts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from segmentation.core.network.cards import find
from segmentation.core.network.scale_search import View
from segmentation.core.tasks.base import Decoded
from segmentation.core.tasks.particles import (
    MOST_AGAINST,
    ParticleSettings,
    are_compact,
    decode,
    finds_instead,
    is_unsure,
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


@pytest.mark.parametrize(
    ("promised", "inside", "first", "found"),
    [
        (10.0, 15, {"wide": True, "promised": 0.9}, True),
        (10.0, 15, {"wide": True, "promised": 0.0, "inside": 0}, True),
        (25.0, 46, {"expected": 0.55, "promised": 6.0}, True),  # no number would be given
        (10.0, 15, {"promised": 0.9}, False),  # what is found counts
        (10.0, 30, {"wide": True, "promised": 0.9}, False),  # most are wrong
        (3.0, 4, {"wide": True, "promised": 0.9}, False),  # hardly more
    ],
)
def test_another_model_answers_where_nothing_counts_or_only_supports(promised, inside, first, found):
    other = reading(promised=promised, inside=inside, wide=False)
    assert finds_instead(other, reading(**first)) == found
    assert is_unsure(reading(**first)), "few outlines"


def test_what_is_as_large_as_a_support_is_wide():
    model, shade = find("particles"), np.zeros((90, 90), np.uint8)
    for size, wide in ((40, True), (16, False)):
        foreground = shade.copy()
        foreground[30 : 30 + size, 30 : 30 + size] = 255
        rows, columns = np.mgrid[:90, :90] - 30 - size / 2
        middle = np.clip(1 - np.maximum(abs(rows), abs(columns)) / (size / 2), 0, 1) * 255
        grey = np.where(foreground > 0, 200, 60).astype(np.uint8)
        maps = np.stack([foreground, middle.astype(np.uint8)])
        assert decode(maps, grey, View(), model, ParticleSettings()).used["wide"] is wide


@pytest.mark.parametrize(("length", "is_compact"), [(20, True), (90, False)])
def test_a_picture_with_compact_outlines_is_not_asked_for_fibres(length: int, is_compact: bool) -> None:
    labels = np.zeros((400, 400), np.int32)
    for number in range(16):
        row, column = divmod(number, 4)
        labels[100 * row + 5 : 100 * row + 5 + length, 100 * column + 10 : 100 * column + 28] = number + 1
    decoded = Decoded(labels, np.ones(16, np.float32), np.zeros(16, np.int32), {"worth": 0.6})
    assert are_compact(decoded) is is_compact
    assert not are_compact(replace(decoded, used={"worth": 0.1}))
