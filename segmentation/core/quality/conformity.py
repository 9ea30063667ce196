"""Decides whether numbers of a result meet the limits of a specification, and with what probability
(ISO/IEC Guide 98-4:2012, which is JCGM 106:2012).

- The probability of conformity is the share of the number's distribution inside the limits (clause 7).
  Each half of the distribution is normal, with the standard uncertainty of its side (`spread`), so
  that it has the same 95 % interval as the number.
- Simple acceptance (8.2): a number inside the limits passes, any other fails.
- Guard band (8.3): a number passes only if it lies inside the limits by at least w, and fails only
  if it lies outside by at least w. w is r times the expanded uncertainty U, and r is 1 unless
  another value was agreed. All other numbers are undecided.

A number without a known uncertainty is undecided by either rule, because the probability of a wrong
decision is not known. Counts are exact: they describe what was counted, not the material.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Literal, Self

from pydantic import Field, model_validator

from ..measure.quantities import (
    ALL_DIGITS,
    Value,
    decimals_beside,
    end_words,
    number,
    readable,
    significant,
    uncapital,
)
from ..measure.uncertainty.budget_table import COVERAGE
from ..validation import Settings
from .spread import NumberName, Spread, spread_of

Verdict = Literal["passes", "fails", "undecided"]
Rule = Literal["simple", "guard band"]
COUNTED_KINDS = ("integer", "halves")  # kinds of numbers that are counted
MOST_LIMITS = 30  # requirements of a specification or method
OUT_OF_REACH = "No number can pass with these limits and this uncertainty."
NEARLY_CERTAIN = 0.9995  # a probability of at least this is written as "over 99.9 %"


class Limit(Settings):
    """One requirement of a specification.

    quantity: the name of a number of a result, such as "median", "d10", "d90", "fraction_100nm" or
    "n_kept". lower, upper: in the unit of result.json (nm; a share from 0 to 1); None for no limit
    on this side. rule: the decision rule. factor: r, the guard band in expanded uncertainties.
    """

    quantity: NumberName
    lower: float | None = None
    upper: float | None = None
    rule: Rule = "guard band"
    factor: float = Field(1.0, ge=0, le=3)

    @model_validator(mode="after")
    def _has_limits(self) -> Self:
        if self.lower is None and self.upper is None:
            raise ValueError("a requirement has a lower limit, an upper limit, or both.")
        if self.lower is not None and self.upper is not None and self.lower >= self.upper:
            raise ValueError("the lower limit is below the upper one.")
        return self


@dataclass(frozen=True)
class Decision:
    """The decision on one requirement.

    probability: that the true value lies inside the limits; None if the uncertainty is not known.
    accepted: the smallest and the largest number that passes by the rule, ±inf without a limit;
    None if the uncertainty is not known, or if no possible number passes (`is_out_of_reach`).
    sentence: the decision and its reasons.
    """

    limit: Limit
    verdict: Verdict
    probability: float | None
    accepted: tuple[float, float] | None
    sentence: str

    @property
    def is_out_of_reach(self) -> bool:
        """Whether no number can pass with this uncertainty: the guard bands leave no room."""
        return self.probability is not None and self.accepted is None


@dataclass(frozen=True)
class Conformity:
    """The decision on a whole specification. at_least: a lower bound of the probability that all
    requirements are met, also if they depend on each other (Bonferroni); None if one probability
    is not known."""

    verdict: Verdict
    at_least: float | None
    decisions: tuple[Decision, ...]


def decide(limit: Limit, value: Value, doubt: str = "") -> Decision:
    """The decision on one number of a result. value: in the unit of result.json. doubt: why the
    result cannot be judged, or ""."""
    spread = None if doubt else _known_spread(limit, value)
    if value.value is None or spread is None:
        return Decision(limit, "undecided", None, None, _unknown_words(limit, value, doubt))
    low, high = -inf if limit.lower is None else limit.lower, inf if limit.upper is None else limit.upper
    probability = probability_inside(value.value, spread, low, high)
    if limit.rule == "simple":
        verdict: Verdict = "passes" if low <= value.value <= high else "fails"
        inside = (low, high)
    else:
        # The uncertainty towards the limit decides how wide its guard band is.
        bands = [limit.factor * COVERAGE * spread.towards(end - value.value) for end in (low, high)]
        verdict = _guard_band_verdict(value.value, low, high, bands)
        inside = (low + bands[0], high - bands[1])
    smallest, largest = _possible(limit)
    accepted = inside if max(inside[0], smallest) <= min(inside[1], largest) else None
    words = _words(limit, value, verdict, probability)
    return Decision(limit, verdict, probability, accepted, words if accepted else f"{words} {OUT_OF_REACH}")


def decide_all(limits: Sequence[Limit], values: Mapping[str, Value], doubt: str = "") -> Conformity:
    """The decision on a whole specification: it fails if one requirement fails; else it is undecided
    if one is undecided.

    values: the numbers of the result by name; a missing number is undecided. doubt: why the result
    cannot be judged, such as outlines that are probably wrong; then all is undecided. Raises
    ValueError without requirements.
    """
    if not limits:
        raise ValueError("A specification has at least one requirement.")
    decisions = tuple(decide(limit, values.get(limit.quantity, Value(None)), doubt) for limit in limits)
    verdicts = {decision.verdict for decision in decisions}
    verdict: Verdict = "fails" if "fails" in verdicts else "undecided" if "undecided" in verdicts else "passes"
    probabilities = [decision.probability for decision in decisions if decision.probability is not None]
    is_known = len(probabilities) == len(decisions)
    return Conformity(
        verdict,
        max(0.0, 1 - sum(1 - probability for probability in probabilities)) if is_known else None,
        decisions,
    )


def probability_inside(value: float, spread: Spread, low: float, high: float) -> float:
    """The probability that the true value lies from `low` to `high` (either may be infinite). All
    arguments have one unit."""
    below = 0.0 if low == -inf else spread.share_below(low - value)
    if spread.towards(low - value) == 0 and low == value:
        below = 0.0  # a number without uncertainty that is equal to the limit lies inside
    return max(0.0, (1.0 if high == inf else spread.share_below(high - value)) - below)


def _known_spread(limit: Limit, value: Value) -> Spread | None:
    """The standard uncertainties of a number: 0 for a count, None if not known or if a length is in pixels."""
    quantity = number(limit.quantity)
    if quantity.power and value.unit.startswith("px"):
        return None
    is_counted = quantity.kind in COUNTED_KINDS and value.low is None and value.total is None
    return Spread(0.0, 0.0) if is_counted else spread_of(value)


def _possible(limit: Limit) -> tuple[float, float]:
    """The smallest and the largest number that the quantity can have."""
    quantity = number(limit.quantity)
    is_share = quantity.kind == "fraction"
    return (0.0 if is_share or quantity.power or quantity.kind in COUNTED_KINDS else -inf), (1.0 if is_share else inf)


def _guard_band_verdict(value: float, low: float, high: float, bands: Sequence[float]) -> Verdict:
    """The verdict with guard bands. bands: width of the band at the lower and at the upper limit."""
    if low + bands[0] <= value <= high - bands[1]:
        return "passes"
    is_outside = value < low or value > high
    if is_outside and (value <= low - bands[0] or value >= high + bands[1]):
        return "fails"
    return "undecided"


def limit_words(limit: Limit) -> str:
    """The requirement in words: "median 80 to 120 nm", "fraction from 1 to 100 nm at most 10 %"."""
    quantity = number(limit.quantity)
    unit = {"fraction": " %"}.get(quantity.kind, f" {quantity.unit('nm')}".rstrip())
    factor = 100 if quantity.kind == "fraction" else 1
    # As the limits were agreed, without rounding.
    low, high = (None if end is None else f"{factor * end:.10g}" for end in (limit.lower, limit.upper))
    span = f"{low} to {high}" if low and high else f"at least {low}" if low else f"at most {high}"
    return f"{quantity.label} {span}{unit}"


def number_words(name: str, value: Value) -> str:
    """A number of a result with its reported interval, such as "182 nm (171 to 193)".

    name: of its quantity. value: in the unit of result.json. Raises UnknownQuantity."""
    quantity = number(name)
    reported = value.reported
    if quantity.kind == "fraction":
        reported = reported.times(100.0, "%")
    elif quantity.kind not in COUNTED_KINDS:
        reported = readable(reported)
    estimate, unit = reported.value or 0.0, f" {reported.unit}" if reported.unit else ""
    if reported.low is None or reported.high is None:
        return f"{f'{estimate:,.10g}' if quantity.kind in COUNTED_KINDS else significant(estimate)}{unit}"
    places = decimals_beside(estimate, reported.low, reported.high)
    ends = " to ".join(end_words(end, places) for end in (reported.low, reported.high))
    return f"{significant(estimate, ALL_DIGITS, places)}{unit} ({ends})"


def probability_words(probability: float) -> str:
    """The probability in words, such as "97.5 %" or "over 99.9 %"."""
    if probability >= NEARLY_CERTAIN:
        return "over 99.9 %"
    return "under 0.1 %" if probability < 1 - NEARLY_CERTAIN else f"{100 * probability:.1f} %"


def _words(limit: Limit, value: Value, verdict: Verdict, probability: float) -> str:
    verdict_words = {
        "passes": "it passes",
        "fails": "it fails",
        "undecided": "it is undecided, because a limit is nearer than the guard band",
    }[verdict]
    quantity = number(limit.quantity)
    if quantity.kind in COUNTED_KINDS and value.reported.low is None:
        return f"Asked: {limit_words(limit)}. Counted: {number_words(limit.quantity, value)}; {verdict_words}."
    rule = "by simple acceptance" if limit.rule == "simple" else f"with a guard band of {limit.factor:g} U"
    measured = number_words(limit.quantity, value)
    return (
        f"Asked: {limit_words(limit)}. Measured: {measured}. The probability that the true value is"
        f" inside the limits is {probability_words(probability)}; {rule} {verdict_words}."
    )


def _unknown_words(limit: Limit, value: Value, doubt: str) -> str:
    label = uncapital(number(limit.quantity).title)
    if doubt:
        why = doubt
    elif value.value is None:
        why = f"the result has no {label}"
    elif number(limit.quantity).power and value.unit.startswith("px"):
        why = f"the {label} is in pixels: give the image a scale"
    else:
        why = f"the uncertainty of the {label} is not known"
    return f"Asked: {limit_words(limit)}. It is undecided, because {why}."
