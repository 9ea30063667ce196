"""Particles that touch and were outlined as one: how many may be hidden so, and what both answers would be with them.

Merging only hides: what is hidden is smaller than what is found. So with the hidden particles the median can only be
smaller, and the fraction of small particles only larger. Fitted on images with truth (docs/method/uncertainty.md).
"""

from __future__ import annotations

from math import erf, log, sqrt

import numpy as np

from .bins import NANO_NM
from .distribution import WeightedSizes, quantile
from .fractions import share_between

# In most images fewer are hidden for each counted one: so many times the sum of the chances of the possible cuts, for
# each outline.
OF_CUTS = 7.7
# Mean and SD of ln(size of a particle that was not outlined / median of the outlines): 0.45 times as large.
HIDDEN_SIZE = -0.79, 0.51
POINTS = 512


def most_hidden(cuts: float) -> float:
    """How many particles are hidden for each counted one, at most. cuts: sum of the chances of the possible cuts that
    were not made, by the number of outlines."""
    return OF_CUTS * cuts


def with_hidden(
    sizes: WeightedSizes, hidden: float, relative: tuple[float, float] = HIDDEN_SIZE
) -> tuple[float, float]:
    """Median, in the unit of the sizes, and fraction from 1 to 100 nm with so many hidden particles for each counted
    one. The first is never larger, the second never smaller than without them. relative: see HIDDEN_SIZE."""
    weights = sizes.weights["number"]
    median, fraction = quantile(sizes.size, weights, 0.5), share_between(sizes.size, weights)
    if not hidden:
        return median, fraction
    size = np.geomspace(sizes.size[0] / 10, sizes.size[-1], POINTS)
    found = np.interp(size, sizes.size, np.cumsum(weights) / weights.sum(), left=0.0)
    both = (found + hidden * np.array([_under(each / median, *relative) for each in size])) / (1 + hidden)
    nano = (fraction + hidden * _under(NANO_NM / median, *relative)) / (1 + hidden)
    return min(median, float(np.interp(0.5, both, size))), max(fraction, nano)


def _under(size: float, mean: float, spread: float) -> float:
    """The share of the hidden particles that are smaller than `size`, relative to the median of the outlines."""
    return 0.5 * (1 + erf((log(size) - mean) / spread / sqrt(2)))
