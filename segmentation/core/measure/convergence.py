"""How the median converges as particles or images are counted, and how many more are needed."""

from __future__ import annotations

from math import ceil, exp, hypot, log, sqrt

import numpy as np

from .bins import LEAST_SIZES
from .bootstrap import median_interval, undefined
from .distribution import FEWEST_IMAGES, WeightedSizes, quantile
from .drawn import LEAST_END, Z95, t95
from .results import Convergence, Interval

WANTED = 0.05  # of the median
POINTS = 24  # of a curve
POINTS_BY_IMAGE = 12
FEWEST_DRAWN = 5  # images: a curve of three or four shows nothing but the order in which they came
FEASIBLE = 50  # more images; nobody takes more than that
MOST_IMAGES = 10_000  # asking for more is no advice
Point = tuple[int, float, float, float]  # n, median, low, high


def converge(
    sizes: WeightedSizes,
    whole: Interval,
    uncertainty: float,
    rng: np.random.Generator,
    total: tuple[float, float] | None = None,
) -> Convergence | None:
    """The convergence of the median as sizes are counted, or where the images are enough whole images; None if the
    median has no interval. Of fewer than FEWEST_DRAWN images it is the end of a curve alone.

    whole: the interval of the median of all, the end of the curve. uncertainty: of the calibration, relative. total:
    its ends with all that is known, which people read where there are any: then the curve ends with these, and each
    interval before is wider by the same part, which more images do not make smaller.
    """
    if whole is None:
        return None
    by_image = sizes.by_image
    n, least, count = (sizes.images, FEWEST_IMAGES, POINTS_BY_IMAGE) if by_image else (len(sizes), LEAST_SIZES, POINTS)
    order = rng.permutation(n)
    points: list[Point] = []
    steps = np.unique(np.geomspace(least, n, count).round().astype(int))
    is_drawn = not by_image or n >= FEWEST_DRAWN
    for step in steps[steps < n].tolist() if is_drawn else ():
        subset = sizes.at(np.isin(sizes.image_numbers, order[:step]) if by_image else np.sort(order[:step]))
        limits = None if by_image and undefined(subset) else median_interval(subset, rng, uncertainty)
        if limits is not None:  # some of the first few may weigh too much for an interval
            points.append((step, quantile(subset.size, subset.weights["number"], 0.5), limits[0], limits[1]))
    points.append((n, quantile(sizes.size, sizes.weights["number"], 0.5), whole[0], whole[1]))
    fixed = Z95 * uncertainty
    if total is not None:
        beyond = _beyond(points[-1], total)
        points = [*(_wider(point, beyond) for point in points[:-1]), (*points[-1][:2], *total)]
        fixed = hypot(fixed, *beyond)
    reach = _reach(points[-1])
    if by_image:
        more = 0 if reach <= WANTED else more_images(n, sqrt(max(reach**2 - fixed**2, 0.0)), WANTED, fixed)
        return {**_curve(points, more), "by": "image"}
    if reach <= WANTED or fixed >= WANTED:
        return _curve(points, 0 if reach <= WANTED else None)
    # Counting more particles lowers its own part by the root of their number; the calibration's part stays.
    return _curve(points, rounded_up(max(1, ceil(n * (reach**2 - fixed**2) / (WANTED**2 - fixed**2)) - n)))


def _beyond(point: Point, total: tuple[float, float]) -> tuple[float, float]:
    """How much further than its interval the total one reaches below and above, as logarithms of factors, whose squares
    add."""
    inner, outer = _reaches(point), _reaches((*point[:2], *total))
    below, above = (sqrt(max(out**2 - within**2, 0.0)) for within, out in zip(inner, outer, strict=True))
    return below, above


def _reaches(point: Point) -> tuple[float, float]:
    """How far the interval reaches below and above the median, as logarithms of factors."""
    _, median, low, high = point
    return log(median / max(low, LEAST_END * median)), log(high / median)


def _wider(point: Point, beyond: tuple[float, float]) -> Point:
    n, median, *_ = point
    below, above = map(hypot, _reaches(point), beyond)
    return n, median, median * exp(-below), median * exp(above)


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


def more_images_words(
    more: int | None,
    target: float,
    uncertainty: float | None,
    remedy: str = "",
    answer: str = "median",
    unit: str = "%",
) -> str:
    """How many more images would give the median, or another answer, to within `target`, as a part of a sentence.

    more: from `more_images`. uncertainty: of the calibration, relative; None if not known, and for an answer without a
    length. remedy: what helps where another part of the uncertainty is in the way; "" where none is. unit: of a
    hundredth of the target.
    """
    aim = f"±{100 * target:g} {unit}"
    if more and more <= FEASIBLE:
        return f"about {more:,} more image{'' if more == 1 else 's'} would bring the {answer} to {aim}"
    if more == 0:
        return f"these images are enough for the {answer} to {aim}"
    if scale := scale_in_the_way("images", target, uncertainty):
        return scale
    if remedy:
        return f"more images alone cannot bring the {answer} to {aim}; better: {remedy.removesuffix('.')}"
    return f"even with {FEASIBLE} more images the {answer} would not be known to {aim}: the images differ too much"


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
