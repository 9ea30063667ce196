"""Warnings beside 95 % intervals that held the truth in fewer than 93 % of simulated samples."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np

from .bootstrap import undefined
from .distribution import WeightedSizes
from .fitting import SIGNIFICANCE, log_normal
from .fractions import MANY_IMAGES
from .quantities import NUMBERS
from .results import FIGURES

FEW, FEW_FOR_SPREAD = 30, 100  # particles
FEW_IMAGES = 4
FAR = 0.08  # between the cumulative curves
SKEW = -0.3  # of ln(size); that of a log-normal law is 0
Caution = tuple[tuple[str, ...], str]
LOCATION = ("mean", "d10", "d50", "d90", "mode", "geometric_mean")
SPREAD = ("sd", "span", "geometric_sd")
EVERY = (*FIGURES, "fraction_100nm")
LISTED = ("mean", "sd", "d10", "d50", "d90", "fraction_100nm")  # of them, what a report lists
MEDIAN = {"d50": "median"}  # as it is called by number
OF_FEW = ("mean", "geometric_mean", *SPREAD, "fraction_100nm")


def cautions(sizes: WeightedSizes, figures: Collection[str]) -> list[str]:
    """Sentences on intervals of these figures by number that may be too narrow; none where there are no intervals."""
    sentences = []
    for names, why in doubted(sizes):
        if labels := [NUMBERS[MEDIAN.get(name, name)].label for name in EVERY if name in names and name in figures]:
            *others, last = labels
            joined = f"{', '.join(others)} and {last}" if others else last
            sentences.append(f"The 95 % interval{'s' if others else ''} of the {joined} may be too narrow: {why}.")
    return sentences


def doubted(sizes: WeightedSizes) -> Iterator[Caution]:
    """The figures whose intervals may be too narrow, and why."""
    if undefined(sizes):
        return
    n = len(sizes)
    if n < FEW:
        yield OF_FEW, f"there are fewer than {FEW} sizes"
    elif n < FEW_FOR_SPREAD:
        yield SPREAD, f"there are fewer than {FEW_FOR_SPREAD} sizes"
    if 1 < sizes.images < FEW_IMAGES:
        yield LOCATION, f"{sizes.images} images cannot show whether images of larger objects hold fewer of them"
    if 1 < sizes.images < MANY_IMAGES and poor(sizes):
        yield ("d10", "d90", "span"), "the sizes of few images fit a log-normal law poorly"
    if n >= FEW_FOR_SPREAD and skewness(sizes) < SKEW:
        yield ("geometric_sd",), "very small sizes are more frequent than very large ones (the logarithms are skewed)"


def poor(sizes: WeightedSizes) -> bool:
    """Whether a log-normal law, which the model of few images assumes, fits poorly."""
    fit = log_normal(sizes.size, sizes.weights["number"])
    return fit is not None and fit["p"] < SIGNIFICANCE and fit["ks"] > FAR


def skewness(sizes: WeightedSizes) -> float:
    """Of ln(size), by number; 0 of a log-normal law."""
    logs, weights = np.log(sizes.size), sizes.weights["number"]
    off = logs - np.average(logs, weights=weights)
    return float(np.average(off**3, weights=weights) / np.average(off**2, weights=weights) ** 1.5)
