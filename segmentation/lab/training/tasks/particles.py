"""How particles and fibres are taught and scored: the network learns maps of the foreground and of the inner distance;
outlines are scored by IoU, and sizes by minimum Feret diameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ....core.labels.separate import separate
from ....core.measure.objects.matching import Kind
from ..classes import sigmoid
from ..contract import LearningTask, Scoring, Tracked
from ..evaluation.scores import fit_threshold
from ..instances import metrics
from ..instances.confidence import fit_confidence
from ..instances.examine import COLOURS, OutlineExaminer, panels
from ..instances.option_sets import fit_option_set, option_sets
from ..instances.separation import fit_separation
from ..instances.targets import CHANNELS, OPTIONAL, targets


def rank(image: Mapping[str, Any]) -> tuple[float, float]:
    """The sort key of an image in a report: AP50, then IoU. Without true particles 1 / (1 + false positives) stands
    for AP50."""
    score = image["figures"]["ap50"] if image["particles"] else 1 / (1 + image["found"])
    return -score, -(image["figures"]["iou"] or 0)


SCORING = Scoring(
    examine=lambda predictor, options: OutlineExaminer(SCORING, predictor, options),
    metrics=metrics.metrics,
    quantity_errors=metrics.quantity_errors,
    definitions=metrics.DEFINITIONS,
    kinds={str(kind): kind.definition for kind in Kind},
    tally=metrics.tally,
    rank=rank,
    panels=panels,
    legend={**{str(kind): colour for kind, colour in COLOURS.items()}, "true outlines": (255, 255, 255)},
    printed=(
        *("iou", "dice", "ap50", "ap75", "f50", "f75", "pq"),
        *("boundary_f1", "count_ratio", "median_error", "nano_error"),
    ),
    tracked=Tracked("dice", "f50", "count_off"),
    outcome=("median_off", "f50", "f75", "ap50", "dice", "count_off", "median_error"),
    note="Sizes are minimum Feret diameters in {unit}, of objects at least 2 px away from the frame; those under 9 px"
    " count on neither side.",
    options=frozenset({"threshold", "postprocess"}),
    option_sets=option_sets,
    fits={
        "separation": fit_separation,
        "confidence": fit_confidence,
        "threshold": lambda *arguments: fit_threshold(SCORING, *arguments),
        "reading": lambda *arguments: fit_option_set(SCORING, *arguments),
    },
)
TASK = LearningTask(
    name="particles",
    channels=CHANNELS,
    optional=OPTIONAL,
    targets=targets,
    loss="instances",
    activation=sigmoid,
    preview=lambda maps: separate(maps[0], maps[1], threshold=0.5, seed_threshold=0.5),
    scoring=lambda names: SCORING,
)
# Without the map of contacts, because where fibres cross the upper one divides the lower one.
FIBRES = replace(TASK, name="fibres", optional=())
