"""The standard uncertainty of a reported number, on each side of it.

An interval of a size is often lopsided: few particles, or an error that is a factor, reach further
on one side. So there are two standard uncertainties, and a question about a limit is answered with
that of its side. `conformity` and `reference` take theirs from here.
"""

from __future__ import annotations

from math import isfinite
from statistics import NormalDist
from typing import Annotated, NamedTuple

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from ..measure.budget_table import COVERAGE
from ..measure.drawn import Z95
from ..measure.quantities import UnknownQuantity, Value, number
from ..names import clean_text

NORMAL = NormalDist()


def _known(name: str) -> str:
    try:
        is_number = number(name).kind != "text" and name == clean_text(name)
    except UnknownQuantity:
        is_number = False
    if not is_number:
        raise PydanticCustomError("number", "the name of a number of a result")
    return name


NumberName = Annotated[str, AfterValidator(_known)]  # such as "median" or "fraction_100nm"


class Spread(NamedTuple):
    """Standard uncertainties of a number, in its unit, towards smaller and towards larger values;
    none is negative."""

    below: float
    above: float

    def towards(self, difference: float) -> float:
        """That of the side on which something lies that is `difference` larger (negative:
        smaller)."""
        return self.above if difference > 0 else self.below

    def share_below(self, difference: float) -> float:
        """The probability that the true value is at most `difference` above the number: two halves
        of normal distributions that meet at the number. A side without uncertainty is a step, and
        the number itself is in it."""
        u = self.towards(difference)
        if u == 0:
            return 1.0 if difference >= 0 else 0.0
        return NORMAL.cdf(difference / u)


def spread_of(value: Value) -> Spread | None:
    """The standard uncertainties of a number; None without an interval.

    With `total`, its reach on each side is `budget_table.COVERAGE` of them: so `measure.budget`
    makes these ends. The ends `low` and `high` alone are quantiles of 95 %, so their reach is 1.96
    of them, as `measure.budget` takes the standard uncertainty of sampling from such an interval.
    An end of a share at 0 or 1 is cut off there, so that this side is short. Raises ValueError for
    a number outside its interval.
    """
    ends, factor = (value.total, COVERAGE) if value.total else ((value.low, value.high), Z95)
    number, (low, high) = value.value, ends
    if number is None or low is None or high is None:
        return None
    if not (isfinite(low) and isfinite(high) and low <= number <= high):
        raise ValueError(f"The number {number:g} is not inside its interval from {low:g} to {high:g}.")
    return Spread((number - low) / factor, (high - number) / factor)
