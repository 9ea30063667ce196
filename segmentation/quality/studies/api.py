"""Studies of methods in the API: make one from results and their conditions, read it, apply it to the method."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Status
from pydantic import Field

from ...api.shared.request_bodies import Body, Sign, json_body
from ...api.shared.routes import JSON, Routes, file_answer, request_body
from ...api.shared.schemas import Answer, FromRow, Id, text_of, url_of_view
from ...core.quality.study_report import CONDITIONS, parts_of
from ...models import Study
from ..methods import services as methods_service
from ..methods.api import VersionInFull
from ..methods.words import method_of
from . import services as service
from .words import MOST_RESULTS, report_of, rows_of, study_of

methods, router = Routes(tags=["Methods"]), Routes(tags=["Methods"])


class NewStudy(Body):
    """Results of one method under changed conditions."""

    title: str
    results: dict[UUID, dict[Literal["instrument", "day", "operator", "preparation"], str]] = Field(
        description="Labels of each result, by its id. A condition that never changed is left out."
    )
    agreed: list[UUID] = Field(
        default_factory=list,
        max_length=MOST_RESULTS,
        description="Ids of results that count although they depart from the method, are by a draft, or too small.",
    )
    requirements: dict[str, Any] = Field(
        default_factory=dict,
        description="What the use of the method requires: use (in words), and in per cent the most that intermediate"
        " (precision), bias and uncertainty (half width of an interval) may be.",
    )


class OneStudy(Answer):
    """A study of a method."""

    id: Id
    url: Annotated[str, url_of_view("api:study")]
    page: Annotated[str, url_of_view("study")] = Field(description="The page of the same study for people.")
    title: str
    method: Annotated[str, text_of("method_id")]
    author: str
    created: datetime
    state: str
    error: str
    quantity: str
    conditions: Annotated[list[str], FromRow(lambda row, _: row.names)] = Field(description="The outer ones first.")
    results: Annotated[list[dict[str, Any]], FromRow(lambda row, _: row.rows)] = Field(description="Every input.")
    precision: Annotated[dict[str, Any] | None, FromRow(lambda row, _: row.result or None)] = Field(
        description="Components, repeatability and intermediate precision with their 95 % intervals; null before."
    )
    requirements: dict[str, Any] = Field(description="What the use of the method requires.")
    signatures: list[dict[str, Any]] = Field(description="Of the report: account, name, meaning, time, pdf_sha256.")
    report: Annotated[list[dict[str, Any]], FromRow(lambda row, _: _report(row))] = Field(
        description="The parts of the validation report: title, measured, sentences, and a table: head, rows; or null."
    )


def _report(row: Study) -> list[dict[str, Any]]:
    parts = parts_of(row.quantity, row.rows, row.result, row.requirements) if row.result else []
    return [
        {
            "title": part.title,
            "measured": part.is_measured,
            "sentences": part.lines,
            "table": part.table and part.table._asdict(),
        }
        for part in parts
    ]


@methods.operation(
    "POST",
    "/{uuid:pk}/studies",
    "method-studies",
    {202: OneStudy},
    (401, 403, 404, 409, 422, 429),
    request_body(NewStudy, JSON),
)
def create(request: HttpRequest, response: HttpResponse, pk: UUID) -> Any:
    """Study the precision of a method by a nested analysis of variance, which a worker computes."""
    method = method_of(request, pk)
    body = json_body(request, NewStudy)
    quantity = methods_service.read_description(methods_service.newest_version(method)).quantity
    rows = rows_of(request, method, quantity, {pk: dict(labels) for pk, labels in body.results.items()})
    fields = {"quantity": quantity, "names": CONDITIONS, "rows": rows, "user": request.user}
    fields |= {"agreed": list(map(str, body.agreed)), "requirements": body.requirements}
    study = service.create_study(method=method, title=body.title, **fields)
    response["Location"] = reverse("api:study", args=[study.pk])
    return Status(202, study)


@router.operation("GET", "/{uuid:pk}", "study", OneStudy, (404,))
def study(request: HttpRequest, pk: UUID) -> Any:
    """A study with all its inputs and its results."""
    return study_of(request, pk)


@router.operation("GET", "/{uuid:pk}/report.pdf", "study-report", {}, (404,), file_answer("application/pdf"))
def study_report(request: HttpRequest, pk: UUID) -> Any:
    """The validation report."""
    return report_of(study_of(request, pk))


@router.operation("POST", "/{uuid:pk}/cancel", "study-cancel", OneStudy, (401, 403, 404, 409))
def cancel(request: HttpRequest, pk: UUID) -> Any:
    """Stop a study that waits or runs."""
    return service.cancel_study(study=study_of(request, pk), user=request.user)


@router.operation(
    "POST", "/{uuid:pk}/signatures", "study-signatures", OneStudy, (403, 404, 409, 422), request_body(Sign, JSON)
)
def sign(request: HttpRequest, pk: UUID) -> Any:
    """Sign the validation report, with the account's password once more."""
    row, body = study_of(request, pk), json_body(request, Sign)
    service.sign_study(study=row, request=request, **body.model_dump())
    return row


@router.operation("POST", "/{uuid:pk}/apply", "study-apply", VersionInFull, (401, 403, 404, 409))
def apply(request: HttpRequest, pk: UUID) -> Any:
    """Write the intermediate precision into the draft of the method, or into its next version."""
    return service.apply_study(study=study_of(request, pk), user=request.user)
