"""The learning side of `brightness`."""

from __future__ import annotations

from segmentation.lab.training.classes import likeliest, scoring, softmax, targets
from segmentation.lab.training.contract import LearningTask

from .brightness import CLASSES

TASK = LearningTask(
    name="brightness",
    channels=CLASSES,
    optional=(),
    targets=targets,
    loss="classes",
    activation=softmax,
    preview=likeliest,
    scoring=scoring,
    classes=True,
)
