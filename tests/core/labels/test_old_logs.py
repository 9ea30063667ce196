"""A log of the rules before 2.0.0 leads to the same label image: its patches are applied, nothing is made anew.

data/old-log.json was written by the rules that stood before scipy and scikit-image made corrections; it holds every
operation that there was, as rows of a log, and the SHA-256 of the labels before all and after each.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from segmentation.core.labels.corrections.operations import OPERATIONS, Corrections, Step, replay_steps, undo_step
from segmentation.core.labels.corrections.patches import Patch
from segmentation.core.labels.corrections.working import WorkingLabels
from segmentation.core.labels.segmentation import Provenance, Segmentation

LOG = Path(__file__).parent / "data" / "old-log.json"
SHAPE, ROWS = (120, 160), 112


def picture() -> Segmentation:
    """Discs that touch, one with a hole, one missed; two grains with a boundary; all of whole numbers."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    labels = np.zeros(SHAPE, np.int32)
    foreground, distance = np.full(SHAPE, 8, np.int64), np.zeros(SHAPE, np.int64)
    discs = [(1, 40, 40, 20), (1, 66, 40, 12), (2, 110, 30, 14), (3, 130, 70, 12), (0, 100, 70, 10), (0, 117, 95, 9)]
    for number, column, row, radius in discs:
        square = (x - column) ** 2 + (y - row) ** 2
        inside = square <= radius**2
        labels[inside] = number
        foreground[inside] = 220 if number else (20 + 200 * (radius**2 - square) // radius**2)[inside]
        distance = np.maximum(distance, np.where(inside, 255 * (radius**2 - square) // radius**2, 0))
    labels[28:32, 108:112] = 0
    labels[72:106, 4:35], labels[72:106, 40:72] = 4, 5
    maps = {"foreground": foreground.astype(np.uint8), "inner_distance": distance.astype(np.uint8)}
    classes, confidence = np.zeros(5, np.int32), np.full(5, 0.75, np.float32)
    origin = Provenance("ab" * 32, "particles")
    ids = np.arange(1, 6, dtype=np.int32)
    return Segmentation(labels, ids, classes, ("round", "long"), confidence, ROWS, origin, maps=maps, next_id=6)


def digest(labels: np.ndarray) -> str:
    return hashlib.sha256(labels.astype("<i4").tobytes()).hexdigest()


def test_an_old_log_leads_to_the_same_labels():
    log = json.loads(LOG.read_text())
    steps = list[Step]()
    assert digest(picture().labels) == log["before"]
    for row in log["edits"]:
        if row["undoes"]:
            steps.append(undo_step(steps, row["undoes"], row["operation"]))
        else:
            patches = Patch.from_dict(row["patch"]), Patch.from_dict(row["before"])
            steps.append(Step(row["operation"], *patches))
        now = Corrections(WorkingLabels.of(picture()), steps).now
        assert digest(now.crop((0, 0, *SHAPE))) == row["labels"], row["operation"]
    after = replay_steps(picture(), steps)
    assert digest(after.labels) == log["edits"][-1]["labels"]
    assert after.ids.tolist() == log["ids"] and after.next_id == log["next"]
    assert {row["operation"]["op"] for row in log["edits"]} >= {*OPERATIONS, "undo"} - {"ignore"}
