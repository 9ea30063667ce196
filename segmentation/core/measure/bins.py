"""The one rule by which sizes are put into bins; the figure, the report and the result page share it."""

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
FARTHEST = 2.0**53  # places of bins; beyond it neighbours are the same number


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


def log_edges(sizes: Floats) -> Floats:
    """Edges of equal ratio for positive `sizes` (n,): the automatic ones of their logarithms."""
    low, high = float(sizes.min()), float(sizes.max())
    if high / low < 1 + 1e-7:  # the logarithms are equal, and of either sign
        return np.geomspace(low * 0.9, high * 1.1, FEWEST + 1)
    return _around(sizes, 10.0 ** auto_edges(np.log10(sizes), 0.0))


@np.errstate(over="ignore")
def typed_edges(sizes: Floats, width: float) -> Floats | None:
    """Edges at whole multiples of `width` around `sizes`; None for a width that is not positive and finite, or that
    is too narrow."""
    found = _places(sizes / width) if 0 < width < np.inf else None
    return None if found is None else _around(sizes, found * width)


@np.errstate(over="ignore")
def ratio_edges(sizes: Floats, per_decade: float) -> Floats | None:
    """Edges of equal ratio around positive `sizes`, at whole fractions 1 / per_decade of the decades; None where
    that is not positive and finite, or too many. So few that an edge is beyond all numbers make it infinite."""
    found = _places(np.log10(sizes) * per_decade + WHOLE) if 0 < per_decade < np.inf else None
    return None if found is None else _around(sizes, 10.0 ** (found / per_decade))


def _places(of_sizes: Floats) -> Floats | None:
    """The whole numbers around places (n,) on an axis on which bins are 1 wide; None for more than MOST_TYPED bins."""
    low, high = float(of_sizes.min()), float(of_sizes.max())
    if not max(abs(low), abs(high)) < FARTHEST or floor(high) - floor(low) >= MOST_TYPED:
        return None
    return np.arange(floor(low), floor(high) + 2, dtype=np.float64)


def _around(sizes: Floats, edges: Floats) -> Floats:
    """The edges, the outer ones exact where rounding would lose the smallest or largest size."""
    edges[0], edges[-1] = min(edges[0], sizes.min()), max(edges[-1], sizes.max())
    return edges


def histogram(sizes: Floats, weights: Floats, edges: Floats) -> Histogram:
    """Sizes (n,) with weights (n,) in bins; an upper edge belongs to the next bin, that of the last to the last."""
    counts = np.histogram(sizes, edges)[0].astype(np.int64)
    sums = np.asarray(np.histogram(sizes, edges, weights=weights)[0], np.float64)
    total = float(weights.sum())
    shares = sums / total if total > 0 else np.zeros(len(sums))
    return Histogram(edges, counts, sums, shares, np.cumsum(shares))
