"""Draws resamples of a size distribution for bootstrap intervals: its particles are drawn with
replacement, or whole images if there are enough of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement
from math import factorial, prod

import numpy as np
from numpy.typing import NDArray

from ..sizes.distribution import Floats, WeightedSizes
from .figure_draws import half_steps

REPEATS = 2000  # resamples
GROUPS = 1200  # of particles; if there are more particles, neighbours in size are drawn as one group
LARGEST = 400  # the largest particles, never grouped: they have most of the volume
MOST_IMAGES_LISTED = 6  # six images have only 462 different resamples: all are used


@dataclass(frozen=True, eq=False)
class Resamples:
    """REPEATS resamples of n sizes, which are in g groups of neighbours in size.

    counts: (REPEATS, g) float32, how many particles of each group are in each resample. group: (n,)
    the group of each size. half_steps: (n,) see `figure_draws.half_steps`. calibration: (REPEATS,) draws
    of ln(true / used nm per pixel). images: the number of images, 1 if particles are drawn.
    image_counts: (REPEATS, images) how often each image is in each resample, None if particles are
    drawn.
    """

    counts: NDArray[np.float32]
    group: NDArray[np.int64]
    half_steps: Floats
    calibration: Floats
    images: int = 1
    image_counts: NDArray[np.float32] | None = None

    def total(self, values: Floats) -> Floats:
        """(REPEATS, k) the sums of `values` (n, k) over the particles of each resample."""
        groups = self.counts.shape[1]
        if groups == len(values):
            means = values
        else:
            starts = np.searchsorted(self.group, np.arange(groups))
            means = np.add.reduceat(values, starts, axis=0) / np.bincount(self.group)[:, None]
        return self.counts @ means


def resample(sizes: WeightedSizes, rng: np.random.Generator, uncertainty: float = 0.0) -> Resamples:
    """The resamples of sizes in ascending order: of particles, or of images if there are enough of
    them.

    uncertainty: relative, of the calibration.
    """
    n, halves = len(sizes), half_steps(sizes.size)
    group = np.arange(n)
    if n > GROUPS:
        low = np.arange(n - LARGEST) * (GROUPS - LARGEST) // (n - LARGEST)
        group = np.concatenate([low, np.arange(GROUPS - LARGEST, GROUPS)])
    calibration = uncertainty * rng.standard_normal(REPEATS)
    image, images = sizes.image_numbers, sizes.images
    if not sizes.by_image:
        return Resamples(_draw(group, rng), group, halves, calibration)
    if images > MOST_IMAGES_LISTED:
        image_counts = _draw(np.arange(images), rng)
    else:  # each possible resample, as often as its probability requires, in a random order
        draws = combinations_with_replacement(range(images), images)
        listed = np.array([[chosen.count(number) for number in range(images)] for chosen in draws], np.float32)
        probabilities = np.array([1 / prod(factorial(int(number)) for number in row) for row in listed])
        places = (np.arange(REPEATS) + 0.5) / REPEATS
        image_counts = listed[rng.permutation(np.searchsorted(np.cumsum(probabilities) / probabilities.sum(), places))]
    table = np.bincount(image * (int(group[-1]) + 1) + group, minlength=images * (int(group[-1]) + 1))
    counts = image_counts @ table.reshape(images, -1).astype(np.float32)
    return Resamples(counts, group, halves, calibration, images, image_counts)


def _draw(group: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
    """(REPEATS, g) how many particles (or images) of each of g groups are in each resample.

    group: (n,) the group of each. If each is its own group, n are drawn with replacement. Otherwise
    each group gets a Poisson number (Poisson bootstrap, Chamandy et al. 2012): the total then
    varies a little, but every figure is a ratio and does not depend on it.
    """
    members = np.bincount(group)
    g = len(members)
    if g < len(group):
        return rng.poisson(members, (REPEATS, g)).astype(np.float32)
    drawn = rng.integers(0, g, (REPEATS, g)) + g * np.arange(REPEATS)[:, None]
    return np.bincount(drawn.ravel(), minlength=REPEATS * g).reshape(REPEATS, g).astype(np.float32)
