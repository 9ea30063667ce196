"""The fraction by number from 1 to 100 nm and its 95 % interval: one image by particle, several images by image.

And what fraction and median would be with particles that touch and were outlined as one. Merging only hides: what is
hidden is smaller than what is found. So with the hidden particles the median can only be smaller, and the fraction of
small particles only larger. Fitted on images with truth (docs/method/uncertainty.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import erf, exp, hypot, log, sqrt

import numpy as np
from scipy import special
from scipy.special import gammaln

from .bins import NANO_NM
from .distribution import Floats, WeightedSizes, effective_number, quantile
from .drawn import Z95, t95

LEAST_NM = 1.0
# Normal deviates, in the middles of equal parts; there are so many that 2.5 and 97.5 % are the middles of two parts.
DEVIATES = special.ndtri((np.arange(180) + 0.5) / 180)
SINGLY = 4  # images; for three the beta-binomial law alone is wide enough
MANY_IMAGES = 30  # from here on the variance between images is known well enough for Wilson's formula
NODES = 7  # number of calibrations at which the fraction of few images is computed
LIKENESS = 1 / (1 + np.exp(np.linspace(7, -5, 24)))  # intraclass correlation of the particles of one image
COARSE = 1 / (1 + np.exp(np.linspace(9, -9, 90)))
SELDOM, RARE = 0.1, 0.3  # fractions, see `_by_field`
SURELY = 1e-8  # variance between images up to which they all say the same
# In most images fewer are hidden for each counted one: so many times the sum of the chances of the possible cuts, for
# each outline.
OF_CUTS = 9.8
# Mean and SD of ln(size of a particle that was not outlined / median of the outlines): 0.47 times as large.
HIDDEN_SIZE = -0.75, 0.57
POINTS = 512


@dataclass(frozen=True)
class Fraction:
    """A fraction by number with its 95 % interval, None of too few images; n: number of particles."""

    fraction: float
    low: float | None
    high: float | None
    n: int


def wilson(successes: float, n: float, z: float = Z95) -> tuple[float, float]:
    """The 95 % interval of a fraction after Wilson (1927); n must be positive."""
    p, z2 = successes / n, z**2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = z * sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    low = 0.0 if successes == 0 else centre - half
    return low, 1.0 if successes == n else centre + half


def nano_fraction(sizes: WeightedSizes, uncertainty: float = 0.0, field_spread: float = 0.0) -> Fraction | None:
    """Fraction by number of sizes from 1 to 100 nm; None in pixels or without particles.

    field_spread: SD of ln(size) from field to field of a specimen. A single image does not show it, so it is added to
    the uncertainty of the calibration. With several images it is not used: the interval contains the spread that they
    show, and also includes the interval from the images' own fractions (`_by_field`).
    """
    nano = _fraction(sizes, uncertainty, field_spread)
    if nano is None or nano.low is None or nano.high is None or sizes.images < 2:
        return nano
    low, high = _by_field(sizes, nano.fraction)
    return replace(nano, low=min(nano.low, low), high=max(nano.high, high))


def _by_field(sizes: WeightedSizes, share: float) -> tuple[float, float]:
    """The middle 95 % of the fraction, from the images' fractions alone, for any mixture of fields.

    Method: the Bayesian bootstrap (Rubin 1981), approximated by the beta distribution with the same mean and variance.
    Few images show little of rare fields. So if the fraction or its complement is below SELDOM, Jeffreys' prior is
    added: half an image with fraction 1 and half an image with fraction 0. Then n images with fraction 0 have the upper
    limit of n trials. From SELDOM to RARE less is added; above RARE, or for fewer than SINGLY images, nothing.
    """
    image, weights = sizes.image_numbers, sizes.weights["number"]
    total = np.bincount(image, weights)
    by_image, part = np.bincount(image, weights * _is_nano(sizes.size)) / total, total / total.sum()
    images = 1 / float((part**2).sum())
    rarity = np.clip((RARE - min(share, 1 - share)) / (RARE - SELDOM), 0, 1)
    added = float(rarity) / 2 if sizes.images >= SINGLY else 0.0
    everything = images + 2 * added
    mean = (images * share + added) / everything
    square = (images * float((part * by_image**2).sum()) + added) / everything - mean**2
    variance = square / (everything + 1)
    if variance <= SURELY:
        return mean, mean
    concentration = mean * (1 - mean) / variance - 1
    low, high = special.betaincinv(mean * concentration, (1 - mean) * concentration, [0.025, 0.975])
    return float(low), float(high)


def unseen(nano: Fraction, images: int) -> tuple[float, float, float] | None:
    """What few images may all miss; None for one image, for many, and for too few to have an interval.

    First the share of the specimen that a kind of field must cover to appear in at least one image with 95 %
    probability; then the lowest and the highest fraction that such unseen fields could give.
    """
    if not 1 < images < MANY_IMAGES or nano.low is None or nano.high is None:
        return None
    share = 1 - 0.05 ** (1 / images)
    low, high = nano.fraction * (1 - share), nano.fraction + (1 - nano.fraction) * share
    return share, min(low, nano.low), max(high, nano.high)


def _fraction(sizes: WeightedSizes, uncertainty: float, field_spread: float) -> Fraction | None:
    """The fraction and its interval, by particle or by image.

    Too few images have none. For fewer than MANY_IMAGES the interval comes from the beta-binomial law
    (`_of_few_images`). Otherwise it is Wilson's interval for the effective number of particles. If the calibration has
    an uncertainty u (of one image with `field_spread`), Wilson's formula is evaluated at DEVIATES for the fractions
    with all sizes exp(u DEVIATES) times as large; the interval is the middle 95 % of the results.
    """
    if sizes.unit != "nm" or not len(sizes):
        return None
    weights = sizes.weights["number"]
    share = share_between(sizes.size, weights)
    if sizes.too_few_images:
        return Fraction(share, None, None, len(sizes))
    if 1 < sizes.images < MANY_IMAGES:
        return Fraction(share, *_of_few_images(sizes, share, uncertainty), len(sizes))
    n, z = _trials(sizes)
    if sizes.images < 2:
        uncertainty = hypot(uncertainty, field_spread)
    surely = wilson(share * n, n, z)
    if not uncertainty:
        return Fraction(share, *surely, len(sizes))
    p = shares_if_scaled(sizes, np.exp(uncertainty * DEVIATES))[:, None]
    deviates = DEVIATES * z / Z95  # Wilson's lower limits (< 0) and upper ones (> 0)
    root = np.sqrt(np.maximum(p * (1 - p) / n + deviates**2 / (4 * n * n), 0))
    limits = (p + deviates**2 / (2 * n) + deviates * root) / (1 + deviates**2 / n)
    low, high = np.clip(np.quantile(limits, (0.025, 0.975)), 0, 1).tolist()
    # The grid is finite: an uncertain calibration must not give a narrower interval than an exact one.
    return Fraction(share, min(low, surely[0]), max(high, surely[1]), len(sizes))


def share_between(size: Floats, weights: Floats) -> float:
    """The share of the weights whose sizes are 1 to 100 nm."""
    return min(float(weights[_is_nano(size)].sum() / weights.sum()), 1.0)


def shares_if_scaled(sizes: WeightedSizes, factors: Floats, shifts: Floats | float = 0.0) -> Floats:
    """(k,) the fraction from 1 to 100 nm with all sizes multiplied by `factors` (k,), then shifted by `shifts` nm."""
    weights, slack = sizes.weights["number"], 1 + 1e-12
    below = np.r_[0.0, np.cumsum(weights)] / weights.sum()
    high = np.searchsorted(sizes.size, (NANO_NM - shifts) / factors * slack, "right")
    low = np.searchsorted(sizes.size, (LEAST_NM - shifts) / factors / slack, "left")
    return np.asarray(np.clip(below[high] - below[low], 0, 1), np.float64)


def _is_nano(size: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """(n,) whether each size is 1 to 100 nm; with a tolerance, as converting units may change the last digit."""
    slack = 1 + 1e-12
    return (size <= NANO_NM * slack) & (size >= LEAST_NM / slack)


def _trials(sizes: WeightedSizes) -> tuple[float, float]:
    """The equivalent number of independent particles, and the deviate of the fraction's 95 % interval.

    Particles of one image are alike. So with several images the number follows from the variance between the images'
    fractions, and is never more than the effective number of particles.
    """
    weights = sizes.weights["number"]
    n = effective_number(weights)
    image, images = sizes.image_numbers, sizes.images
    if images < 2:
        return n, Z95
    share = share_between(sizes.size, weights)
    off = np.bincount(image, weights * (_is_nano(sizes.size) - share)) / weights.sum()
    variance = float((off**2).sum()) * images / (images - 1)
    if variance > 0:
        n = min(n, share * (1 - share) / variance)
    return max(n, 1.0), t95(images - 1)


def _of_few_images(sizes: WeightedSizes, share: float, uncertainty: float) -> tuple[float, float]:
    """The middle 95 % of the fraction if each image has its own fraction, drawn from a beta distribution.

    The mean has Jeffreys' prior. The likeness of the particles of one image (LIKENESS) has a uniform prior: a few
    images that look alike do not prove that all images do. Images are weighted by their particles (the logarithm of
    an image's likelihood times n m' / sum n, m' = (sum n)^2 / sum n^2). The calibration is integrated over its normal
    distribution (Gauss and Hermite).
    """
    weights, image = sizes.weights["number"], sizes.image_numbers
    scores, chances = np.polynomial.hermite_e.hermegauss(NODES if uncertainty else 1)
    inside = [np.bincount(image, weights * _is_nano(sizes.size * exp(uncertainty * score))) for score in scores]
    scale = effective_number(weights) / weights.sum()
    count = np.bincount(image, weights) * scale
    trials, z = _trials(sizes)
    shares = [float(image_inside.sum() * scale / count.sum()) for image_inside in inside]
    near = (wilson(min(shares) * trials, trials, z)[0], wilson(max(shares) * trials, trials, z)[1])
    means = np.unique(np.clip(np.r_[COARSE, np.linspace(*near, len(COARSE))], COARSE[0], COARSE[-1]))
    densities = [_posterior(np.minimum(image_inside * scale, count), count, means) for image_inside in inside]
    edges = np.r_[0, (means[1:] + means[:-1]) / 2, 1]
    # An uncertain calibration must not give a narrower interval than an exact one (the middle node).
    both = np.average(densities, axis=0, weights=chances), densities[len(densities) // 2]
    reached = [np.r_[0, np.cumsum(density)] for density in both]
    ends = [np.interp([0.025, 0.975], total / total[-1], edges) for total in reached]
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    return (0.0 if share == 0 else float(min(low, share))), (1.0 if share == 1 else float(max(high, share)))


def _posterior(inside: Floats, count: Floats, means: Floats) -> Floats:
    """(k,) the probability of each of `means` (k,), for `inside` of `count` (m,) particles of each image."""
    mean, total = means[:, None, None], ((1 - LIKENESS) / LIKENESS)[None, :, None]
    alpha, beta = mean * total, (1 - mean) * total
    likelihood = gammaln(alpha + inside) - gammaln(alpha) + gammaln(beta + count - inside) - gammaln(beta)
    likelihood += gammaln(total) - gammaln(total + count)
    likely = (likelihood * count * (count.sum() / (count**2).sum())).sum(2) - np.log(mean * (1 - mean))[..., 0] / 2
    posterior = (np.exp(likely - likely.max()) * np.gradient(LIKENESS)).sum(1) * np.gradient(means)
    return np.asarray(posterior / posterior.sum(), np.float64)


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
    below = np.interp(size, sizes.size, np.cumsum(weights) / weights.sum(), left=0.0)
    both = (below + hidden * np.array([_under(end / median, *relative) for end in size])) / (1 + hidden)
    nano = (fraction + hidden * _under(NANO_NM / median, *relative)) / (1 + hidden)
    return min(median, float(np.interp(0.5, both, size))), max(fraction, nano)


def _under(size: float, mean: float, spread: float) -> float:
    """The share of the hidden particles that are smaller than `size`, relative to the median of the outlines."""
    return 0.5 * (1 + erf((log(size) - mean) / spread / sqrt(2)))
