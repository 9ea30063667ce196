from __future__ import annotations

import torch

from ..masks import dice, preview, targets
from .base import LearningTask

TASK = LearningTask(
    name="lines",
    channels=("line",),
    optional=(),
    targets=targets,
    loss="masks",
    score=dice,
    activation=torch.sigmoid,
    preview=preview,
    scoring=None,
    classes=("line",),
)
