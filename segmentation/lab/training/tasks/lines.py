"""Lines: where they are is taught, and their connected pieces are scored by the length of their skeletons."""

from __future__ import annotations

from ....core.labels.lines import skeleton_lengths
from ..masks import MaskScoring, every_one, learning_task

TASK = learning_task("lines", "line", MaskScoring("lines", every_one, skeleton_lengths, "length"))
