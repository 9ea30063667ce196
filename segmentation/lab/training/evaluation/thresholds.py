"""Precision and recall of pixels and objects against the threshold, and the rule that chooses a threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..contract import Floats
from .scores import finite_or_none, precision_recall_f1

THRESHOLDS = tuple(round(0.05 * k, 2) for k in range(1, 20))
PLATEAU = 0.002
RULE = (
    "The threshold with the highest {figure}, pooled over the images; of those within"
    f" {PLATEAU:g} of it, the one nearest to 0.5."
)
OF_PIXELS = RULE.format(figure="F1 of the pixels")
Points = list[dict[str, Any]]


def pixel_sweep(values: NDArray[np.uint8], truth: NDArray[np.bool_]) -> Floats:
    """(thresholds, 3) hits, spurious and missed pixels of a map (n,) 0..255, taken from the threshold on."""
    counts = np.stack([np.bincount(values[truth == side], minlength=256) for side in (True, False)]).astype(float)
    below = np.cumsum(np.pad(counts, ((0, 0), (1, 0))), 1)
    least = [max(1, round(threshold * 255)) for threshold in THRESHOLDS]
    above = counts.sum(1)[:, None] - below[:, least]
    return np.stack([above[0], above[1], below[0, least]], axis=1)


def curve(sweeps: Sequence[Floats], names: Sequence[str]) -> Points:
    """The pooled precision, recall and F1 at each threshold: `precision_NAME` and so on for each of `names`.

    sweeps: (thresholds, 3 len(names)) of each image: hits, spurious and missed of each name, one after the other.
    """
    nothing = np.zeros((len(THRESHOLDS), 3 * len(names)))
    total = np.sum([nothing, *sweeps], axis=0).reshape(len(THRESHOLDS), len(names), 3)
    tables = precision_recall_f1(*np.moveaxis(total, -1, 0))
    points = []
    for row, threshold in enumerate(THRESHOLDS):
        point: dict[str, Any] = {"threshold": threshold}
        for column, name in enumerate(names):
            values = {f"{figure}_{name}": table[row, column] for figure, table in tables.items()}
            point |= {figure: finite_or_none(value) for figure, value in values.items()}
        points.append(point)
    return points


def choose(points: Sequence[Mapping[str, Any]], names: Sequence[str]) -> float | None:
    """The threshold by RULE for the mean F1 of these names; None where that is undefined or 0 at every threshold."""
    merit = {p["threshold"]: sum(p[f"f1_{name}"] or 0 for name in names) / len(names) for p in points}
    best = max(merit.values())
    if best == 0:
        return None
    good = [threshold for threshold, value in merit.items() if value >= best - PLATEAU]
    return float(min(good, key=lambda threshold: abs(threshold - 0.5)))


def against_threshold(
    sweeps: Sequence[Floats],
    curves: Mapping[str, str],
    rule: str,
    choosing: Sequence[str] = (),
    used: float | None = None,
) -> dict[str, Any]:
    """A report's entry about thresholds: points and names of the curves, the threshold in use, and the best threshold
    by the rule for the F1 of `choosing`. None stands for no threshold."""
    points = curve(sweeps, list(curves))
    best = choose(points, choosing) if choosing else None
    return {"points": points, "curves": dict(curves), "rule": rule, "best": best, "used": used}
