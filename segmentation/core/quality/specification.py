"""A specification of a material, and the decision on it in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from ..measure.quantities import Value, number, uncapital
from ..names import clean_text
from ..validation import LISTED, Settings
from .conformity import MOST_LIMITS, NEARLY_CERTAIN, Conformity, Limit, decide_all, probability_words

LONGEST_TITLE = 120
Title = Annotated[str, AfterValidator(lambda text: clean_text(text, LONGEST_TITLE))]
# Words for a verdict on the whole specification, and on its requirements.
VERDICTS = {"passes": "Passes", "fails": "Fails", "undecided": "Undecided"}
REQUIREMENT_VERDICTS = {"passes": "met", "fails": "not met", "undecided": "open"}

# The numbers of particles that forms of limits offer, the most usual ones first.
USUAL_LIMITS = ("median", "d10", "d90", "fraction_100nm", "n_kept")


def names_for_limits(available: Sequence[str]) -> list[str]:
    """Those of the available numbers that a form offers limits for: of particles USUAL_LIMITS, else all."""
    return [name for name in USUAL_LIMITS if name in available] or list(available)


class Specification(Settings):
    """The requirements on one material. title: name and number of the specification, or "". limits:
    at most one for each number. agreed, agreed_by: when (ISO 8601) and by whom these limits were set for the
    result, "" if not known. was_measured: whether numbers of the result were known then."""

    title: Title = Field("", max_length=10 * LONGEST_TITLE)
    limits: Annotated[tuple[Limit, ...], Field(min_length=1, max_length=MOST_LIMITS), LISTED]
    agreed: str = ""
    agreed_by: str = ""
    was_measured: bool = False

    @model_validator(mode="after")
    def _each_number_once(self) -> Self:
        names = [limit.quantity for limit in self.limits]
        if twice := next((name for name in names if names.count(name) > 1), ""):
            raise ValueError(f"{twice} has two requirements: give both limits in one.")
        return self

    @property
    def name_in_sentence(self) -> str:
        """The title in quotes, or "the specification" without a title."""
        return f"“{self.title}”" if self.title else "the specification"

    @property
    def agreement(self) -> str:
        """When and by whom the limits were set, and whether numbers were known then; "" if not known."""
        after = "after" if self.was_measured else "before"
        return (
            f"Limits agreed on {self.agreed[:10]} by {self.agreed_by}, {after} the measurement." if self.agreed else ""
        )

    def decision(self, values: Mapping[str, Value], doubt: str = "") -> Conformity:
        """The decision on the numbers of a result, in the unit of result.json. doubt: as in `decide_all`."""
        return decide_all(self.limits, values, doubt)


def conclusion(specification: Specification, conformity: Conformity, *, of_material: bool) -> tuple[str, str]:
    """The decision as (sentence, text on its scope: the material, or only what was seen). of_material: whether the
    intervals of the result include how places of the material differ."""
    total = len(conformity.decisions)
    titles = [
        uncapital(number(decision.limit.quantity).title)
        for decision in conformity.decisions
        if decision.verdict == conformity.verdict
    ]
    end, title_words = REQUIREMENT_VERDICTS[conformity.verdict], ", ".join(titles)
    requirements = f"requirement{'' if total == 1 else 's'} of {specification.name_in_sentence}"
    if len(titles) == total:
        every = "both" if total == 2 else f"all {total}"
        one = f"the requirement of {specification.name_in_sentence} on the {title_words}"
        counted = f"{one} is {end}" if total == 1 else f"{every} {requirements} are {end}"
    else:
        counted = f"{len(titles)} of {total} {requirements} {'is' if len(titles) == 1 else 'are'} {end} ({title_words})"
    probability = conformity.at_least
    probability_sentence = ""
    if probability and total > 1:
        bound = "" if probability >= NEARLY_CERTAIN else "at least "
        probability_sentence = f"All are met with a probability of {bound}{probability_words(probability)}. "
    scope = "This holds for the material."
    if not of_material:
        scope = "This holds for what was seen; a decision for the material needs three pictures of other places."
    return f"{VERDICTS[conformity.verdict]}: {counted}.", f"{probability_sentence}{scope}"
