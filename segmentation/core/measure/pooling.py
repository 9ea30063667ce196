"""Pools the images of a sample: their statistics together, how much the images differ, and which of
them are outliers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from math import exp, inf, log, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ..flags import Flag
from ..micrograph.calibration.crosscheck import factor_words
from .objects.filters import RESOLVED_PX
from .quantities import MEDIAN_TERM
from .results import BY_IMAGE, BY_PARTICLE, NO_PIXEL_SIZE, Between, PooledStatistics, Statistics
from .sizes.distribution import Floats, WeightedSizes, quantile
from .sizes.fitting import SIGNIFICANCE, p_words
from .statistics import describe
from .table import Table
from .uncertainty.budget import DEFAULT_CONDITIONS, Conditions
from .uncertainty.convergence import converge
from .uncertainty.pooled_fields import COARSER, NO_NUMBER, OTHER_NUMBERS
from .uncertainty.random_effects import mean_squares

# Why images are left out, as a part of a sentence; and the words that a warning adds.
WHY_LEFT_OUT = {
    NO_PIXEL_SIZE: "without a scale",
    OTHER_NUMBERS: "of a model with other classes",
    NO_NUMBER: "without a number",
}
ADDED_WORDS = {
    NO_PIXEL_SIZE: ", while others have one",
    NO_NUMBER: " (see their pages). If they show nothing to count, the numbers per area are too high",
}
# Limits of `find_outliers`.
LEAST_IMAGES = 4  # with two or three images it is unclear which is the outlier
LEAST_PARTICLES = 10
LEAST_SHIFT = 0.25  # the median is 1.25 times larger or smaller
LEAST_DEVIATIONS = 3.0  # robust standard deviations of the images' medians
ROUNDING = 1e-20  # mean squares of ln(size) below it are errors of rounding: the sizes are equal
POINTS = 2000  # sizes at which cumulative distributions are compared


def pool(
    tables: Sequence[Table], conditions: Conditions = DEFAULT_CONDITIONS, excluded: Sequence[str] = ()
) -> PooledStatistics:
    """The statistics of several images of one specimen together.

    tables: judged, one for each image. conditions: all images share the error of the calibration,
    so its uncertainty counts once. excluded: for each image "" or the reason why it is left out; by
    default an image without a scale is left out if others have one. Raises ValueError if there are
    no tables.
    """
    if not tables:
        raise ValueError("0 tables")
    excluded = excluded or without_scale(tables)
    # Sorted by content, so that the random draws do not depend on the order of the images.
    pieces = conditions.pieces or [None] * len(tables)
    pairs = [(table, parts) for table, parts, why in zip(tables, pieces, excluded, strict=True) if not why]
    pairs.sort(key=lambda pair: b"".join(pair[0].length(name).tobytes() for name in ("min_feret", "ecd")))
    chosen = [table for table, _ in pairs]
    conditions = replace(conditions, pieces=[parts for _, parts in pairs] if conditions.pieces else ())
    obstacle = conditions.obstacle or _obstacle(chosen, excluded)
    described, sizes = describe(chosen, replace(conditions, obstacle=obstacle))
    if sizes.by_image:
        rng, whole = np.random.default_rng(conditions.seed), described["intervals"]["median"]
        total = (described.get("budget") or {}).get("median", {}).get("ends")
        described["convergence"] = converge(sizes, whole, conditions.uncertainty, rng, total and tuple(total))
    return PooledStatistics(
        **described,
        interval_basis=BY_IMAGE if sizes.by_image else BY_PARTICLE,
        between=between_images(sizes) if sizes.unit == "nm" else None,  # pixels of two images may have different sizes
    )


def statistics_of_only_image(statistics: Statistics, excluded: Sequence[str]) -> PooledStatistics:
    """The statistics of a sample of which only one image counts: the statistics of this image, without
    advice on how many more objects to count, because nobody knows how other images differ. If images
    without a scale may change the verdict, it is undecided."""
    nano, flag = statistics.nano, _obstacle((), excluded)
    if nano and flag and nano["verdict"] != "undecided":
        nano = nano | {"verdict": "undecided", "reason": flag.short, "decides": flag.text}
    return PooledStatistics(**vars(replace(statistics, nano=nano, convergence=None)))


def without_scale(tables: Sequence[Table], refused: Sequence[bool] = ()) -> list[str]:
    """For each image "", or the reason why it is left out: it has no scale, but others have one.
    refused: which images are left out already; their scales do not matter here."""
    others = [table for table, is_refused in zip_longest(tables, refused) if not is_refused]
    is_scaled = any(table.nm_per_pixel is not None for table in others)
    return [NO_PIXEL_SIZE if is_scaled and table.nm_per_pixel is None else "" for table in tables]


def _obstacle(chosen: Sequence[Table], excluded: Sequence[str]) -> Flag | None:
    """A flag with what a person must do before the sample gets a verdict (text), and the reason (short);
    None if nothing must be done. chosen: the tables of the images that count."""
    pixels = [table.nm_per_pixel for table in chosen if table.nm_per_pixel is not None]
    if any(excluded):
        return Flag(
            "The scale of every image. Images without one are left out, and they might change the answer.",
            "some images have no scale",
        )
    if pixels and max(pixels) > COARSER * min(pixels):
        return Flag(
            "Images of one magnification. Coarser images miss small particles that finer ones show.",
            "images with different pixel sizes",
        )
    if any(not table.kept.any() for table in chosen):
        return Flag(
            "A check of the images without outlines. Leave out those without particles, re-run the others with other"
            " settings.",
            "some images have no particles",
        )
    return None


def notes_on(tables: Sequence[Table], excluded: Sequence[str], things: str, screened: bool = True) -> list[Flag]:
    """The warnings on a sample: on the scales of its images, on images that are left out, and on
    those without objects. `Flag.ids` are numbers of images from 1 on.

    excluded: see `pool`. things: the plural word for the objects. screened: whether they are judged
    as nanomaterials. Then different magnifications are a doubt if the image with the largest
    pixels cannot show the particles of another image.
    """
    if all(excluded):
        text = "There are no numbers, because no image counts. Each image says why."  # as on the page
        return [Flag.doubtful(text, "No image counts, so there are no numbers", ids=tuple(range(1, len(tables) + 1)))]
    notes: list[Flag] = []
    chosen = {number: table for number, table in enumerate(tables, 1) if not excluded[number - 1]}
    pixels = [table.nm_per_pixel for table in chosen.values() if table.nm_per_pixel is not None]
    for reason in dict.fromkeys(filter(None, excluded)):
        ids = tuple(number for number, why in enumerate(excluded, 1) if why == reason)
        images, do = ("1 image", "does") if len(ids) == 1 else (f"{len(ids)} images", "do")
        text = f"{images} {do} not count: {WHY_LEFT_OUT[reason]}{ADDED_WORDS.get(reason, '')}."
        notes.append(Flag(text, f"{images} {WHY_LEFT_OUT[reason]} {do} not count", ids=ids))
    if not pixels and len(chosen) > 1:
        text = "No image has a scale, so sizes are in pixels. They can be compared only if all have one magnification."
        notes.append(Flag.doubtful(text, "Without a scale, sizes compare only at one magnification"))
    if pixels and max(pixels) > COARSER * min(pixels):
        notes.append(_note_on_magnifications(chosen, min(pixels), max(pixels), things, screened))
    empty = tuple(number for number, table in chosen.items() if not table.kept.any())
    if empty:
        scope = f"{len(empty)} of {len(chosen)} images"
        text = f"{scope} contribute{'s' if len(empty) == 1 else ''} no {things.removesuffix('s')}."
        notes.append(Flag(text, f"{scope} without {things}", ids=empty))
    return notes


def _note_on_magnifications(
    tables: Mapping[int, Table], finest: float, coarsest: float, things: str, screened: bool
) -> Flag:
    """The warning on images with different pixel sizes, from `finest` to `coarsest` nm. tables: by
    the number of the image."""
    coarse = tuple(number for number, table in tables.items() if (table.nm_per_pixel or 0.0) > COARSER * finest)
    differ = f"Pixel sizes differ by up to {factor_words(coarsest / finest)} times between images"
    text = (
        f"{differ}, from {finest:.4g} to {coarsest:.4g} nm. {len(coarse)} of {len(tables)} images show fewer small"
        f" {things}, as their pixels are large. Take all at one magnification."
    )
    nonempty = [table for table in tables.values() if screened and table.kept.any()]
    medians = [np.median(table.length("min_feret")[table.kept]) for table in nonempty]
    is_invisible = min(medians, default=inf) < RESOLVED_PX * coarsest
    return Flag(text, differ, doubt=is_invisible, ids=coarse)


def find_outliers(sizes: WeightedSizes, images: int) -> list[str]:
    """For each image "", or a sentence that says why its sizes do not fit those of the other
    images.

    images: their number. An image is an outlier if three conditions hold:
    - Its distribution differs from the distribution of all others together by the test of Kolmogorov and
      Smirnov (p below SIGNIFICANCE after Holm's correction for the number of images).
    - Its median differs from the median of the images' medians by more than LEAST_SHIFT.
    - The logarithms of these two differ by more than LEAST_DEVIATIONS robust standard deviations
      (1.4826 times the median absolute deviation). Images with fewer than LEAST_PARTICLES particles
      are not judged. If fewer than LEAST_IMAGES images remain, none is judged.
    """
    sentences = [""] * images
    image = np.zeros(len(sizes), np.int64) if sizes.image is None else sizes.image
    counts = np.bincount(image, minlength=images)
    judged = np.flatnonzero(counts >= LEAST_PARTICLES)
    if len(judged) < LEAST_IMAGES:
        return sentences
    weights = sizes.weights["number"]
    medians = np.array([quantile(sizes.size[image == i], weights[image == i], 0.5) for i in judged])
    logs = np.log(medians)
    off = logs - np.median(logs)
    limit = max(log(1 + LEAST_SHIFT), LEAST_DEVIATIONS * 1.4826 * float(np.median(abs(off))))
    p_values = holm(_p_values(sizes.size, image, counts)[judged])
    for i, shift, p, median in zip(judged.tolist(), off.tolist(), p_values.tolist(), medians.tolist(), strict=True):
        if p < SIGNIFICANCE and abs(shift) > limit:
            sentences[i] = (
                f"Its {MEDIAN_TERM} of {median:.4g} {sizes.unit} is {100 * abs(exp(shift) - 1):.0f} %"
                f" {'above' if shift > 0 else 'below'} that of the other images. Its distribution differs, too"
                f" ({p_words(p)})."
            )
    return sentences


def _p_values(size: Floats, image: NDArray[np.int64], counts: NDArray[np.int64]) -> Floats:
    """(m,) for each image the p value of the distance between its distribution and that of all
    others together. size: (n,) sorted. image: (n,). counts: (m,) particles of each image. The
    distance is computed at POINTS of the sorted sizes."""
    points = np.minimum(np.arange(len(size)) * POINTS // len(size), POINTS - 1)
    table = np.bincount(image * POINTS + points, minlength=len(counts) * POINTS).reshape(len(counts), POINTS)
    reached = table.cumsum(1)
    others = reached.sum(0) - reached
    others_count = counts.sum() - counts
    with np.errstate(divide="ignore", invalid="ignore"):
        distances = np.abs(reached / counts[:, None] - others / others_count[:, None]).max(1)
        return np.array(
            [
                kolmogorov(distance, n * other / (n + other)) if n and other else 1.0
                for distance, n, other in zip(distances, counts, others_count, strict=True)
            ]
        )


def kolmogorov(distance: float, n: float) -> float:
    """The probability that a Kolmogorov-Smirnov distance is at least this large by chance (Stephens
    1970). n: number of particles; for two samples of n1 and n2 particles n1 n2 / (n1 + n2)."""
    root = sqrt(n)
    return float(special.kolmogorov((root + 0.12 + 0.11 / root) * distance))


def holm(p_values: Floats) -> Floats:
    """The p values (m,) after Holm's (1979) correction."""
    order = np.argsort(p_values, kind="stable")
    stepped = np.maximum.accumulate(p_values[order] * (len(p_values) - np.arange(len(p_values))))
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


def between_images(sizes: WeightedSizes) -> Between | None:
    """How much the images of a sample differ; None for one image, and without more sizes than
    images.

    variance: of ln(size) between the images, by a one-way analysis of variance. sd: its square
    root, about the relative standard deviation of sizes between images. share: of the total
    variance. p: Fisher's. times: the largest median of an image divided by the smallest.
    """
    if sizes.images < 2 or len(sizes) <= sizes.images:
        return None
    image = sizes.image_numbers
    counts, (among, within) = np.bincount(image), mean_squares(sizes)
    typical = (len(sizes) - (counts**2).sum() / len(sizes)) / (len(counts) - 1)
    variance = max((among - within) / float(typical), 0.0)
    medians = [
        quantile(sizes.size[image == place], sizes.weights["number"][image == place], 0.5)
        for place in range(len(counts))
    ]
    total = variance + within
    share = variance / total if total > 0 else 0.0
    if within > ROUNDING:
        p = float(special.fdtrc(len(counts) - 1, len(sizes) - len(counts), among / within))
    else:
        p = float(among <= ROUNDING)
    return {"variance": variance, "sd": sqrt(variance), "share": share, "p": p, "times": max(medians) / min(medians)}
