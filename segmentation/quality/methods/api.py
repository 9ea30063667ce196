"""The methods of a laboratory in the API: save, read, change (as a new version), approve and withdraw them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Status
from pydantic import Field, ValidationError

from ...api.shared.request_bodies import Approval, NewMethod, NewVersion, Withdrawal, json_body
from ...api.shared.routes import JSON, Routes, request_body
from ...api.shared.schemas import Answer, FromRow, Id, address, text_of, url_of_view
from ...core.quality.method import MethodDescription
from ...core.validation import sentence
from ...http.access import row_of, visible
from ...models import Job, Method, MethodVersion
from ...plain import storable
from ...services.access.links import check_open
from ...services.ground.refusal import Refused
from . import services as service
from .words import method_of, version_of

MOST_LOGGED = 1000  # entries of the log in one answer
ONE_OF_BOTH = "Send either job or description."
router = Routes(tags=["Methods"])


class Version(Answer):
    """One version of a method."""

    id: Id
    method: Annotated[str, text_of("method_id")] = Field(description="The id of its method.")
    number: int
    state: Literal["draft", "approved", "withdrawn"]
    checksum: str = Field(description="SHA-256 of description: JSON, sorted keys, UTF-8, no spaces.")
    author: str = Field(description="Account that wrote it, or wrote it last.")
    authors: Annotated[list[str], FromRow(lambda row, _: sorted(row.makers))] = Field(
        description="All that wrote what was not approved before; none of them approves it."
    )
    purpose: str = Field(description="Why it differs from the version before.")
    created: datetime
    approver: str = Field(description="Account that approved it; empty before.")
    approver_name: str
    approved: datetime | None
    own_approval: Annotated[bool, FromRow(lambda row, _: row.is_own_approval)] = Field(
        description="Whether one of its authors approved it: one person works alone on the site."
    )
    withdrawn_by: str
    withdrawn: datetime | None
    reason: str = Field(description="Why it was withdrawn.")
    url: Annotated[str, FromRow(lambda row, request: address(request, "api:method-version", row.method_id, row.number))]


class VersionInFull(Version):
    """One version with its whole description."""

    name: Annotated[str, FromRow(lambda row, _: row.method.name)]
    description: dict[str, Any] = Field(description="All that decides a number.")
    changes: Annotated[list[str], FromRow(lambda row, _: service.changes_of(row))] = Field(
        description="What it changes of the version before."
    )


class OneMethod(Answer):
    """A method with its versions, the newest first."""

    id: Id
    url: Annotated[str, url_of_view("api:method")]
    page: Annotated[str, url_of_view("method")] = Field(description="The page of the same method for people.")
    name: str
    group: Annotated[str | None, FromRow(lambda row, _: row.group.name if row.group else None)]
    created: datetime
    versions: Annotated[list[Version], FromRow(lambda row, _: list(row.versions.all()))]


class Listed(Answer):
    methods: list[OneMethod]


@router.operation("GET", "", "methods", Listed, (401,))
def methods(request: HttpRequest) -> Any:
    """The methods of your account and of its groups, by name."""
    if not request.user.is_authenticated:
        raise Refused(service.SIGN_IN, 401)
    rows = Method.objects.visible_to(request.user).with_versions()
    return {"methods": list(rows)}


@router.operation("POST", "", "methods", {201: VersionInFull}, (401, 404, 409, 422), request_body(NewMethod, JSON))
def create(request: HttpRequest, response: HttpResponse) -> Any:
    """Save a finished result, or a description, as the first version of a new method: a draft."""
    body = json_body(request, NewMethod)
    fields = {"user": request.user, "name": body.name, "group": body.group}
    if description := _description(body):
        version = service.create_method(description=description, **fields)
    else:
        version = service.save_as_method(job=_job(request, body.job), **fields)
    return _answer_with(response, version)


@router.operation("GET", "/{uuid:pk}", "method", OneMethod, (404,))
def method(request: HttpRequest, pk: UUID) -> Any:
    """Name, group and versions."""
    return method_of(request, pk)


class LogEntry(Answer):
    """One entry of the log of a method."""

    created: datetime
    account: str
    action: str
    kind: str
    name: str
    before: dict[str, Any]
    after: dict[str, Any]


@router.operation("GET", "/{uuid:pk}/log", "method-log", list[LogEntry], (403, 404))
def log(request: HttpRequest, pk: UUID) -> Any:
    """The log of a method, the newest entries first, for who may change it: versions, charts, studies, samples."""
    row = method_of(request, pk)
    service.check_changeable(row, request.user)
    return list(service.log_of(row)[:MOST_LOGGED])


@router.operation(
    "POST",
    "/{uuid:pk}/versions",
    "method-versions",
    {201: VersionInFull},
    (401, 403, 404, 409, 422),
    request_body(NewVersion, JSON),
)
def change(request: HttpRequest, response: HttpResponse, pk: UUID) -> Any:
    """Change the draft of a method; where its newest version is approved or withdrawn, make the next version."""
    row, body = method_of(request, pk), json_body(request, NewVersion)
    fields = {"method": row, "user": request.user, "reason": body.reason}
    if description := _description(body):
        version = service.change_method(description=description, **fields)
    else:
        version = service.save_as_method(job=_job(request, body.job), name="", **fields)
    return _answer_with(response, version)


@router.operation("GET", "/{uuid:pk}/versions/{int:number}", "method-version", VersionInFull, (404, 409))
def version(request: HttpRequest, pk: UUID, number: int) -> Any:
    """The whole description of a version, and what it changes of the one before."""
    return version_of(request, pk, number)


@router.operation("DELETE", "/{uuid:pk}/versions/{int:number}", "method-version", {204: None}, (403, 404, 409))
def discard(request: HttpRequest, pk: UUID, number: int) -> Any:
    """Delete a draft, and its method where it is the only version."""
    service.delete_draft(version=version_of(request, pk, number), user=request.user)
    return Status(204, None)


@router.operation(
    "POST",
    "/{uuid:pk}/versions/{int:number}/approve",
    "method-approve",
    VersionInFull,
    (403, 404, 409, 422),
    request_body(Approval, JSON),
)
def approve(request: HttpRequest, pk: UUID, number: int) -> Any:
    """Approve a draft, with the account's password once more. An approved version never changes."""
    row, body = version_of(request, pk, number), json_body(request, Approval)
    service.approve_version(version=row, request=request, **body.model_dump())
    return row


@router.operation(
    "POST",
    "/{uuid:pk}/versions/{int:number}/withdraw",
    "method-withdraw",
    VersionInFull,
    (403, 404, 409, 422),
    request_body(Withdrawal, JSON),
)
def withdraw(request: HttpRequest, pk: UUID, number: int) -> Any:
    """Withdraw an approved version: no new image is analysed by it, and its results stay."""
    row, body = version_of(request, pk, number), json_body(request, Withdrawal)
    service.withdraw_version(version=row, user=request.user, reason=body.reason)
    return row


def _job(request: HttpRequest, pk: UUID | None) -> Job:
    job = visible(request, row_of(Job, pk)) if pk else None
    if job is None:
        raise Refused(ONE_OF_BOTH, 422)
    check_open(job, request.user, request.visitor)
    return job


def _description(body: NewMethod | NewVersion) -> MethodDescription | None:
    """The description that was sent; None if a result was sent instead. Raises Refused if it is not valid."""
    if body.description is None:
        return None
    if body.job is not None:
        raise Refused(ONE_OF_BOTH, 422)
    try:
        return MethodDescription.from_dict(storable(body.description))
    except ValidationError as error:
        raise Refused(sentence(error), 422) from None


def _answer_with(response: HttpResponse, version: MethodVersion) -> Any:
    response["Location"] = reverse("api:method-version", args=[version.method_id, version.number])
    return Status(201, version)
