"""Random draws of a figure of a distribution (mean, median, ...), and the 95 % interval from these
draws.

Means and standard deviations of many resamples are computed at once, each with its standard error
by the delta method. They follow from sums over the units of a resample (particles or whole images):
sums of the weights w, of w z and w z², and of the products of these three within each unit. Here z
is the size or its logarithm, scaled to mean 0 and SD 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import hypot, sqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..quantities import OF, Value, number
from ..sizes.distribution import EQUAL_WITHIN, Floats, WeightedSizes, effective_number

Interval = list[float] | None
Tails = tuple[float, float]  # probabilities that an interval leaves out below and above

WIDEST = 10.0  # upper end / figure, above which an interval is useless
WIDEST_BY_IMAGE = 3.0  # as WIDEST, for several images; also for figure / lower end
UNBOUNDED = 100.0  # ln(figure); such an extreme draw comes from a resample of equal sizes
TAILS_OF_95: Tails = (0.025, 0.025)
Z95 = 1.959963984540054  # the 97.5 % quantile of the normal distribution
LEAST_END = 1e-3  # of the median: a lower end below it is as uninformative as 0
RARER = 10  # so many times rarer sizes are not used as neighbours (`half_steps`)
MOMENTS = ("mean", "sd", "geometric_mean", "geometric_sd")
PRODUCTS = ((0, 0), (0, 1), (1, 1), (0, 2), (1, 2), (2, 2))  # pairs of indices in w, w z, w z²


def t95(free: int) -> float:
    """The 97.5 % quantile of Student's t distribution with `free` degrees of freedom."""
    from scipy.special import stdtrit  # not at the top: the web process imports this module without scipy

    return float(stdtrit(free, 0.975))


def with_scale_uncertainty(value: Value, uncertainty: float | None, power: float) -> Value:
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


def with_outline_errors(values: Mapping[str, Value], scores: Sequence[Mapping[str, Any]]) -> dict[str, Value]:
    """The values by name. Where the errors of the outlines are known, `total` is set: the ends of the
    interval with the total uncertainty.

    scores: from the cards of the models that made the outlines. `total` adds in quadrature, on each
    side, the distance from the value to the end of its interval, and twice the root mean square
    error that such a number has on labelled images.
    """
    with_total = {}
    for name, value in values.items():
        quantity = number(name)
        is_class_fraction = quantity.kind == "fraction" and OF in name
        # Names of the entries of a score, in per cent.
        entry = "fraction_error" if is_class_fraction else {1: "mean_error"}.get(quantity.power, "number_error")
        errors = [float(score[entry]) / 100 for score in scores if entry in score]
        has_score = is_class_fraction or (quantity.power and quantity.kind == "number")
        if has_score and errors and value.value is not None and value.low is not None and value.high is not None:
            root_mean_square = sqrt(sum(error**2 for error in errors) / len(errors))
            part = 2 * root_mean_square * (1 if is_class_fraction else abs(value.value))
            low = max(0.0, value.value - hypot(value.value - value.low, part))
            high = value.value + hypot(value.high - value.value, part)
            value = replace(value, total=(low, min(1.0, high) if is_class_fraction else high))
        with_total[name] = value
    return with_total


class FigureDraws(NamedTuple):
    """Random draws of one figure, from which its interval follows.

    draws: (b,) of ln(figure).
    tails: what the interval leaves out; a negative tail means that the smallest or largest size does not
        bound the figure, so that there is no interval.
    down, up: (b,) or 0: how far below (at most 0) and above (at least 0) each draw the logarithm may lie,
        because sizes come in steps (`half_steps`); down is -inf if the figure may be 0.
    """

    draws: Floats
    tails: Tails = TAILS_OF_95
    down: Floats | float = 0.0
    up: Floats | float = 0.0

    @classmethod
    def of_logs(cls, draws: Floats, half: Floats, tails: Tails = TAILS_OF_95) -> FigureDraws:
        """From draws (b,) of ln(size). The true size may differ from a draw by up to `half` (b,),
        but is not below 0."""
        if not half.any():
            return cls(draws, tails)
        share = half / np.exp(draws)
        return cls(draws, tails, logs(np.maximum(1 - share, 0)), np.log1p(share))

    @classmethod
    def between(cls, least: Floats, greatest: Floats) -> FigureDraws:
        """From draws (b,) of a figure that lies anywhere between `least`, which is 0 or more, and
        `greatest`."""
        middle = (least + greatest) / 2
        with np.errstate(invalid="ignore"):
            down, up = logs(least / middle), logs(greatest / middle)
        is_zero = middle == 0  # the figure can only be 0, such as the span of a single particle
        return cls(logs(middle), TAILS_OF_95, np.where(is_zero, -np.inf, down), np.where(is_zero, 0.0, up))

    def widened(self, figure: float | None, factor: float) -> FigureDraws:
        """The draws moved to `factor` times their distance from the figure, in logarithms. down and
        up stay.

        For a figure of 0 all draws stay, because its logarithm is not finite.
        """
        if figure == 0:
            return self
        middle = np.nan if figure is None else float(np.log(figure))
        return self._replace(draws=middle + factor * (self.draws - middle))

    def limits(self, calibration: Floats | int, widest: float = WIDEST) -> Interval:
        """The interval of the figure. calibration: (b,) draws of ln(true / used nm per pixel), 0
        for a figure without a unit. None if too few draws are usable, or if the interval would have
        no width or would end at more than `widest` times the median of the draws."""
        is_usable = ~np.isnan(self.draws)
        if is_usable.mean() < 0.9 or min(self.tails) < 0:
            return None
        draws = self.draws + calibration
        least, greatest = (
            np.clip(draws + deviation, -UNBOUNDED, UNBOUNDED)[is_usable] for deviation in (self.down, self.up)
        )
        low, high = float(np.quantile(least, self.tails[0])), float(np.quantile(greatest, 1 - self.tails[1]))
        starts_at_zero = low == -UNBOUNDED and bool(np.isneginf(self.down).any())
        is_too_wide = high > float(np.median(draws[is_usable])) + np.log(widest)
        if high - low <= EQUAL_WITHIN or is_too_wide or (low == -UNBOUNDED and not starts_at_zero):
            return None
        return [0.0 if starts_at_zero else float(np.exp(low)), float(np.exp(high))]


def logs(values: Floats) -> Floats:
    """Natural logarithms; -inf of 0, NaN of less."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log(values), np.float64)


def half_steps(size: Floats) -> Floats:
    """(n,) half the step from each of n >= 1 sorted sizes to the nearest other size; 0 for sizes
    that occur once. Small particles consist of few whole pixels, so their sizes come in steps.

    The other size must belong to at least m // RARER particles, where m particles have the size
    itself: rarer sizes come from unusual shapes and do not show the step. The step is at most the
    smallest size, because a particle has at least one pixel.
    """
    begins = np.concatenate([[True], np.diff(size) > EQUAL_WITHIN * size[1:]])
    distinct, group = size[begins], np.cumsum(begins) - 1
    members = np.bincount(group)
    is_shared = members > 1
    if not is_shared.any():
        return np.zeros(len(size))
    step = np.zeros(len(distinct))
    for least in np.unique(members[is_shared] // RARER):
        chosen = is_shared & (members // RARER == least)
        step[chosen] = _distance_to_nearest(distinct[chosen], distinct[members >= least])
    has_none = np.isinf(step)
    step[has_none] = _distance_to_nearest(distinct[has_none], distinct)
    return np.asarray(np.minimum(step, distinct[0])[group] / 2, np.float64)


def _distance_to_nearest(values: Floats, candidates: Floats) -> Floats:
    """The distance of each of `values` to the nearest other one of `candidates`; inf if there is no
    other. candidates: sorted, with all of the values."""
    padded = np.concatenate([[-np.inf], candidates, [np.inf]])
    index = np.searchsorted(candidates, values) + 1
    return np.asarray(np.minimum(values - padded[index - 1], padded[index + 1] - values), np.float64)


def unit_sums(size: Floats, weights: Floats, image: NDArray[np.int64] | None) -> Floats:
    """(units, 19) the sums of each unit: w²; then w, w z, w z² and their six PRODUCTS with the size
    as z; then these nine with ln(size). image: (n,) the unit of each particle from 0 on, None if
    each particle is a unit. The sizes must not all be equal."""
    columns = [_sums_by_image((weights**2)[:, None], image)]
    for values in (size, np.log(size)):
        z = (values - values.mean()) / values.std()
        sums = _sums_by_image(np.stack([weights, weights * z, weights * z**2], axis=1), image)
        products = np.stack([sums[:, i] * sums[:, j] for i, j in PRODUCTS], axis=1)
        columns += [sums, products]
    return np.concatenate(columns, axis=1)


def _sums_by_image(values: Floats, image: NDArray[np.int64] | None) -> Floats:
    """(images, k) the sums of the values (n, k) of each image; the values themselves without
    images."""
    if image is None:
        return values
    return np.stack([np.bincount(image, column) for column in values.T], axis=1)


def moments(sums: Floats, size: Floats) -> dict[str, tuple[Floats, Floats]]:
    """MOMENTS by name: for each resample the logarithm (b,) of the figure, and the standard error
    (b,) of this logarithm. For the geometric SD it is the logarithm of its logarithm. sums: (b, 19)
    `unit_sums` added up for each resample. size: (n,) all sizes."""
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
    """(b,) mean, its standard error, SD and its standard error; the errors by the delta method.

    sums: (b, 9) of w, w z and w z², and of their PRODUCTS within a unit. w: the weights. z: the
    values (n,) minus their mean, in units of their SD. square: (b,) sums of w².
    """
    total, s1, s2, q00, q01, q11, q02, q12, q22 = sums.T
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = s1 / total
        variance = np.maximum(s2 / total - mean**2, 0)
        mean_error = np.sqrt(np.maximum(q11 - 2 * mean * q01 + mean**2 * q00, 0)) / total
        excess = mean**2 - variance
        squares = q22 + 4 * mean**2 * q11 + excess**2 * q00
        cross_terms = 2 * excess * q02 - 4 * mean * q12 - 4 * mean * excess * q01
        variance_error = np.sqrt(np.maximum(squares + cross_terms, 0)) / total
        scale, free = values.std(), 1 - square / total**2
        deviation = np.sqrt(variance / free)
        deviation_error = variance_error / (2 * variance) * deviation
    return values.mean() + scale * mean, scale * mean_error, scale * deviation, scale * deviation_error


def log_normal_sd_draws(sizes: WeightedSizes, repeats: int, rng: np.random.Generator) -> Floats:
    """(repeats,) draws of ln(SD) by number, if the sizes follow a log-normal law with the
    parameters sigma and mu: sigma is drawn by the chi-squared and mu by the normal distribution
    (Krishnamoorthy and Mathew 2003)."""
    logs, weights = np.log(sizes.size), sizes.weights["number"]
    n = effective_number(weights)
    mean = np.average(logs, weights=weights)
    square = np.average((logs - mean) ** 2, weights=weights)
    sigma = np.sqrt(square * n / rng.chisquare(n - 1, repeats))
    median = mean + sigma / np.sqrt(n) * rng.standard_normal(repeats)
    return np.asarray(median + sigma**2 / 2 + np.log(np.expm1(sigma**2)) / 2, np.float64)
