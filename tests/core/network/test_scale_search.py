"""Which of the trials decides on the working scale."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from segmentation.core.labels.particles.confidence import typical_diameter
from segmentation.core.network.scale_search import (
    UNCHANGED_SCALES,
    Trial,
    clearest,
    find_view,
    overall_clarity,
    working_scale,
)

CARD = SimpleNamespace(smallest=12.0, largest=80.0)


@pytest.mark.parametrize(
    ("trials", "decides"),
    [
        ([Trial(1.0, 0.7, 20.0), Trial(0.5, 0.9, 30.0), Trial(0.25, 0.8, 15.0)], 1),  # the clearest
        ([Trial(1.0, 0.83, 383.0), Trial(0.25, 0.85, 93.0), Trial(0.12, 0.55, 19.0)], 1),  # large, yet its size is told
        ([Trial(1.0, 0.95, 400.0), Trial(0.5, 0.7, 40.0)], 1),  # far too large: not clear but a heap
        ([Trial(1.0, 0.82, 21.0), Trial(0.25, 0.83, 79.0)], 0),  # a heap seen from afar
        ([Trial(1.0, 0.84, 32.0, 180), Trial(0.11, 0.862, 90.0, 1)], 0),  # a heap that looks like one clear particle
        ([Trial(1.0, 0.0, None), Trial(0.5, 0.0, None)], 0),  # nothing anywhere
    ],
)
def test_the_trial_that_decides(trials, decides):
    assert clearest(trials, CARD) == trials[decides]


def test_the_scale_brings_the_typical_particle_to_the_cards_size():
    assert working_scale(Trial(0.25, 0.9, 45.0), 36.0) == pytest.approx(0.2)
    assert working_scale(Trial(1.0, 0.9, 36.0 / UNCHANGED_SCALES[0]), 36.0) == 1.0  # not worth a resampling
    assert working_scale(Trial(1.0, 0.9, 9.0), 36.0) == pytest.approx(2.0)  # half way to 4
    assert working_scale(Trial(1.0, 0.9, 24.0), 36.0) == 1.0
    assert working_scale(Trial(0.25, 0.3, 45.0), 36.0) == 1.0  # not clear enough to trust


def test_typical_diameter_weighs_by_length_and_takes_no_speck():
    distance = np.zeros((200, 200), np.uint8)
    y, x = np.mgrid[:200, :200]
    for at, radius in (((30, 30), 5), ((30, 70), 5), ((30, 110), 5), ((120, 100), 30)):
        distance[(y - at[0]) ** 2 + (x - at[1]) ** 2 <= radius**2] = 255
    distance[199, 199] = 255
    maps = np.stack([np.full((200, 200), 255, np.uint8), distance])
    # Cores are half as wide as their particles: 3 of 20 px and one of 120, which is half of all length.
    assert typical_diameter(maps, 0.5, 0.5) == pytest.approx(120, rel=0.03)
    assert typical_diameter(maps[:, :60], 0.5, 0.5) == pytest.approx(20, rel=0.06)
    assert typical_diameter(np.zeros((2, 50, 50), np.uint8), 0.5, 0.5) is None


@pytest.mark.parametrize(("dark", "sides"), [(0.655, ["bright", "dark"]), (0.6, ["bright"])])
def test_finer_copies_decide_where_both_polarities_are_about_as_clear(dark, sides):
    """A dense heap seen from afar: at its own resolution its particles are clearly bright."""
    tried = []

    def judge(picture):
        side, wide = ("bright" if picture.mean() > 0.5 else "dark"), picture.shape[1]
        tried.append((side, wide))
        clarity = {1024: {"bright": 0.9, "dark": 0.3}, 512: {"bright": 0.65, "dark": dark}}.get(wide, {}).get(side, 0.0)
        return clarity, 16.0 * wide / 512, 900

    picture = np.full((768, 1024), 0.8, np.float32)
    view = find_view(lambda copy: copy, judge, CARD, picture, diameter=36.0)
    assert (view.polarity, view.scale) == ("bright", 1.0)
    assert [side for side, wide in tried if wide == 1024] == sides


def test_a_single_shape_counts_less_than_many():
    """Bright spheres on dark ground: from afar the ground between them is one clear, dark particle."""
    spheres = [Trial(1.0, 0.88, 40.0, 47), Trial(0.5, 0.75, 20.0, 45), Trial(0.25, 0.44, 10.0, 12)]
    ground = [Trial(1.0, 0.74, 30.0, 45), Trial(0.5, 0.78, 300.0, 2), Trial(0.25, 0.88, 150.0, 1)]
    assert overall_clarity(spheres) > overall_clarity(ground)
    alone = [Trial(1.0, 0.95, 300.0, 1)] * 3
    assert overall_clarity(alone) > overall_clarity(spheres), "but one that is clearly the clearest is taken"
