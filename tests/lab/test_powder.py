"""Rendered powder with satellites."""

from __future__ import annotations

import numpy as np

from segmentation.lab.training.synthesis.draw import draw_settings
from segmentation.lab.training.synthesis.render import random_rendering

PLAIN = {"kind": "powder", "diameter": 60, "annotation": "none", "drift": 0, "layout": "random", "overlap": 0.0}


def powder(seed: int, **fixed: object):
    rng = np.random.default_rng(seed)
    return random_rendering((256, 256), rng, {**PLAIN, "cover": 0.5, "spread": 0.2, "law": "log-normal", **fixed})


def test_satellites_have_labels_of_their_own_and_touch_what_they_are_stuck_on():
    without, stuck = powder(2, satellites=0), powder(2, satellites=4)
    sizes = np.sqrt(4 * np.bincount(stuck.labels.ravel())[1:] / np.pi)
    assert stuck.labels.max() > 2 * without.labels.max() and sizes.min() < 0.35 * 60 < 40 < sizes.max()
    grown = np.pad(stuck.labels, 1)
    alone = 0
    for number in np.flatnonzero(sizes < 18) + 1:
        inside = grown == number
        around = np.zeros_like(inside)
        for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
            around |= np.roll(inside, step, axis)
        alone += not (grown[around & ~inside] > 0).any()
    assert alone <= 0.2 * (sizes < 18).sum()
    assert (stuck.labels > 0).sum() == (stuck.depth > 0).sum()


def test_greys_of_powder_are_wide():
    """From particle to particle and over the whole picture."""
    spans = [np.subtract(*np.percentile(powder(seed).grey, [99, 1])) for seed in range(6)]
    assert np.mean(spans) > 150


def test_powder_is_among_what_is_drawn_unless_something_else_is_asked_for():
    kinds = [draw_settings(np.random.default_rng(seed)).scene.kind for seed in range(400)]
    assert 0.02 < kinds.count("powder") / 400 < 0.12
    for fixed in ({"kind": "sem"}, {"family": "cube"}):
        assert all(draw_settings(np.random.default_rng(seed), fixed).scene.satellites == 0 for seed in range(100)), (
            fixed
        )
