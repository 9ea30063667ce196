"""The bins of a histogram: their edges, and how many sizes fall into each."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NANO_NM = 100.0  # upper limit of the nanoscale
FEWEST_BINS = 8
FEWEST_BINS_COMPARED = 12  # of two distributions in one chart, so that a small difference is seen
MOST_BINS = 60
MANY_SIZES = 1000  # from so many on a comb of whole pixels is clearer than random scatter (`auto_edges`)
MANTISSAS = (1.0, 2.0, 2.5, 5.0)  # of round bin widths
LEAST_SIZES = 6  # for an interval: the median of five sizes has none between order statistics
LEAST_JUDGED = 30  # particles; with fewer there is no verdict, only the advice to count more
FEWEST_IN_HISTOGRAM = 10  # sizes in a histogram; fewer are listed one by one
MOST_TYPED_BINS = 500  # for a width that a person types; narrower bars could not be told apart
TOLERANCE = 1e-9  # in bin widths, within which a size lies on a bin's edge
FARTHEST_BIN = 2.0**53  # number of a bin; beyond it neighbouring numbers are equal as floats


@dataclass(frozen=True, eq=False)
class Histogram:
    """k bins. edges: (k + 1,). counts: (k,) particles in each. sums: (k,) the sums of their
    weights. shares: (k,) these sums divided by the weight of all particles, also of those outside
    the edges. cumulative: (k,) the running sum of the shares."""

    edges: Floats
    counts: NDArray[np.int64]
    sums: Floats
    shares: Floats
    cumulative: Floats


def auto_edges(sizes: Floats, unit: str = "", pixel_size: float = 0.0, fewest: int = FEWEST_BINS) -> Floats:
    """Round edges (k + 1,) of `fewest` to MOST_BINS equal bins for `sizes` (n,), n at least 1. If
    possible the bins are no wider than by the rule of Freedman and Diaconis (1981). In nm, 100 is
    an edge if sizes lie on both sides of it.

    pixel_size: in the unit of the sizes; 0 unless the sizes are lengths. Most widths of particles
    are near whole pixels, so bins that are not whole pixels wide contain more and fewer sizes by
    turns, a false comb. If possible such bins are therefore at least five pixels wide; with fewer
    than MANY_SIZES at least three, because random scatter then hides the comb.
    """
    low, high, width = float(sizes.min()), float(sizes.max()), _spread(sizes)
    if high - low < 1e-9 * max(high, 1.0):
        low, high = 0.9 * low, 1.1 * high + 1e-12
    start = NANO_NM if unit == "nm" and low < NANO_NM < high else 0.0
    powers = 10.0 ** np.arange(floor(np.log10((high - low) / MOST_BINS)) - 1, ceil(np.log10(high - low)) + 1)
    widths = np.outer(powers, MANTISSAS).ravel()
    bins = np.floor((high - start) / widths) - np.floor((low - start) / widths) + 1
    widths = widths[(bins >= fewest) & (bins <= MOST_BINS)]
    target = min(max(width, float(widths[0])), float(widths[-1]))
    least = pixel_size * (5 if len(sizes) >= MANY_SIZES else 3)
    off = np.abs(widths - pixel_size * np.rint(widths / (pixel_size or 1.0)))  # from whole pixels
    shows_comb = (widths < least) & (off > TOLERANCE * widths)
    clean = widths[~shows_comb] if not shows_comb.all() else widths[-1:]
    chosen = float(clean[max(int((clean <= target).sum()) - 1, 0)])
    edges = start + chosen * np.arange(floor((low - start) / chosen), floor((high - start) / chosen) + 2)
    edges[0] = min(edges[0], low)  # rounding may lift it over the least size
    return np.asarray(np.maximum(edges, 0.0) if low >= 0 else edges, np.float64)


def log_edges(sizes: Floats) -> Floats:
    """Edges of equal ratio for positive `sizes` (n,), at whole fractions of the decades, so that 100 may be an edge."""
    logs = np.log10(sizes)
    span = float(np.ptp(logs))
    if span < 1e-7:  # all sizes are equal
        return np.geomspace(float(sizes.min()) * 0.9, float(sizes.max()) * 1.1, FEWEST_BINS + 1)
    bins_per_decade = 1 / min(max(_spread(logs), span / (MOST_BINS - 2)), span / FEWEST_BINS)
    if bins_per_decade >= 1:
        bins_per_decade = (
            floor(bins_per_decade) if floor(bins_per_decade) * span >= FEWEST_BINS else ceil(bins_per_decade)
        )
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
    places = _bin_edges_around(sizes / width) if 0 < width < np.inf else None
    return None if places is None else _widened_edges(sizes, places * width)


@np.errstate(over="ignore")
def ratio_edges(sizes: Floats, per_decade: float) -> Floats | None:
    """Edges of equal ratio around positive `sizes`, at whole fractions 1 / per_decade of the decades; None if
    per_decade is not positive and finite, or too large. If it is too small, an edge may overflow to infinity."""
    places = _bin_edges_around(np.log10(sizes) * per_decade + TOLERANCE) if 0 < per_decade < np.inf else None
    return None if places is None else _widened_edges(sizes, 10.0 ** (places / per_decade))


def _bin_edges_around(positions: Floats) -> Floats | None:
    """The edges of the bins around positions (n,), on an axis with bins of width 1; None for more than
    MOST_TYPED_BINS bins."""
    low, high = float(positions.min()), float(positions.max())
    if not max(abs(low), abs(high)) < FARTHEST_BIN or floor(high) - floor(low) >= MOST_TYPED_BINS:
        return None
    return np.arange(floor(low), floor(high) + 2, dtype=np.float64)


def _widened_edges(sizes: Floats, edges: Floats) -> Floats:
    """The edges; an outer edge is moved to the smallest or largest size if rounding would lose
    it."""
    edges[0], edges[-1] = min(edges[0], sizes.min()), max(edges[-1], sizes.max())
    return edges


def bin_numbers(edges: Floats, sizes: Floats) -> NDArray[np.int64]:
    """(n,) the bin that each size lies in, -1 for none. An upper edge belongs to the next bin, but
    the last edge to the last bin."""
    places = np.searchsorted(edges, sizes, side="right") - 1
    places[sizes == edges[-1]] = len(edges) - 2
    return np.where(places < len(edges) - 1, places, -1).astype(np.int64)


def histogram(sizes: Floats, weights: Floats, edges: Floats) -> Histogram:
    """The histogram of sizes (n,) with weights (n,) in bins with these edges (k + 1,)."""
    # numpy.histogram takes differences of one long sum: then a sum of weights of 1 is not a whole
    # number.
    places, k = bin_numbers(edges, sizes), len(edges) - 1
    inside = places >= 0
    counts = np.bincount(places[inside], minlength=k).astype(np.int64)
    sums = np.asarray(np.bincount(places[inside], weights[inside], k), np.float64)
    total = float(weights.sum())
    shares = sums / total if total > 0 else np.zeros(len(sums))
    return Histogram(edges, counts, sums, shares, np.cumsum(shares))
