"""Lumps of fused primary particles are told from particles that touch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from segmentation.core.flags import NO_NUMBERS
from segmentation.core.labels.segmentation import Segmentation
from segmentation.core.measure.shape.fused_particles import fused_share
from tests.core.builders import segmentation_of
from tests.core.tasks.test_judgement import measured

SHAPE = 200, 240


def lump(*, ragged: bool, peak: float, gap: int = 0, times: int = 1, expected: float = 0.85) -> Segmentation:
    """Cells of a lump, with straight or winding borders and a gap between them. peak: of their inner distance."""
    rng = np.random.default_rng(2)
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
    seeds = np.stack(np.meshgrid(np.arange(40, 170, 20), np.arange(40, 210, 20), indexing="ij"), -1).reshape(-1, 2)
    if ragged:
        for axis in (rows, columns):
            bend = ndimage.gaussian_filter(rng.normal(0, 1, SHAPE), 2.5)
            axis += 6 * bend / bend.std()
    away = np.hypot(rows[..., None] - seeds[:, 0], columns[..., None] - seeds[:, 1])
    labels = np.where(away.min(-1) < 16, away.argmin(-1) + 1, 0)
    if gap:
        border = ndimage.maximum_filter(labels, gap) != ndimage.minimum_filter(labels, gap)
        labels = np.where(border, 0, labels)
    labels = np.repeat(np.repeat(labels, times, 0), times, 1).astype(np.int32)
    deep = ndimage.distance_transform_edt(labels > 0)
    distance = np.minimum(255 * peak * np.minimum(deep / 3, 1), 255).astype(np.uint8)
    made = segmentation_of(labels, expected=expected)
    return replace(made, maps={"foreground": (255 * (labels > 0)).astype(np.uint8), "inner_distance": distance})


@pytest.mark.parametrize(("gap", "times"), [(0, 1), (3, 1), (0, 2), (2, 2)])
def test_ragged_outlines_in_contact_without_a_clear_middle_are_fused(gap, times):
    assert fused_share(lump(ragged=True, peak=0.7, gap=gap, times=times)) > 0.3
    assert not fused_share(lump(ragged=True, peak=0.95, gap=gap, times=times))
    assert not fused_share(lump(ragged=False, peak=0.7, gap=gap, times=times))


def test_how_many_are_right_is_not_told_of_them():
    few, told, apart = (
        measured(lump(**how))
        for how in (
            {"ragged": True, "peak": 0.7},
            {"ragged": True, "peak": 0.7, "expected": 0.63},
            {"ragged": False, "peak": 0.7, "expected": 0.63},
        )
    )
    assert few.table.kept.any() and any("Fused" in flag.short and flag.moves == "count" for flag in few.flags)
    assert not told.table.kept.any() and [flag.short for flag in told.flags if flag.doubt] == [NO_NUMBERS]
    assert apart.table.kept.any() and "63 %" in apart.flags[0].short
    asked = measured(lump(ragged=True, peak=0.7, expected=0.63), measure_unlike=True)
    assert asked.table.kept.any() and not any("63 %" in flag.text for flag in asked.flags)
