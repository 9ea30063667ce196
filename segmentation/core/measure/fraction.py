"""The fraction of particles that are nano, and its interval."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, sqrt

import numpy as np

from .distribution import Floats, Sizes, effective_number
from .student import Z95, normal_scores, t95

NANO_NM = 100.0
LEAST_NM = 1.0
SCORES = 180  # so that 2.5 and 97.5 % are the middles of two of them


def wilson(successes: float, n: float, z: float = Z95) -> tuple[float, float]:
    """The 95 % interval of a fraction after Wilson (1927); n must be positive."""
    p, z2 = successes / n, z**2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = z * sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    low = 0.0 if successes == 0 else centre - half
    return low, 1.0 if successes == n else centre + half


@dataclass(frozen=True)
class Fraction:
    """A fraction by number with its 95 % interval; n: particles it was counted from."""

    fraction: float
    low: float
    high: float
    n: int


def nano_fraction(sizes: Sizes, uncertainty: float = 0.0) -> Fraction | None:
    """Fraction by number of sizes from 1 to 100 nm; None in pixels or without particles.

    The interval is Wilson's for the effective number of particles. With an uncertainty u of the calibration it is the
    middle 95 % of what Wilson's formula gives at SCORES normal deviates, each for the fractions at SCORES draws of
    the calibration exp(N(0, u)); without one that is Wilson's own interval.
    """
    if sizes.unit != "nm" or not len(sizes):
        return None
    weights = sizes.weights["number"]
    n, z = _trials(sizes)
    share = share_between(sizes.size, weights)
    if not uncertainty:
        low, high = wilson(share * n, n, z)
        return Fraction(share, low, high, len(sizes))
    scores = normal_scores(SCORES)
    shares = np.array([share_between(sizes.size * exp(uncertainty * score), weights) for score in scores])
    limits = _score_limits(shares[:, None], n, scores * z / Z95)
    low, high = np.clip(np.quantile(limits, (0.025, 0.975)), 0, 1).tolist()
    # The grid is finite: it must not make a doubtful calibration look better than a certain one.
    surely = wilson(share * n, n, z)
    return Fraction(share, min(low, surely[0]), max(high, surely[1]), len(sizes))


def share_between(size: Floats, weights: Floats) -> float:
    """The share of the weights whose sizes are 1 to 100 nm; going to nanometres and back may cost the last digit."""
    slack = 1 + 1e-12
    inside = (size <= NANO_NM * slack) & (size >= LEAST_NM / slack)
    return min(float(weights[inside].sum() / weights.sum()), 1.0)


def _score_limits(p: Floats, n: float, z: Floats) -> Floats:
    """Wilson's lower (z < 0) or upper (z > 0) limit at each deviate."""
    root = np.sqrt(np.maximum(p * (1 - p) / n + z**2 / (4 * n * n), 0))
    return np.asarray((p + z**2 / (2 * n) + z * root) / (1 + z**2 / n), np.float64)


def _trials(sizes: Sizes) -> tuple[float, float]:
    """How many independent particles the fraction counts as much as, and the deviate of its 95 % interval.

    Particles of one image are alike, so of several images it is what the variance between the images' shares allows,
    never more than the effective number of particles.
    """
    weights = sizes.weights["number"]
    n = effective_number(weights)
    image, images = sizes.image_numbers, sizes.images
    if images < 2:
        return n, Z95
    share = share_between(sizes.size, weights)
    inside = (sizes.size <= NANO_NM) & (sizes.size >= LEAST_NM)
    off = np.bincount(image, weights * (inside - share)) / weights.sum()
    variance = float((off**2).sum()) * images / (images - 1)
    if variance > 0:
        n = min(n, share * (1 - share) / variance)
    return max(n, 1.0), t95(images - 1)
