"""The model of random effects: how uncertain the figures of a specimen are after few images.
`bootstrap` widens the intervals of several images with it.

The model: each image has a mean ln(size), and these means are normally distributed around the mean
of the specimen. The sizes in an image are log-normal around its mean. Images with larger particles may
show more or fewer of them: ln(count) is linear in the mean. The model gives only the width of an
interval: only differences from its own estimate of a figure are used. The draws are generalised
pivotal quantities: variances are drawn by the chi-squared distribution, with m - 1 degrees of
freedom for m images (Weerahandi 1995; unequal counts after Thomas and Hultquist 1978).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..sizes.distribution import POWER, Floats, WeightedSizes, Weighting

Z90 = 1.2815515655446004  # the 90 % quantile of the normal distribution
FEWEST_FOR_SLOPE = 4  # images; with fewer, counts are taken as independent of the size
STEEPEST = 3.0  # slope; counts fall with the cube of the size if each image shows the same mass
MOST_VARIANCE = 300.0  # of ln(size); beyond it no figure has a useful interval


class Law(NamedTuple):
    """A log-normal law of the specimen. mean, variance: of ln(size), one of each or draws (b,)."""

    mean: Floats
    variance: Floats

    def figures(self, weighting: Weighting) -> dict[str, Floats]:
        """The logarithms of the figures by a weighting (Hatch and Choate 1929); for the
        geometric SD the logarithm of its logarithm."""
        spread = np.sqrt(self.variance)
        middle = self.mean + POWER[weighting] * self.variance
        return {
            "mean": middle + self.variance / 2,
            "sd": middle + self.variance / 2 + np.log(np.expm1(self.variance)) / 2,
            "d10": middle - Z90 * spread,
            "d50": middle,
            "d90": middle + Z90 * spread,
            "span": np.log(np.sinh(Z90 * spread)),
            "mode": middle - self.variance,
            "geometric_mean": middle,
            "geometric_sd": np.log(spread),
        }


def log_deviations(
    sizes: WeightedSizes, weighting: Weighting, repeats: int, rng: np.random.Generator
) -> dict[str, Floats]:
    """For each figure by name: draws (repeats,) of its logarithm minus the logarithm of its
    estimate, by a weighting. Needs two images or more.

    For the geometric SD it is the logarithm of its logarithm. The mean has the draws of the median.
    The logarithm of the mean contains half the variance between images, and few images leave this
    variance so uncertain that the mean would have no useful upper end.
    """
    estimate, drawn = laws(sizes, repeats, rng)
    draws, estimates = drawn.figures(weighting), estimate.figures(weighting)
    off = {name: draws[name] - estimates[name] for name in estimates}
    return {**off, "mean": off["d50"]}


def laws(sizes: WeightedSizes, repeats: int, rng: np.random.Generator) -> tuple[Law, Law]:
    """The estimated law of the specimen, and draws (repeats,) of what it may be.

    The mean ln(size) of an image varies by the variance `among` images, plus the variance `within`
    images divided by its number of particles. The second part is subtracted, in the estimate and in
    each draw.
    """
    image, weights, logs = sizes.image_numbers, sizes.weights["number"], np.log(sizes.size)
    count = np.bincount(image, weights)
    means = np.bincount(image, weights * logs) / count
    images, free = len(count), max(len(logs) - len(count), 1)
    within = max(float((weights * (logs - means[image]) ** 2).sum()) / free, 1e-12)
    off = means - means.mean()
    squares, inverse_count = max(float((off**2).sum()), 1e-12), float((1 / count).mean())
    chi, normal = rng.chisquare(images - 1, repeats), rng.standard_normal(repeats)
    within_drawn = within * free / rng.chisquare(free, repeats)
    among = max(squares / (images - 1) - inverse_count * within, 0.0)
    among_drawn = np.clip(squares / chi - inverse_count * within_drawn, 0, MOST_VARIANCE)
    slope, slopes = _slopes(np.log(count), off, squares, repeats, rng)
    middle = means.mean() + normal * np.sqrt(squares / chi / images)
    return (
        Law(np.asarray(means.mean() + slope * among), np.asarray(among + within)),
        Law(middle + slopes * among_drawn, among_drawn + within_drawn),
    )


def _slopes(
    log_counts: Floats, off: Floats, squares: float, repeats: int, rng: np.random.Generator
) -> tuple[float, Floats]:
    """The slope of ln(count) of an image over its mean ln(size), and draws (repeats,) of it. The
    mean ln(size) of all particles exceeds the mean of the images by this slope times the variance
    between images.

    log_counts: (images,). off: (images,) mean ln(size) minus the mean of all. squares: sum of off².
    """
    if len(log_counts) < FEWEST_FOR_SLOPE:
        return 0.0, np.zeros(repeats)
    counts_off = log_counts - log_counts.mean()
    slope = float((off * counts_off).sum()) / squares
    residual = float(((counts_off - slope * off) ** 2).sum())
    normal, chi = rng.standard_normal(repeats), rng.chisquare(len(log_counts) - 2, repeats)
    drawn = slope + normal * np.sqrt(residual / chi / squares)
    return float(np.clip(slope, -STEEPEST, STEEPEST)), np.clip(drawn, -STEEPEST, STEEPEST)


def mean_squares(sizes: WeightedSizes) -> tuple[float, float]:
    """The mean squares of ln(size) among the images and within them (one-weighting analysis of
    variance)."""
    image, logs = sizes.image_numbers, np.log(sizes.size)
    counts = np.bincount(image)
    means = np.bincount(image, logs) / counts
    within = float(((logs - means[image]) ** 2).sum()) / (len(logs) - len(counts))
    return float((counts * (means - logs.mean()) ** 2).sum()) / (len(counts) - 1), within


def differ_only_by_chance(sizes: WeightedSizes) -> bool:
    """Whether the sizes of several images differ no more than by chance: 95 % of equal images
    differ less. The limit is the 95 % quantile of chi-squared with m - 1 degrees of freedom,
    divided by m - 1, for m images."""
    if len(sizes) <= sizes.images:
        return False
    from scipy import special  # not at the top: the web process imports this module without scipy

    among, within = mean_squares(sizes)
    return among <= within * float(special.chdtri(sizes.images - 1, 0.05)) / (sizes.images - 1)
