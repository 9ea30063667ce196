"""The Kolmogorov-Smirnov distance of two size distributions, and what may be read from it."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from ..measure.distribution import Floats, effective_number
from ..measure.pooling import POINTS, kolmogorov
from ..measure.quantities import significant
from .results import Distance, How, Test, verdict
from .sides import Sizes

MOST_LISTED = 5000  # up to so many regroupings of images all are looked at; of more, so many are drawn
SAME = 1e-9  # distances that differ by less are equal
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
    first_sizes: Sizes, second_sizes: Sizes, how: How, unit: str, rng: np.random.Generator, *, sampled: bool = False
) -> Distance | None:
    """The distance by number; None where one of them has no sizes. rng: for the exchanges of images. sampled: whether
    one of them is a sample, also where only one of its images has sizes."""
    if not len(first_sizes.size) or not len(second_sizes.size):
        return None
    points = np.unique(np.concatenate([first_sizes.size, second_sizes.size]))  # sizes at which the curves are compared
    curves = []
    for sizes in (first_sizes, second_sizes):
        order = np.argsort(sizes.size, kind="stable")
        total = np.r_[0.0, np.cumsum(sizes.weight[order])]
        curves.append(total[np.searchsorted(sizes.size[order], points, side="right")] / total[-1])
    gap = np.abs(curves[0] - curves[1])
    at = int(gap.argmax())
    test, p, least = _test(first_sizes, second_sizes, how, float(gap[at]), rng, sampled)
    below = [float(curve[at]) for curve in curves]
    size = f"{significant(float(points[at]))} {unit}".strip()
    sentence = (
        f"The distributions {verdict(float(gap[at]), p, least)}. In A {100 * below[0]:.0f} % of the sizes are at"
        f" most {size}, in B {100 * below[1]:.0f} %."
    )
    why = BY_IMAGES.format(least=significant(least or 0.0, 2))
    if how != "independent":
        why = NOT_INDEPENDENT[how]
    elif test == "objects":
        why = BY_OBJECTS.format(n=f"{len(first_sizes.size):,}", m=f"{len(second_sizes.size):,}")
    return Distance(
        distance=float(gap[at]),
        at=float(points[at]),
        below=below,
        n=[len(first_sizes.size), len(second_sizes.size)],
        images=[first_sizes.images, second_sizes.images],
        p=p,
        least_p=least,
        test=test,
        reading=f"{sentence} {why}",
    )


def _test(
    first_sizes: Sizes, second_sizes: Sizes, how: How, gap: float, rng: np.random.Generator, sampled: bool
) -> tuple[Test, float | None, float | None]:
    """The test, its p, and the least p that it can give; "" and None where there is none. gap: the distance."""
    if how != "independent":
        return "", None, None
    if first_sizes.images == second_sizes.images == 1 and not sampled:
        n, m = effective_number(first_sizes.weight), effective_number(second_sizes.weight)
        return "objects", kolmogorov(gap, n * m / (n + m)), None
    p, least = _by_images(first_sizes, second_sizes, rng)
    return "images", p, least


def _by_images(first_sizes: Sizes, second_sizes: Sizes, rng: np.random.Generator) -> tuple[float, float]:
    """p of a permutation test that exchanges images (Ernst 2004), and the least p that it can give."""
    points = np.unique(np.concatenate([first_sizes.size, second_sizes.size]))
    points = points[np.linspace(0, len(points) - 1, min(len(points), POINTS)).round().astype(int)]
    rows = []  # of each image the summed weights up to each point
    for sizes in (first_sizes, second_sizes):
        bins = np.searchsorted(points, sizes.size, side="left").clip(max=len(points) - 1)
        count = np.bincount(sizes.image * len(points) + bins, sizes.weight, sizes.images * len(points))
        rows.append(count.reshape(sizes.images, -1).cumsum(1))
    table = np.concatenate(rows)
    images, chosen = len(table), first_sizes.images
    observed = np.arange(images) < chosen
    if comb(images, chosen) <= MOST_LISTED:
        listed = np.array(list(combinations(range(images), chosen)))
    else:
        listed = rng.random((MOST_LISTED - 1, images)).argsort(1)[:, :chosen]
    drawn = np.zeros((len(listed), images), bool)  # which images are in the first sample
    np.put_along_axis(drawn, listed, True, axis=1)
    if len(drawn) < comb(images, chosen):
        drawn = np.concatenate([observed[None], drawn])
    gap = float(_distances(table, observed[None])[0])
    p = float((_distances(table, drawn) >= gap - SAME).mean())
    mirrored = 2 if images == 2 * chosen else 1  # the exchange of both whole samples gives the same distance
    return p, mirrored / len(drawn)


def _distances(table: Floats, inside: NDArray[np.bool_]) -> Floats:
    """(k,) the distance for each choice (k, images) of the images of the first sample."""
    one = inside.astype(float) @ table
    other = table.sum(0) - one
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = np.abs(one / one[:, -1:] - other / other[:, -1:]).max(1)
    return np.asarray(np.nan_to_num(gap, nan=1.0), np.float64)
