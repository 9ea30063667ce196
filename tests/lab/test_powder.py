"""Rendered powder with satellites, and data bars whose fields agree with each other."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from segmentation.lab.training.synthesis.databars import LAYOUTS, POLAROID, BarContent, length_words, round_length
from segmentation.lab.training.synthesis.draw import draw_settings
from segmentation.lab.training.synthesis.render import annotate, random_rendering

PLAIN = {"kind": "powder", "diameter": 60, "annotation": "none", "drift": 0, "layout": "random", "overlap": 0.0}


def powder(seed: int, **fixed: object):
    rng = np.random.default_rng(seed)
    return random_rendering((256, 256), rng, {**PLAIN, "cover": 0.5, "spread": 0.2, "law": "log-normal", **fixed})


def test_satellites_have_labels_of_their_own_and_touch_what_they_are_stuck_on():
    without, stuck = powder(3, satellites=0), powder(3, satellites=4)
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


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("wide", [160, 512, 1280])
def test_a_data_bar_hides_all_that_is_under_it_and_nothing_else(layout, wide):
    image, hidden = Image.new("L", (wide, 400), 130), Image.new("L", (wide, 400), 0)
    LAYOUTS[layout](image, hidden, max(8, wide // 40), BarContent.drawn(wide, np.random.default_rng(1)))
    covered, grey = np.asarray(hidden) > 0, np.asarray(image)
    rows = covered.any(1)
    assert covered[rows].all() and rows[-1] and 0 < rows.sum() < 120
    assert (grey[~rows] == 130).all() and np.unique(grey[rows]).size > 4


def test_the_fields_of_a_data_bar_agree():
    for seed in range(50):
        content = BarContent.drawn(1024, np.random.default_rng(seed))
        assert content.bar * content.nm == pytest.approx(content.length, abs=content.nm / 2) and 80 < content.bar < 345
        assert content.magnification * content.wide * content.nm == pytest.approx(POLAROID, rel=1e-3)
        assert float(f"{content.length:.9g}"[0]) in (1, 2, 5)


def test_the_scale_bar_is_as_long_as_it_says():
    content = BarContent.drawn(800, np.random.default_rng(4))
    for layout, ink in (("jeol", 255), ("zeiss", 0), ("tescan", 235)):
        image = Image.new("L", (800, 300), 130)
        LAYOUTS[layout](image, Image.new("L", image.size, 0), 20, content)
        runs = [
            np.diff(np.flatnonzero(np.diff(np.pad((row == ink).astype(int), 1)))[::1])[::2].max(initial=0)
            for row in np.asarray(image)
        ]
        assert abs(max(runs) - content.bar) <= 2, layout


@pytest.mark.parametrize(("nm", "length", "words"), [(730, 500, "500 nm"), (2100, 2000, "2 um"), (1e6, 1e6, "1 mm")])
def test_round_lengths(nm, length, words):
    assert round_length(nm) == pytest.approx(length) and length_words(length) == words


def test_the_data_bar_of_a_picture_is_marked():
    grey, hidden = annotate(np.full((300, 400), 90, np.uint8), "data-bar", np.random.default_rng(2))
    assert hidden[-1].all() and not hidden[:200].any() and (grey[~hidden] == 90).all()
