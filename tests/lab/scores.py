"""The figures of found labels against true ones, for tests."""

from types import SimpleNamespace

from segmentation.lab.training.evaluation.scores import summarise
from segmentation.lab.training.instances.counts import count_image
from segmentation.lab.training.tasks.particles import SCORING


def score(pairs):
    """Figures by name of (found, truth) label images, pooled."""
    figures = summarise(SCORING, [count_image(predicted, truth) for predicted, truth in pairs], nm=False)
    return SimpleNamespace(**{name: figure.value for name, figure in figures.items()})
