"""Bubbles, lines and dislocation loops: where they are is taught, and what is found there is scored."""

from __future__ import annotations

from ....core.labels.lines import skeleton_lengths
from ....core.labels.loops import long_axes
from ..masks import MaskScoring, equal_circles, every_one, learning_task

BUBBLES = learning_task("bubbles", "bubble", MaskScoring("bubbles", every_one, equal_circles))
LINES = learning_task("lines", "line", MaskScoring("lines", every_one, skeleton_lengths, "length"))
LOOPS = learning_task("loops", "loop", MaskScoring("loops", every_one, long_axes))
