"""The rules for the bins of a histogram: where their edges are, and what falls into each."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NANO_NM = 100.0
FEWEST = 8  # bins
FEWEST_COMPARED = 12  # bins of two distributions in one chart, so that a small difference is seen
MOST = 60  # bins
MANY = 1000  # sizes
ROUND = (1.0, 2.0, 2.5, 5.0)  # mantissas of widths
LEAST_SIZES = 6  # the median of five has no 95 % interval between order statistics
LEAST_JUDGED = 30  # particles; of fewer there is no verdict, and no other advice than to count more
LEAST_BARS = 10  # sizes; fewer are better told one by one than drawn
MOST_TYPED = 500  # bars; narrower ones could not be distinguished
WHOLE = 1e-9  # tolerance within which a size lies on a bin's edge
FARTHEST = 2.0**53  # places of bins; beyond it neighbours are the same number


@dataclass(frozen=True, eq=False)
class Histogram:
    """edges: (k + 1,). counts: (k,) particles. sums: (k,) of their weights. shares, cumulative: (k,) of the weights
    of all particles, including particles outside the edges."""

    edges: Floats
    counts: NDArray[np.int64]
    sums: Floats
    shares: Floats
    cumulative: Floats


def auto_edges(sizes: Floats, unit: str = "", pixel_size: float = 0.0, fewest: int = FEWEST) -> Floats:
    """Round edges of `fewest` to MOST equal bins for `sizes` (n,), n at least 1, if possible no wider than by Freedman
    and Diaconis (1981). In nm, 100 is an edge if sizes lie on both sides of it.

    pixel_size: 0 unless the sizes are lengths. Most widths of particles are near whole pixels, so other bin widths
    produce a false comb. Bins that are not whole pixels wide are therefore, if possible, at least five pixels wide, or
    three if there are fewer than MANY sizes: then random scatter hides the comb.
    """
    low, high, width = float(sizes.min()), float(sizes.max()), _spread(sizes)
    if high - low < 1e-9 * max(high, 1.0):
        low, high = 0.9 * low, 1.1 * high + 1e-12
    start = NANO_NM if unit == "nm" and low < NANO_NM < high else 0.0
    powers = 10.0 ** np.arange(floor(np.log10((high - low) / MOST)) - 1, ceil(np.log10(high - low)) + 1)
    widths = np.outer(powers, ROUND).ravel()
    bins = np.floor((high - start) / widths) - np.floor((low - start) / widths) + 1
    widths = widths[(bins >= fewest) & (bins <= MOST)]
    target = min(max(width, float(widths[0])), float(widths[-1]))
    least = pixel_size * (5 if len(sizes) >= MANY else 3)
    comb = (widths < least) & (np.abs(widths - pixel_size * np.rint(widths / (pixel_size or 1.0))) > WHOLE * widths)
    clean = widths[~comb] if not comb.all() else widths[-1:]
    chosen = float(clean[max(int((clean <= target).sum()) - 1, 0)])
    edges = start + chosen * np.arange(floor((low - start) / chosen), floor((high - start) / chosen) + 2)
    return np.asarray(np.maximum(edges, 0.0) if low >= 0 else edges, np.float64)


def log_edges(sizes: Floats) -> Floats:
    """Edges of equal ratio for positive `sizes` (n,), at whole fractions of the decades, so that 100 may be an edge."""
    logs = np.log10(sizes)
    span = float(np.ptp(logs))
    if span < 1e-7:  # the logarithms are equal, and of either sign
        return np.geomspace(float(sizes.min()) * 0.9, float(sizes.max()) * 1.1, FEWEST + 1)
    bins_per_decade = 1 / min(max(_spread(logs), span / (MOST - 2)), span / FEWEST)
    if bins_per_decade >= 1:
        bins_per_decade = floor(bins_per_decade) if floor(bins_per_decade) * span >= FEWEST else ceil(bins_per_decade)
    edges = ratio_edges(sizes, bins_per_decade)
    assert edges is not None
    return edges


def _spread(values: Floats) -> float:
    """The bin width of Freedman and Diaconis; 0 if half of the values are equal."""
    low, high = np.percentile(values, (25, 75))
    return 2 * float(high - low) / float(np.cbrt(len(values)))


@np.errstate(over="ignore")
def typed_edges(sizes: Floats, width: float) -> Floats | None:
    """Edges at whole multiples of `width` around `sizes`; None for a width that is not positive and finite, or that
    is too narrow."""
    places = _places(sizes / width) if 0 < width < np.inf else None
    return None if places is None else _widened_edges(sizes, places * width)


@np.errstate(over="ignore")
def ratio_edges(sizes: Floats, per_decade: float) -> Floats | None:
    """Edges of equal ratio around positive `sizes`, at whole fractions 1 / per_decade of the decades; None if
    per_decade is not positive and finite, or too large. If it is too small, an edge may overflow to infinity."""
    places = _places(np.log10(sizes) * per_decade + WHOLE) if 0 < per_decade < np.inf else None
    return None if places is None else _widened_edges(sizes, 10.0 ** (places / per_decade))


def _places(of_sizes: Floats) -> Floats | None:
    """The whole numbers around places (n,) on an axis with bins of width 1; None for more than MOST_TYPED bins."""
    low, high = float(of_sizes.min()), float(of_sizes.max())
    if not max(abs(low), abs(high)) < FARTHEST or floor(high) - floor(low) >= MOST_TYPED:
        return None
    return np.arange(floor(low), floor(high) + 2, dtype=np.float64)


def _widened_edges(sizes: Floats, edges: Floats) -> Floats:
    """The edges; an outer edge is moved if rounding would lose the smallest or largest size."""
    edges[0], edges[-1] = min(edges[0], sizes.min()), max(edges[-1], sizes.max())
    return edges


def places_in(edges: Floats, sizes: Floats) -> NDArray[np.int64]:
    """(n,) the bin that each size lies in, -1 for none; an upper edge belongs to the next bin, the last to the last."""
    places = np.searchsorted(edges, sizes, side="right") - 1
    places[sizes == edges[-1]] = len(edges) - 2
    return np.where(places < len(edges) - 1, places, -1).astype(np.int64)


def histogram(sizes: Floats, weights: Floats, edges: Floats) -> Histogram:
    """Sizes (n,) with weights (n,) in bins."""
    # Summed bin by bin: numpy.histogram takes differences of one long sum, and a weight of 1 would not stay 1.
    places, k = places_in(edges, sizes), len(edges) - 1
    inside = places >= 0
    counts = np.bincount(places[inside], minlength=k).astype(np.int64)
    sums = np.asarray(np.bincount(places[inside], weights[inside], k), np.float64)
    total = float(weights.sum())
    shares = sums / total if total > 0 else np.zeros(len(sums))
    return Histogram(edges, counts, sums, shares, np.cumsum(shares))
