"""How many more images a figure needs, from how far its interval by image reaches."""

from __future__ import annotations

from math import ceil, hypot, sqrt

from .student import Z95, t95

MOST_IMAGES = 10_000  # asking for more is no advice


def more_images(images: int, reach: float, wanted: float, fixed: float = 0.0) -> int | None:
    """About how many more images bring `reach`, from a figure to the end of its interval by image, to `wanted`.

    fixed: the part of the reach that no image changes, the calibration's; both add in quadrature. 0 where there are
    enough; None where more than MOST_IMAGES would be needed or no number does. The variance between the images stays
    as it is: the reach is their standard error times Student's t.
    """
    spread = reach / _shrinking(images)
    enough = images
    while hypot(spread * _shrinking(enough), fixed) > wanted:
        enough = ceil(enough * 1.02)
        if enough - images > MOST_IMAGES:
            return None
    return rounded_up(enough - images)


def _shrinking(images: int) -> float:
    return t95(images - 1) / sqrt(images)


def more_images_words(more: int | None, wanted: float, uncertainty: float | None) -> str:
    """How many more images would give the median to within `wanted` of it, as a part of a sentence.

    more: as of `more_images`. uncertainty: of the calibration, relative; None where it is not known.
    """
    aim = f"±{100 * wanted:g} %"
    if more:
        return f"about {more:,} more image{'' if more == 1 else 's'} would give the median within {aim}"
    if more == 0:
        return f"these images are enough to know the median within {aim}"
    reach = Z95 * (uncertainty or 0.0)
    if reach >= wanted:
        return f"more images cannot give the median within {aim}: the calibration alone leaves ±{100 * reach:.2g} %"
    return f"the images differ so much that hardly any number of them would give the median within {aim}"


def rounded_up(number: int) -> int:
    """To two significant digits, never down: a number of particles is advice and not a promise."""
    step = int(10 ** max(len(str(number)) - 2, 0))
    return -(-number // step) * step
