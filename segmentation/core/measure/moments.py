"""Means and standard deviations of many resamples at once, each with its standard error by the delta method.

All follow from sums over the units that are drawn (particles, or whole images): of w, w z and w z^2, and of the
products of these three within each unit, z being the size or its logarithm, brought to mean 0 and SD 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .distribution import Floats

MOMENTS = ("mean", "sd", "geometric_mean", "geometric_sd")
PRODUCTS = ((0, 0), (0, 1), (1, 1), (0, 2), (1, 2), (2, 2))


def unit_sums(size: Floats, weights: Floats, image: NDArray[np.int64] | None) -> Floats:
    """(units, 19): what the sums of a resample need; image: (n,) 0..units - 1, None where the n particles are drawn."""
    columns = [_gathered((weights**2)[:, None], image)]
    for values in (size, np.log(size)):
        z = (values - values.mean()) / values.std()
        sums = _gathered(np.stack([weights, weights * z, weights * z**2], axis=1), image)
        products = np.stack([sums[:, i] * sums[:, j] for i, j in PRODUCTS], axis=1)
        columns += [sums, products]
    return np.concatenate(columns, axis=1)


def _gathered(values: Floats, image: NDArray[np.int64] | None) -> Floats:
    if image is None:
        return values
    return np.stack([np.bincount(image, column) for column in values.T], axis=1)


def moments(sums: Floats, size: Floats) -> dict[str, tuple[Floats, Floats]]:
    """Name -> logarithm of the figure (of the GSD the logarithm of its logarithm) and its standard error (b,), of
    resamples whose units add up to `sums` (b, 19)."""
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
    total, s1, s2, q00, q01, q11, q02, q12, q22 = sums.T
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = s1 / total
        variance = np.maximum(s2 / total - mean**2, 0)
        of_mean = np.sqrt(np.maximum(q11 - 2 * mean * q01 + mean**2 * q00, 0)) / total
        rest = mean**2 - variance
        squares = q22 + 4 * mean**2 * q11 + rest**2 * q00
        crossed = 2 * rest * q02 - 4 * mean * q12 - 4 * mean * rest * q01
        of_variance = np.sqrt(np.maximum(squares + crossed, 0)) / total
        scale, free = values.std(), 1 - square / total**2
        deviation = np.sqrt(variance / free)
        of_deviation = of_variance / (2 * variance) * deviation
    return values.mean() + scale * mean, scale * of_mean, scale * deviation, scale * of_deviation
