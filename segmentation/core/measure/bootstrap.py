"""95 % intervals of every figure of a size distribution.

Every interval is the middle 95 % of REPEATS draws of the figure, multiplied each by a draw of the calibration,
exp(N(0, u)) where the figure has a unit. How the figure is drawn:

- mean, SD, geometric mean and SD of one image: bootstrap-t on the logarithm of the figure (Efron and Tibshirani 1993,
  chapter 12) with the standard errors of the delta method; particles are drawn with replacement.
- D10, D50 and D90 of one image: the size at a place drawn from the binomial distribution of how many particles lie
  below the quantile, spread evenly over the step: the interval between order statistics (Conover 1999, chapter 3).
- span and mode of one image: the figure of each resample (percentile bootstrap).
- the SD and all figures by area and volume of one image, where fewer than CARRYING particles carry them and the sizes
  are those of a log-normal law (p of the fit at least 5 %): the law's own figures (`law`), the interval being widened
  to hold the figure itself.
- several images: whole images are drawn with replacement. Mean, SD, geometric mean and SD by bootstrap-t as above, the
  standard errors being those between images; with fewer than LEAST_IMAGES images m by Student's t(m - 1). For the rest
  the figure of each resample is taken, and its distance from the estimate multiplied by sqrt(m / (m - 1)) t(m - 1) / z,
  since few images vary too little (Hesterberg 2015).

An interval is None where it would be nonsense: fewer than LEAST particles, equal sizes, an area or volume that fewer
than LEAST_CARRYING particles carry and no law tells of, a quantile that the smallest or largest particle may not bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from .distribution import (
    DIMENSIONLESS,
    SAME,
    TENTHS,
    WEIGHTINGS,
    Figures,
    Floats,
    Sizes,
    Weighting,
    bandwidth,
    effective_number,
    kernel,
    mode_grid,
    peak,
    quantile,
)
from .fitting import CHANCE, log_normal
from .law import law_draws
from .moments import MOMENTS, moments, unit_sums
from .student import Z95, t95

Interval = list[float] | None
Intervals = dict[str, Interval]
Draws = dict[str, tuple[Floats, tuple[float, float]]]

REPEATS = 2000
LEAST_IMAGES = 8  # for a bootstrap-t; of fewer, too many resamples hold one image only
LEAST = 6  # particles; the median of five has no 95 % interval between order statistics
CARRYING = 400.0  # effective number of particles from which on resampling by area and volume covers
LEAST_CARRYING = 100.0
GROUPS = 1200  # more particles than these are drawn as groups of neighbours in size
LARGEST = 400  # of them, the largest ones that are drawn singly: they carry the volume
UNBOUNDED = 100.0  # ln(figure); a draw that far off comes of a resample of equal sizes


@dataclass(frozen=True, eq=False)
class Resamples:
    """REPEATS resamples of n sizes in g groups of neighbours.

    counts: (REPEATS, g) float32, particles of each group in each resample. group: (n,) the group of each size.
    calibration: (REPEATS,) draws of ln(true / used nm per pixel). images: how many were drawn from, 1 for particles;
    drawn: (REPEATS, images) how often each was, None for particles.
    """

    counts: NDArray[np.float32]
    group: NDArray[np.int64]
    calibration: Floats
    images: int = 1
    drawn: NDArray[np.float32] | None = None

    def total(self, values: Floats) -> Floats:
        """(REPEATS, k): the sums over each resample of `values` (n, k)."""
        groups = self.counts.shape[1]
        if groups == len(values):
            each = values
        else:
            first = np.searchsorted(self.group, np.arange(groups))
            each = np.add.reduceat(values, first, axis=0) / np.bincount(self.group)[:, None]
        return self.counts @ each


def resample(sizes: Sizes, rng: np.random.Generator, uncertainty: float = 0.0) -> Resamples:
    """Draw from sorted sizes: particles, or images where there are several."""
    group = _groups(len(sizes))
    calibration = uncertainty * rng.standard_normal(REPEATS)
    image, images = sizes.image_numbers, sizes.images
    if images < 2:
        return Resamples(_draw(group, rng), group, calibration)
    drawn = _draw(np.arange(images), rng)
    table = np.bincount(image * (int(group[-1]) + 1) + group, minlength=images * (int(group[-1]) + 1))
    counts = drawn @ table.reshape(images, -1).astype(np.float32)
    return Resamples(counts, group, calibration, images, drawn)


def _groups(n: int) -> NDArray[np.int64]:
    if n <= GROUPS:
        return np.arange(n)
    low = np.arange(n - LARGEST) * (GROUPS - LARGEST) // (n - LARGEST)
    return np.concatenate([low, np.arange(GROUPS - LARGEST, GROUPS)])


def _draw(group: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
    """(REPEATS, g): how many particles of each of g groups (n,) each resample has.

    Groups of one: n draws. Larger ones: as many as Poisson's law gives (Poisson bootstrap, Chamandy et al. 2012), so
    that the number of all varies a little; every figure is a ratio and does not depend on it.
    """
    members = np.bincount(group)
    g = len(members)
    if g < len(group):
        return rng.poisson(members, (REPEATS, g)).astype(np.float32)
    drawn = rng.integers(0, g, (REPEATS, g)) + g * np.arange(REPEATS)[:, None]
    return np.bincount(drawn.ravel(), minlength=REPEATS * g).reshape(REPEATS, g).astype(np.float32)


def intervals(
    sizes: Sizes, figures: dict[Weighting, Figures], resamples: Resamples, rng: np.random.Generator
) -> dict[Weighting, Intervals]:
    """The intervals of the `figures` of every weighting."""
    return {way: _of_weighting(sizes, way, figures[way], resamples, rng) for way in WEIGHTINGS}


def median_interval(sizes: Sizes, rng: np.random.Generator, uncertainty: float) -> Interval:
    """The interval of the median by number alone."""
    weights = sizes.weights["number"]
    if sizes.images < 2:
        draws, tails = order_draws(sizes.size, weights, 0.5, rng)
        return _limits(draws, tails, uncertainty * rng.standard_normal(REPEATS))
    resamples = resample(sizes, rng, uncertainty)
    median = quantile(sizes.size, weights, 0.5)
    drawn = _log(_quantile_draws(sizes, weights, resamples)["d50"])
    return _limits(_widened(drawn, median, _few(resamples.images)), MIDDLE, resamples.calibration)


def undefined(sizes: Sizes, way: Weighting = "number") -> str:
    """Why no interval is defined at all, as a sentence; "" where they are."""
    n = len(sizes)
    if n < LEAST:
        return f"95 % intervals are not defined for n = {n}: they need at least {LEAST} particles."
    if sizes.size[-1] - sizes.size[0] <= SAME * sizes.size[-1]:
        return "95 % intervals are not defined: all sizes are equal."
    counting = effective_number(sizes.weights["number"])
    if counting < LEAST:
        return f"95 % intervals are not defined: by their edge weights, {n} particles count like {counting:.1f}."
    carrying = effective_number(sizes.weights[way])
    if way != "number" and carrying < LEAST_CARRYING and not _lawful(sizes):
        return (
            f"95 % intervals by {way} are not defined: large particles carry so much of it that they count like"
            f" {carrying:.0f} equal ones (at least {LEAST_CARRYING:g} are needed), and no log-normal law is known."
        )
    return ""


def _lawful(sizes: Sizes) -> bool:
    """Whether the sizes of one image are those of a log-normal law as far as one can tell."""
    if sizes.images > 1:
        return False
    fit = log_normal(sizes.size, sizes.weights["number"])
    return fit is not None and fit["p"] >= CHANCE


def _of_weighting(
    sizes: Sizes, way: Weighting, figures: Figures, resamples: Resamples, rng: np.random.Generator
) -> Intervals:
    if undefined(sizes, way):
        return dict.fromkeys(figures)
    draws = _cluster_draws if resamples.images > 1 else _particle_draws
    drawn = draws(sizes, way, figures, resamples, rng)
    by_law = _by_law(sizes, way, rng)
    found: Intervals = {}
    for name, figure in figures.items():
        calibration = 0 if name in DIMENSIONLESS else resamples.calibration
        limits = _limits(*by_law.get(name, drawn[name]), calibration)
        found[name] = _holding(limits, figure) if name in by_law else limits
    return found


def _by_law(sizes: Sizes, way: Weighting, rng: np.random.Generator) -> Draws:
    """The figures that the log-normal law draws better than resampling does."""
    if effective_number(sizes.weights[way]) >= CARRYING or not _lawful(sizes):
        return {}
    drawn = law_draws(sizes, way, REPEATS, rng)
    return {name: (draws, MIDDLE) for name, draws in drawn.items() if way != "number" or name == "sd"}


def _holding(limits: Interval, figure: float | None) -> Interval:
    if limits is None or figure is None:
        return limits
    return [min(limits[0], figure), max(limits[1], figure)]


MIDDLE = (0.025, 0.025)


def _limits(draws: Floats, tails: tuple[float, float], calibration: Floats | int) -> Interval:
    """The interval of draws (b,) of ln(figure) that leaves out `tails` below and above; None where it cannot."""
    usable = ~np.isnan(draws)
    if usable.mean() < 0.9 or min(tails) < 0:
        return None
    both = np.clip(draws + calibration, -UNBOUNDED, UNBOUNDED)[usable]
    low, high = np.quantile(both, (tails[0], 1 - tails[1])).tolist()
    if high - low <= SAME or max(abs(low), abs(high)) == UNBOUNDED:
        return None
    return [float(np.exp(low)), float(np.exp(high))]


def _particle_draws(
    sizes: Sizes, way: Weighting, figures: Figures, resamples: Resamples, rng: np.random.Generator
) -> Draws:
    weights = sizes.weights[way]
    tenths = {name: order_draws(sizes.size, weights, p, rng) for name, p in TENTHS.items()}
    return {
        **_moment_draws(sizes, weights, resamples, rng),
        **tenths,
        "span": (_log(_span(sizes, weights, resamples)), MIDDLE),
        "mode": (_modes(sizes, weights, resamples), MIDDLE),
    }


def _cluster_draws(
    sizes: Sizes, way: Weighting, figures: Figures, resamples: Resamples, rng: np.random.Generator
) -> Draws:
    weights = sizes.weights[way]
    tenths = _quantile_draws(sizes, weights, resamples)
    draws = {
        **{name: _log(values) for name, values in tenths.items()},
        "span": _log((tenths["d90"] - tenths["d10"]) / tenths["d50"]),
        "mode": _modes(sizes, weights, resamples),
    }
    few = _few(resamples.images)
    widened: Draws = {name: (_widened(drawn, figures[name], few), MIDDLE) for name, drawn in draws.items()}
    return {**widened, **_moment_draws(sizes, weights, resamples, rng)}


def _few(images: int) -> float:
    return float(np.sqrt(images / (images - 1)) * t95(images - 1) / Z95)


def _widened(drawn: Floats, figure: float | None, factor: float) -> Floats:
    """Draws of ln(figure), `factor` times as far from the estimate."""
    if figure is None or not figure > 0:
        return np.full(len(drawn), np.nan)
    middle = float(np.log(figure))
    return middle + factor * (drawn - middle)


def _log(values: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log(values), np.float64)


def _moment_draws(sizes: Sizes, weights: Floats, resamples: Resamples, rng: np.random.Generator) -> Draws:
    units = unit_sums(sizes.size, weights, None if resamples.drawn is None else sizes.image_numbers)
    here = moments(units.sum(0)[None], sizes.size)
    drawn = resamples.total(units) if resamples.drawn is None else resamples.drawn @ units
    there = moments(drawn, sizes.size)
    found: Draws = {}
    for name in MOMENTS:
        value, error = (float(each[0]) for each in here[name])
        with np.errstate(over="ignore", invalid="ignore"):
            draws = value - _pivots(value, *there[name], resamples.images, rng) * error
            found[name] = (np.exp(draws) if name == "geometric_sd" else draws), MIDDLE
    return found


def _pivots(value: float, values: Floats, errors: Floats, images: int, rng: np.random.Generator) -> Floats:
    """How many standard errors the resamples lie off; a few images cannot tell, and it is Student's t then."""
    if 1 < images < LEAST_IMAGES:
        return np.asarray(rng.standard_t(images - 1, REPEATS) * np.sqrt(images / (images - 1)), np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((values - value) / errors, np.float64)


def order_draws(
    size: Floats, weights: Floats, p: float, rng: np.random.Generator
) -> tuple[Floats, tuple[float, float]]:
    """Draws (REPEATS,) of the logarithm of the quantile p, and the tails that its interval leaves out.

    Where the smallest size may not bound the quantile with 97.5 %, the interval begins there and what is missing is
    taken from the other tail; where not even with 95 %, the tail is negative: there is no interval.
    """
    if len(size) < 2:
        return np.full(REPEATS, np.nan), MIDDLE
    at = quantile(size, weights, p)
    below, above = _typical(weights[size <= at]), _typical(weights[size > at])
    # What the variance of the weight below the quantile allows; the number of particles where all weigh the same.
    n = float(weights.sum()) / ((1 - p) * (below or above) + p * (above or below))
    whole = max(round(n), 1)
    drawn = rng.binomial(whole, p, REPEATS) + rng.uniform(size=REPEATS)
    place = (drawn - 0.5) / whole
    middles = (np.cumsum(weights) - weights / 2) / weights.sum()
    low, high = (max(0.025, missed) for missed in ((1 - p) ** whole, p**whole))
    tails = (low, 0.05 - low) if low > 0.025 else (0.05 - high, high)
    return np.interp(place, middles, np.log(size)), tails


def _typical(weights: Floats) -> float:
    return float((weights**2).sum() / weights.sum()) if len(weights) else 0.0


def _quantile_draws(sizes: Sizes, weights: Floats, resamples: Resamples) -> dict[str, Floats]:
    """Name -> (REPEATS,) quantile of each resample: the size of the group at which its weights reach it."""
    groups = resamples.counts.shape[1]
    count = np.bincount(resamples.group)
    mean = np.bincount(resamples.group, weights) / count
    size = np.bincount(resamples.group, sizes.size) / count
    reached = np.cumsum(resamples.counts * mean.astype(np.float32), axis=1, dtype=np.float32)
    total = reached[:, -1:]
    return {name: size[np.minimum((reached < np.float32(p) * total).sum(1), groups - 1)] for name, p in TENTHS.items()}


def _span(sizes: Sizes, weights: Floats, resamples: Resamples) -> Floats:
    tenths = _quantile_draws(sizes, weights, resamples)
    return (tenths["d90"] - tenths["d10"]) / tenths["d50"]


def _modes(sizes: Sizes, weights: Floats, resamples: Resamples) -> Floats:
    """ln(mode) (REPEATS,) of each resample, all with the bandwidth of the whole."""
    logs = np.log(sizes.size)
    width = bandwidth(logs, weights)
    if not width:
        return np.full(REPEATS, np.nan)
    grid = mode_grid(logs, width)
    count = np.bincount(resamples.group)
    mean_log = np.bincount(resamples.group, logs) / count
    weight = np.bincount(resamples.group, weights) / count
    parts = (weight[:, None] * kernel(mean_log, grid, width)).astype(np.float32)
    return peak(grid, cast(Floats, resamples.counts @ parts).astype(np.float64))
