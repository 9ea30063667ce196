"""The figures of found labels against true ones, for tests."""

from types import SimpleNamespace

from segmentation.lab.evaluation.scores import summarise
from segmentation.lab.instances.counts import count_image
from segmentation.lab.tasks.particles import SCORING


def score(pairs):
    """Figures by name of (found, truth) label images, pooled."""
    figures = summarise(SCORING, [count_image(found, truth) for found, truth in pairs], nm=False)
    return SimpleNamespace(**{name: figure.value for name, figure in figures.items()})
