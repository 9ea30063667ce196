"""A result compared with the limits of a specification, or with the certificate of a reference
material: the words and pictures that the page and the PDF show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...analysis import MethodUsed
from ...measure.quantities import Value, number, uncapital
from ...quality.conformity import OUT_OF_REACH, Conformity, Decision, limit_words, number_words, probability_words
from ...quality.reference import Agreement, ReferenceMaterial, compare_with_certificate
from ...quality.specification import VERDICTS, Specification, conclusion
from ..entries import Entry
from ..summary import Summary
from ..wording import capital
from .ruler import Ruler

LACKING = "The uncertainty does not include: {parts}."
DECISION_RULES = {
    "simple": "Simple acceptance: a number passes if it lies inside the limits.",
    "guard band": "Guard band of {factor:g} U: a number passes if it lies inside the limits by {factor:g} times its"
    " expanded uncertainty, and fails if it lies outside by as much.",
}
RULES_SOURCE = "Decision rules and the probability of conformity are those of JCGM 106:2012 (ISO/IEC Guide 98-4)."


@dataclass(frozen=True)
class RequirementRow:
    """One requirement of a specification, in words; a text is "" if it is not known.

    name: of the quantity. requirement: its limits. measured: the number with its interval.
    probability: that the material conforms. ruler: the picture of number and limits.
    """

    name: str
    requirement: str
    measured: str
    probability: str
    verdict: str
    sentence: str
    ruler: Ruler | None


@dataclass(frozen=True)
class ConformityStatement:
    """Whether a result meets a specification, with reasons.

    headline, explanation: see `specification.conclusion`. rule: the decision rule in words. basis:
    what the intervals include. reservations: what the reader of the decision must know: how the result
    departs from its method, and what the uncertainty lacks, a sentence each.
    """

    specification: Specification
    conformity: Conformity
    headline: str
    explanation: str
    rows: tuple[RequirementRow, ...]
    rule: str
    basis: str
    reservations: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        specification: Specification,
        values: Mapping[str, Value],
        summary: Summary,
        doubt: str = "",
        method: MethodUsed | None = None,
    ) -> ConformityStatement:
        """The statement on the numbers of a result.

        values: the numbers by name, in the unit of result.json. summary: of the same numbers. doubt:
        why nothing may be decided by them (`flags.judging_doubt`). method: the method that the result
        followed.
        """
        conformity = specification.decision(values, doubt)
        entries = [
            summary.with_basis(Entry.of(limit.quantity, values[limit.quantity]))
            for limit in specification.limits
            if limit.quantity in values and not doubt
        ]
        out_of_reach = [decision for decision in conformity.decisions if decision.is_out_of_reach]
        lacking = dict.fromkeys(uncapital(part) for entry in entries for part in entry.missing_parts)
        rules = dict.fromkeys((limit.rule, limit.factor) for limit in specification.limits)
        return cls(
            specification,
            conformity,
            *conclusion(specification, conformity, of_material=summary.where == "for the material"),
            tuple(_row(decision, values) for decision in conformity.decisions),
            " ".join([*(DECISION_RULES[rule].format(factor=factor) for rule, factor in rules), RULES_SOURCE]),
            summary.contents_of(entries),
            (
                *(method.remarks if method else ()),
                *(f"{capital(limit_words(row.limit))}: {uncapital(OUT_OF_REACH)}" for row in out_of_reach),
                *([LACKING.format(parts="; ".join(lacking))] if lacking else ()),
            ),
        )

    @property
    def verdict(self) -> str:
        """The decision on all requirements together: passes, fails or undecided."""
        return self.conformity.verdict


def _row(decision: Decision, values: Mapping[str, Value]) -> RequirementRow:
    name = decision.limit.quantity
    value = values.get(name, Value(None))
    return RequirementRow(
        name,
        capital(limit_words(decision.limit)),
        "" if value.value is None else number_words(name, value),
        "" if decision.probability is None else probability_words(decision.probability),
        VERDICTS[decision.verdict],
        decision.sentence,
        Ruler.of_decision(decision, value),
    )


@dataclass(frozen=True)
class ReferenceComparison:
    """A measurement of a reference material, compared with its certificate.

    sentence: the conclusion. agreement: None if nothing can be compared; then `sentence` says why.
    """

    material: ReferenceMaterial
    agreement: Agreement | None
    sentence: str
    ruler: Ruler | None

    @classmethod
    def of(
        cls, material: ReferenceMaterial, values: Mapping[str, Value], doubt: str = "", day: str = ""
    ) -> ReferenceComparison:
        """Compare a result with a certificate. values, doubt: as in `ConformityStatement.of`. day: of the
        measurement, in ISO 8601."""
        value = values.get(material.quantity, Value(None))
        if doubt:
            return cls(material, None, f"Nothing is compared with the certificate, because {doubt}.", None)
        if value.value is None:
            label = number(material.quantity).label
            sentence = f"This result has no {label}, which the certificate of {material.name} states."
            return cls(material, None, sentence, None)
        try:
            comparison = compare_with_certificate(material, value)
        except ValueError as problem:
            return cls(material, None, str(problem), None)
        sentence = " ".join(filter(None, [comparison.sentence, material.expiry_words(day)]))
        return cls(material, comparison, sentence, Ruler.of_reference(material, value))
