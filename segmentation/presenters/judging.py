"""A result beside the limits that it is held against, and beside the certificate of its reference material."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ..core.measure.quantities import Quantity, UnknownQuantity, Value, number
from ..core.quality.reference import ReferenceMaterial
from ..core.quality.specification import Specification
from ..core.report.certificate import Certificate, Comparison
from ..core.report.summary import Summary
from ..models import Job, Sample
from .result import Result
from .sample import PooledResult
from .stored import statistics_of, values_of

FIRST = ("median", "d10", "d90", "fraction_100nm", "n_kept")  # of particles, in the order in which people ask


def numbers_to_judge(row: Job | Sample) -> dict[str, Value]:
    """The numbers of a result by name, in the unit of result.json; {} of one without numbers."""
    summary = row.summary if isinstance(row, Job) else row.pooled
    if isinstance(row, Job) and (not row.is_done or summary.get("refused")):
        return {}
    values = values_of(summary) or dict[str, Value]()
    statistics = None if values else statistics_of(summary)  # of results of earlier releases
    names = FIRST if statistics else ()
    return values or {name: statistics.value(name) for name in names if statistics}


def may_be_limited(values: Mapping[str, Value]) -> list[Quantity]:
    """The numbers that the form offers limits for: what particles are asked first, else all that are known."""
    names = [name for name in FIRST if name in values] or [name for name in values if values[name].value is not None]
    quantities = []
    for name in names:
        try:
            quantities.append(number(name))
        except UnknownQuantity:  # of a kind of analysis that is gone
            continue
    return quantities


def certificate_of(row: Job | Sample) -> Certificate | None:
    """The decision on a result; None without limits, or without numbers yet."""
    if not row.specification or not _has_numbers(row):
        return None
    is_refused = isinstance(row, Job) and bool(row.summary.get("refused"))
    specification = Specification.read(row.specification)
    return Certificate.of(specification, numbers_to_judge(row), _summary(row), is_refused=is_refused)


def comparison_of(row: Job | Sample) -> Comparison | None:
    """A result beside the certificate of its reference material; None of another material, or without numbers yet."""
    if not row.reference or not _has_numbers(row):
        return None
    material = ReferenceMaterial.read({name: value for name, value in row.reference.items() if name != "id"})
    return Comparison.of(material, numbers_to_judge(row), _summary(row))


def _has_numbers(row: Job | Sample) -> bool:
    return row.is_done if isinstance(row, Job) else bool(row.pooled.get("of"))


def _summary(row: Job | Sample) -> Summary:
    return Result(row) if isinstance(row, Job) else PooledResult(row)


def decision_as_dict(row: Job | Sample) -> dict[str, Any] | None:
    """For scripts: what `certificate_of` says, in plain JSON types; a side without a limit is None."""
    certificate = certificate_of(row)
    if certificate is None:
        return None
    return {
        "verdict": certificate.verdict,
        "at_least": certificate.conformity.at_least,
        "sentence": f"{certificate.headline} {certificate.holds}",
        "decisions": [
            {
                **decision.limit.model_dump(),
                "verdict": decision.verdict,
                "probability": decision.chance,
                "accepted": decision.accepted and [_finite(end) for end in decision.accepted],
                "sentence": decision.sentence,
            }
            for decision in certificate.conformity.decisions
        ],
    }


def comparison_as_dict(row: Job | Sample) -> dict[str, Any] | None:
    """For scripts: what `comparison_of` says, in plain JSON types."""
    comparison = comparison_of(row)
    if comparison is None:
        return None
    agreement = comparison.agreement
    return {"sentence": comparison.sentence, "agreement": None if agreement is None else asdict(agreement)}


def _finite(end: float) -> float | None:
    return None if end in (float("inf"), float("-inf")) else end
