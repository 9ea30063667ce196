"""How phases and layers are taught and scored: the network learns the class of each pixel; the recipe names the
classes. IoU, Dice, outlines and area fractions are scored."""

from __future__ import annotations

from dataclasses import replace

from ..classes import likeliest, likeness_entries, scoring, softmax, targets
from ..contract import LearningTask

TASK = LearningTask(
    name="phases",
    channels=(),
    optional=(),
    targets=targets,
    loss="classes",
    activation=softmax,
    preview=likeliest,
    scoring=scoring,
    classes=True,
    learnt=likeness_entries,
)
LAYERS = replace(TASK, name="layers")
