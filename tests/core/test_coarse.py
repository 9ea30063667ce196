"""Objects that are too wide for the working scale are found or said."""

from __future__ import annotations

from unittest.mock import MagicMock, Mock

import numpy as np
import pytest
from scipy import ndimage

from segmentation.core import tasks
from segmentation.core.analysis import AnalysisSettings
from segmentation.core.micrograph.contrast import clip_outliers
from segmentation.core.network.cards import find
from segmentation.core.network.runtime import Runtime
from segmentation.core.network.scale_search import as_shown
from segmentation.core.pipeline import analyse
from segmentation.core.stages.coarse import missed_large, widest_place
from tests.core.builders import micrograph_of


def with_one_large(wide: float, *, seed: int = 3, shape: tuple[int, int] = (640, 880)) -> tuple[np.ndarray, np.ndarray]:
    """Dark discs of 20 px and one ellipse as wide as `wide` px, (H, W) uint8, and their labels, the ellipse first."""
    rng, (y, x) = np.random.default_rng(seed), np.indices(shape)
    labels = (np.hypot((y - 330) / 0.9, x - 420) < wide / 2).astype(np.int32)
    for row, column in rng.uniform((14, 14), (shape[0] - 14, shape[1] - 14), (400, 2)):
        disc = np.hypot(y - row, x - column) < 10
        if not labels[np.hypot(y - row, x - column) < 15].any():
            labels[disc] = labels.max() + 1
    grey = ndimage.gaussian_filter(np.where(labels > 0, 70.0, 155.0), 1.2) + rng.normal(0, 8, shape)
    return grey.clip(0, 255).astype(np.uint8), labels


@pytest.mark.parametrize("is_inverted", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("wide", [pytest.param(200, marks=pytest.mark.slow), 480])
def test_an_object_that_is_too_wide_for_the_others_is_outlined_or_said(wide, is_inverted):
    grey, labels = with_one_large(wide)
    micrograph = micrograph_of(255 - grey if is_inverted else grey)
    made = analyse(micrograph, AnalysisSettings.of(), runtime=Runtime(threads=1))
    found = made.segmentation.dense
    best = np.bincount(found[labels == 1]).argmax()
    is_outlined = best > 0 and (found == best)[labels == 1].mean() > 0.9
    said = [flag for flag in made.flags if flag.doubt and flag.short.startswith("Without an outline: 1 object")]
    assert is_outlined == (not said)
    assert made.table.kept.sum() == pytest.approx(labels.max(), rel=0.05)
    if said:
        share = (labels == 1).sum() / (labels > 0).sum()
        assert said[0].moves == "all" and said[0].by == pytest.approx(share, rel=0.1)


def test_only_a_wide_place_with_the_grey_of_the_objects_is_looked_at():
    grey, labels = with_one_large(240)
    shown = as_shown(clip_outliers(grey), "dark")
    assert widest_place(shown, labels > 1) == pytest.approx(0.9 * 240, rel=0.1)
    assert widest_place(shown, labels > 0) < 20  # the ground is wider, but has another grey
    assert widest_place(shown, labels < 0) == widest_place(shown, labels >= 0) == 0
    cut = np.ascontiguousarray(shown[:, 420:])
    assert widest_place(cut, labels[:, 420:] > 1) == pytest.approx(120, rel=0.1)  # as much as the picture shows


def test_supports_are_no_objects_that_are_too_wide():
    candidate = MagicMock(used={"scale": 1.0, "polarity": "bright"}, __len__=lambda outlines: 9)
    assert missed_large(Mock(task=tasks.find("particles"), picture=None), find("supported"), candidate) == {}
