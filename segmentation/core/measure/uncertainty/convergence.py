"""Computes how the interval of the median shrinks as more particles or images are counted, and how
many more are needed for a target. Pages draw the curve, and give the number as advice."""

from __future__ import annotations

from math import ceil, exp, hypot, log, sqrt

import numpy as np

from ..quantities import MEDIAN_TERM
from ..results import Convergence, Interval
from ..sizes.bins import LEAST_SIZES
from ..sizes.distribution import FEWEST_IMAGES, WeightedSizes, quantile
from .bootstrap import median_interval, why_no_intervals
from .figure_draws import LEAST_END, Z95, t95

TARGET = 0.05  # half width of the interval, of the median
POINTS = 24  # of a curve over particles
POINTS_BY_IMAGE = 12  # of a curve over images
# Images with a curve: with three or four it shows nothing but the order of the images.
FEWEST_IMAGES_DRAWN = 5
FEASIBLE_IMAGES = 50  # that a person may still take
MOST_IMAGES = 10_000  # the search for a number of images ends here
Point = tuple[int, float, float, float]  # n, median, low, high


def converge(
    sizes: WeightedSizes,
    whole: Interval,
    uncertainty: float,
    rng: np.random.Generator,
    total: tuple[float, float] | None = None,
) -> Convergence | None:
    """Median and interval of the first n sizes, for growing n in a random order; None if the median
    has no interval. If there are enough images (`WeightedSizes.by_image`), n counts whole images;
    with fewer than FEWEST_IMAGES_DRAWN images the curve is only its last point.

    whole: the interval of the median of all sizes, the last point of the curve. uncertainty:
    relative, of the calibration. total: the ends of the interval with the total uncertainty, where
    it is known: the curve then ends with these, and the earlier intervals are widened by the same
    part, because more images do not make it smaller.
    """
    if whole is None:
        return None
    by_image = sizes.by_image
    n, least, count = (sizes.images, FEWEST_IMAGES, POINTS_BY_IMAGE) if by_image else (len(sizes), LEAST_SIZES, POINTS)
    order = rng.permutation(n)
    points: list[Point] = []
    steps = np.unique(np.geomspace(least, n, count).round().astype(int))
    is_drawn = not by_image or n >= FEWEST_IMAGES_DRAWN
    for step in steps[steps < n].tolist() if is_drawn else ():
        subset = sizes.at(np.isin(sizes.image_numbers, order[:step]) if by_image else np.sort(order[:step]))
        limits = None if by_image and why_no_intervals(subset) else median_interval(subset, rng, uncertainty)
        if limits is not None:  # a few particles may have too unequal weights for an interval
            points.append((step, quantile(subset.size, subset.weights["number"], 0.5), limits[0], limits[1]))
    points.append((n, quantile(sizes.size, sizes.weights["number"], 0.5), whole[0], whole[1]))
    fixed = Z95 * uncertainty  # the part of the half width that stays however much is counted
    if total is not None:
        added = _reach_added(points[-1], total)
        points = [*(_widened(point, added) for point in points[:-1]), (*points[-1][:2], *total)]
        fixed = hypot(fixed, *added)
    reach = _reach(points[-1])
    if by_image:
        more = 0 if reach <= TARGET else more_images(n, sqrt(max(reach**2 - fixed**2, 0.0)), TARGET, fixed)
        return {**_curve(points, more), "by": "image"}
    if reach <= TARGET or fixed >= TARGET:
        return _curve(points, 0 if reach <= TARGET else None)
    # The part from sampling falls with the root of the number of particles; the part of the
    # calibration stays.
    needed = ceil(n * (reach**2 - fixed**2) / (TARGET**2 - fixed**2))
    return _curve(points, rounded_up(max(1, needed - n)))


def _reach_added(point: Point, total: tuple[float, float]) -> tuple[float, float]:
    """The difference, in quadrature, between the reaches of a point's interval and of the interval
    `total`, below and above; as logarithms of factors."""
    reaches, total_reaches = _reaches(point), _reaches((*point[:2], *total))
    below, above = (sqrt(max(large**2 - small**2, 0.0)) for small, large in zip(reaches, total_reaches, strict=True))
    return below, above


def _reaches(point: Point) -> tuple[float, float]:
    """How far the interval reaches below and above the median, as logarithms of factors."""
    _, median, low, high = point
    return log(median / max(low, LEAST_END * median)), log(high / median)


def _widened(point: Point, added: tuple[float, float]) -> Point:
    """The point with `_reach_added` in its interval."""
    n, median, *_ = point
    below, above = map(hypot, _reaches(point), added)
    return n, median, median * exp(-below), median * exp(above)


def _reach(point: Point) -> float:
    """How far the interval reaches from the median, on its longer side, relative to it."""
    _, median, low, high = point
    return max(median - low, high - median) / median


def _curve(points: list[Point], more: int | None) -> Convergence:
    n, median, low, high = (list(values) for values in zip(*points, strict=True))
    return Convergence(n=n, median=median, low=low, high=high, more=more, wanted=TARGET)


def more_images(images: int, reach: float, target: float, fixed: float = 0.0) -> int | None:
    """About how many more images bring the half width of an interval by image to `target`: 0 if
    there are enough, None if more than MOST_IMAGES would be needed, or no number is enough.

    images: their number now. reach: the half width now, without the part `fixed` of the
    calibration, which more images do not reduce; both add in quadrature. The variance between
    images is taken as constant: the half width is their standard error times Student's t.
    """
    spread = reach / _half_width_factor(images)
    enough = images
    while hypot(spread * _half_width_factor(enough), fixed) > target:
        enough = ceil(enough * 1.02)
        if enough - images > MOST_IMAGES:
            return None
    return rounded_up(enough - images)


def _half_width_factor(images: int) -> float:
    """The half width of an interval of the mean of so many images, in their standard deviations."""
    return t95(images - 1) / sqrt(images)


def more_images_words(
    more: int | None,
    target: float,
    uncertainty: float | None,
    remedy: str = "",
    answer: str = MEDIAN_TERM,
    unit: str = "%",
) -> str:
    """A part of a sentence: how many more images would give the median, or another answer, to
    within `target`.

    more: from `more_images`. uncertainty: relative, of the calibration; None if not known, and for
    an answer that is no length. remedy: what helps, if another part of the uncertainty is too
    large, else "". unit: of 100 times the target, "%" or points.
    """
    aim = f"±{100 * target:g} {unit}"
    if more and more <= FEASIBLE_IMAGES:
        return f"about {more:,} more image{'' if more == 1 else 's'} would bring the {answer} to {aim}"
    if more == 0:
        return f"these images are enough for the {answer} to {aim}"
    if scale := scale_words("images", target, uncertainty):
        return scale
    if remedy:
        return f"more images alone cannot bring the {answer} to {aim}; better: {remedy.removesuffix('.')}"
    return (
        f"even with {FEASIBLE_IMAGES} more images the {answer} would not be known to {aim}: the images differ too much"
    )


def scale_words(things: str, target: float, uncertainty: float | None) -> str:
    """A part of a sentence: the scale is so uncertain that no number of `things` (images,
    particles) would give the median to within `target`; "" where it is certain enough."""
    if Z95 * (uncertainty or 0.0) < target:
        return ""
    aim = f"±{100 * target:g} %"
    return (
        f"more {things} cannot bring the {MEDIAN_TERM} to {aim}, because the scale is less certain: give it with more"
        " digits, or draw along the scale bar"
    )


def rounded_up(number: int) -> int:
    """The number rounded up to two significant digits: as advice it is not known more exactly."""
    step = int(10 ** max(len(str(number)) - 2, 0))
    return -(-number // step) * step
