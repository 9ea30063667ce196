"""The one rule by which sizes are put into bins; the figure, the report and the page (chart-bins.js) share it."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FEWEST = 8
MOST = 60
MOST_TYPED = 500  # bars; narrower ones could not be told apart
WHOLE = 1e-9  # by which a size may miss a bin's edge and still lie on it


@dataclass(frozen=True, eq=False)
class Histogram:
    """edges: (k + 1,). counts: (k,) particles. sums: (k,) of their weights. shares, cumulative: (k,) of the weights
    of all particles, those outside the edges included."""

    edges: Floats
    counts: NDArray[np.int64]
    sums: Floats
    shares: Floats
    cumulative: Floats


def auto_edges(sizes: Floats, grain: float) -> Floats:
    """Edges of 8 to 60 equal bins for `sizes` (n,), n at least 1, as wide as Freedman and Diaconis (1981) ask.

    grain: where it is not 0, the width is the nearest whole multiple of it: a pixel's size for lengths, since
    widths of particles are mostly near whole pixels, and bins of other widths show a comb that is not there.
    """
    low, high = float(sizes.min()), float(sizes.max())
    if high - low < 1e-9 * max(high, 1.0):
        return np.linspace(low * 0.9, high * 1.1 + 1e-12, FEWEST + 1)
    quartiles = np.percentile(sizes, (25, 75))
    asked = 2 * float(quartiles[1] - quartiles[0]) / float(np.cbrt(len(sizes)))
    if not grain:
        count = ceil((high - low) / asked) if asked > 0 else FEWEST
        return np.linspace(low, high, min(max(count, FEWEST), MOST) + 1)
    span = high - low + grain
    width = grain * max(round(asked / grain), ceil(span / grain / MOST), 1)
    bins = ceil(span / width)
    if bins < FEWEST:
        return np.linspace(low, high, FEWEST + 1)
    return np.asarray(low - grain / 2 + width * np.arange(bins + 1), np.float64)


def typed_edges(sizes: Floats, width: float) -> Floats | None:
    """Edges at whole multiples of `width` around `sizes`; None for a width that is not positive or too narrow."""
    if not width > 0:
        return None
    first, last = floor(sizes.min() / width), floor(sizes.max() / width) + 1
    return None if last - first > MOST_TYPED else np.arange(first, last + 1) * width


def ratio_edges(sizes: Floats, per_decade: float) -> Floats | None:
    """Edges of equal ratio around positive `sizes`, at whole fractions 1 / per_decade of the decades."""
    if not per_decade > 0:
        return None
    first, last = (floor(float(np.log10(end)) * per_decade + WHOLE) for end in (sizes.min(), sizes.max()))
    if last + 1 - first > MOST_TYPED:
        return None
    return np.asarray(10.0 ** (np.arange(first, last + 2) / per_decade), np.float64)


def histogram(sizes: Floats, weights: Floats, edges: Floats) -> Histogram:
    """Sizes (n,) with weights (n,) in bins; an upper edge belongs to the next bin, that of the last to the last."""
    counts = np.histogram(sizes, edges)[0].astype(np.int64)
    sums = np.asarray(np.histogram(sizes, edges, weights=weights)[0], np.float64)
    total = float(weights.sum())
    shares = sums / total if total > 0 else np.zeros(len(sums))
    return Histogram(edges, counts, sums, shares, np.cumsum(shares))
