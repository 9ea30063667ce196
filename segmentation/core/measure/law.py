"""Draws of the figures of a log-normal law of which only a sample is known.

Where few large particles carry a figure (the SD, and every figure by area or volume), resampling cannot know of the
still larger ones that the sample happens not to hold, and its intervals are too narrow. Where the sizes are those of a
log-normal law, its parameters can be drawn instead, sigma from the chi-squared and mu from the normal distribution
(Krishnamoorthy and Mathew 2003), and the figures follow from them (Hatch and Choate 1929).
"""

from __future__ import annotations

import numpy as np

from .distribution import Floats, Sizes, Weighting, effective_number

POWER: dict[Weighting, int] = {"number": 0, "area": 2, "volume": 3}
Z90 = 1.2815515655446004


def law_draws(sizes: Sizes, way: Weighting, repeats: int, rng: np.random.Generator) -> dict[str, Floats]:
    """Figure -> (repeats,) draws of its logarithm, for the law of these sizes by number, area or volume.

    The weights are powers of the ECD and not of the size, so the law moves by the slope of ln(ECD) on ln(size).
    """
    logs, weights = np.log(sizes.size), sizes.weights["number"]
    n = effective_number(weights)
    mean = np.average(logs, weights=weights)
    square = np.average((logs - mean) ** 2, weights=weights)
    slope = np.average((logs - mean) * np.log(sizes.ecd), weights=weights) / square
    sigma = np.sqrt(square * n / rng.chisquare(n - 1, repeats))
    median = mean + sigma / np.sqrt(n) * rng.standard_normal(repeats) + POWER[way] * slope * sigma**2
    mean_draws = median + sigma**2 / 2
    return {
        "mean": mean_draws,
        "sd": mean_draws + np.log(np.expm1(sigma**2)) / 2,
        "d10": median - Z90 * sigma,
        "d50": median,
        "d90": median + Z90 * sigma,
        "span": np.log(2 * np.sinh(Z90 * sigma)),
        "mode": median - sigma**2,
        "geometric_mean": median,
        "geometric_sd": sigma,
    }
