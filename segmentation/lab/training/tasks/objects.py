"""Bubbles, lines and dislocation loops: where they are is taught, and what is found there is scored."""

from __future__ import annotations

from ....core.labels.lines import skeleton_lengths
from ....core.labels.loops import long_axes
from ..masks import MaskScoring, all_objects, equal_circles, learning_task

BUBBLES = learning_task("bubbles", "bubble", MaskScoring("bubbles", all_objects, equal_circles))
LINES = learning_task("lines", "line", MaskScoring("lines", all_objects, skeleton_lengths, "length"))
LOOPS = learning_task("loops", "loop", MaskScoring("loops", all_objects, long_axes))
