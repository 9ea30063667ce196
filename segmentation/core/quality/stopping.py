"""Decides when a growing sample is large enough: by its numbers of images and particles, and by the
interval of the number that the method gives.

`measure.convergence` predicts how many more images are needed: the part of the half width that
comes from the differences between images becomes smaller with their number (by Student's t); the
other parts stay the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, hypot, sqrt
from typing import TypedDict

from pydantic import Field

from ..measure.quantities import Value, number
from ..measure.sizes.distribution import FEWEST_IMAGES
from ..measure.uncertainty.convergence import more_images, more_images_words
from ..measure.uncertainty.figure_draws import Z95
from ..validation import Settings
from .conformity import number_words
from .spread import NumberName

DEFAULT_REMEDY = "look at what is largest in the uncertainty budget"


class ClosedOrOpened(TypedDict):
    """The end of a growing sample, or its opening again (`opened`). by: the account. at: when, in ISO 8601. reason: ""
    if enough was measured. sentence: how far the sample was. is_enough: whether enough was measured."""

    opened: bool
    by: str
    at: str
    reason: str
    sentence: str
    is_enough: bool


def departures_of(history: Sequence[ClosedOrOpened]) -> list[str]:
    """What departs from the method in the way in which a sample ended, a sentence each."""
    lines = [
        f"The sample was opened again on {event['at'][:10]} by {event['by']}: {event['reason'].removesuffix('.')}."
        for event in history
        if event["opened"]
    ]
    last = history[-1] if history else None
    if last and not last["opened"] and not last["is_enough"]:
        why = last["reason"].removesuffix(".")
        lines.append(f"The sample was closed before enough was measured, on {last['at'][:10]} by {last['by']}: {why}.")
    return lines


class StoppingRule(Settings):
    """The rule that enough is measured when the 95 % interval of a number is narrow.

    quantity: name of the number, such as "median" or "fraction_100nm". half_width: the largest
    allowed distance from the number to either end of its interval, as a part of the number; for a
    share as a difference of shares (0.03 is 3 percentage points).
    """

    quantity: NumberName = "median"
    half_width: float = Field(gt=0, le=1)

    @property
    def is_share(self) -> bool:
        return number(self.quantity).kind == "fraction"

    @property
    def unit(self) -> str:
        """The unit of 100 times the half width."""
        return "percentage points" if self.is_share else "%"

    @property
    def words(self) -> str:
        return f"the {number(self.quantity).label} to ±{100 * self.half_width:g} {self.unit}"


@dataclass(frozen=True)
class SampleProgress:
    """The progress of a sample. is_enough: whether it may be closed. more: estimated number of images
    that are still needed, 0 if none; None if not known. sentence: for people."""

    is_enough: bool
    more: int | None
    sentence: str


def sample_progress(
    rule: StoppingRule | None,
    value: Value,
    images: int,
    particles: int | None,
    least: tuple[int, int] = (1, 1),
    uncertainty: float | None = None,
    names: tuple[str, str] = ("object", "objects"),
    remedy: str = "",
) -> SampleProgress:
    """The progress of a sample with these numbers of images and particles.

    value: the number that `rule` names, in the unit of result.json. particles: None for a kind of
    analysis that counts none. least: numbers of images and of particles that the method asks for.
    uncertainty: relative standard uncertainty of the scale; None if not known. names: of what is
    counted, singular and plural. remedy: advice on how to make the interval narrower if more images
    do not help; "" for DEFAULT_REMEDY.
    """
    lacking = max(0, least[0] - images)
    more: int | None = lacking
    words = [f"the method asks for {least[0]} images, {lacking} more"] if lacking else []
    if particles is not None and particles < least[1]:
        words.append(f"{'it' if lacking else 'the method'} asks for {least[1]:,} {names[least[1] != 1]}")
        per_image = particles / images if images else 0.0
        more = max(lacking, ceil((least[1] - particles) / per_image)) if per_image else None
    if rule is not None and more == 0:
        more, advice = _by_interval(rule, value, images, uncertainty, remedy)
        words.append(advice)
    counted = f"{images:,} image{'' if images == 1 else 's'}"
    counted += "" if particles is None else f", {particles:,} {names[particles != 1]}"
    measured = "" if rule is None or value.value is None else f": {number_words(rule.quantity, value)}"
    return SampleProgress(more == 0, more, f"{counted}{measured}; {'; '.join(words) or 'these are enough'}.")


def _by_interval(
    rule: StoppingRule, value: Value, images: int, uncertainty: float | None, remedy: str
) -> tuple[int | None, str]:
    """(number of images that are still needed for the interval, None if not known; words for it)."""
    fixed = 0.0
    scale = None if rule.is_share else uncertainty
    answer = number(rule.quantity).label
    reach = _reach(rule, value.reported)
    if reach is None:
        return None, f"the {answer} has no interval yet"
    if reach <= rule.half_width:
        more: int | None = 0
    elif images < FEWEST_IMAGES:
        few = FEWEST_IMAGES - images
        return None, f"{few} more image{'' if few == 1 else 's'} will show how much images differ"
    else:
        counting = _reach(rule, Value(value.value, value.low, value.high)) or reach
        systematic = sqrt(max(reach**2 - counting**2, 0.0))  # parts of the total that more images do not change
        fixed = hypot(systematic, Z95 * (scale or 0.0))
        more = more_images(images, sqrt(max(reach**2 - fixed**2, 0.0)), rule.half_width, fixed)
    remedy = (remedy or DEFAULT_REMEDY) if fixed >= rule.half_width else ""
    return more, more_images_words(more, rule.half_width, scale, remedy, answer, rule.unit)


def _reach(rule: StoppingRule, value: Value) -> float | None:
    """The distance from the number to the farther end of its interval, as a part of the number; for
    a share the distance itself."""
    if value.value is None or value.low is None or value.high is None:
        return None
    longer = max(value.value - value.low, value.high - value.value)
    if rule.is_share:
        return longer
    return longer / value.value if value.value else None
