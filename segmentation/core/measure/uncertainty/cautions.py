"""Cautions: sentences beside 95 % intervals that may be too narrow. Under the conditions below, the
intervals contained the true value in fewer than 93 % of simulated samples."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np

from ..quantities import NUMBERS
from ..results import FIGURES
from ..sizes.distribution import WeightedSizes
from ..sizes.fitting import SIGNIFICANCE, log_normal
from .bootstrap import why_no_intervals
from .fractions import MANY_IMAGES

FEW_SIZES, FEW_SIZES_FOR_SPREAD = 30, 100
FEW_IMAGES = 4
POOR_FIT = 0.08  # distance between the cumulative curves of the sizes and of the law
LEFT_SKEW = -0.3  # skewness of ln(size); a log-normal law has 0
Caution = tuple[tuple[str, ...], str]  # names of figures, and why their intervals are doubted
LOCATION = ("mean", "d10", "d50", "d90", "mode", "geometric_mean")
SPREAD = ("sd", "span", "geometric_sd")
ALL_FIGURES = (*FIGURES, "fraction_100nm")
REPORTED_FIGURES = ("mean", "sd", "d10", "d50", "d90", "fraction_100nm")
NAMES_BY_NUMBER = {"d50": "median"}  # where a figure by number has another name
DOUBTED_IF_FEW = ("mean", "geometric_mean", *SPREAD, "fraction_100nm")


def cautions(sizes: WeightedSizes, figures: Collection[str]) -> list[str]:
    """Sentences about the intervals of these figures, by number, that may be too narrow; [] where
    there are no intervals."""
    sentences = []
    for doubted, why in doubted_figures(sizes):
        names = [name for name in ALL_FIGURES if name in doubted and name in figures]
        if labels := [NUMBERS[NAMES_BY_NUMBER.get(name, name)].label for name in names]:
            *others, last = labels
            joined = f"{', '.join(others)} and {last}" if others else last
            sentences.append(f"The 95 % interval{'s' if others else ''} of the {joined} may be too narrow: {why}.")
    return sentences


def doubted_figures(sizes: WeightedSizes) -> Iterator[Caution]:
    """The figures whose intervals may be too narrow, and why."""
    if why_no_intervals(sizes):
        return
    n = len(sizes)
    if n < FEW_SIZES:
        yield DOUBTED_IF_FEW, f"there are fewer than {FEW_SIZES} sizes"
    elif n < FEW_SIZES_FOR_SPREAD:
        yield SPREAD, f"there are fewer than {FEW_SIZES_FOR_SPREAD} sizes"
    if 1 < sizes.images < FEW_IMAGES:
        yield LOCATION, f"{sizes.images} images cannot show whether images of larger objects contain fewer of them"
    if 1 < sizes.images < MANY_IMAGES and fits_poorly(sizes):
        yield ("d10", "d90", "span"), "the sizes of few images fit a log-normal law poorly"
    if n >= FEW_SIZES_FOR_SPREAD and skewness(sizes) < LEFT_SKEW:
        yield ("geometric_sd",), "very small sizes are more frequent than very large ones (the logarithms are skewed)"


def fits_poorly(sizes: WeightedSizes) -> bool:
    """Whether a log-normal law fits the sizes poorly. The intervals of few images assume such a
    law."""
    fit = log_normal(sizes.size, sizes.weights["number"])
    return fit is not None and fit["p"] < SIGNIFICANCE and fit["ks"] > POOR_FIT


def skewness(sizes: WeightedSizes) -> float:
    """The skewness of ln(size), by number; that of a log-normal law is 0."""
    logs, weights = np.log(sizes.size), sizes.weights["number"]
    off = logs - np.average(logs, weights=weights)
    return float(np.average(off**3, weights=weights) / np.average(off**2, weights=weights) ** 1.5)
