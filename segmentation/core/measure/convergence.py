"""How the median converges as particles or images are counted, and how many more are needed."""

from __future__ import annotations

from math import ceil, hypot, sqrt

import numpy as np

from .bins import LEAST_SIZES
from .bootstrap import median_interval, undefined
from .distribution import FEWEST_IMAGES, WeightedSizes, quantile
from .drawn import Z95, t95
from .results import Convergence, Interval

WANTED = 0.05  # of the median
POINTS = 24  # of a curve
POINTS_BY_IMAGE = 12
FEASIBLE = 50  # more images; nobody takes more than that
MOST_IMAGES = 10_000  # asking for more is no advice
Point = tuple[int, float, float, float]  # n, median, low, high


def converge(sizes: WeightedSizes, whole: Interval, uncertainty: float, rng: np.random.Generator) -> Convergence | None:
    """The convergence of the median as sizes are counted, or where the images are enough whole images; None if the
    median has no interval.

    whole: the interval of the median of all, the end of the curve. uncertainty: of the calibration, relative.
    """
    if whole is None:
        return None
    by_image = sizes.by_image
    n, least, count = (sizes.images, FEWEST_IMAGES, POINTS_BY_IMAGE) if by_image else (len(sizes), LEAST_SIZES, POINTS)
    order = rng.permutation(n)
    points: list[Point] = []
    steps = np.unique(np.geomspace(least, n, count).round().astype(int))
    for step in steps[steps < n].tolist():
        some = sizes.at(np.isin(sizes.image_numbers, order[:step]) if by_image else np.sort(order[:step]))
        limits = None if by_image and undefined(some) else median_interval(some, rng, uncertainty)
        if limits is not None:  # some of the first few may weigh too much for an interval
            points.append((step, quantile(some.size, some.weights["number"], 0.5), limits[0], limits[1]))
    points.append((n, quantile(sizes.size, sizes.weights["number"], 0.5), whole[0], whole[1]))
    reach, fixed = _reach(points[-1]), Z95 * uncertainty
    if by_image:
        more = 0 if reach <= WANTED else more_images(n, sqrt(max(reach**2 - fixed**2, 0.0)), WANTED, fixed)
        return {**_curve(points, more), "by": "image"}
    if reach <= WANTED or fixed >= WANTED:
        return _curve(points, 0 if reach <= WANTED else None)
    # Counting more particles lowers its own part by the root of their number; the calibration's part stays.
    return _curve(points, rounded_up(max(1, ceil(n * (reach**2 - fixed**2) / (WANTED**2 - fixed**2)) - n)))


def _reach(point: Point) -> float:
    """How far the interval reaches from the median, on its longer side, relative to it."""
    _, median, low, high = point
    return max(median - low, high - median) / median


def _curve(points: list[Point], more: int | None) -> Convergence:
    n, median, low, high = (list(values) for values in zip(*points, strict=True))
    return Convergence(n=n, median=median, low=low, high=high, more=more, wanted=WANTED)


def more_images(images: int, reach: float, target: float, fixed: float = 0.0) -> int | None:
    """About how many more images bring `reach`, the half width of an interval by image, to `target`.

    fixed: the part from the calibration, which more images do not reduce; both add in quadrature. 0 if there are
    enough; None if more than MOST_IMAGES would be needed or no number is enough. The variance between the images is
    assumed constant: the reach is their standard error times Student's t.
    """
    spread = reach / _shrinking(images)
    enough = images
    while hypot(spread * _shrinking(enough), fixed) > target:
        enough = ceil(enough * 1.02)
        if enough - images > MOST_IMAGES:
            return None
    return rounded_up(enough - images)


def _shrinking(images: int) -> float:
    return t95(images - 1) / sqrt(images)


def more_images_words(more: int | None, target: float, uncertainty: float | None) -> str:
    """How many more images would give the median to within `target`, as a part of a sentence.

    more: from `more_images`. uncertainty: of the calibration, relative; None if not known.
    """
    aim = f"±{100 * target:g} %"
    if more and more <= FEASIBLE:
        return f"about {more:,} more image{'' if more == 1 else 's'} would bring the median to {aim}"
    if more == 0:
        return f"these images are enough for the median to {aim}"
    return scale_in_the_way("images", target, uncertainty) or (
        f"even with {FEASIBLE} more images the median would not be known to {aim}: the images differ too much"
    )


def scale_in_the_way(things: str, target: float, uncertainty: float | None) -> str:
    """A part of a sentence that says that no number of things would be enough; "" where the scale is good enough."""
    if Z95 * (uncertainty or 0.0) < target:
        return ""
    aim = f"±{100 * target:g} %"
    return (
        f"more {things} cannot bring the median to {aim}, because the scale is less certain: give it with more digits,"
        " or draw along the scale bar"
    )


def rounded_up(number: int) -> int:
    """Rounded up to two significant digits, because such a number is only advice."""
    step = int(10 ** max(len(str(number)) - 2, 0))
    return -(-number // step) * step
