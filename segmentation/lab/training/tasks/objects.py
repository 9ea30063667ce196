"""How bubbles, lines and dislocation loops are taught and scored: the network learns a mask of them; the objects that
the analysis finds in the mask are scored."""

from __future__ import annotations

from ....core.labels.lines import skeleton_lengths
from ....core.labels.loops import long_axes
from ..masks import MaskScoring, all_objects, equivalent_diameters, learning_task

BUBBLES = learning_task("bubbles", "bubble", MaskScoring("bubbles", all_objects, equivalent_diameters))
LINES = learning_task("lines", "line", MaskScoring("lines", all_objects, skeleton_lengths, "length"))
LOOPS = learning_task("loops", "loop", MaskScoring("loops", all_objects, long_axes))
