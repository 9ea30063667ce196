"""Fibres on drawn mats with known widths, lengths and directions; the network is left out."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy import ndimage
from scipy.stats import chi2

from segmentation.core import tasks
from segmentation.core.labels.corrections import edits
from segmentation.core.labels.corrections.patches import apply_patches
from segmentation.core.labels.corrections.working import WorkingLabels
from segmentation.core.labels.fibres import find_fibres, traced_pieces
from segmentation.core.labels.segmentation import Provenance, Segmentation
from segmentation.core.measure.kinds.fibres import measure_fibres
from segmentation.core.measure.kinds.mats import poisson, pores, who_fibres
from segmentation.core.measure.table import Table
from segmentation.core.report.entries import Entry
from segmentation.lab.training.instances.targets import targets
from segmentation.lab.training.synthesis.draw import draw_settings
from segmentation.lab.training.synthesis.fibres import Fibre, build_mat, covered_pixels
from tests.fibre_mats import mat, true_diameters

ROWS, COLUMNS = np.mgrid[:200, :200].astype(float)


def bar(angle: float, width: float, length: float, middle: tuple[float, float] = (99.7, 99.4)) -> np.ndarray:
    """(200, 200) 0..1: the share of each pixel that a bar covers; angle in degrees, counterclockwise."""
    turn = np.deg2rad(angle)
    right, up = COLUMNS - middle[1], middle[0] - ROWS
    along, across = right * np.cos(turn) + up * np.sin(turn), up * np.cos(turn) - right * np.sin(turn)
    return np.clip(width / 2 + 0.5 - np.abs(across), 0, 1) * np.clip(length / 2 + 0.5 - np.abs(along), 0, 1)


def grey_of(share: np.ndarray, noise: float = 3.0) -> np.ndarray:
    blurred = ndimage.gaussian_filter(60 + 120 * share, 0.8)
    return np.clip(blurred + np.random.default_rng(1).normal(0, noise, share.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("angle", [0, 17, 45, 90, 140])
@pytest.mark.parametrize("width", [7, 9.3, 24])
def test_a_bar_has_its_width_length_and_direction(angle, width):
    share = bar(angle, width, 120)
    fibres = measure_fibres((share >= 0.5).astype(np.int32), grey_of(share))
    assert fibres.diameter[0] == pytest.approx(width, rel=0.03)
    assert fibres.length[0] == pytest.approx(120, rel=0.03) and fibres.ends[0] == 2
    assert fibres.curl[0] < 0.02 and abs((fibres.direction[0] - angle + 90) % 180 - 90) < 2


def test_a_fibre_goes_on_under_another():
    over, under = bar(90, 12, 300), bar(20, 6, 150)
    labels = np.where(over >= 0.5, 1, np.where(under >= 0.5, 2, 0)).astype(np.int32)
    (maps := targets(labels)[:2]).clip(0, 1, out=maps)
    numbers, classes = find_fibres((255 * maps).round().astype(np.uint8), 0.5)
    assert numbers.max() == 2 and not classes.any()
    assert (numbers > 0).sum() == (labels > 0).sum()
    measured = measure_fibres(numbers, grey_of(np.maximum(over, under)))
    thin = int(np.argmin(measured.diameter))
    assert sorted(measured.ends) == [0, 2] and measured.over[thin] == 1
    assert measured.length[thin] == pytest.approx(150, rel=0.03)
    assert measured.diameter[thin] == pytest.approx(6, rel=0.05)


def test_a_blob_is_no_fibre_and_nothing_is_nothing():
    disc = (np.hypot(ROWS - 60, COLUMNS - 60) < 20).astype(np.int32)
    labels, classes = find_fibres((255 * targets(disc)[:2]).round().astype(np.uint8), 0.5)
    assert labels.max() == 1 and classes.tolist() == [1]
    empty, none = find_fibres(np.zeros((2, 40, 50), np.uint8), 0.5)
    assert not empty.any() and not len(none) and not traced_pieces(empty)
    assert len(measure_fibres(empty, np.zeros((40, 50), np.uint8)).diameter) == 0


@pytest.mark.parametrize("size", [6, 12, 30])
def test_diameters_of_a_mat_are_right(size):
    made = mat((300, 300), size, 0.3, np.random.default_rng(size))
    labels, _ = find_fibres((255 * targets(made.labels)[:2]).round().astype(np.uint8), 0.5)
    off = measure_fibres(labels, made.grey).diameter / true_diameters(made, labels) - 1
    assert abs(np.nanmedian(off)) < 0.03


def test_pores_are_the_largest_circles():
    labels = np.ones((100, 160), np.int32)
    for column, radius in ((40, 20), (110, 30)):
        labels[np.hypot(ROWS - 50, COLUMNS - column)[:100, :160] < radius] = 0
    labels[:, 155:] = 0
    assert sorted(pores(labels)) == pytest.approx([40, 60], abs=1)


def test_a_rendered_tube_is_as_wide_as_it_says():
    path = np.stack([np.linspace(20.3, 160.3, 281), np.linspace(30, 170, 281)], 1)
    rows, columns, top = covered_pixels(Fibre(path, np.full(281, 15.0), 15.0), (200, 200))
    inside = np.zeros((200, 200), bool)
    inside[rows, columns] = True
    assert inside.sum() == pytest.approx(15 * np.hypot(140, 140) + np.pi / 4 * 15**2, rel=0.02)
    assert top.max() == pytest.approx(7.5, abs=0.05)


def test_a_mat_of_its_settings():
    drawn = draw_settings(np.random.default_rng(2), {"family": "fibre", "cover": 0.3, "diameter": 9})
    built, fibres = build_mat((160, 160), drawn.scene, drawn.mat, np.random.default_rng(3))
    assert set(np.unique(built.owner)) <= set(range(len(fibres) + 1)) and (built.owner > 0).mean() > 0.1


def test_a_fibre_is_drawn_as_a_line_with_a_width():
    share = bar(30, 12, 110)
    empty = Segmentation(
        np.zeros((200, 200), np.int32),
        *(np.zeros(0, np.int32),) * 2,
        tasks.find("fibres").class_names,
        np.zeros(0, np.float32),
        200,
        Provenance("", "fibres"),
    )
    ends = [(99.5 + s * 55 * np.cos(np.pi / 6) + 0.5, 99.5 - s * 55 * np.sin(np.pi / 6) + 0.5) for s in (-1, 1)]
    drawn = apply_patches(empty, [edits.paint(WorkingLabels.of(empty), ends, 6.0)])
    measured = measure_fibres(drawn.dense, grey_of(share))
    assert measured.diameter[0] == pytest.approx(12, rel=0.03) and measured.ends[0] == 2
    assert drawn.class_names[int(drawn.classes[0])] == "fibre"


def test_both_parts_of_a_merged_fibre_are_one():
    labels = np.zeros((80, 200), np.int32)
    labels[36:44, 10:90] = 1
    labels[36:44, 110:190] = 1
    labels[:, 92:108] = 2
    measured = measure_fibres(labels, np.where(labels > 0, 180, 60).astype(np.uint8))
    assert measured.length[0] == pytest.approx(180, rel=0.02) and measured.over.tolist() == [1, 0]
    assert measured.ends.tolist() == [2, 0] and measured.diameter[0] == pytest.approx(8, rel=0.05)


def test_who_fibres_need_a_scale_and_count_half_without_an_end():
    columns = {
        "kept": np.ones(4, bool),
        "reason": np.full(4, "", "U40"),
        "visible_length": np.array([6.0, 6.0, 4.0, 6.0]),
        "fibre_diameter": np.array([1.0, 1.0, 1.0, 3.5]),
        "ends_seen": np.array([2.0, 1.0, 2.0, 2.0]),
    }
    count = who_fibres(Table.of_pixels(columns, 1000.0))
    assert count.value == 1.5 and count.low < 1.5 < count.high
    assert who_fibres(Table.of_pixels(columns, None)).value is None


def test_the_interval_of_a_count_is_that_of_chi_squared_to_the_last_digit():
    for count in (0.5, 1.0, 7.5, 40.0, 1037.5, 2e5):
        interval = poisson(count)
        assert (interval.low, interval.high) == (chi2.ppf(0.025, 2 * count) / 2, chi2.ppf(0.975, 2 * count + 2) / 2)
    assert poisson(0.0).low == 0.0


def test_pooling_does_not_load_all_of_scipy_stats():
    """It takes 0.8 s, and the memory of whoever waits."""
    code = "import sys, segmentation.core.combine; print('scipy.stats' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_half_count_is_shown_as_one_and_says_why():
    half, whole, many = (Entry.of("who_fibres", poisson(count)) for count in (0.5, 3.0, 1037.5))
    assert half.words == "0.5 (0–4.7)" and half.note == "fibres with one end in view count half"
    assert (whole.value, whole.note, many.value) == ("3", "", "1,037.5")
