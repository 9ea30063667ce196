"""Compares the calibrations that different sources give for one image, and writes sentences about differences."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ..types import Calibration

LARGEST_DIFFERENCE = 0.02  # relative: calibrations that differ by less agree
FAR_APART = 0.1  # relative: of two sources that differ by more, one is wrong, and nothing is concluded from them
COVERAGE = 2.0  # coverage factor of an uncertainty, for about 95 %


class HasPixelSize(Protocol):
    """A `Calibration`, or the `Facts` of a header."""

    @property
    def nm_per_pixel(self) -> float | None: ...
    @property
    def relative_uncertainty(self) -> float | None: ...


def crosscheck_sources(*calibrations: Calibration) -> list[str]:
    """The sentences of `crosscheck` for calibrations of different sources; the last argument is the one in use."""
    used = calibrations[-1] if calibrations else None
    named = {calibration.source.noun: calibration for calibration in calibrations if calibration.is_known}
    return crosscheck(named, used.source.noun if used and used.is_known else "")


def crosscheck(calibrations: Mapping[str, HasPixelSize], used: str = "") -> list[str]:
    """One sentence for each pair of calibrations that differ by more than 2 % of the smaller one.

    calibrations: by the name of their source, which the sentences put after "the": `Source.noun`, such as "typed
    width", or the name of a file or of a header. Calibrations without a pixel size are left out. used: the name of the
    calibration in use, which the sentences mention.
    """
    sized = {
        name: calibration
        for name, calibration in calibrations.items()
        if calibration.nm_per_pixel and calibration.nm_per_pixel > 0
    }
    return [
        f"The {source} gives {one.nm_per_pixel:.4g} nm per pixel but the {other_source} {other.nm_per_pixel:.4g} nm,"
        f" {apart}."
        for (source, one), (other_source, other) in combinations(sized.items(), 2)
        if (apart := _difference_sentence(one, other, used if used in (source, other_source) else ""))
    ]


def contradict(one: HasPixelSize, other: HasPixelSize) -> bool:
    """Whether both pixel sizes are known and differ by more than 2 % and more than their uncertainties allow."""
    allowed = COVERAGE * math.hypot(one.relative_uncertainty or 0.0, other.relative_uncertainty or 0.0)
    return _difference(one, other) > max(LARGEST_DIFFERENCE, allowed)


def is_far_apart(one: HasPixelSize, other: HasPixelSize) -> bool:
    """Whether both pixel sizes are known, and one of them is wrong, so that a person must decide."""
    return contradict(one, other) and _difference(one, other) > FAR_APART


def largest_contradiction(used: Calibration, *others: HasPixelSize) -> float:
    """The largest factor between the calibration in use and another that contradicts it; 0 if none is far apart, and if
    a person has kept the one in use."""
    if used.is_kept:
        return 0.0
    return 1 + max((_difference(used, other) for other in others if is_far_apart(used, other)), default=-1.0)


def factor_words(factor: float) -> str:
    """A factor as text with two significant digits: "1.5", "2", "120", "1,000"."""
    return f"{float(f'{factor:.2g}'):,.12g}"


def _difference(one: HasPixelSize, other: HasPixelSize) -> float:
    """The difference of two pixel sizes, relative to the smaller one; 0 if one is not known."""
    if not one.nm_per_pixel or not other.nm_per_pixel:
        return 0.0
    return max(one.nm_per_pixel, other.nm_per_pixel) / min(one.nm_per_pixel, other.nm_per_pixel) - 1


def _difference_sentence(one: HasPixelSize, other: HasPixelSize, used: str) -> str:
    """The end of a sentence on the difference of two calibrations; "" if it is small. used: name of the one in use."""
    difference = _difference(one, other)
    if difference <= LARGEST_DIFFERENCE:
        return ""
    percent, factor = f"{difference * 100:.2g} %", f"a factor of {factor_words(difference + 1)}"
    amount = f"{percent if difference < 1 else factor} apart"
    if not contradict(one, other):
        return f"{amount}, no more than their uncertainties allow"
    return f"{amount}. {f'The {used} is used. ' if used else ''}Please check which is right"
