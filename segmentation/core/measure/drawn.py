"""Draws of the figures of a distribution, and the intervals from these draws.

Means and standard deviations of many resamples are computed at once, each with its standard error by the delta method.
All follow from sums over the drawn units (particles or whole images): of w, w z and w z^2, and of the products of these
three within each unit. Here z is the size or its logarithm, scaled to mean 0 and SD 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import hypot, sqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .distribution import SAME, Floats, WeightedSizes, effective_number
from .quantities import OF, Value, number

Interval = list[float] | None
Tails = tuple[float, float]

WIDEST = 10.0  # an interval that ends at more than this many times the figure is useless
WIDEST_BY_IMAGE = 3.0  # the same of several images, and of the lower end
UNBOUNDED = 100.0  # ln(figure); such an extreme draw comes from a resample of equal sizes
MIDDLE: Tails = (0.025, 0.025)
Z95 = 1.959963984540054
LEAST_END = 1e-3  # of the median: an end below it says no more than 0 does
COMMON = 10  # see half_steps
MOMENTS = ("mean", "sd", "geometric_mean", "geometric_sd")
PRODUCTS = ((0, 0), (0, 1), (1, 1), (0, 2), (1, 2), (2, 2))  # places in w, w z, w z^2


def t95(free: int) -> float:
    """The 97.5 % quantile of Student's t with so many degrees of freedom."""
    from scipy.special import stdtrit  # here, as the web process imports this module

    return float(stdtrit(free, 0.975))


def with_scale(value: Value, uncertainty: float | None, power: float) -> Value:
    """The value with its interval widened by the relative standard uncertainty of the scale (None if not known).

    power: the power of the pixel size in the value. Both parts add in quadrature (GUM 5.1.2). A lower limit of 0 or
    more never becomes negative. A value without an interval stays without one.
    """
    if value.value is None or value.low is None or value.high is None:
        return value
    part = Z95 * abs(power * (uncertainty or 0.0) * value.value)
    low = value.value - hypot(value.value - value.low, part)
    high = value.value + hypot(value.high - value.value, part)
    return replace(value, low=max(low, min(0.0, value.low)), high=high)


def with_outlines(values: Mapping[str, Value], scores: Sequence[Mapping[str, Any]]) -> dict[str, Value]:
    """The values with their total uncertainty where their interval and the errors of the outlines are known: twice the
    root mean square error of such a number on labelled images, of the models' cards, and the reach of the interval on
    each side, in quadrature."""
    with_total = {}
    for name, value in values.items():
        quantity = number(name)
        of_class = quantity.kind == "fraction" and OF in name
        entry = "fraction_error" if of_class else {1: "mean_error"}.get(quantity.power, "number_error")
        errors = [float(score[entry]) / 100 for score in scores if entry in score]
        is_known = of_class or (quantity.power and quantity.kind == "number")
        if is_known and errors and value.value is not None and value.low is not None and value.high is not None:
            part = 2 * sqrt(sum(error**2 for error in errors) / len(errors)) * (1 if of_class else abs(value.value))
            low = max(0.0, value.value - hypot(value.value - value.low, part))
            high = value.value + hypot(value.high - value.value, part)
            value = replace(value, total=(low, min(1.0, high) if of_class else high))
        with_total[name] = value
    return with_total


class Drawn(NamedTuple):
    """Draws (b,) of ln(figure), and the tails that their interval leaves out; a negative one: the smallest or largest
    size does not bound the figure, so there is no interval.

    down (at most 0), up (at least 0): the possible deviation from each draw because of the step of the sizes
        (`half_steps`); down is -inf if the figure may be 0.
    """

    draws: Floats
    tails: Tails = MIDDLE
    down: Floats | float = 0.0
    up: Floats | float = 0.0

    @classmethod
    def of_logs(cls, draws: Floats, half: Floats, tails: Tails = MIDDLE) -> Drawn:
        """Draws of ln(size); the true size may differ by up to `half` (b,), but is not below 0."""
        if not half.any():
            return cls(draws, tails)
        share = half / np.exp(draws)
        return cls(draws, tails, logs(np.maximum(1 - share, 0)), np.log1p(share))

    @classmethod
    def between(cls, least: Floats, greatest: Floats) -> Drawn:
        """Draws of a figure that lies anywhere between `least` (0 or more) and `most`."""
        middle = (least + greatest) / 2
        with np.errstate(invalid="ignore"):
            down, up = logs(least / middle), logs(greatest / middle)
        nothing = middle == 0  # a figure that can only be 0, such as the span of a single particle
        return cls(logs(middle), MIDDLE, np.where(nothing, -np.inf, down), np.where(nothing, 0.0, up))

    def widened(self, figure: float | None, factor: float) -> Drawn:
        """Draws `factor` times as far from the figure; the step of the sizes does not change.

        For a span of 0 the draws stay as they are, because its logarithm is not finite.
        """
        if figure == 0:
            return self
        middle = np.nan if figure is None else float(np.log(figure))
        return self._replace(draws=middle + factor * (self.draws - middle))

    def limits(self, calibration: Floats | int, widest: float = WIDEST) -> Interval:
        """The interval, with draws (b,) of ln(calibration); None where there cannot be one, or where it would end at
        more than `widest` times the middle of the draws."""
        usable = ~np.isnan(self.draws)
        if usable.mean() < 0.9 or min(self.tails) < 0:
            return None
        draws = self.draws + calibration
        least, greatest = (np.clip(draws + far, -UNBOUNDED, UNBOUNDED)[usable] for far in (self.down, self.up))
        low, high = float(np.quantile(least, self.tails[0])), float(np.quantile(greatest, 1 - self.tails[1]))
        starts_at_zero = low == -UNBOUNDED and bool(np.isneginf(self.down).any())
        is_too_wide = high > float(np.median(draws[usable])) + np.log(widest)
        if high - low <= SAME or is_too_wide or (low == -UNBOUNDED and not starts_at_zero):
            return None
        return [0.0 if starts_at_zero else float(np.exp(low)), float(np.exp(high))]


def logs(values: Floats) -> Floats:
    """Natural logarithms; -inf of 0, NaN of less."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log(values), np.float64)


def half_steps(size: Floats) -> Floats:
    """(n,): half the step from each of n >= 1 sorted sizes to the nearest other one; 0 of sizes that occur once.

    Neighbours of a size with n particles are those with at least n // COMMON; rarer sizes come from odd shapes and do
    not show the step. The step is at most the smallest size, because a particle has at least one pixel.
    """
    begins = np.concatenate([[True], np.diff(size) > SAME * size[1:]])
    distinct, group = size[begins], np.cumsum(begins) - 1
    members = np.bincount(group)
    shared = members > 1
    if not shared.any():
        return np.zeros(len(size))
    step = np.zeros(len(distinct))
    for least in np.unique(members[shared] // COMMON):
        mine = shared & (members // COMMON == least)
        step[mine] = _distance_to_nearest(distinct[mine], distinct[members >= least])
    alone = np.isinf(step)
    step[alone] = _distance_to_nearest(distinct[alone], distinct)
    return np.asarray(np.minimum(step, distinct[0])[group] / 2, np.float64)


def _distance_to_nearest(values: Floats, among: Floats) -> Floats:
    """The distance of each of `values`, all contained in sorted `among`, to the nearest other entry; inf if none."""
    padded = np.concatenate([[-np.inf], among, [np.inf]])
    at = np.searchsorted(among, values) + 1
    return np.asarray(np.minimum(values - padded[at - 1], padded[at + 1] - values), np.float64)


def unit_sums(size: Floats, weights: Floats, image: NDArray[np.int64] | None) -> Floats:
    """(units, 19) of each unit: the sum of w², then of the size and of ln(size) those of w, w z and w z², and their
    PRODUCTS. image: (n,) 0..units - 1, None if the n particles are the units. The sizes must not all be equal."""
    columns = [_sums_by_image((weights**2)[:, None], image)]
    for values in (size, np.log(size)):
        z = (values - values.mean()) / values.std()
        sums = _sums_by_image(np.stack([weights, weights * z, weights * z**2], axis=1), image)
        products = np.stack([sums[:, i] * sums[:, j] for i, j in PRODUCTS], axis=1)
        columns += [sums, products]
    return np.concatenate(columns, axis=1)


def _sums_by_image(values: Floats, image: NDArray[np.int64] | None) -> Floats:
    if image is None:
        return values
    return np.stack([np.bincount(image, column) for column in values.T], axis=1)


def moments(sums: Floats, size: Floats) -> dict[str, tuple[Floats, Floats]]:
    """Name -> logarithm of the figure (for the GSD the logarithm of its logarithm) and its standard error (b,), for
    resamples with the summed units `sums` (b, 19)."""
    square, by_size, by_log = sums[:, 0], sums[:, 1:10], sums[:, 10:19]
    mean, mean_error, sd, sd_error = _mean_and_deviation(by_size, square, size)
    log_mean, log_mean_error, log_sd, log_sd_error = _mean_and_deviation(by_log, square, np.log(size))
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "mean": (np.log(mean), mean_error / mean),
            "sd": (np.log(sd), sd_error / sd),
            "geometric_mean": (log_mean, log_mean_error),
            "geometric_sd": (np.log(log_sd), log_sd_error / log_sd),
        }


def _mean_and_deviation(sums: Floats, square: Floats, values: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Mean, its error, SD and its error (b,), the errors by the delta method.

    sums: (b, 9) of w, wz and wz², and of the products of each two of these within a unit, in the order of PRODUCTS.
    w: the weights; z: the values (n,) less their mean, in units of their SD. square: (b,) sums of w².
    """
    total, s1, s2, q00, q01, q11, q02, q12, q22 = sums.T
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = s1 / total
        variance = np.maximum(s2 / total - mean**2, 0)
        of_mean = np.sqrt(np.maximum(q11 - 2 * mean * q01 + mean**2 * q00, 0)) / total
        excess = mean**2 - variance
        squares = q22 + 4 * mean**2 * q11 + excess**2 * q00
        crossed = 2 * excess * q02 - 4 * mean * q12 - 4 * mean * excess * q01
        of_variance = np.sqrt(np.maximum(squares + crossed, 0)) / total
        scale, free = values.std(), 1 - square / total**2
        deviation = np.sqrt(variance / free)
        of_deviation = of_variance / (2 * variance) * deviation
    return values.mean() + scale * mean, scale * of_mean, scale * deviation, scale * of_deviation


def law_sd(sizes: WeightedSizes, repeats: int, rng: np.random.Generator) -> Floats:
    """(repeats,) draws of ln(SD) by number for the log-normal law of these sizes: sigma is drawn from the chi-squared
    and mu from the normal distribution (Krishnamoorthy and Mathew 2003)."""
    logs, weights = np.log(sizes.size), sizes.weights["number"]
    n = effective_number(weights)
    mean = np.average(logs, weights=weights)
    square = np.average((logs - mean) ** 2, weights=weights)
    sigma = np.sqrt(square * n / rng.chisquare(n - 1, repeats))
    median = mean + sigma / np.sqrt(n) * rng.standard_normal(repeats)
    return np.asarray(median + sigma**2 / 2 + np.log(np.expm1(sigma**2)) / 2, np.float64)
