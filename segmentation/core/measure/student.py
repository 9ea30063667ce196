"""The few quantiles of the normal and Student distributions that intervals need."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Z95 = 1.959963984540054
# 97.5 % quantiles of Student's t for 1, 2, ... degrees of freedom, until the expansion below is good to 0.1 %.
T95 = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469)


def t95(free: int) -> float:
    """The 97.5 % quantile of Student's t; beyond the table by the expansion of Cornish and Fisher (1938)."""
    if free <= len(T95):
        return T95[free - 1]
    z = Z95
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / free + second / free**2 + third / free**3


def normal_scores(k: int) -> NDArray[np.float64]:
    """(k,) deviates that split the standard normal distribution into k equal parts, each in the middle of its own."""
    normal = NormalDist()
    return np.array([normal.inv_cdf((i + 0.5) / k) for i in range(k)])
