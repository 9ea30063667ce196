"""Bubbles: where they are is taught, and the circles that are found there are scored."""

from __future__ import annotations

from ..masks import MaskScoring, equal_circles, every_one, learning_task

TASK = learning_task("bubbles", "bubble", MaskScoring("bubbles", every_one, equal_circles))
