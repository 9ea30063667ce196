"""A result compared with the limits of its specification and with the certificate of its reference material."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from math import isinf
from typing import Any

from ...core.measure.quantities import Quantity, UnknownQuantity, Value, number
from ...core.quality.conformity import number_words
from ...core.quality.reference import ReferenceMaterial
from ...core.quality.specification import Specification, names_for_limits
from ...core.report.documents.certificate import ConformityStatement, ReferenceComparison
from ...http.access import address_of
from ...models import Job, Reference, Sample, StaffAction
from ...presenters.result import Result
from ...presenters.sample import PooledResult
from ..references.services import DELETED


def limitable_quantities(values: Mapping[str, Value]) -> list[Quantity]:
    """The numbers that the form offers limits for: see `names_for_limits`. A
    length in pixels cannot have limits, so without a scale only counts are offered."""
    available = [name for name, value in values.items() if value.value is not None and not value.unit.startswith("px")]
    quantities = []
    for name in names_for_limits(available):
        try:
            quantities.append(number(name))
        except UnknownQuantity:  # its kind of analysis is no longer installed
            continue
    return quantities


def conformity_statement_of(row: Job | Sample) -> ConformityStatement | None:
    """The decision whether a result is within its limits; None without limits, or without numbers yet."""
    if not row.specification or not _has_numbers(row):
        return None
    specification, stored = Specification.read(row.specification), row.stored
    values = {limit.quantity: stored.value(limit.quantity) for limit in specification.limits}
    summary = Result(row) if isinstance(row, Job) else PooledResult(row)
    return ConformityStatement.of(specification, values, summary, stored.doubt, stored.method)


def comparison_of(row: Job | Sample) -> ReferenceComparison | None:
    """A result beside the certificate of its reference material; None of another material, or without numbers yet."""
    if not row.reference or not _has_numbers(row):
        return None
    material = ReferenceMaterial.read({name: value for name, value in row.reference.items() if name != "id"})
    stored = row.stored
    values = {material.quantity: stored.value(material.quantity)}
    day = f"{stored.acquired[1] if stored.acquired else row.created:%Y-%m-%d}"
    return ReferenceComparison.of(material, values, stored.doubt, day)


def deletion_words(row: Job | Sample) -> str:
    """When and by whom the reference material of a result was taken from the list; "" if it is there or never was."""
    pk = row.reference.get("id")
    if not pk or Reference.objects.filter(pk=pk).exists():
        return ""
    action = StaffAction.objects.filter(target=pk, action=DELETED).order_by("-created").first()
    return f"Taken from the list on {action.created:%Y-%m-%d} by {action.account}." if action else ""


def certificate_facts(material: ReferenceMaterial) -> list[tuple[str, str]]:
    """A certificate as terms and their words."""
    quantity = number(material.quantity)
    is_fraction = quantity.kind == "fraction"
    factor, unit = (100.0, " %") if is_fraction else (1.0, f" {quantity.unit('nm')}".rstrip())
    value, expanded = (f"{factor * size:.10g}" for size in (material.value, material.expanded))
    lines = [
        ("Certified value", f"{value} ± {expanded}{unit} (k = {material.k:g})"),
        ("Measurand", material.measurand),
        ("Compared with", f"the {quantity.label} of a result"),
        ("Certificate", material.certificate),
        ("Source", material.source),
        ("Batch", material.batch),
        ("Expires", material.expires),
    ]
    return [line for line in lines if line[1]]


@dataclass(frozen=True)
class MeasuredReference:
    """A result that is a measurement of a reference material, as a line of a list. value: the measured value, in words.
    verdict: agrees, does not agree, or why nothing is compared. en_number: as text, "" without one."""

    name: str
    address: str
    created: datetime
    value: str
    verdict: str
    en_number: str

    @classmethod
    def of(cls, row: Job | Sample) -> MeasuredReference:
        name = row.name
        comparison = comparison_of(row)
        agreement = comparison and comparison.agreement
        if comparison is None or agreement is None:
            return cls(
                name, address_of(row), row.created, "", comparison.sentence if comparison else "no numbers yet", ""
            )
        value = row.stored.value(comparison.material.quantity)
        verdict = "agrees" if agreement.agrees else "does not agree"
        written = number_words(comparison.material.quantity, value)
        return cls(name, address_of(row), row.created, written, verdict, f"{agreement.en:.2f}".replace("-", "−"))


def _has_numbers(row: Job | Sample) -> bool:
    return row.is_done if isinstance(row, Job) else row.stored.has_numbers


def decision_as_dict(row: Job | Sample) -> dict[str, Any] | None:
    """The decision of `conformity_statement_of` for the API, in plain JSON types; a missing limit is None."""
    certificate = conformity_statement_of(row)
    if certificate is None:
        return None
    return {
        "verdict": certificate.verdict,
        "at_least": certificate.conformity.at_least,
        "sentence": f"{certificate.headline} {certificate.explanation}",
        "reservations": list(certificate.reservations),
        "agreed": certificate.specification.agreement,
        "decisions": [
            {
                **decision.limit.model_dump(),
                "verdict": decision.verdict,
                "probability": decision.probability,
                "accepted": decision.accepted and [None if isinf(end) else end for end in decision.accepted],
                "sentence": decision.sentence,
            }
            for decision in certificate.conformity.decisions
        ],
    }


def comparison_as_dict(row: Job | Sample) -> dict[str, Any] | None:
    """The comparison of `comparison_of` for the API, in plain JSON types."""
    comparison = comparison_of(row)
    if comparison is None:
        return None
    agreement = comparison.agreement
    return {"sentence": comparison.sentence, "agreement": None if agreement is None else asdict(agreement)}
