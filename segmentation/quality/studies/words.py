"""The results that a study of a method can use, and the data of each result that it stores; for pages and API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.http import content_disposition_header

from ...core.names import portable_name
from ...core.quality.conformity import number_words
from ...core.quality.study_report import CONDITIONS
from ...core.report.wording import in_per_cent
from ...http.access import address_of, row_of, visible
from ...models import Job, Method, Sample, Study
from ...services.access.links import check_open
from ...services.ground.refusal import Refused
from ..control_charts.points import reasons_of
from ..limits.words import comparison_of

MOST_LISTED, MOST_RESULTS = 200, 500  # results in the form, and in a study
TOO_MANY = f"A study takes at most {MOST_RESULTS} results."
TWICE_IN = "{name} is an image of the sample {sample}: tick one of the two."


class Candidate(NamedTuple):
    """A finished result of a method that a study can use. value: in words. labels: by the name of the condition, its
    title and the label, "" if not known. waits: why it counts only after a yes, "" if it counts without."""

    row: Job | Sample
    name: str
    address: str
    value: str
    labels: dict[str, tuple[str, str]]
    waits: str = ""


def candidates(method: Method, quantity: str, user: Any, visitor: Any) -> Iterator[Candidate]:
    """The finished results of a method that the caller may see, the newest first: images, also those in samples, and
    samples."""
    by_method = {"method__method": method}
    jobs = Job.objects.visible_to(user, visitor).filter(**by_method, state=Job.State.DONE, reruns=None)
    samples = Sample.objects.visible_to(user, visitor).filter(**by_method, state=Sample.State.DONE)
    rows: list[Job | Sample] = [
        *jobs.select_related("micrograph").order_by("-created")[:MOST_LISTED],
        *samples[:MOST_LISTED],
    ]
    for row in sorted(rows, key=lambda row: row.created, reverse=True)[:MOST_LISTED]:
        value = row.stored.scaled_value(quantity)
        if value.value is None:
            continue
        known_labels = {"day": row.stored.day, "operator": str(row.settings.get("operator") or "")}
        labels = {name: (title, known_labels.get(name, "")) for name, title in CONDITIONS.items()}
        words = number_words(quantity, value)
        yield Candidate(row, row.name, address_of(row), words, labels, " ".join(reasons_of(row)))


def study_row(row: Job | Sample, quantity: str, labels: dict[str, str]) -> dict[str, Any]:
    """A result as a study stores it (`core.quality.study_report`); value is None without such a number and a scale."""
    stored = row.stored
    value = in_per_cent(quantity, stored.scaled_value(quantity)).reported
    comparison = comparison_of(row)
    return {
        "id": str(row.pk),
        "name": row.name,
        "made": row.created.isoformat(timespec="seconds"),
        "version": row.method.number if row.method else None,
        "value": value.value,
        "low": value.low,
        "high": value.high,
        "labels": labels,
        "n": stored.statistics and stored.statistics.n_kept,
        "d10": stored.scaled_value("d10").value,
        "d90": stored.scaled_value("d90").value,
        "corrected": stored.corrections.get("outlines", 0),
        "confirmed": stored.corrections.get("reviewed", 0),
        "reference": comparison.sentence if comparison else "",
        "bias": comparison.agreement.relative_bias if comparison and comparison.agreement else None,
        "departures": list(stored.method.departures) if stored.method else [],
        "waits": " ".join(reasons_of(row)),
    }


def rows_of(request: HttpRequest, method: Method, quantity: str, labels: dict[UUID, dict[str, str]]) -> list[Any]:
    """The results of a study as it stores them (`study_row`). labels: by the id of the result. "version" is None for a
    result of another method. Raises Http404 if the caller may not see a result, Refused (422) for a sample with one of
    its images, and for too many results."""
    if len(labels) > MOST_RESULTS:
        raise Refused(TOO_MANY, 422)
    rows, results = [], []
    for pk, conditions in labels.items():
        row = row_of(Job, pk) or row_of(Sample, pk)
        visible(request, row)
        check_open(row, request.user, request.visitor)  # a link to a result does not make it data of others
        results.append(row)
        entry = study_row(row, quantity, conditions)
        if row.method is None or row.method.method_id != method.pk:
            entry["version"] = None
        rows.append(entry)
    sample_of = {job.micrograph_id: row for row in results if isinstance(row, Sample) for job in row.members}
    for row in results:
        if isinstance(row, Job) and (sample := sample_of.get(row.micrograph_id)):
            raise Refused(TWICE_IN.format(name=row.name, sample=sample.name), 422)
    return rows


def study_of(request: HttpRequest, pk: UUID) -> Study:
    """The study, if the caller may see its method; else raises Http404."""
    visible_studies = Study.objects.filter(method__in=Method.objects.visible_to(request.user))
    return get_object_or_404(visible_studies.select_related("method"), pk=pk)


def report_of(row: Study) -> HttpResponse:
    """The validation report of a study as PDF; raises Http404 before it is there."""
    if row.pdf is None:
        raise Http404
    name = f"{portable_name(f'Validation report {row.method.name} {row.title}')}.pdf"
    headers = {"Content-Disposition": content_disposition_header(True, name)}
    return HttpResponse(bytes(row.pdf), "application/pdf", headers=headers)
