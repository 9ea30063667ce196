"""The log-normal law that fits a distribution of sizes best (maximum likelihood), and how well it
fits."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ..quantities import significant
from ..results import Fit
from .distribution import EQUAL_WITHIN, Floats, effective_number

# With fewer sizes a fit proves little: of samples of 50 that are uniform from 0.2 to 2 every third
# passes as log-normal, of samples of 30 every second.
FEWEST_SIZES = 50
SIGNIFICANCE = 0.05  # a p below it means that chance does not explain the difference
# Distances of the cumulative curves up to which a fit is good, or fair. From 0.05 on a person sees
# that the top of the curve is beside the top of the bars.
GOOD_DISTANCE, FAIR_DISTANCE = 0.03, 0.05

# The table of the test of Lilliefors (1967). P_VALUES: how likely a sample of the fitted law is
# further from its own fit than a distance D. MODIFIED: D (sqrt n - 0.01 + 0.85 / sqrt n), whose
# distribution hardly depends on n (Stephens 1974). Made by `python -m
# tools.accuracy.drawn.lilliefors` from 400,000 samples of n = 200.
MODIFIED: tuple[float, ...] = (0.318, 0.367, 0.421, 0.454, 0.501, 0.538, 0.573, 0.608, 0.646)
MODIFIED += (0.689, 0.715, 0.744, 0.780, 0.826, 0.857, 0.899, 0.921, 0.949, 0.986, 1.011, 1.047)
MODIFIED += (1.105, 1.177, 1.231, 1.278, 1.378)
P_VALUES: tuple[float, ...] = (0.999, 0.99, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.1, 0.075)
P_VALUES += (0.05, 0.04, 0.03, 0.02, 0.015, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0001)


def log_normal(size: Floats, weights: Floats) -> Fit | None:
    """The fit to sorted sizes (n,); None for fewer than FEWEST_SIZES sizes, or equal sizes.

    The fit is good if p is at least SIGNIFICANCE, or if the distance is at most GOOD_DISTANCE (with
    many particles a tiny deviation is significant, but does not matter); fair if the distance is at
    most FAIR_DISTANCE; otherwise poor.
    """
    logs = np.log(size)
    if len(size) < FEWEST_SIZES or logs[-1] - logs[0] <= EQUAL_WITHIN:
        return None
    mean = float(np.average(logs, weights=weights))
    spread = float(np.sqrt(np.average((logs - mean) ** 2, weights=weights)))
    # The test of Lilliefors takes the law's spread with the denominator n - 1.
    n = effective_number(weights)
    ks = distance((logs - mean) / (spread * np.sqrt(n / (n - 1))), weights)
    p = p_value(ks, n)
    median, gsd = float(np.exp(mean)), float(np.exp(spread))
    word: Literal["good", "fair", "poor"] = (
        "good" if p >= SIGNIFICANCE or ks <= GOOD_DISTANCE else "fair" if ks <= FAIR_DISTANCE else "poor"
    )
    return Fit(law="log-normal", median=median, gsd=gsd, ks=ks, p=p, word=word)


def p_words(p: float) -> str:
    """A p value in words, such as "p = 0.120"; one under 0.001 is "p < 0.001"."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def why_no_curve(fit: Fit | None) -> str:
    """Why a fitted law is not drawn (its fit is poor), as a sentence; "" if it is drawn, or if no law
    was fitted."""
    if fit is None or fit["word"] != "poor":
        return ""
    return "These sizes follow no log-normal law."


def fit_words(fit: Fit) -> str:
    """How well the law fits by the rule of `log_normal`: "a fair fit, at most 5.5 % off"."""
    quality = f"a {fit['word']} fit, at most {significant(100 * fit['ks'], 2)} % off"
    is_by_chance = fit["word"] == "good" and fit["ks"] > GOOD_DISTANCE
    return f"{quality}, no more than by chance" if is_by_chance else quality


def density(size: Floats, fit: Fit) -> Floats:
    """(n,) the density of the fitted law at the sizes (n,), per unit of size."""
    spread = np.log(fit["gsd"])
    deviates = np.log(size / fit["median"]) / spread
    return np.asarray(np.exp(-(deviates**2) / 2) / (size * spread * np.sqrt(2 * np.pi)), np.float64)


def distance(deviates: Floats, weights: Floats) -> float:
    """The greatest distance between the cumulative distribution of sorted deviates (n,) with
    weights (n,), and the standard normal one."""
    from scipy.special import ndtr  # not at the top: the web process imports this module without scipy

    expected = ndtr(deviates)
    reached = np.cumsum(weights) / weights.sum()
    before = np.concatenate([[0.0], reached[:-1]])
    return float(max((reached - expected).max(), (expected - before).max()))


def p_value(ks: float, n: float) -> float:
    """The p value, 0.0001 to 0.999, of the distance `ks` of n particles from their own fit."""
    modified = ks * (np.sqrt(n) - 0.01 + 0.85 / np.sqrt(n))
    return float(np.interp(modified, MODIFIED, P_VALUES))
