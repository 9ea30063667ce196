"""Tells whether sizes come from two populations, such as seeds beside grown particles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ...flags import Flag
from ..quantities import Value, readable, significant
from .distribution import Floats, WeightedSizes

FEWEST_SIZES, FEWEST_OF_EACH, LEAST_SHARE = 40, 8, 0.05  # of all; of each population: number, and share
# A mixture of two log-normal laws is taken if it is much likelier than one law (difference of the Bayesian information
# criteria, Schwarz 1978), if its medians are so many of their common spreads apart (D of Ashman 1994), and if its curve
# falls between its tops to so small a share of the lower one.
LEAST_GAIN, LEAST_DISTANCE, DEEPEST_VALLEY = 10.0, 3.0, 0.4
MOST_FITTED = 2000  # sizes to which the mixture is fitted, evenly taken in their order
STEPS = 200  # of the EM algorithm (Dempster 1977) at most
SPLITS = (0.1, 0.25, 0.5, 0.75, 0.9)  # quantiles at which it begins
NARROWEST = 0.02  # least spread of ln(size): sizes are rounded to pixels


def notes(sizes: WeightedSizes, things: str) -> Iterator[Flag]:
    """A note that names two populations, if the sizes have them."""
    if populations := two_populations(sizes.size, sizes.weights["number"]):
        medians = [readable(Value(part.median, unit=sizes.unit)) for part in populations]
        small, large = (f"{significant(median.value)} {median.unit}" for median in medians)
        yield Flag(
            f"There are two populations: {populations[0].number:,} {things} with a median of {small}, and"
            f" {populations[1].number:,} with one of {large}. The median of all describes neither."
        )


class Population(NamedTuple):
    """One of two populations. number: how many sizes belong to it. median: in the unit of the sizes."""

    number: int
    median: float


def two_populations(size: Floats, weights: Floats) -> tuple[Population, Population] | None:
    """The populations of sizes (n,) with weights (n,), the smaller sizes first; None if they are one."""
    is_sized = np.isfinite(size) & (size > 0) & (weights > 0)
    if is_sized.sum() < FEWEST_SIZES or np.ptp(size[is_sized]) == 0:
        return None
    order = np.argsort(size[is_sized], kind="stable")
    every, thin = np.log(size[is_sized][order]), slice(None, None, -(-len(order) // MOST_FITTED))
    logs, weights = every[thin], weights[is_sized][order][thin]
    weights = weights / weights.mean()
    fits = [_mixture(logs, weights, split) for split in SPLITS]
    likelihood, shares, means, spreads = max(fits, key=lambda fit: fit[0])
    mean = float(np.average(logs, weights=weights))
    spread = max(float(np.sqrt(np.average((logs - mean) ** 2, weights=weights))), NARROWEST)
    one_law = float((weights * np.log(_density(logs, mean, spread))).sum())
    gain = 2 * (likelihood - one_law) - 3 * np.log(len(logs))  # three numbers more than one law
    distance = (means[1] - means[0]) / np.sqrt((spreads**2).mean())
    between = np.linspace(float(means[0]), float(means[1]), 101)
    curve = (shares[:, None] * _density(between, means[:, None], spreads[:, None])).sum(0)
    if gain < LEAST_GAIN or distance < LEAST_DISTANCE or curve.min() > DEEPEST_VALLEY * min(curve[0], curve[-1]):
        return None
    border = between[int(curve.argmin())]
    parts = every[every <= border], every[every > border]
    if min(map(len, parts)) < max(FEWEST_OF_EACH, LEAST_SHARE * len(every)):
        return None
    small, large = (Population(len(part), float(np.exp(np.median(part)))) for part in parts)
    return small, large


def _density(values: Floats, mean: Floats | float, spread: Floats | float) -> Floats:
    """The density of normal laws."""
    return np.asarray(np.exp(-(((values - mean) / spread) ** 2) / 2) / (spread * np.sqrt(2 * np.pi)) + 1e-300)


def _mixture(logs: Floats, weights: Floats, split: float) -> tuple[float, Floats, Floats, Floats]:
    """The logarithm of the likelihood, and the shares, means and spreads (2,) of two normal laws, ascending by mean,
    that fit values (n,). split: the quantile at which the fit begins."""
    belongs = np.stack([logs <= np.quantile(logs, split), logs > np.quantile(logs, split)]).astype(float) * 0.98 + 0.01
    likelihood = -np.inf
    for _ in range(STEPS):
        mass = (belongs * weights).sum(1)
        shares, means = mass / mass.sum(), (belongs * weights * logs).sum(1) / mass
        spreads = np.sqrt((belongs * weights * (logs - means[:, None]) ** 2).sum(1) / mass).clip(NARROWEST)
        parts = shares[:, None] * _density(logs, means[:, None], spreads[:, None])
        before, likelihood = likelihood, float((weights * np.log(parts.sum(0))).sum())
        belongs = parts / parts.sum(0)
        if likelihood - before < 1e-6 * abs(likelihood):
            break
    order = np.argsort(means)
    return likelihood, shares[order], means[order], spreads[order]
