"""Reference materials in the API: their list, and the reference material that a result measures."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Status
from pydantic import Field

from ...api.shared import schemas
from ...api.shared.auth import identify
from ...api.shared.request_bodies import Body, json_body
from ...api.shared.routes import JSON, Routes, error_answers, request_body
from ...core.quality.reference import ReferenceMaterial
from ...http.access import changeable, row_of, visible
from ...models import Job, Reference, Sample
from ...services.ground.refusal import Refused
from ..limits import services as judging
from ..limits.api import row_of_address
from ..limits.words import comparison_as_dict, deletion_words
from . import services as references_service

router = Routes(tags=["Reference materials"])
jobs, samples = Routes(tags=["Jobs"]), Routes(tags=["Samples"])


class NewReference(Body):
    """A reference material as its certificate states it, in the unit of result.json: nm, fractions from 0 to 1."""

    material: dict[str, Any] = Field(
        description="name, quantity (such as median), value, expanded (uncertainty), k (2), measurand, certificate,"
        " source, batch, expires (such as 2027-06-30)."
    )
    group: str = Field("", description="Name of a group of yours whose accounts list it, too.")


class ChosenReference(Body):
    """Which reference material a result is a measurement of."""

    reference: UUID


@router.operation("GET", "", "references", list[schemas.Reference])
def references(request: HttpRequest) -> Any:
    """Your reference materials and those of your groups."""
    return list(Reference.objects.listed_for(request.user, request.visitor).select_related("group").order_by("name"))


@router.operation(
    "POST",
    "",
    "references",
    {201: schemas.ReferenceListed},
    (403, 409, 422),
    request_body(NewReference, JSON),
    leave_out_unset=True,
)
def create(request: HttpRequest, response: HttpResponse) -> Any:
    """List a reference material. It never changes: a new certificate is a new one."""
    body = json_body(request, NewReference)
    try:
        material = ReferenceMaterial.read(body.material)
    except ValueError as problem:
        raise Refused(str(problem), 422) from None
    row = references_service.create_reference(material=material, group=body.group, **identify(request))
    response["Location"] = reverse("api:reference", args=[row.pk])
    return Status(201, row)


@router.operation("GET", "/{uuid:pk}", "reference", schemas.Reference, (404,))
def reference(request: HttpRequest, pk: UUID) -> Any:
    """One reference material."""
    return visible(request, row_of(Reference, pk))


@router.operation("DELETE", "/{uuid:pk}", "reference", {204: None}, (403, 404))
def delete(request: HttpRequest, pk: UUID) -> Any:
    """Delete a reference material from the list. Results that were compared with it keep its certificate."""
    row = changeable(request, row_of(Reference, pk), "delete")
    references_service.delete_reference(reference=row, account=request.user)
    request.staff_action = None  # the service has noted it
    return Status(204, None)


def _answer(row: Job | Sample) -> dict[str, Any]:
    return {
        "reference": row.reference or None,
        "comparison": comparison_as_dict(row),
        "deleted": deletion_words(row),
    }


def _set_and_answer(request: HttpRequest, row: Job | Sample, reference: Reference | None) -> dict[str, Any]:
    judging.set_reference(row=row, reference=reference, account=request.user)
    request.staff_action = None  # the service has noted it
    return _answer(row)


for router_of_kind, kind in ((jobs, "job"), (samples, "sample")):  # the same addresses below both
    PATH, NAME = "/{uuid:pk}/reference", f"{kind}-reference"

    @router_of_kind.operation(
        "GET", PATH, NAME, {200: schemas.ComparedWithReference, **error_answers(404)}, operation_id=f"{kind}_reference"
    )
    def reference_of(request: HttpRequest, pk: UUID) -> Any:
        """The reference material that a result is a measurement of, and how it agrees with the certificate."""
        return _answer(row_of_address(request, pk))

    @router_of_kind.operation(
        "PUT",
        PATH,
        NAME,
        {200: schemas.ComparedWithReference, **error_answers(403, 404, 409, 422)},
        (),
        request_body(ChosenReference, JSON),
        operation_id=f"set_{kind}_reference",
    )
    def set_reference(request: HttpRequest, pk: UUID) -> Any:
        """State that a result is a measurement of a reference material of your list; a signed result keeps its own."""
        row = changeable(request, row_of_address(request, pk))
        listed_rows = Reference.objects.listed_for(request.user, request.visitor)
        reference = listed_rows.filter(pk=json_body(request, ChosenReference).reference).first()
        if reference is None:
            raise Http404
        return _set_and_answer(request, row, reference)

    @router_of_kind.operation(
        "DELETE", PATH, NAME, {204: None, **error_answers(403, 404, 409)}, operation_id=f"remove_{kind}_reference"
    )
    def remove_reference(request: HttpRequest, pk: UUID) -> Any:
        """State that a result is not a measurement of a reference material."""
        _set_and_answer(request, changeable(request, row_of_address(request, pk)), None)
        return Status(204, None)
