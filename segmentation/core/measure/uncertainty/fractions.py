"""The fraction by number from 1 to 100 nm and its 95 % interval. For one or two images the interval
comes from the number of particles, for more from the differences between images."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy import special

from ..sizes.bins import NANO_NM
from ..sizes.distribution import FEWEST_IMAGES, LEAST_NM, Floats, WeightedSizes, effective_number, is_nano, nano_share
from ..sizes.fitting import SIGNIFICANCE
from .figure_draws import Z95, t95

# 180 normal deviates of equal probability: the 2.5 and the 97.5 % quantile are among them.
DEVIATES = special.ndtri((np.arange(180) + 0.5) / 180)
MANY_IMAGES = 30  # with so many, hardly any kind of place in the specimen is missed


@dataclass(frozen=True)
class Fraction:
    """A fraction by number with its 95 % interval; n: number of particles."""

    fraction: float
    low: float
    high: float
    n: int


def wilson(successes: float, n: float, z: float = Z95) -> tuple[float, float]:
    """The interval of the fraction successes / n after Wilson (1927); 95 % with the default z. n
    must be positive."""
    p, z2 = successes / n, z**2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = z * sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    low = 0.0 if successes == 0 else centre - half
    return low, 1.0 if successes == n else centre + half


def nano_fraction(sizes: WeightedSizes, uncertainty: float = 0.0) -> Fraction | None:
    """Fraction by number of sizes from 1 to 100 nm, and its interval; None in pixels or without particles.

    uncertainty: relative standard uncertainty u of the calibration. Wilson's formula is evaluated
    for the equivalent number of particles (`_independent_number`) at all DEVIATES, and for the fractions with
    all sizes exp(u DEVIATES) times as large; the interval is the middle 95 % of the results. For
    images that differ no more than by chance it is never wider than the interval of one image.
    """
    if sizes.unit != "nm" or not len(sizes):
        return None
    share = nano_share(sizes.size, sizes.weights["number"])
    low, high = _limits(sizes, share, uncertainty, *_independent_number(sizes))
    if sizes.by_image and _differ_by_chance(sizes, share):
        n = effective_number(sizes.weights["number"]) / sizes.images
        least, greatest = _limits(sizes, share, uncertainty, n, Z95)
        low, high = max(low, least), min(high, greatest)
    return Fraction(share, low, high, sizes.number)


def _limits(sizes: WeightedSizes, share: float, uncertainty: float, n: float, z: float) -> tuple[float, float]:
    """The interval of a share of n independent particles. z: the normal deviate of its ends."""
    exact_scale = wilson(share * n, n, z)
    if not uncertainty:
        return exact_scale
    p = shares_if_scaled(sizes, np.exp(uncertainty * DEVIATES))[:, None]
    deviates = DEVIATES * z / Z95  # negative ones give Wilson's lower limits, positive ones upper limits
    root = np.sqrt(np.maximum(p * (1 - p) / n + deviates**2 / (4 * n * n), 0))
    limits = (p + deviates**2 / (2 * n) + deviates * root) / (1 + deviates**2 / n)
    low, high = np.clip(np.quantile(limits, (0.025, 0.975)), 0, 1).tolist()
    # The grid is finite: an uncertain calibration must not give a narrower interval than an exact one.
    return min(low, exact_scale[0]), max(high, exact_scale[1])


def _differ_by_chance(sizes: WeightedSizes, share: float) -> bool:
    """Whether the fractions of the images differ no more than by chance (chi-squared test). share:
    the fraction of all particles."""
    if share in (0.0, 1.0):
        return True
    image, weights = sizes.image_numbers, sizes.weights["number"]
    off = np.bincount(image, weights * (is_nano(sizes.size) - share))
    spread = float((off**2 / np.bincount(image, weights)).sum()) / (share * (1 - share))
    return bool(special.chdtrc(sizes.images - 1, spread) >= SIGNIFICANCE)


def missed_fields(nano: Fraction, images: int) -> tuple[float, float, float] | None:
    """How much fields of view that are on none of the images could change the fraction: the share of
    the specimen that they can cover at most (a kind of field that covers more is on at least one
    image with 95 % probability), and the lowest and the highest fraction that is then possible.

    None for too few images to describe the material, and for so many that hardly any kind of field
    is missed. nano: the fraction in the images.
    """
    if not FEWEST_IMAGES <= images < MANY_IMAGES:
        return None
    share = 1 - 0.05 ** (1 / images)
    low, high = nano.fraction * (1 - share), nano.fraction + (1 - nano.fraction) * share
    return share, min(low, nano.low), max(high, nano.high)


def shares_if_scaled(sizes: WeightedSizes, factors: Floats, shifts: Floats | float = 0.0) -> Floats:
    """(k,) the fraction from 1 to 100 nm if all sizes are multiplied by each factor (k,), and then
    `shifts` nm, one or (k,), are added."""
    weights, slack = sizes.weights["number"], 1 + 1e-12
    below = np.r_[0.0, np.cumsum(weights)] / weights.sum()
    high = np.searchsorted(sizes.size, (NANO_NM - shifts) / factors * slack, "right")
    low = np.searchsorted(sizes.size, (LEAST_NM - shifts) / factors / slack, "left")
    return np.asarray(np.clip(below[high] - below[low], 0, 1), np.float64)


def _independent_number(sizes: WeightedSizes) -> tuple[float, float]:
    """The equivalent number of independent particles, and the deviate for the ends of the
    fraction's interval.

    Particles of one image resemble each other. So with several images the number follows from the
    variance between the fractions of the images; it is never more than the effective number of
    particles.
    """
    weights = sizes.weights["number"]
    n = effective_number(weights)
    if not sizes.by_image:
        return n, Z95
    image, images = sizes.image_numbers, sizes.images
    share = nano_share(sizes.size, weights)
    off = np.bincount(image, weights * (is_nano(sizes.size) - share)) / weights.sum()
    variance = float((off**2).sum()) * images / (images - 1)
    if variance > 0:
        n = min(n, share * (1 - share) / variance)
    return max(n, 1.0), t95(images - 1)
