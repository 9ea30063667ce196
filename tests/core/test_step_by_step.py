"""A result that is corrected step by step has, after each step, the numbers and files that measuring afresh gives."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from segmentation.core.analysis import Analysis, AnalysisSettings
from segmentation.core.labels import bands
from segmentation.core.labels.bands import Band, boxes, by_band, summed_by_id, sums_of_objects
from segmentation.core.labels.corrections.operations import Corrections, replay_steps
from segmentation.core.labels.corrections.patches import BadEdit
from segmentation.core.labels.corrections.working import WorkingLabels
from segmentation.core.labels.segmentation import Cut, Segmentation
from segmentation.core.micrograph.types import Calibration, Micrograph
from segmentation.core.micrograph.vendors.facts import MARKS
from segmentation.core.pipeline import measure
from segmentation.core.remembered import Memory, remembering
from segmentation.core.report.exports import particles_csv, viewer
from segmentation.core.report.figures.panels import Drawing
from segmentation.core.sample import SampleAnalysis
from tests.core.builders import disc_labels, grey_of, segmentation_of

SHAPE = 560, 430  # rows of five bands


def picture(seed: int, dtype: type = np.uint8) -> tuple[Micrograph, Segmentation]:
    """Discs, of which some touch, some are gaps and some may be two, with the maps that a network would give."""
    labels = disc_labels(64, SHAPE, seed)
    labels[200:260, 100:160] = np.where(ndimage.binary_dilation(labels > 0, iterations=9), labels, 0)[200:260, 100:160]
    grown = ndimage.distance_transform_edt(labels == 0, return_distances=False, return_indices=True)
    labels[300:430] = labels[tuple(grown)][300:430]  # these touch each other all around
    grey = grey_of(labels, seed)
    rng = np.random.default_rng(seed)
    for number in rng.choice(64, 6, replace=False) + 1:  # some faint, some darker than the ground
        grey[labels == number] = rng.integers(40, 90)
    distance = np.minimum(255, 20 * ndimage.distance_transform_edt(labels > 0)).astype(np.uint8)
    y, x = (
        np.round(part).astype(int).tolist()
        for part in np.transpose(ndimage.center_of_mass(labels, labels, range(1, 65)))
    )
    cuts = tuple(
        Cut(0.4, [[float(x[at]), 0.0], [float(x[at]), float(SHAPE[0])]], [], [x[at] - 2, y[at], x[at] + 2, y[at]])
        for at in (5, 20, 33)
    )
    confidence = rng.uniform(0.4, 1, 64).astype(np.float32)
    maps = {"foreground": np.where(labels > 0, 240, 10).astype(np.uint8), "inner_distance": distance}
    found = segmentation_of(labels, confidence, rows=SHAPE[0] - 8, **{MARKS: [[[10, 10], [60, 60]]]})
    micrograph = Micrograph(grey.astype(dtype), "a.tif", "ab" * 32, Calibration(5.0, "metadata", "a tag", 0.01))
    return micrograph, replace(found, maps=maps, cuts=cuts)


def operation(now: WorkingLabels, rng: np.random.Generator) -> dict[str, Any]:
    ids = sorted(now.objects)
    number = int(rng.choice(ids))
    top, left, bottom, right = now.boxes([number])[number]
    x, y = (left + right) / 2, (top + bottom) / 2
    at, to = [int(x), int(y)], [int(x) + 25, min(int(y) + 12, now.rows - 2)]
    offered: list[dict[str, Any]] = [
        {"op": "delete", "ids": [number]},
        {"op": "delete", "ids": [ids[0]]},
        {"op": "split", "id": number, "line": [[x, top - 3], [x, bottom + 3]]},
        {"op": "merge", "ids": [number, int(rng.choice(ids))]},
        {"op": "paint", "points": [at, to], "radius": 4},
        {"op": "paint", "points": [at, to], "radius": 5, "id": number},
        {"op": "erase", "points": [at, to], "radius": 3},
        {"op": "draw", "polygon": [at, to, [int(x), min(int(y) + 30, now.rows - 2)]]},
        {"op": "add", "point": at},
        {"op": "reviewed", "ids": [number]},
        {"op": "set_aside", "ids": [number], "reason": "a satellite"},
        {"op": "undo"},
        {"op": "redo"},
    ]
    return offered[rng.integers(len(offered))]


def everything(analysis: Analysis) -> list[Any]:
    """Every number of a result with all digits, and its files."""
    sample = SampleAnalysis.of(analysis)
    stored = io.BytesIO()
    analysis.segmentation.save(stored)
    return [
        {name: values.tobytes() for name, values in analysis.table.columns.items()},
        json.dumps([analysis.statistics.as_dict(), [*map(str, analysis.flags)]], sort_keys=True),
        json.dumps(viewer.outlines(analysis, Drawing.of(sample)), sort_keys=True),
        particles_csv.as_text(sample),
        viewer.thumbnail(analysis),
        stored.getvalue(),
    ]


@pytest.mark.parametrize(
    ("seed", "dtype", "steps"),
    [
        (0, np.uint8, 4),
        pytest.param(1, np.uint16, 20, marks=pytest.mark.slow),
        pytest.param(2, np.float32, 20, marks=pytest.mark.slow),
        pytest.param(3, np.uint8, 40, marks=pytest.mark.slow),
    ],
)
def test_each_step_gives_what_measuring_afresh_gives(seed, dtype, steps):
    (micrograph, found), rng, memory = picture(seed, dtype), np.random.default_rng(seed), Memory()
    corrections, settings = Corrections(WorkingLabels.of(found)), AnalysisSettings.of(measurand="all", scale=1.0)
    made = 0
    while made < steps:
        try:
            corrections.do(operation(corrections.now, rng))
        except BadEdit:
            continue
        outlines = replay_steps(found, corrections.steps)
        with remembering(memory):
            step_by_step = everything(measure(micrograph, outlines, settings))
        for one, other in zip(step_by_step, everything(measure(micrograph, outlines, settings)), strict=True):
            assert one == other, corrections.steps[-1].operation
        made += 1


def test_of_a_corrected_image_only_the_bands_near_the_correction_are_looked_at_again(monkeypatch):
    monkeypatch.setattr(bands, "BAND_ROWS", 10)
    labels, memory, tops = disc_labels(30, (100, 120)), Memory(), list[int]()
    ids = np.arange(1, 31)

    def areas(band: Band):
        tops.append(band.top + band.rows.start)
        return band.ids, np.bincount(band.labels[band.rows].ravel(), minlength=len(band.ids) + 1)[1:]

    def asked_for(labels, ids, margin):
        tops.clear()
        with remembering(memory):
            return summed_by_id(ids, by_band("areas", labels, margin, areas))

    for margin in (0, 3):
        assert (asked_for(labels, ids, margin) == np.bincount(labels.ravel())[1:]).all() and len(tops) == 10
        without = np.where(labels == 1, 0, labels)
        rows = np.flatnonzero((labels == 1).any(1)) // 10
        assert len(asked_for(without, ids[1:], margin)) == 29
        beside = bool(margin)
        assert tops == [10 * band for band in range(max(0, rows[0] - beside), rows[-1] + beside + 1)]
        assert (asked_for(labels, ids, margin) == np.bincount(labels.ravel())[1:]).all()


def test_sums_and_boxes_of_ids_with_gaps(monkeypatch):
    monkeypatch.setattr(bands, "BAND_ROWS", 16)
    labels = disc_labels(30, (100, 120))
    grey, ids = grey_of(labels), np.arange(1, 31) * 1000
    areas, sums = sums_of_objects(labels * 1000, ids, grey)
    assert (areas == np.bincount(labels.ravel())[1:]).all()
    assert (sums == np.bincount(labels.ravel(), grey.ravel())[1:]).all()
    expected = [(y.start, x.start, y.stop, x.stop) for y, x in ndimage.find_objects(labels)]
    assert boxes(labels * 1000, ids).tolist() == [list(box) for box in expected]
