"""95 % intervals of every figure (mean, median, ...) of a size distribution.

Every interval is the middle 95 % of REPEATS draws of the figure. If the figure has a unit, each
draw is multiplied by a draw of the calibration, exp(N(0, u)), u its relative standard uncertainty.
How the figure is drawn:

- mean, SD, geometric mean and SD of one image: bootstrap-t on the logarithm of the figure (Efron and Tibshirani 1993,
  chapter 12) with the standard errors of the delta method. Particles are drawn with replacement.
- D10, D50 and D90 of one image: the interval between order statistics (Conover 1999, chapter 3). The number of
  particles below the quantile is drawn from its binomial distribution and spread evenly over one step.
- span and mode of one image: the figure of each resample (percentile bootstrap).
- SD of one image with fewer than LEAST_EFFECTIVE particles: if a log-normal law fits (p at least
  5 %), the interval also includes the law's own interval (`log_normal_sd_draws`). Resampling cannot draw particles
  larger than the largest one measured.
- several images: whole images are drawn with replacement. For up to MOST_IMAGES_LISTED images all
  possible resamples are used, each as often as its probability requires. Mean, SD, geometric mean
  and SD: bootstrap-t as above, with the standard errors between images. Fewer than LEAST_IMAGES
  images m, and all other figures: the figure of each resample. Its distance from the estimate is
  multiplied by sqrt(m / (m - 1)), and from LEAST_IMAGES on also by t(m - 1) / z (Hesterberg 2015).
  Few images show little of how images differ, so each interval also includes the interval of the
  model of random effects (`random_effects`).

Small particles measured in whole pixels often share a size. Such sizes are known only to within the step between them:
if all draws are 22 nm and the next sizes are 16.5 and 27.5 nm, the figure lies between 19.25 and 24.75 nm. So if a
limit of a quantile, the mode or the span is such a size, the interval is extended by half a step (`half_steps`).
Sizes that occur once have no step and stay as they are.

An interval is None where it would be wrong or useless: too few images; fewer than LEAST_SIZES;
equal sizes; images with the same sizes; an area or volume that fewer than LEAST_EFFECTIVE particles
make up; volume of several, but fewer than LEAST_IMAGES images; the SD by area or volume, which
depends on the very largest particles; every measure of spread by volume of several images; a
quantile that the smallest or largest particle may not bound; ends too far away (WIDEST).
"""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from typing import NamedTuple, cast

import numpy as np

from ..sizes.bins import LEAST_SIZES
from ..sizes.distribution import (
    DECILES,
    DIMENSIONLESS,
    EQUAL_WITHIN,
    WEIGHTINGS,
    Figures,
    Floats,
    WeightedSizes,
    Weighting,
    bandwidth,
    effective_number,
    effective_particles,
    kernel,
    mode_grid,
    peak,
    quantile,
)
from ..sizes.fitting import SIGNIFICANCE, log_normal
from .figure_draws import (
    MOMENTS,
    TAILS_OF_95,
    WIDEST,
    WIDEST_BY_IMAGE,
    Z95,
    FigureDraws,
    half_steps,
    log_normal_sd_draws,
    logs,
    moments,
    t95,
    unit_sums,
)
from .figure_draws import Interval as Interval
from .random_effects import differ_only_by_chance, log_deviations
from .resampling import REPEATS, Resamples, resample

Rng = np.random.Generator
Intervals = dict[str, Interval]
Draws = dict[str, FigureDraws]

LEAST_IMAGES = 8  # for a bootstrap-t, and by volume; with fewer, too many resamples have one image only
# Figures without an interval by volume of several images: theirs would cover only 79 to 90 %.
SPREAD = ("sd", "span", "geometric_sd")
LEAST_EFFECTIVE = 400.0  # effective number of particles, for good coverage by area and volume


def intervals(
    sizes: WeightedSizes, figures: dict[Weighting, Figures], rng: Rng, uncertainty: float = 0.0
) -> dict[Weighting, Intervals]:
    """The intervals of the `figures` by weighting and name. figures: their values, by weighting and
    name. uncertainty: relative standard uncertainty of the calibration."""
    if why_no_intervals(sizes):
        return {weighting: dict.fromkeys(figures[weighting]) for weighting in WEIGHTINGS}
    resamples = resample(sizes, rng, uncertainty)
    limits = {
        weighting: _intervals_by(sizes, weighting, figures[weighting], resamples, rng) for weighting in WEIGHTINGS
    }
    if not sizes.by_image or not differ_only_by_chance(sizes):
        return limits
    as_one = replace(sizes, image=None)
    particle_resamples = resample(as_one, rng, uncertainty)
    return {
        weighting: _narrower(
            by_image,
            _intervals_of_one_image(as_one, weighting, figures[weighting], particle_resamples, sizes.images, rng),
        )
        for weighting, by_image in limits.items()
    }


def median_interval(sizes: WeightedSizes, rng: Rng, uncertainty: float, *, any_width: bool = False) -> Interval:
    """The interval of the median by number; None if it is too wide to be useful, unless
    `any_width`. uncertainty: relative standard uncertainty of the calibration."""
    widest, by_image = (np.inf, np.inf) if any_width else (WIDEST, WIDEST_BY_IMAGE)
    weights = sizes.weights["number"]
    drawn = quantile_by_rank(sizes.size, weights, 0.5, half_steps(sizes.size), rng)
    if not sizes.by_image:
        return drawn.limits(uncertainty * rng.standard_normal(REPEATS), widest)
    resamples = resample(sizes, rng, uncertainty)
    median = quantile(sizes.size, weights, 0.5)
    by_resample: FigureDraws = _quantile_draws(sizes, weights, resamples)["d50"].draws
    by_resample = by_resample.widened(median, _widening_for(resamples.images))
    limits = {"d50": by_resample.limits(resamples.calibration, widest)}
    limits = _with_random_effects(limits, {"d50": median}, sizes, "number", resamples, rng, by_image)
    if differ_only_by_chance(sizes):
        of_one_image = drawn.widened(median, sqrt(sizes.images)).limits(resamples.calibration, widest)
        limits = _narrower(limits, {"d50": of_one_image})
    return limits["d50"]


def why_no_intervals(sizes: WeightedSizes, weighting: Weighting = "number") -> str:
    """Why sizes by this weighting have no intervals, as a sentence; "" if they have intervals."""
    n = len(sizes)
    if n < LEAST_SIZES:
        return f"95 % intervals of sizes need at least {LEAST_SIZES} sizes; there {'is' if n == 1 else 'are'} {n}."
    if sizes.size[-1] - sizes.size[0] <= EQUAL_WITHIN * sizes.size[-1]:
        return "95 % intervals are not defined: all sizes are equal."
    if _are_copies(sizes):
        return "95 % intervals are not defined: all images have the same sizes."
    effective = effective_number(sizes.weights["number"])
    if effective < LEAST_SIZES:
        return (
            f"95 % intervals of sizes need at least {LEAST_SIZES};"
            f" with edge weights these {n} count as {effective:.1f}."
        )
    if weighting == "volume" and sizes.by_image and sizes.images < LEAST_IMAGES:
        return f"95 % intervals by volume need at least {LEAST_IMAGES} images with results; there are {sizes.images}."
    effective = effective_particles(sizes, weighting)
    if weighting != "number" and effective < LEAST_EFFECTIVE:
        return (
            f"No 95 % intervals by {weighting}: a few large sizes have most of the weight. All together weigh"
            f" as much as {effective:.0f} equal sizes; at least {LEAST_EFFECTIVE:g} are needed."
        )
    return ""


def _are_copies(sizes: WeightedSizes) -> bool:
    """Whether several images all have exactly the same sizes: then they are copies of one image."""
    order = np.argsort(sizes.image_numbers, kind="stable")
    count = np.bincount(sizes.image_numbers)
    if len(count) < 2 or count.min() < count.max():
        return False
    by_image = sizes.size[order].reshape(len(count), -1)
    return bool((np.ptp(by_image, axis=0) <= EQUAL_WITHIN * by_image[0]).all())


def _intervals_by(
    sizes: WeightedSizes, weighting: Weighting, figures: Figures, resamples: Resamples, rng: Rng
) -> Intervals:
    """The intervals of the figures of one weighting, by name."""
    if why_no_intervals(sizes, weighting):
        return dict.fromkeys(figures)
    drawn = _draws(sizes, weighting, figures, resamples, rng)
    no_interval = () if weighting == "number" else SPREAD if weighting == "volume" and resamples.images > 1 else ("sd",)
    limits: Intervals = dict.fromkeys(figures)
    for name in (figure for figure in figures if figure in drawn and figure not in no_interval):
        limits[name] = drawn[name].limits(0 if name in DIMENSIONLESS else resamples.calibration)
    if resamples.images > 1:
        limits = _with_random_effects(limits, figures, sizes, weighting, resamples, rng)
    if weighting == "number" and _may_be_log_normal(sizes) and (sd := limits["sd"]):
        limits["sd"] = _wider_of(
            sd, FigureDraws(log_normal_sd_draws(sizes, REPEATS, rng)).limits(resamples.calibration) or sd
        )
    return limits


def _with_random_effects(
    intervals: Intervals,
    figures: Figures,
    sizes: WeightedSizes,
    weighting: Weighting,
    resamples: Resamples,
    rng: Rng,
    widest: float = WIDEST_BY_IMAGE,
) -> Intervals:
    """The intervals of several images, widened to include those of the model of random effects;
    None where the model has no limit, or where an end differs from the figure by more than the
    factor `widest`."""
    wider = dict(intervals)
    deviations = log_deviations(sizes, weighting, REPEATS, rng)
    for name, limits in intervals.items():
        value = figures[name]
        if limits is None or not value or (name == "geometric_sd" and value <= 1):
            continue
        off = deviations[name]
        draws = np.log(value) * np.exp(off) if name == "geometric_sd" else np.log(value) + off
        law = FigureDraws(draws).limits(0 if name in DIMENSIONLESS else resamples.calibration)
        low, high = _wider_of(limits, law) if law else (0.0, np.inf)
        wider[name] = [low, high] if high <= widest * value and low * widest >= value else None
    return wider


def _intervals_of_one_image(
    as_one: WeightedSizes, weighting: Weighting, figures: Figures, resamples: Resamples, images: int, rng: Rng
) -> Intervals:
    """The intervals that one of the `images` images would have alone, if all of them are alike.
    as_one: the particles of all images as if they were from one."""
    if why_no_intervals(as_one, weighting):
        return {}
    drawn = _draws(as_one, weighting, figures, resamples, rng)
    return {
        name: draws.widened(figures[name], sqrt(images)).limits(0 if name in DIMENSIONLESS else resamples.calibration)
        for name, draws in drawn.items()
    }


def _narrower(by_image: Intervals, of_one_image: Intervals) -> Intervals:
    """The intervals by image, but no wider than the intervals of a single image: images that differ no
    more than by chance are together at least as certain as one."""
    narrower = dict(by_image)
    for name, one in of_one_image.items():
        limits = narrower.get(name)
        if limits and one and max(limits[0], one[0]) < min(limits[1], one[1]):
            narrower[name] = [max(limits[0], one[0]), min(limits[1], one[1])]
    return narrower


def _wider_of(one: list[float], other: list[float]) -> list[float]:
    """The smallest interval that includes both intervals."""
    return [min(one[0], other[0]), max(one[1], other[1])]


def _may_be_log_normal(sizes: WeightedSizes) -> bool:
    """Whether the sizes are few, from one image, and may follow a log-normal law."""
    weights = sizes.weights["number"]
    if sizes.images > 1 or effective_number(weights) >= LEAST_EFFECTIVE:
        return False
    fit = log_normal(sizes.size, weights)
    return fit is not None and fit["p"] >= SIGNIFICANCE


def _draws(sizes: WeightedSizes, weighting: Weighting, figures: Figures, resamples: Resamples, rng: Rng) -> Draws:
    """Draws of every figure by name, from resampled particles or images."""
    weights = sizes.weights[weighting]
    deciles = _quantile_draws(sizes, weights, resamples)
    draws = {"span": _span(deciles), "mode": _modes(sizes, weights, resamples)}
    if resamples.images > 1:
        draws |= {name: quantile.draws for name, quantile in deciles.items()}
        widening = _widening_for(resamples.images)
        draws = {name: drawn.widened(figures[name], widening) for name, drawn in draws.items()}
    else:
        draws |= {
            name: quantile_by_rank(sizes.size, weights, p, resamples.half_steps, rng) for name, p in DECILES.items()
        }
    return draws | _moment_draws(sizes, weights, resamples)


def _widening_for(images: int) -> float:
    """The factor by which draws from several images are widened, see the head of this module."""
    widening = 1.0 if images < LEAST_IMAGES else t95(images - 1) / Z95
    return float(np.sqrt(images / (images - 1)) * widening)


def _moment_draws(sizes: WeightedSizes, weights: Floats, resamples: Resamples) -> Draws:
    """Draws of MOMENTS by bootstrap-t: each draw is the estimate minus its error times the
    deviation of a resample in units of that resample's error. With two or more images, but fewer
    than LEAST_IMAGES, an error is too uncertain: then the draws are the deviations themselves,
    widened."""
    counts = resamples.image_counts
    units = unit_sums(sizes.size, weights, None if counts is None else sizes.image_numbers)
    estimate = moments(units.sum(0)[None], sizes.size)
    drawn = resamples.total(units) if counts is None else counts @ units
    resampled = moments(drawn, sizes.size)
    moment_draws: Draws = {}
    for name in MOMENTS:
        value, error = (float(array[0]) for array in estimate[name])
        with np.errstate(all="ignore"):
            values, errors = resampled[name]
            if 1 < resamples.images < LEAST_IMAGES:
                draws = value + _widening_for(resamples.images) * (values - value)
            else:
                draws = value - error * (values - value) / errors
            moment_draws[name] = FigureDraws(np.exp(draws) if name == "geometric_sd" else draws)
    return moment_draws


def logs_by_rank(size: Floats, weights: Floats, p: float, rng: Rng) -> tuple[Floats, tuple[float, float]]:
    """Draws (REPEATS,) of the logarithm of the quantile p of sorted sizes (n,), and the
    probabilities of the two tails that its interval leaves out.

    If the quantile may lie below the smallest size with more than 2.5 % probability, the interval
    begins at that size and the other tail becomes smaller. With more than 5 % a tail is negative:
    there is no interval. The largest size is treated in the same weighting.
    """
    if len(size) < 2:
        return np.full(REPEATS, np.nan), TAILS_OF_95
    value = quantile(size, weights, p)
    below, above = _typical_weight(weights[size <= value]), _typical_weight(weights[size > value])
    # Effective number from the variance of the weight below the quantile; with equal weights the number of particles.
    n = float(weights.sum()) / ((1 - p) * (below or above) + p * (above or below))
    count = max(round(n), 1)
    rank = rng.binomial(count, p, REPEATS) + rng.uniform(size=REPEATS)
    position = (rank - 0.5) / count
    middles = (np.cumsum(weights) - weights / 2) / weights.sum()
    # The quantile lies below the smallest, or above the largest of `count` sizes with these
    # probabilities.
    low, high = (max(0.025, outside) for outside in ((1 - p) ** count, p**count))
    tails = (low, 0.05 - low) if low > 0.025 else (0.05 - high, high)
    return np.interp(position, middles, np.log(size)), tails


def quantile_by_rank(size: Floats, weights: Floats, p: float, half: Floats, rng: Rng) -> FigureDraws:
    """The draws of `logs_by_rank`, each known to within the half step of the nearest sizes. half: (n,)
    the half steps of the sizes (`half_steps`)."""
    draws, tails = logs_by_rank(size, weights, p, rng)
    return FigureDraws.of_logs(draws, np.interp(draws, np.log(size), half), tails)


def _typical_weight(weights: Floats) -> float:
    """The mean of the weights (n,), weighted by themselves; 0 without any."""
    return float((weights**2).sum() / weights.sum()) if len(weights) else 0.0


class _Quantile(NamedTuple):
    """Draws of a quantile. size: (REPEATS,). half: (REPEATS,) the half step of each
    (`half_steps`)."""

    size: Floats
    half: Floats

    @property
    def draws(self) -> FigureDraws:
        return FigureDraws.of_logs(logs(self.size), self.half)


def _quantile_draws(sizes: WeightedSizes, weights: Floats, resamples: Resamples) -> dict[str, _Quantile]:
    """The quantiles of each resample, by name: the size at which the cumulative weight reaches the
    share."""
    groups = resamples.counts.shape[1]
    count = np.bincount(resamples.group)
    mean = np.bincount(resamples.group, weights) / count
    size, half = (np.bincount(resamples.group, values) / count for values in (sizes.size, resamples.half_steps))
    reached = np.cumsum(resamples.counts * mean.astype(np.float32), axis=1, dtype=np.float32)
    total = reached[:, -1:]
    group_of = {name: np.minimum((reached < np.float32(p) * total).sum(1), groups - 1) for name, p in DECILES.items()}
    return {name: _Quantile(size[group], half[group]) for name, group in group_of.items()}


def _span(deciles: dict[str, _Quantile]) -> FigureDraws:
    """Draws of the span, (D90 - D10) / D50. If sizes have steps, each draw is the range from the
    smallest to the largest possible span."""
    d10, d50, d90 = (deciles[name] for name in ("d10", "d50", "d90"))
    if not any(decile.half.any() for decile in (d10, d50, d90)):
        return FigureDraws(logs((d90.size - d10.size) / d50.size))
    width, steps = d90.size - d10.size, d90.half + d10.half
    return FigureDraws.between(
        np.maximum(width - steps, 0) / (d50.size + d50.half), (width + steps) / (d50.size - d50.half)
    )


def _modes(sizes: WeightedSizes, weights: Floats, resamples: Resamples) -> FigureDraws:
    """Draws of the mode: the mode of each resample, with the bandwidth of the whole sample. The half
    step of a mode is the mean half step of the sizes near it."""
    log_sizes = np.log(sizes.size)
    width = bandwidth(log_sizes, weights)
    if not width:
        return FigureDraws(np.full(REPEATS, np.nan))
    grid = mode_grid(log_sizes, width)
    count = np.bincount(resamples.group)
    mean_log = np.bincount(resamples.group, log_sizes) / count
    weight = np.bincount(resamples.group, weights) / count
    parts = (weight[:, None] * kernel(mean_log, grid, width)).astype(np.float32)
    modes = peak(grid, cast(Floats, resamples.counts @ parts).astype(np.float64))
    half = np.bincount(resamples.group, resamples.half_steps) / count
    density = count @ parts
    steps = np.divide((count * half) @ parts, density, out=np.zeros(len(grid)), where=density > 0)
    return FigureDraws.of_logs(modes, np.interp(modes, grid, steps))
