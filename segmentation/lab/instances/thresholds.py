"""Precision and recall against the foreground threshold, and which threshold to take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.labels.outline import particles
from ...core.network.cards import ModelCard
from ..evaluation.predictions import padded
from .figures import share
from .matching import Labels, match, overlap_of, without_specks

THRESHOLDS = tuple(round(0.05 * k, 2) for k in range(1, 20))
PLATEAU = 0.002
RULE = (
    "The threshold with the highest mean of the particles' F1 at IoU 0.5 and at IoU 0.75, pooled over the images;"
    f" of those within {PLATEAU:g} of it, the one nearest to 0.5."
)


def sweep_image(
    maps: NDArray[np.uint8], grey: NDArray[np.uint8], truth: Labels, scale: float, card: ModelCard
) -> NDArray[np.float64]:
    """(thresholds, 9): hits, spurious, missed particles at IoU 0.5, the same at 0.75, and the same of pixels.

    maps: (2 or 3, R, W) uint8. grey: (R, W) uint8, the image as it was shown. truth: (H, W) labels, of as many rows or
    more. scale: at which the network saw the image.
    """
    true, inside = without_specks(truth), truth > 0
    rows = []
    for threshold in THRESHOLDS:
        found = padded(particles(maps, grey, scale, threshold, card), truth.shape)
        iou = overlap_of(without_specks(found), true).iou
        hits = int(((found > 0) & inside).sum())
        pixels = hits, int((found > 0).sum()) - hits, int(inside.sum()) - hits
        rows.append([*match(iou, 0.5), *match(iou, 0.75), *pixels])
    return np.array(rows, float)


def curve(sweeps: Sequence[NDArray[np.float64]]) -> list[dict[str, Any]]:
    """The pooled precision, recall and F1 at each threshold, of particles at both IoUs and of pixels."""
    total = np.sum(sweeps, axis=0).reshape(-1, 3, 3)
    hits, spurious, missed = np.moveaxis(total, -1, 0)  # (thresholds, 3)
    tables = {
        "precision": share(hits, hits + spurious),
        "recall": share(hits, hits + missed),
        "f1": share(2 * hits, 2 * hits + spurious + missed),
    }
    points = []
    for row, threshold in enumerate(THRESHOLDS):
        point: dict[str, Any] = {"threshold": threshold}
        for column, suffix in enumerate(("50", "75", "pixels")):
            values = {f"{name}_{suffix}": table[row, column] for name, table in tables.items()}
            point |= {name: float(v) if np.isfinite(v) else None for name, v in values.items()}
        points.append(point)
    return points


def choose(points: Sequence[dict[str, Any]]) -> float | None:
    """The threshold by RULE; None where F1 is undefined or 0 at every threshold."""
    merit = {p["threshold"]: ((p["f1_50"] or 0) + (p["f1_75"] or 0)) / 2 for p in points}
    best = max(merit.values())
    if best == 0:
        return None
    good = [threshold for threshold, value in merit.items() if value >= best - PLATEAU]
    return min(good, key=lambda threshold: abs(threshold - 0.5))
