"""The log-normal distribution of maximum likelihood, and how well it fits."""

from __future__ import annotations

from typing import Literal

import numpy as np

from .distribution import SAME, Floats, effective_number
from .quantities import significant
from .results import Fit

# Particles. Of 30 that are uniform from 0.2 to 2 every second sample passes as log-normal, of 50 every third.
LEAST = 50
SIGNIFICANCE = 0.05  # a p below it says that more than chance makes the difference
CLOSE, NEAR = 0.03, 0.05  # from 0.05 on the top of the curve is seen beside that of the bars

# How likely a sample of the fitted law lies further from its own fit (Lilliefors 1967), by the modified distance
# D (sqrt n - 0.01 + 0.85 / sqrt n) of Stephens (1974), whose distribution hardly depends on n.
# Made by `python -m tests.tools.accuracy.lilliefors` from 400,000 samples of n = 200.
MODIFIED: tuple[float, ...] = (0.318, 0.367, 0.421, 0.454, 0.501, 0.538, 0.573, 0.608, 0.646)
MODIFIED += (0.689, 0.715, 0.744, 0.780, 0.826, 0.857, 0.899, 0.921, 0.949, 0.986, 1.011, 1.047)
MODIFIED += (1.105, 1.177, 1.231, 1.278, 1.378)
P_VALUES: tuple[float, ...] = (0.999, 0.99, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.1, 0.075)
P_VALUES += (0.05, 0.04, 0.03, 0.02, 0.015, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0001)


def log_normal(size: Floats, weights: Floats) -> Fit | None:
    """The fit to sorted sizes (n,); None for fewer than LEAST sizes or equal sizes.

    good: p is at least SIGNIFICANCE, or the distance is at most CLOSE (with many particles even a tiny deviation is
    significant, but does not matter). fair: the distance is at most NEAR. Otherwise poor.
    """
    logs = np.log(size)
    if len(size) < LEAST or logs[-1] - logs[0] <= SAME:
        return None
    mean = float(np.average(logs, weights=weights))
    spread = float(np.sqrt(np.average((logs - mean) ** 2, weights=weights)))
    # The law's spread as in the test of Lilliefors, with denominator n - 1.
    n = effective_number(weights)
    ks = distance((logs - mean) / (spread * np.sqrt(n / (n - 1))), weights)
    p = p_value(ks, n)
    median, gsd = float(np.exp(mean)), float(np.exp(spread))
    word: Literal["good", "fair", "poor"] = (
        "good" if p >= SIGNIFICANCE or ks <= CLOSE else "fair" if ks <= NEAR else "poor"
    )
    return Fit(law="log-normal", median=median, gsd=gsd, ks=ks, p=p, word=word)


def p_words(p: float) -> str:
    """Such as "p = 0.120"; a p that would be rounded to 0 is given as under 0.001."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def unfit(fit: Fit | None) -> str:
    """A sentence that says why a fitted law is not drawn; "" if it is drawn, or if no law was fitted."""
    if fit is None or fit["word"] != "poor":
        return ""
    return "These sizes follow no log-normal law."


def fit_words(fit: Fit) -> str:
    """How well the law fits by the rule of `log_normal`: "a fair fit, at most 5.5 % off"."""
    apart = f"a {fit['word']} fit, at most {significant(100 * fit['ks'], 2)} % off"
    is_by_chance = fit["word"] == "good" and fit["ks"] > CLOSE
    return f"{apart}, no more than by chance" if is_by_chance else apart


def density(size: Floats, fit: Fit) -> Floats:
    """The law's density at sizes (n,), per unit of size."""
    spread = np.log(fit["gsd"])
    deviates = np.log(size / fit["median"]) / spread
    return np.asarray(np.exp(-(deviates**2) / 2) / (size * spread * np.sqrt(2 * np.pi)), np.float64)


def distance(deviates: Floats, weights: Floats) -> float:
    """The greatest distance between the distribution of sorted deviates (n,) and the standard normal one."""
    from scipy.special import ndtr  # here, as the web process imports this module

    expected = ndtr(deviates)
    reached = np.cumsum(weights) / weights.sum()
    before = np.concatenate([[0.0], reached[:-1]])
    return float(max((reached - expected).max(), (expected - before).max()))


def p_value(ks: float, n: float) -> float:
    """The p of a distance `ks` of n particles from their own fit, interpolated in the table (0.0001 to 0.999)."""
    modified = ks * (np.sqrt(n) - 0.01 + 0.85 / np.sqrt(n))
    return float(np.interp(modified, MODIFIED, P_VALUES))
