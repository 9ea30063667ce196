"""Resamples of a size distribution: of its particles, or of its images if there are several."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement
from math import factorial, prod

import numpy as np
from numpy.typing import NDArray

from .distribution import Floats, WeightedSizes
from .drawn import half_steps

REPEATS = 2000
GROUPS = 1200  # more particles than these are drawn as groups of neighbours in size
LARGEST = 400  # the number of largest particles drawn one by one: they carry the volume
MOST_LISTED = 6  # images: 462 resamples that are not alike


@dataclass(frozen=True, eq=False)
class Resamples:
    """REPEATS resamples of n sizes in g groups of neighbours.

    counts: (REPEATS, g) float32, particles of each group in each resample. group: (n,) the group of each size.
    half_steps: (n,) half the distance of each size to the next one that occurs: sizes come from whole pixels.
    calibration: (REPEATS,) draws of ln(true / used nm per pixel). images: the number of images, 1 if particles are
    drawn. drawn: (REPEATS, images) how often each was drawn, None for particles.
    """

    counts: NDArray[np.float32]
    group: NDArray[np.int64]
    half_steps: Floats
    calibration: Floats
    images: int = 1
    drawn: NDArray[np.float32] | None = None

    def total(self, values: Floats) -> Floats:
        """(REPEATS, k): the sums over each resample of `values` (n, k)."""
        groups = self.counts.shape[1]
        if groups == len(values):
            means = values
        else:
            starts = np.searchsorted(self.group, np.arange(groups))
            means = np.add.reduceat(values, starts, axis=0) / np.bincount(self.group)[:, None]
        return self.counts @ means


def resample(sizes: WeightedSizes, rng: np.random.Generator, uncertainty: float = 0.0) -> Resamples:
    """Draw from sorted sizes: particles, or images if there are several."""
    n, halves = len(sizes), half_steps(sizes.size)
    group = np.arange(n)
    if n > GROUPS:
        low = np.arange(n - LARGEST) * (GROUPS - LARGEST) // (n - LARGEST)
        group = np.concatenate([low, np.arange(GROUPS - LARGEST, GROUPS)])
    calibration = uncertainty * rng.standard_normal(REPEATS)
    image, images = sizes.image_numbers, sizes.images
    if not sizes.by_image:
        return Resamples(_draw(group, rng), group, halves, calibration)
    if images > MOST_LISTED:
        drawn = _draw(np.arange(images), rng)
    else:  # every resample in proportion to its probability, in a random order
        draws = combinations_with_replacement(range(images), images)
        listed = np.array([[chosen.count(number) for number in range(images)] for chosen in draws], np.float32)
        probabilities = np.array([1 / prod(factorial(int(number)) for number in row) for row in listed])
        places = (np.arange(REPEATS) + 0.5) / REPEATS
        drawn = listed[rng.permutation(np.searchsorted(np.cumsum(probabilities) / probabilities.sum(), places))]
    table = np.bincount(image * (int(group[-1]) + 1) + group, minlength=images * (int(group[-1]) + 1))
    counts = drawn @ table.reshape(images, -1).astype(np.float32)
    return Resamples(counts, group, halves, calibration, images, drawn)


def _draw(group: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
    """(REPEATS, g): how many particles (or images) of each of g groups (n,) each resample has.

    Groups of one particle: n draws. Larger groups: a Poisson number (Poisson bootstrap, Chamandy et al. 2012). The
    total number then varies a little, but every figure is a ratio and does not depend on it.
    """
    members = np.bincount(group)
    g = len(members)
    if g < len(group):
        return rng.poisson(members, (REPEATS, g)).astype(np.float32)
    drawn = rng.integers(0, g, (REPEATS, g)) + g * np.arange(REPEATS)[:, None]
    return np.bincount(drawn.ravel(), minlength=REPEATS * g).reshape(REPEATS, g).astype(np.float32)
