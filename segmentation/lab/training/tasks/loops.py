"""Dislocation loops: where they are is taught, and the loops that are found there are scored."""

from __future__ import annotations

from ....core.labels.lines import longest
from ..masks import MaskScoring, every_one, learning_task

TASK = learning_task("loops", "loop", MaskScoring("loops", every_one, longest))
