"""Computes the Kolmogorov-Smirnov distance of two size distributions, tests it, and describes both in a sentence."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from ..measure.pooling import POINTS, kolmogorov
from ..measure.quantities import significant
from ..measure.sizes.distribution import Floats, effective_number
from .results import Distance, How, Test, verdict
from .sides import Sizes

MOST_DIVISIONS = 5000  # divisions of the images into two samples that are tried: all of them, or so many at random
DISTANCE_TOLERANCE = 1e-9  # distances that differ by less are equal
# Sentences for the user.
NOT_INDEPENDENT = {
    "paired": "Both results are of the same image, so nothing is tested.",
    "shared": "Some images are in both samples, so nothing is tested.",
}
BY_OBJECTS = (
    "The p-value assumes that the {n} and {m} sizes are independent. It says whether these two images differ. To"
    " compare two materials, compare samples of several images."
)
BY_IMAGES = (
    "The test compares whole images, because sizes of one image are alike. It assumes that the images were chosen in"
    " the same way. With so few images no p-value is below {least}."
)


def distance(
    first_sizes: Sizes, second_sizes: Sizes, how: How, unit: str, rng: np.random.Generator, *, any_sample: bool = False
) -> Distance | None:
    """The distance of two distributions by number; None if either has no sizes.

    unit: of the sizes. rng: for the permutation test. any_sample: whether either side is a sample, even if only one of
    its images has sizes.
    """
    if not len(first_sizes.size) or not len(second_sizes.size):
        return None
    points = np.unique(np.concatenate([first_sizes.size, second_sizes.size]))  # sizes at which the curves are compared
    curves = []
    for sizes in (first_sizes, second_sizes):
        order = np.argsort(sizes.size, kind="stable")
        total = np.r_[0.0, np.cumsum(sizes.weight[order])]
        curves.append(total[np.searchsorted(sizes.size[order], points, side="right")] / total[-1])
    gap = np.abs(curves[0] - curves[1])
    widest = int(gap.argmax())
    test, p, least = _test(first_sizes, second_sizes, how, float(gap[widest]), rng, any_sample)
    below = [float(curve[widest]) for curve in curves]
    size = f"{significant(float(points[widest]))} {unit}".strip()
    sentence = (
        f"The distributions {verdict(float(gap[widest]), p, least)}. In A {100 * below[0]:.0f} % of the sizes are at"
        f" most {size}, in B {100 * below[1]:.0f} %."
    )
    why = BY_IMAGES.format(least=significant(least or 0.0, 2))
    if how != "independent":
        why = NOT_INDEPENDENT[how]
    elif test == "objects":
        why = BY_OBJECTS.format(n=f"{len(first_sizes.size):,}", m=f"{len(second_sizes.size):,}")
    return Distance(
        distance=float(gap[widest]),
        at=float(points[widest]),
        below=below,
        n=[len(first_sizes.size), len(second_sizes.size)],
        images=[first_sizes.images, second_sizes.images],
        p=p,
        least_p=least,
        test=test,
        reading=f"{sentence} {why}",
    )


def _test(
    first_sizes: Sizes, second_sizes: Sizes, how: How, gap: float, rng: np.random.Generator, any_sample: bool
) -> tuple[Test, float | None, float | None]:
    """The kind of test, its p, and the least p that it can give; "" and None without a test. gap: the distance."""
    if how != "independent":
        return "", None, None
    if first_sizes.images == second_sizes.images == 1 and not any_sample:
        n, m = effective_number(first_sizes.weight), effective_number(second_sizes.weight)
        return "objects", kolmogorov(gap, n * m / (n + m)), None
    p, least = _by_images(first_sizes, second_sizes, rng)
    return "images", p, least


def _by_images(first_sizes: Sizes, second_sizes: Sizes, rng: np.random.Generator) -> tuple[float, float]:
    """p of a permutation test that exchanges images between the samples (Ernst 2004), and the least possible p."""
    points = np.unique(np.concatenate([first_sizes.size, second_sizes.size]))
    points = points[np.linspace(0, len(points) - 1, min(len(points), POINTS)).round().astype(int)]
    rows = []  # for each image: the summed weights of its sizes up to each point
    for sizes in (first_sizes, second_sizes):
        bins = np.searchsorted(points, sizes.size, side="left").clip(max=len(points) - 1)
        count = np.bincount(sizes.image * len(points) + bins, sizes.weight, sizes.images * len(points))
        rows.append(count.reshape(sizes.images, -1).cumsum(1))
    table = np.concatenate(rows)
    images, in_first = len(table), first_sizes.images
    observed = np.arange(images) < in_first
    if comb(images, in_first) <= MOST_DIVISIONS:
        listed = np.array(list(combinations(range(images), in_first)))
    else:
        listed = rng.random((MOST_DIVISIONS - 1, images)).argsort(1)[:, :in_first]
    divisions = np.zeros((len(listed), images), bool)  # a row for each: which images are in the first sample
    np.put_along_axis(divisions, listed, True, axis=1)
    if len(divisions) < comb(images, in_first):
        divisions = np.concatenate([observed[None], divisions])
    gap = float(_distances(table, observed[None])[0])
    p = float((_distances(table, divisions) >= gap - DISTANCE_TOLERANCE).mean())
    equal = 2 if images == 2 * in_first else 1  # exchanging both whole samples gives the same distance
    return p, equal / len(divisions)


def _distances(table: Floats, inside: NDArray[np.bool_]) -> Floats:
    """The distances (k,) for k divisions of the images. inside: (k, images), whether an image is in the first sample.
    table: (images, points) summed weights up to each point."""
    one = inside.astype(float) @ table
    other = table.sum(0) - one
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = np.abs(one / one[:, -1:] - other / other[:, -1:]).max(1)
    return np.asarray(np.nan_to_num(gap, nan=1.0), np.float64)
