"""Size distributions against each other, with a weight for every image, so that a bootstrap needs no sorting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.labels.separate import renumber
from ...core.measure.shapes import measure
from ...core.measure.statistics import NANO_NM
from .matching import SMALLEST, Labels

FRAME = 2  # px; a particle this near to the frame may be cut (drawn masks often leave the first column empty)
Floats = NDArray[np.float64]


def min_ferets(labels: Labels, unit: float = 1.0) -> Floats:
    """Minimum Feret diameters, in `unit` per pixel, of the particles of a label image (H, W) that are at least
    SMALLEST px large and FRAME px away from the frame."""
    labels = renumber(labels)
    n = int(labels.max(initial=0))
    nothing = np.broadcast_to(np.uint8(0), labels.shape)
    table = measure(labels, nothing, np.zeros(n, np.float32), nm_per_pixel=None, rows=labels.shape[0])
    height, width = labels.shape
    inside = (
        (table["bbox_left_px"] >= FRAME)
        & (table["bbox_top_px"] >= FRAME)
        & (table["bbox_right_px"] <= width - FRAME)
        & (table["bbox_bottom_px"] <= height - FRAME)
    )
    return table["min_feret_px"][inside & (table["area_px2"] >= SMALLEST)] * unit


@dataclass(frozen=True, eq=False)
class SizeSample:
    """The sizes of all images in rising order: value (N,), image (N,) its number, found (N,) found or true."""

    value: Floats
    image: NDArray[np.int64]
    found: NDArray[np.bool_]

    @classmethod
    def of(cls, true: Sequence[Floats], found: Sequence[Floats]) -> SizeSample:
        """The sample of one array of true and one of found sizes per image."""
        value = np.concatenate([*true, *found, np.zeros(0)])
        number = [np.full(len(v), i, np.int64) for side in (true, found) for i, v in enumerate(side)]
        is_found = np.repeat([False, True], [sum(map(len, true)), sum(map(len, found))])
        order = np.argsort(value, kind="stable")
        return cls(value[order], np.concatenate([*number, np.zeros(0, np.int64)])[order], is_found[order])

    def figures(self, weights: Floats, *, nm: bool) -> dict[str, float]:
        """Errors of the found sizes when image i counts weights[i] times; NaN where a side is empty.

        median_error, mean_error: percent of the true one. nano_true, nano_found: percent of sizes <= 100 nm;
        nano_error: their difference in points (all NaN unless `nm`). ks: Kolmogorov-Smirnov distance.
        wasserstein: first Wasserstein distance, in the unit of the sizes.
        """
        weight = weights[self.image]
        true, found = np.where(self.found, 0.0, weight), np.where(self.found, weight, 0.0)
        if not true.any() or not found.any():
            return dict.fromkeys(SIZE_FIGURES, float("nan"))
        gap = np.abs(np.cumsum(found) / found.sum() - np.cumsum(true) / true.sum())
        last_of_equal = np.append(np.diff(self.value) > 0, True)
        medians = [self._median(side) for side in (true, found)]
        means = [float(np.average(self.value, weights=side)) for side in (true, found)]
        nano = [100 * float(np.average(self.value <= NANO_NM, weights=s)) if nm else np.nan for s in (true, found)]
        values = (
            100 * (medians[1] / medians[0] - 1),
            100 * (means[1] / means[0] - 1),
            *nano,
            nano[1] - nano[0],
            float(gap[last_of_equal].max()),
            float((gap[:-1] * np.diff(self.value)).sum()),
            *medians,
        )
        return dict(zip(SIZE_FIGURES, values, strict=True))

    def _median(self, weight: Floats) -> float:
        """As numpy's for whole-number weights: the mean of the two middle values of an even count."""
        total = np.cumsum(weight)
        lower, upper = np.searchsorted(total, total[-1] / 2), np.searchsorted(total, total[-1] / 2, side="right")
        return float(self.value[lower] + self.value[min(upper, len(total) - 1)]) / 2


SIZE_FIGURES = (
    "median_error",
    "mean_error",
    "nano_true",
    "nano_found",
    "nano_error",
    "ks",
    "wasserstein",
    "median_true",
    "median_found",
)
