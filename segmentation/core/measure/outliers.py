"""Which images of a sample do not belong to it, and how much the images differ at all."""

from __future__ import annotations

from math import exp, log, sqrt

import numpy as np
from numpy.typing import NDArray

from .distribution import Floats, Sizes

LEAST_IMAGES = 4  # of two or three images nobody can say which one is the odd one
LEAST_PARTICLES = 10
CHANCE = 0.05
SHIFT = 0.25  # relative, of the median
DEVIATIONS = 3.0  # robust standard deviations of the images' medians
POINTS = 2000


def find_outliers(sizes: Sizes, images: int) -> list[str]:
    """For each image "" or the sentence that says why its sizes do not belong to the others'.

    An image is an outlier where all three hold: its distribution differs from that of all others together by
    Kolmogorov and Smirnov's distance (p below CHANCE after Holm's correction for the number of images); its median
    differs from the middle of the images' medians by more than SHIFT; and by more than DEVIATIONS times their robust
    standard deviation (1.4826 times the median absolute deviation). Images of fewer than LEAST_PARTICLES particles
    are not judged, nor any where fewer than LEAST_IMAGES can be.
    """
    said = [""] * images
    image = np.zeros(len(sizes), np.int64) if sizes.image is None else sizes.image
    counts = np.bincount(image, minlength=images)
    judged = np.flatnonzero(counts >= LEAST_PARTICLES)
    if len(judged) < LEAST_IMAGES:
        return said
    medians = np.array([float(np.median(sizes.size[image == i])) for i in judged])
    logs = np.log(medians)
    off = logs - np.median(logs)
    limit = max(log(1 + SHIFT), DEVIATIONS * 1.4826 * float(np.median(abs(off))))
    chances = holm(_chances(sizes.size, image, counts)[judged])
    for i, shift, p, median in zip(judged.tolist(), off.tolist(), chances.tolist(), medians.tolist(), strict=True):
        if p < CHANCE and abs(shift) > limit:
            said[i] = (
                f"Its median, {median:.4g} {sizes.unit}, is {100 * abs(exp(shift) - 1):.0f} %"
                f" {'above' if shift > 0 else 'below'} that of the other images, and its distribution differs"
                f" from theirs (p {'< 0.001' if p < 0.001 else f'= {p:.3f}'})."
            )
    return said


def _chances(size: Floats, image: NDArray[np.int64], counts: NDArray[np.int64]) -> Floats:
    """(m,) p of each image's distance from all others together, seen at POINTS places of the sorted sizes."""
    points = np.minimum(np.arange(len(size)) * POINTS // len(size), POINTS - 1)
    table = np.bincount(image * POINTS + points, minlength=len(counts) * POINTS).reshape(len(counts), POINTS)
    reached = table.cumsum(1)
    others = reached.sum(0) - reached
    rest = counts.sum() - counts
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = np.abs(reached / counts[:, None] - others / rest[:, None]).max(1)
        return np.array(
            [
                kolmogorov(each, n * other / (n + other)) if n and other else 1.0
                for each, n, other in zip(apart, counts, rest, strict=True)
            ]
        )


def kolmogorov(distance: float, n: float) -> float:
    """How often the distance of Kolmogorov and Smirnov is at least this great by chance (Stephens 1970); n: particles,
    for two samples n m / (n + m)."""
    root = sqrt(n)
    x = (root + 0.12 + 0.11 / root) * distance
    if x < 0.2:
        return 1.0
    terms = [(-1.0) ** (k - 1) * exp(-2 * k * k * x * x) for k in range(1, 101)]
    return min(max(2 * sum(terms), 0.0), 1.0)


def holm(chances: Floats) -> Floats:
    """The p values (m,) after Holm's (1979) correction."""
    order = np.argsort(chances, kind="stable")
    stepped = np.maximum.accumulate(chances[order] * (len(chances) - np.arange(len(chances))))
    corrected = np.empty(len(chances))
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


def between_images(sizes: Sizes) -> dict[str, float] | None:
    """Variance of ln(size) between the images by a one-way analysis of variance, its root (nearly the relative
    standard deviation of the images' sizes), and its share of the total; None for fewer than two images."""
    if sizes.images < 2 or len(sizes) <= sizes.images:
        return None
    image = sizes.image_numbers
    logs = np.log(sizes.size)
    counts = np.bincount(image)
    means = np.bincount(image, logs) / counts
    within = float(((logs - means[image]) ** 2).sum()) / (len(logs) - len(counts))
    among = float((counts * (means - logs.mean()) ** 2).sum()) / (len(counts) - 1)
    typical = (len(logs) - (counts**2).sum() / len(logs)) / (len(counts) - 1)
    variance = max((among - within) / float(typical), 0.0)
    total = variance + within
    return {"variance": variance, "sd": sqrt(variance), "share": variance / total if total > 0 else 0.0}
