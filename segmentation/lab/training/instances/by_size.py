"""Recall and errors for large and for small particles, and why particles were missed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from ....core.measure.matching import MOSTLY, RIGHT, Overlap, pairs
from ..files import STORED

EDGES = (12, 16, 22, 30, 60)  # px of the equivalent circular diameter, between classes
BARE = 0.1  # share of an outline's area under which it lies on the background
FATES = {
    "background": "less than half of its area was outlined",
    "swallowed": "most of its area lies in a larger outline",
    "split": "outlined for the most part, but in pieces or by a smaller outline",
}
COLUMNS = ("true", "right", *FATES, "found", "false", "bare")
Counts = Annotated[NDArray[np.int64], *STORED]


def count_by_size(overlap: Overlap) -> Counts:
    """(classes, COLUMNS) of one image, by the ECD of the true particles and of the found ones.

    right: true particles that were found at IoU 0.5; the others by their fate. false: found particles that match no
    true one at IoU 0.5. bare: false particles that lie on the background.
    """
    places = pairs(overlap.iou, RIGHT)
    true_area, found_area, common = overlap.true_area, overlap.found_area, overlap.common
    missed, false = np.ones(len(true_area), bool), np.ones(len(found_area), bool)
    missed[places[0]] = false[places[1]] = False
    within = ((common >= MOSTLY * true_area[:, None]) & (found_area > true_area[:, None])).any(1)
    bare = common.sum(1) < MOSTLY * true_area
    fates = missed & bare, missed & ~bare & within, missed & ~bare & ~within
    on_nothing = false & (common.sum(0) < BARE * found_area)
    true_class, found_class = (np.digitize(np.sqrt(4 * area / np.pi), EDGES) for area in (true_area, found_area))
    every = [(true_class, fate) for fate in (np.ones(len(missed), bool), ~missed, *fates)]
    every += [(found_class, fate) for fate in (np.ones(len(false), bool), false, on_nothing)]
    return np.stack([np.bincount(where[chosen], minlength=len(EDGES) + 1) for where, chosen in every], axis=1)


def by_size(counts: Sequence[Counts]) -> dict[str, Any]:
    """What the report says of some images together: a row for each class, and one for all.

    recall: None without true particles.
    """
    total = np.sum(counts, axis=0)
    middle = (f"{low} to {high}" for low, high in pairwise(EDGES))
    names = [f"under {EDGES[0]}", *middle, f"from {EDGES[-1]}", "all"]
    rows = []
    for name, row in zip(names, [*total, total.sum(0)], strict=True):
        one = dict(zip(COLUMNS, row.tolist(), strict=True))
        rows.append({"diameter": name, **one, "recall": one["right"] / one["true"] if one["true"] else None})
    return {"fates": FATES, "rows": rows}
