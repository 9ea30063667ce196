"""Whether the calibrations that are known for one image agree.

crosscheck(calibrations: Mapping[str, Calibration]) -> list[str]
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .types import Calibration

LARGEST_DIFFERENCE = 0.02
COVERAGE = 2.0  # standard uncertainties: about 95 %


def crosscheck(calibrations: Mapping[str, Calibration]) -> list[str]:
    """One sentence for each pair of calibrations that differ by more than 2 % of the smaller one.

    calibrations: by what people call where they come from, such as "metadata", "data bar", "typed width"; the name is
    used in the sentence after "the". Those without a pixel size, and the unchecked default, are left out.
    """
    known = {
        name: calibration
        for name, calibration in calibrations.items()
        if calibration.nm_per_pixel and calibration.nm_per_pixel > 0 and calibration.source != "default"
    }
    return [
        _sentence(first, known[first], second, known[second])
        for first, second in combinations(known, 2)
        if _difference(known[first], known[second]) > LARGEST_DIFFERENCE
    ]


def _difference(first: Calibration, second: Calibration) -> float:
    low, high = sorted((first.nm_per_pixel or math.nan, second.nm_per_pixel or math.nan))
    return high / low - 1


def _sentence(first: str, one: Calibration, second: str, other: Calibration) -> str:
    difference = _difference(one, other)
    end = "no more than their uncertainties allow" if _within(difference, one, other) else "check which is right"
    return (
        f"The {first} gives {one.nm_per_pixel:.4g} nm per pixel but the {second} {other.nm_per_pixel:.4g} nm, "
        f"{_amount(difference)}: {end}."
    )


def _within(difference: float, one: Calibration, other: Calibration) -> bool:
    if one.relative_uncertainty is None and other.relative_uncertainty is None:
        return False
    return difference <= COVERAGE * math.hypot(one.relative_uncertainty or 0.0, other.relative_uncertainty or 0.0)


def _amount(difference: float) -> str:
    return f"{difference * 100:.2g} % apart" if difference < 1 else f"a factor of {difference + 1:.3g} apart"
