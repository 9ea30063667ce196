"""Phases: each pixel is of a class that the recipe names; IoU, Dice, outlines and area fractions are scored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...core.network.likeness import describe, learn
from ..classes import activation, dice, likeliest, scoring, targets
from .base import LearningTask

if TYPE_CHECKING:
    from ..data import Labelled


def learnt(pictures: Sequence[Labelled]) -> dict[str, Any]:
    """What the pictures look like, by which an image of another kind is told."""
    return learn([describe(each.grey) for each in pictures], [each.pair.group for each in pictures])


TASK = LearningTask(
    name="phases",
    channels=(),
    optional=(),
    targets=targets,
    loss="classes",
    score=dice,
    activation=activation,
    preview=likeliest,
    scoring=scoring,
    classes=True,
    learnt=learnt,
)
