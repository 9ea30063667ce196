"""How uncertain the figures of a specimen are after few images: the model of random effects.

Each image shifts ln(size) by a normally distributed amount. The sizes in an image are log-normal around that shift.
Images with larger particles may show more or fewer of them: ln(count) is linear in the shift. The model gives only the
width of an interval, not the figure: only differences from its own estimate are used. The draws are generalised pivotal
quantities: variances come from the chi-squared distribution, of m images with m - 1 degrees of freedom (Weerahandi
1995; unequal counts after Thomas and Hultquist 1978).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .distribution import POWER, Floats, WeightedSizes, Weighting

Z95_ONE_SIDED = 1.6448536269514722
Z90 = 1.2815515655446004  # the 90 % quantile of the normal distribution
REGRESSED = 4  # images, from which on counts are asked whether they follow the size
STEEPEST = 3.0  # a count falls with the cube of the size where each image shows the same mass
WIDEST = 300.0  # variance of ln(size), beyond which any figure is out of all bounds


class Law(NamedTuple):
    """Mean and variance of ln(size) over the specimen, one of each or draws (b,) of them."""

    mean: Floats
    variance: Floats

    def figures(self, way: Weighting) -> dict[str, Floats]:
        """The logarithms of the figures by `way` (Hatch and Choate 1929); for the GSD the logarithm of ln(GSD)."""
        spread = np.sqrt(self.variance)
        middle = self.mean + POWER[way] * self.variance
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


def departures(sizes: WeightedSizes, way: Weighting, repeats: int, rng: np.random.Generator) -> dict[str, Floats]:
    """(repeats,) draws of the deviation of each figure's logarithm from its estimate; needs two images or more.

    For the geometric SD it is the logarithm of its logarithm. The mean departs as the median does: few images leave the
    variance between them so open that its part in the mean, half of it, would have no useful upper end.
    """
    estimate, drawn = laws(sizes, repeats, rng)
    figures_drawn, figures_in_sample = drawn.figures(way), estimate.figures(way)
    off = {name: figures_drawn[name] - figures_in_sample[name] for name in figures_in_sample}
    return {**off, "mean": off["d50"]}


def laws(sizes: WeightedSizes, repeats: int, rng: np.random.Generator) -> tuple[Law, Law]:
    """The estimated law of the specimen, and draws of its possible values.

    The mean ln(size) of an image scatters by the variance `among` images and by the variance `within` images over its
    number of particles: the latter is taken off again, here and in each draw.
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
    among_drawn = np.clip(squares / chi - inverse_count * within_drawn, 0, WIDEST)
    slope, slopes = _slopes(np.log(count), off, squares, repeats, rng)
    middle = means.mean() + normal * np.sqrt(squares / chi / images)
    return (
        Law(np.asarray(means.mean() + slope * among), np.asarray(among + within)),
        Law(middle + slopes * among_drawn, among_drawn + within_drawn),
    )


def _slopes(
    log_counts: Floats, off: Floats, squares: float, repeats: int, rng: np.random.Generator
) -> tuple[float, Floats]:
    """The slope of ln(count) against an image's mean ln(size), and draws (repeats,) of it. The mean ln(size) of all
    particles exceeds that of the images by this slope times the variance between images.

    log_counts: (images,). off: (images,) mean ln(size) less the mean of all. squares: the sum of off squared.
    """
    if len(log_counts) < REGRESSED:
        return 0.0, np.zeros(repeats)
    level = log_counts - log_counts.mean()
    slope = float((off * level).sum()) / squares
    residual = float(((level - slope * off) ** 2).sum())
    normal, chi = rng.standard_normal(repeats), rng.chisquare(len(log_counts) - 2, repeats)
    drawn = slope + normal * np.sqrt(residual / chi / squares)
    return float(np.clip(slope, -STEEPEST, STEEPEST)), np.clip(drawn, -STEEPEST, STEEPEST)


def mean_squares(sizes: WeightedSizes) -> tuple[float, float]:
    """Of ln(size) among the images and within them (one-way analysis of variance)."""
    image, logs = sizes.image_numbers, np.log(sizes.size)
    counts = np.bincount(image)
    means = np.bincount(image, logs) / counts
    within = float(((logs - means[image]) ** 2).sum()) / (len(logs) - len(counts))
    return float((counts * (means - logs.mean()) ** 2).sum()) / (len(counts) - 1), within


def are_alike(sizes: WeightedSizes) -> bool:
    """Whether the sizes of several images differ no more than by chance: 95 % of like ones, by the chi-squared limit of
    Wilson and Hilferty (1931)."""
    if len(sizes) <= sizes.images:
        return False
    among, within = mean_squares(sizes)
    part = 2 / (9 * (sizes.images - 1))
    return among <= within * float((1 - part + Z95_ONE_SIDED * np.sqrt(part)) ** 3)
