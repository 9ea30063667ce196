"""Simulates the Lilliefors test: the distribution of the distance between a normal sample and the normal distribution
fitted to it, for the table in core/measure/sizes/fitting.py."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

P_VALUES = (0.999, 0.99, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.1, 0.075, 0.05, 0.04, 0.03, 0.02)
P_VALUES += (0.015, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0001)


def modified_distances(n: int, samples: int, seed: int = 1) -> np.ndarray:
    """(samples,) the modified distance D (sqrt n - 0.01 + 0.85 / sqrt n) of random samples of size n from the normal
    distribution with their mean and SD (n - 1)."""
    rng = np.random.default_rng(seed)
    distances = []
    for _ in range(-(-samples // 10_000)):
        x = np.sort(rng.standard_normal((10_000, n)), axis=1)
        x = (x - x.mean(1, keepdims=True)) / x.std(1, ddof=1, keepdims=True)
        expected = ndtr(x)
        above = (np.arange(1, n + 1) / n - expected).max(1)
        below = (expected - np.arange(n) / n).max(1)
        distances.append(np.maximum(above, below))
    return np.concatenate(distances)[:samples] * (np.sqrt(n) - 0.01 + 0.85 / np.sqrt(n))


def table(n: int = 200, samples: int = 400_000) -> tuple[np.ndarray, tuple[float, ...]]:
    """The modified distances that belong to P_VALUES, and P_VALUES."""
    return np.quantile(modified_distances(n, samples), 1 - np.array(P_VALUES)), P_VALUES


def main() -> None:
    for n, samples in ((10, 100_000), (30, 100_000), (200, 400_000), (1000, 40_000)):
        distances, _ = table(n, samples)
        print(n, ", ".join(f"{value:.3f}" for value in distances))
    print("  ", ", ".join(f"{p_value:g}" for p_value in P_VALUES))


if __name__ == "__main__":
    main()
