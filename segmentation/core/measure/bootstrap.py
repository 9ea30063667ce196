"""95 % intervals of every figure of a size distribution.

Every interval is the middle 95 % of REPEATS draws of the figure. If the figure has a unit, each draw is multiplied by
a draw of the calibration, exp(N(0, u)). How the figure is drawn:

- mean, SD, geometric mean and SD of one image: bootstrap-t on the logarithm of the figure (Efron and Tibshirani 1993,
  chapter 12) with the standard errors of the delta method. Particles are drawn with replacement.
- D10, D50 and D90 of one image: the interval between order statistics (Conover 1999, chapter 3). The number of
  particles below the quantile is drawn from its binomial distribution and spread evenly over one step.
- span and mode of one image: the figure of each resample (percentile bootstrap).
- SD of one image with fewer than CARRYING particles: if a log-normal law fits (p at least 5 %), the interval also
  includes the law's own interval (`law_sd`). Resampling cannot draw particles larger than the largest one measured.
- several images: whole images are drawn with replacement. For up to MOST_LISTED images all possible resamples are
  used, each as often as its probability requires. Mean, SD, geometric mean and SD: bootstrap-t as above, with the
  standard errors between images. Fewer than LEAST_IMAGES images m, and all other figures: the figure of each resample.
  Its distance from the estimate is multiplied by sqrt(m / (m - 1)), and from LEAST_IMAGES on also by t(m - 1) / z
  (Hesterberg 2015). Few images show little of how images differ, so each interval also includes the interval of the
  model of random effects (`random_effects`).

Small particles measured in whole pixels often share a size. Such sizes are known only to within the step between them:
if all draws are 22 nm and the next sizes are 16.5 and 27.5 nm, the figure lies between 19.25 and 24.75 nm. So if a
limit of a quantile, the mode or the span is such a size, the interval is extended by half a step (`half_steps`).
Sizes that occur once have no step and stay as they are.

An interval is None where it would be nonsense: too few images; fewer than LEAST_SIZES; equal sizes; images with the
same sizes; an area or volume carried by fewer than CARRYING particles; volume of several, but fewer than LEAST_IMAGES
images; the SD by area or volume, which depends on the very largest particles; every measure of spread by volume of
several images; a quantile that the smallest or largest particle may not bound; ends too far away (WIDEST).
"""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from typing import NamedTuple, cast

import numpy as np

from .bins import LEAST_SIZES
from .distribution import (
    DIMENSIONLESS,
    SAME,
    TENTHS,
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
from .drawn import (
    MIDDLE,
    MOMENTS,
    WIDEST,
    WIDEST_BY_IMAGE,
    Z95,
    Drawn,
    half_steps,
    law_sd,
    logs,
    moments,
    t95,
    unit_sums,
)
from .drawn import Interval as Interval
from .fitting import SIGNIFICANCE, log_normal
from .quantities import NO_INTERVALS
from .random_effects import are_alike, departures
from .resampling import REPEATS, Resamples, resample

Rng = np.random.Generator
Intervals = dict[str, Interval]
Draws = dict[str, Drawn]

LEAST_IMAGES = 8  # for a bootstrap-t, and by volume; with fewer, too many resamples hold one image only
SPREAD = ("sd", "span", "geometric_sd")  # by volume of several images their intervals cover only 79 to 90 %
CARRYING = 400.0  # least effective number of particles for good coverage by area and volume


def intervals(
    sizes: WeightedSizes, figures: dict[Weighting, Figures], rng: Rng, uncertainty: float = 0.0
) -> dict[Weighting, Intervals]:
    """The intervals of the `figures` for every weighting; uncertainty: of the calibration, relative."""
    if undefined(sizes):
        return {way: dict.fromkeys(figures[way]) for way in WEIGHTINGS}
    resamples = resample(sizes, rng, uncertainty)
    limits = {way: _of_weighting(sizes, way, figures[way], resamples, rng) for way in WEIGHTINGS}
    if not sizes.by_image or not are_alike(sizes):
        return limits
    alone = replace(sizes, image=None)
    of_one = resample(alone, rng, uncertainty)
    return {way: _narrower(limits[way], _as_one(alone, way, figures[way], of_one, sizes.images, rng)) for way in limits}


def median_interval(sizes: WeightedSizes, rng: Rng, uncertainty: float, *, any_width: bool = False) -> Interval:
    """The interval of the median by number only; None if it is too wide to be of use, but not with
    `any_width`."""
    widest, by_image = (np.inf, np.inf) if any_width else (WIDEST, WIDEST_BY_IMAGE)
    weights = sizes.weights["number"]
    drawn = quantile_by_rank(sizes.size, weights, 0.5, half_steps(sizes.size), rng)
    if not sizes.by_image:
        return drawn.limits(uncertainty * rng.standard_normal(REPEATS), widest)
    resamples = resample(sizes, rng, uncertainty)
    median = quantile(sizes.size, weights, 0.5)
    by_resample = _quantile_draws(sizes, weights, resamples)["d50"].drawn
    limits = {"d50": by_resample.widened(median, _widening_for(resamples.images)).limits(resamples.calibration, widest)}
    limits = _with_random_effects(limits, {"d50": median}, sizes, "number", resamples, rng, by_image)
    if are_alike(sizes):
        one = drawn.widened(median, sqrt(sizes.images)).limits(resamples.calibration, widest)
        limits = _narrower(limits, {"d50": one})
    return limits["d50"]


def undefined(sizes: WeightedSizes, way: Weighting = "number") -> str:
    """A sentence that says why no interval is defined; "" if intervals are defined."""
    n = len(sizes)
    if sizes.unit == "px":
        return NO_INTERVALS
    if n < LEAST_SIZES:
        return f"95 % intervals of sizes need at least {LEAST_SIZES} sizes; there {'is' if n == 1 else 'are'} {n}."
    if sizes.size[-1] - sizes.size[0] <= SAME * sizes.size[-1]:
        return "95 % intervals are not defined: all sizes are equal."
    if _images_alike(sizes):
        return "95 % intervals are not defined: all images have the same sizes."
    counting = effective_number(sizes.weights["number"])
    if counting < LEAST_SIZES:
        return (
            f"95 % intervals of sizes need at least {LEAST_SIZES}; with edge weights these {n} count as {counting:.1f}."
        )
    if way == "volume" and sizes.by_image and sizes.images < LEAST_IMAGES:
        return f"95 % intervals by volume need at least {LEAST_IMAGES} images with results; there are {sizes.images}."
    carrying = effective_particles(sizes, way)
    if way != "number" and carrying < CARRYING:
        return (
            f"No 95 % intervals by {way}: a few large sizes have most of the weight. All together weigh as much as"
            f" {carrying:.0f} equal sizes; at least {CARRYING:g} are needed."
        )
    return ""


def _images_alike(sizes: WeightedSizes) -> bool:
    """Whether all of several images have exactly the same sizes: then they are copies of one image."""
    order = np.argsort(sizes.image_numbers, kind="stable")
    count = np.bincount(sizes.image_numbers)
    if len(count) < 2 or count.min() < count.max():
        return False
    by_image = sizes.size[order].reshape(len(count), -1)
    return bool((np.ptp(by_image, axis=0) <= SAME * by_image[0]).all())


def _of_weighting(sizes: WeightedSizes, way: Weighting, figures: Figures, resamples: Resamples, rng: Rng) -> Intervals:
    if undefined(sizes, way):
        return dict.fromkeys(figures)
    drawn = _draws(sizes, way, figures, resamples, rng)
    without = () if way == "number" else SPREAD if way == "volume" and resamples.images > 1 else ("sd",)
    limits: Intervals = dict.fromkeys(figures)
    for name in (figure for figure in figures if figure in drawn and figure not in without):
        limits[name] = drawn[name].limits(0 if name in DIMENSIONLESS else resamples.calibration)
    if resamples.images > 1:
        limits = _with_random_effects(limits, figures, sizes, way, resamples, rng)
    if way == "number" and _law_may_hold(sizes) and (sd := limits["sd"]):
        limits["sd"] = _hull(sd, Drawn(law_sd(sizes, REPEATS, rng)).limits(resamples.calibration) or sd)
    return limits


def _with_random_effects(
    intervals: Intervals,
    figures: Figures,
    sizes: WeightedSizes,
    way: Weighting,
    resamples: Resamples,
    rng: Rng,
    widest: float = WIDEST_BY_IMAGE,
) -> Intervals:
    """The intervals of several images, widened to include the model of random effects; None where it has no limit, or
    where an end is more than `widest` times the figure away."""
    wider = dict(intervals)
    off = departures(sizes, way, REPEATS, rng)
    for name, limits in intervals.items():
        value = figures[name]
        if limits is None or not value or (name == "geometric_sd" and value <= 1):
            continue
        draws = np.log(value) * np.exp(off[name]) if name == "geometric_sd" else np.log(value) + off[name]
        law = Drawn(draws).limits(0 if name in DIMENSIONLESS else resamples.calibration)
        low, high = _hull(limits, law) if law else (0.0, np.inf)
        wider[name] = [low, high] if high <= widest * value and low * widest >= value else None
    return wider


def _as_one(
    alone: WeightedSizes, way: Weighting, figures: Figures, resamples: Resamples, images: int, rng: Rng
) -> Intervals:
    """The intervals that one of so many `images` would have alone if all were like it; alone: the particles of all."""
    if undefined(alone, way):
        return {}
    drawn = _draws(alone, way, figures, resamples, rng)
    return {
        name: draws.widened(figures[name], sqrt(images)).limits(0 if name in DIMENSIONLESS else resamples.calibration)
        for name, draws in drawn.items()
    }


def _narrower(by_image: Intervals, as_one: Intervals) -> Intervals:
    """Images that differ no more than by chance say together at least as much as one of them: no interval by image is
    wider than that of one image (`_as_one`)."""
    narrower = dict(by_image)
    for name, one in as_one.items():
        limits = narrower.get(name)
        if limits and one and max(limits[0], one[0]) < min(limits[1], one[1]):
            narrower[name] = [max(limits[0], one[0]), min(limits[1], one[1])]
    return narrower


def _hull(one: list[float], other: list[float]) -> list[float]:
    return [min(one[0], other[0]), max(one[1], other[1])]


def _law_may_hold(sizes: WeightedSizes) -> bool:
    """Whether one image has few sizes and they may follow a log-normal law."""
    weights = sizes.weights["number"]
    if sizes.images > 1 or effective_number(weights) >= CARRYING:
        return False
    fit = log_normal(sizes.size, weights)
    return fit is not None and fit["p"] >= SIGNIFICANCE


def _draws(sizes: WeightedSizes, way: Weighting, figures: Figures, resamples: Resamples, rng: Rng) -> Draws:
    """Draws of every figure, by particle or by image."""
    weights = sizes.weights[way]
    tenths = _quantile_draws(sizes, weights, resamples)
    draws = {"span": _span(tenths), "mode": _modes(sizes, weights, resamples)}
    if resamples.images > 1:
        draws |= {name: quantile.drawn for name, quantile in tenths.items()}
        widening = _widening_for(resamples.images)
        draws = {name: drawn.widened(figures[name], widening) for name, drawn in draws.items()}
    else:
        draws |= {
            name: quantile_by_rank(sizes.size, weights, p, resamples.half_steps, rng) for name, p in TENTHS.items()
        }
    return draws | _moment_draws(sizes, weights, resamples)


def _widening_for(images: int) -> float:
    """Factor that widens the draws of several images, which are too narrow; below LEAST_IMAGES without Student's t."""
    widening = 1.0 if images < LEAST_IMAGES else t95(images - 1) / Z95
    return float(np.sqrt(images / (images - 1)) * widening)


def _moment_draws(sizes: WeightedSizes, weights: Floats, resamples: Resamples) -> Draws:
    """Draws of MOMENTS: studentised, the estimate less its error times each deviation in units of its own error; of two
    images and more, up to LEAST_IMAGES, the plain deviations, widened, because an error of so few says nothing."""
    units = unit_sums(sizes.size, weights, None if resamples.drawn is None else sizes.image_numbers)
    estimate = moments(units.sum(0)[None], sizes.size)
    drawn = resamples.total(units) if resamples.drawn is None else resamples.drawn @ units
    resampled = moments(drawn, sizes.size)
    moment_draws: Draws = {}
    for name in MOMENTS:
        value, error = (float(part[0]) for part in estimate[name])
        with np.errstate(all="ignore"):
            values, errors = resampled[name]
            if 1 < resamples.images < LEAST_IMAGES:
                draws = value + _widening_for(resamples.images) * (values - value)
            else:
                draws = value - error * (values - value) / errors
            moment_draws[name] = Drawn(np.exp(draws) if name == "geometric_sd" else draws)
    return moment_draws


def logs_by_rank(size: Floats, weights: Floats, p: float, rng: Rng) -> tuple[Floats, tuple[float, float]]:
    """Draws (REPEATS,) of the logarithm of the quantile p of sorted sizes, and the tails that its interval leaves out.

    If the smallest size does not bound the quantile with 97.5 %, the interval begins there and the other tail becomes
    smaller. If it does not even with 95 %, a tail is negative: there is no interval. The largest size is treated alike.
    """
    if len(size) < 2:
        return np.full(REPEATS, np.nan), MIDDLE
    at = quantile(size, weights, p)
    below, above = _typical(weights[size <= at]), _typical(weights[size > at])
    # Effective number from the variance of the weight below the quantile; with equal weights the number of particles.
    n = float(weights.sum()) / ((1 - p) * (below or above) + p * (above or below))
    whole = max(round(n), 1)
    rank = rng.binomial(whole, p, REPEATS) + rng.uniform(size=REPEATS)
    position = (rank - 0.5) / whole
    middles = (np.cumsum(weights) - weights / 2) / weights.sum()
    low, high = (max(0.025, missed) for missed in ((1 - p) ** whole, p**whole))
    tails = (low, 0.05 - low) if low > 0.025 else (0.05 - high, high)
    return np.interp(position, middles, np.log(size)), tails


def quantile_by_rank(size: Floats, weights: Floats, p: float, half: Floats, rng: Rng) -> Drawn:
    """The draws of `logs_by_rank` as sizes, each known to within the half steps `half` (n,) of the sizes."""
    draws, tails = logs_by_rank(size, weights, p, rng)
    return Drawn.of_logs(draws, np.interp(draws, np.log(size), half), tails)


def _typical(weights: Floats) -> float:
    return float((weights**2).sum() / weights.sum()) if len(weights) else 0.0


class _Quantile(NamedTuple):
    """Draws (REPEATS,) of a quantile, and half the step of each."""

    size: Floats
    half: Floats

    @property
    def drawn(self) -> Drawn:
        return Drawn.of_logs(logs(self.size), self.half)


def _quantile_draws(sizes: WeightedSizes, weights: Floats, resamples: Resamples) -> dict[str, _Quantile]:
    """For each quantile by name and each resample: the size of the group where the summed weights reach it."""
    groups = resamples.counts.shape[1]
    count = np.bincount(resamples.group)
    mean = np.bincount(resamples.group, weights) / count
    size, half = (np.bincount(resamples.group, values) / count for values in (sizes.size, resamples.half_steps))
    reached = np.cumsum(resamples.counts * mean.astype(np.float32), axis=1, dtype=np.float32)
    total = reached[:, -1:]
    at = {name: np.minimum((reached < np.float32(p) * total).sum(1), groups - 1) for name, p in TENTHS.items()}
    return {name: _Quantile(size[group], half[group]) for name, group in at.items()}


def _span(tenths: dict[str, _Quantile]) -> Drawn:
    """Draws of the span; if sizes have steps, each draw is a range from the smallest to the largest possible span."""
    d10, d50, d90 = (tenths[name] for name in ("d10", "d50", "d90"))
    if not any(tenth.half.any() for tenth in (d10, d50, d90)):
        return Drawn(logs((d90.size - d10.size) / d50.size))
    wide, steps = d90.size - d10.size, d90.half + d10.half
    return Drawn.between(np.maximum(wide - steps, 0) / (d50.size + d50.half), (wide + steps) / (d50.size - d50.half))


def _modes(sizes: WeightedSizes, weights: Floats, resamples: Resamples) -> Drawn:
    """The mode of each resample, with the bandwidth of the whole sample; its step is the mean step of nearby sizes."""
    log_sizes = np.log(sizes.size)
    width = bandwidth(log_sizes, weights)
    if not width:
        return Drawn(np.full(REPEATS, np.nan))
    grid = mode_grid(log_sizes, width)
    count = np.bincount(resamples.group)
    mean_log = np.bincount(resamples.group, log_sizes) / count
    weight = np.bincount(resamples.group, weights) / count
    parts = (weight[:, None] * kernel(mean_log, grid, width)).astype(np.float32)
    modes = peak(grid, cast(Floats, resamples.counts @ parts).astype(np.float64))
    half = np.bincount(resamples.group, resamples.half_steps) / count
    density = count @ parts
    steps = np.divide((count * half) @ parts, density, out=np.zeros(len(grid)), where=density > 0)
    return Drawn.of_logs(modes, np.interp(modes, grid, steps))
