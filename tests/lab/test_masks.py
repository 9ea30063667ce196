"""Grain boundaries, bubbles and lines are taught as masks, and scored by the eight metrics of Ochoa et al. (2025)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from segmentation.core.masks.truth import load_classes
from segmentation.core.network.cards import ModelCard
from segmentation.core.network.scale_search import View
from segmentation.lab.training import tasks
from segmentation.lab.training.evaluation.predictions import Options, Prediction, Predictor
from segmentation.lab.training.losses import losses
from segmentation.lab.training.masks import LEGEND, metrics, size_errors
from tests.lab.folders import save

ONCE = np.ones((1, 1))


def examiner_of(name, threshold=None):
    """The scoring of a task, and its Examiner for a model without weights."""
    card = ModelCard("perfect", "Perfect", "", "1", {"name": "none"}, "a" * 64, Path("none"), name)
    scoring = tasks.find(name).scoring(tasks.find(name).channels)
    return scoring, scoring.examine(Predictor(card, None), Options(threshold=threshold))


def compared(name, maps, truth, threshold=None):
    """What the scoring of a task says of a map (H, W) uint8 against a mask (H, W)."""
    scoring, examiner = examiner_of(name, threshold)
    prediction = Prediction(maps[None], np.zeros_like(maps), View(), 0.0)
    return scoring, examiner.find(prediction, truth.astype(np.int32), 1.0)


def discs(centres, radius=8, side=120):
    rows, columns = np.mgrid[:side, :side]
    return np.any([np.hypot(rows - r, columns - c) <= radius for r, c in centres], axis=0)


def test_a_single_class_is_whatever_is_above_zero(tmp_path):
    for values in ([0, 1], [0, 255]):
        save(tmp_path / "mask.png", np.array([values], np.uint8))
        assert load_classes(tmp_path / "mask.png", (1,)).tolist() == [[0, 1]]


def test_masks_are_taught_without_unlabelled_pixels():
    labels = np.array([[0, 1], [1, 0]], np.int32)
    target = torch.from_numpy(tasks.find("bubbles").targets(labels, ("bubble",)))[None]
    assert target.tolist() == [[[[0, 1], [1, 0]]]]
    loss = losses()["masks"](name="masks")
    right = torch.where(target > 0, 9.0, -9.0)
    assert float(loss(right, target)) < 0.1 < 5 < float(loss(-right, target))


def test_the_eight_metrics_of_a_known_case():
    true = discs([(20, 20), (20, 60), (60, 20), (60, 60)])
    predicted = discs([(20, 20), (20, 60), (60, 20), (90, 90)])  # one missed, one invented
    maps = np.where(predicted, 204, 51).astype(np.uint8)
    scoring, (labels, counts) = compared("bubbles", maps, true)
    figures = {
        name: values[0] for name, values in {**metrics([counts], ONCE), **size_errors([counts], ONCE, False)}.items()
    }
    assert set(figures) == set(scoring.definitions)
    assert figures["precision"] == figures["recall"] == figures["f1"] == pytest.approx(0.75)
    assert figures["certainty"] == pytest.approx(0.8) and figures["abundance"] == pytest.approx(true.mean())
    assert figures["number_true"] == figures["number_found"] == labels.max() == 4
    assert figures["object_iou"] == pytest.approx(3 / 5, abs=0.03)
    assert figures["l1"] == figures["mean_error"] == 0


def test_a_report_lists_the_true_and_the_found_sizes():
    true, predicted = discs([(20, 20), (60, 60)]), discs([(20, 20), (60, 60), (60, 100)])
    _, examiner = examiner_of("bubbles")
    prediction = Prediction(np.where(predicted, 255, 0).astype(np.uint8)[None], np.zeros_like(true), View(), 0.0)
    _, record = examiner.find(prediction, true.astype(np.int32), 1.0)
    sizes = examiner.report([record], ["one"], False)["sizes"]
    assert (len(sizes["true"]), len(sizes["found"])) == (2, 3) and min(sizes["found"]) > 10


def test_the_distance_of_size_histograms_counts_every_object():
    true, predicted = discs([(20, 20), (60, 60)]), discs([(20, 20), (60, 60), (60, 100)])
    _, (_, more) = compared("bubbles", np.where(predicted, 255, 0).astype(np.uint8), true)
    assert size_errors([more], ONCE, False)["l1"][0] == 1
    _, (_, none) = compared("bubbles", np.zeros(true.shape, np.uint8), true)
    assert size_errors([none], ONCE, False)["l1"][0] == 2 and metrics([none], ONCE)["number_error"][0] == -100
    both = metrics([more, none], np.ones((1, 2)))
    assert both["number_true"][0] == 4 and both["number_found"][0] == 3


def test_only_whole_convex_grains_are_counted_and_the_others_told():
    boundary = np.zeros((120, 160), bool)
    boundary[[30, 31, 32, 33, 34, 90, 91, 92, 93, 94]] = True
    boundary[:, 38:43] = boundary[:, 78:83] = boundary[:, 118:123] = True
    scoring, (labels, counts) = compared("grains", np.where(boundary, 255, 0).astype(np.uint8), boundary)
    assert labels.max() == 12 and counts.all_numbers.tolist() == [12, 12] and counts.numbers.tolist() == [2, 2]
    assert metrics([counts], ONCE)["object_iou"][0] == 1
    assert "grains" in scoring.note and "{unit}" in scoring.note


def test_the_pictures_show_what_was_found_invented_and_missed():
    from tests.core.builders import micrograph_of

    true, predicted = discs([(30, 30)]), discs([(80, 80)])
    scoring, (labels, _) = compared("bubbles", np.where(predicted, 255, 0).astype(np.uint8), true | predicted)
    picture = scoring.panels(
        micrograph_of(np.full((120, 120), 90, np.uint8)), labels, (true | predicted).astype(np.int32)
    )[3]
    assert picture[80, 80].tolist() == list(LEGEND["found"]) and picture[30, 30].tolist() == list(LEGEND["missed"])
