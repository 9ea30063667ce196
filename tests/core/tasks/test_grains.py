"""Grains that are too small for their boundaries are noise, and each grain has a probability to be right."""

from __future__ import annotations

import numpy as np
import pytest

from segmentation.core import pipeline, tasks
from segmentation.core.analysis import AnalysisSettings
from segmentation.core.labels.segmentation import Provenance, Segmentation
from segmentation.core.measure.objects.filters import Reason
from segmentation.core.network import cards
from segmentation.core.network.scale_search import View
from tests.core.builders import micrograph_of


def segmented(kind: str, labels: np.ndarray) -> Segmentation:
    count, task = int(labels.max()), tasks.find(kind)
    return Segmentation(
        labels.astype(np.int32),
        np.arange(1, count + 1, dtype=np.int32),
        np.zeros(count, np.int32),
        task.class_names,
        np.full(count, 0.9, np.float32),
        len(labels),
        Provenance("0" * 64, kind, card={"name": "grain-boundaries", "title": "Grains"}),
    )


def with_small(*small: tuple[int, int]) -> np.ndarray:
    """Labels of nine squares of 30 px, and after them one of so many rows and columns in each gap beside the first."""
    labels = np.zeros((150, 150), np.int32)
    for number in range(9):
        row, column = divmod(number, 3)
        labels[48 * row + 12 : 48 * row + 42, 48 * column + 12 : 48 * column + 42] = number + 1
    for number, (tall, wide) in enumerate(small):
        labels[45 : 45 + tall, 14 + 30 * number : 14 + 30 * number + wide] = 10 + number
    return labels


@pytest.mark.parametrize(
    ("tall", "wide", "reason"), [(3, 4, Reason.SMALL), (4, 10, Reason.UNRESOLVED), (2, 3, Reason.SLIP), (9, 9, "")]
)
def test_a_grain_smaller_than_a_boundary_is_wide_is_noise(tall, wide, reason):
    labels = with_small((tall, wide))
    grey = np.where(labels, 150, 60).astype(np.uint8)
    done = pipeline.measure(micrograph_of(grey), segmented("grains", labels), AnalysisSettings.of("grains"))
    assert done.table.reasons[9] == str(reason) and done.table.kept[:9].all()
    assert done.quantities["grains"].value == (10 if reason == "" else 9)
    without = pipeline.measure(micrograph_of(grey), segmented("grains", with_small()), AnalysisSettings.of("grains"))
    same = done.quantities["grain_intercept"].value == without.quantities["grain_intercept"].value
    assert bool(same) is (reason != "")


def test_bubbles_of_the_same_size_count():
    """Half of the bubbles of 16 to 25 px are true ones, and no boundary lies between them."""
    labels = with_small((3, 4))
    grey = np.where(labels, 150, 60).astype(np.uint8)
    assert pipeline.measure(
        micrograph_of(grey), segmented("bubbles", labels), AnalysisSettings.of("bubbles")
    ).table.kept.all()


@pytest.mark.parametrize("kind", ["particles", "grains", "bubbles"])
def test_each_object_of_a_network_has_a_probability(kind):
    """So that the strip of doubt asks for the least certain ones."""
    task, golden = tasks.find(kind), tasks.find(kind).golden()
    card = next(card for card in cards.available() if card.task == kind)
    decoded = task.decode(golden.maps, golden.picture, View("bright"), card, task.settings(model=card.name))
    assert len(decoded.confidence) == golden.count and np.isfinite(decoded.confidence).all()
