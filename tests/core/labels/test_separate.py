"""Instances: nothing lost, nothing burnt in, holes filled."""

import numpy as np
import pytest

from segmentation.core.labels import separate as separating
from segmentation.core.labels.separate import fill_holes, mean_over_labels, renumber, separate
from segmentation.lab.training.instances.targets import inner_distance


def maps_of(truth):
    """What a perfect network would predict for a label image."""
    return (truth > 0).astype(np.uint8) * 255, np.round(255 * inner_distance(truth)).astype(np.uint8)


def label_discs(*discs, shape=(120, 160)):
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    truth = np.zeros(shape, np.int32)
    for number, (row, column, radius) in enumerate(discs, start=1):
        truth[((rows - row) ** 2 + (columns - column) ** 2 <= radius**2) & (truth == 0)] = number
    return truth


def test_touching_discs_come_apart_without_losing_a_pixel():
    truth = label_discs((60, 50, 20), (60, 88, 20), (30, 120, 12))
    labels = separate(*maps_of(truth), threshold=0.5, seed_threshold=0.5)
    assert labels.max() == 3
    assert np.array_equal(labels > 0, truth > 0)
    for number in (1, 2, 3):
        inside = truth == number
        counts = np.bincount(labels[inside])
        assert counts[1:].max() >= 0.98 * inside.sum()


def test_a_small_particle_beside_a_big_one_is_kept():
    """The published chain drops a component that got no marker because a bigger particle stood near."""
    truth = label_discs((60, 60, 40), (60, 106, 4))
    labels = separate(*maps_of(truth), threshold=0.5, seed_threshold=0.5)
    assert labels.max() == 2
    assert labels[60, 106] not in (0, labels[60, 60])


def test_a_component_without_a_core_is_one_particle():
    foreground = np.zeros((20, 20), np.uint8)
    foreground[5:8, 5:8] = 255
    labels = separate(foreground, np.zeros_like(foreground), threshold=0.5, seed_threshold=0.5)
    assert labels.max() == 1 and (labels > 0).sum() == 9


def test_particles_at_the_frame_are_kept():
    truth = label_discs((0, 0, 9), (119, 159, 9), (60, 0, 5))
    assert separate(*maps_of(truth), threshold=0.5, seed_threshold=0.5).max() == 3


@pytest.mark.parametrize("threshold", [0.0001, 0.5, 0.999])
def test_zero_probability_is_never_a_particle(threshold):
    empty = np.zeros((16, 16), np.uint8)
    assert separate(empty, empty, threshold=threshold, seed_threshold=0.5).max() == 0


def test_holes_of_one_particle_are_filled_and_gaps_between_two_stay():
    labels = np.zeros((20, 40), np.int32)
    labels[2:12, 2:12] = 1
    labels[5:8, 5:8] = 0  # a hole
    labels[2:18, 20:28] = 2
    labels[2:18, 28:36] = 3
    labels[8:10, 26:30] = 0  # a gap that both enclose
    filled = fill_holes(labels.copy())
    assert (filled[5:8, 5:8] == 1).all()
    assert (filled[8:10, 26:30] == 0).all()


def test_a_bay_open_to_the_frame_is_no_hole():
    labels = np.ones((10, 10), np.int32)
    labels[0:5, 4:6] = 0
    assert (fill_holes(labels.copy())[0:5, 4:6] == 0).all()


def test_renumber_counts_in_reading_order():
    labels = np.array([[0, 7, 7], [3, 0, 9]], np.int32)
    assert renumber(labels).tolist() == [[0, 1, 1], [2, 0, 3]]


def test_confidence_is_the_mean_probability():
    labels = np.array([[1, 1, 0], [0, 2, 2]], np.int32)
    values = np.array([[255, 0, 9], [9, 51, 51]], np.uint8)
    assert mean_over_labels(values, labels) == pytest.approx([0.5, 0.2])


def test_a_large_component_is_shared_out_in_parts_as_it_is_at_once(monkeypatch):
    rows, columns = np.mgrid[:300, :400]
    foreground = np.full((300, 400), 255, np.uint8)
    distance = (120 + 100 * np.cos(rows / 4) * np.cos(columns / 5)).astype(np.uint8)
    distance[:60] = np.maximum(distance[:60] // 4, 1)  # no core: what no part can reach goes to its neighbours
    whole = separate(foreground, distance, threshold=0.5, seed_threshold=0.7)
    for name, value in (("LARGE_PX", 100), ("PART_PX", 64), ("OVERLAP_PX", 24)):
        monkeypatch.setattr(separating, name, value)
    parts = separate(foreground, distance, threshold=0.5, seed_threshold=0.7)
    assert whole.max() == parts.max() > 100 and parts.min() > 0
    assert (whole != parts)[60:].mean() < 0.001
