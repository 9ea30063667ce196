"""The standard uncertainties of a reported number: one below the number and one above it.

The interval of a size is often not symmetric, for example with few particles. So there are two
standard uncertainties. `conformity` and `reference` use the one towards the limit or value with
which they compare the number.
"""

from __future__ import annotations

from math import isfinite
from statistics import NormalDist
from typing import Annotated, NamedTuple

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from ..measure.quantities import UnknownQuantity, Value, number
from ..measure.uncertainty.budget_table import COVERAGE
from ..measure.uncertainty.figure_draws import Z95
from ..names import clean_text

NORMAL = NormalDist()


def _checked_name(name: str) -> str:
    """The name, unchanged; raises PydanticCustomError unless a result may have a number of this name."""
    try:
        is_number = number(name).kind != "text" and name == clean_text(name)
    except UnknownQuantity:
        is_number = False
    if not is_number:
        raise PydanticCustomError("number", "the name of a number of a result")
    return name


NumberName = Annotated[str, AfterValidator(_checked_name)]  # such as "median" or "fraction_100nm"


class Spread(NamedTuple):
    """The standard uncertainties of a number, in its unit, below and above it; none is negative."""

    below: float
    above: float

    def towards(self, difference: float) -> float:
        """The standard uncertainty towards a value that is larger by `difference` (negative:
        smaller)."""
        return self.above if difference > 0 else self.below

    def share_below(self, difference: float) -> float:
        """The probability that the true value is at most the number plus `difference`. The
        distribution consists of two halves of normal distributions that meet at the number. On a
        side without uncertainty, the true value is the number."""
        u = self.towards(difference)
        if u == 0:
            return 1.0 if difference >= 0 else 0.0
        return NORMAL.cdf(difference / u)


def spread_of(value: Value) -> Spread | None:
    """The standard uncertainties of a number; None without an interval.

    The ends of `total` lie COVERAGE standard uncertainties from the number, because `measure.budget`
    makes them so. Without `total`, `low` and `high` are the ends of a 95 % interval, 1.96 standard
    uncertainties from the number. Where the interval of a share is cut off at 0 or 1, the standard
    uncertainty of the budget counts, if it is known (`Value.standard`). Raises ValueError for a number
    outside its interval.
    """
    ends, factor = (value.total, COVERAGE) if value.total else ((value.low, value.high), Z95)
    estimate, (low, high) = value.value, ends
    if estimate is None or low is None or high is None:
        return None
    if not (isfinite(low) and isfinite(high) and low <= estimate <= high):
        raise ValueError(f"The number {estimate:g} is not inside its interval from {low:g} to {high:g}.")
    least = [(value.standard if value.standard and end == cut else 0.0) for end, cut in ((low, 0.0), (high, 1.0))]
    return Spread(max((estimate - low) / factor, least[0]), max((high - estimate) / factor, least[1]))
