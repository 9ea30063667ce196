"""The specification of a result in the API: the limits that its numbers are compared with, and the decision."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Status
from pydantic import Field

from ...api.shared import schemas
from ...api.shared.request_bodies import Body, json_body
from ...api.shared.routes import JSON, Routes, error_answers, request_body
from ...core.quality.specification import Specification
from ...http.access import changeable, row_of, visible
from ...models import Job, Sample
from ...services.ground.refusal import Refused
from . import services as judging
from .words import decision_as_dict

jobs, samples = Routes(tags=["Jobs"]), Routes(tags=["Samples"])
ANSWERS = {200: schemas.Judged, **error_answers(404)}
CHANGED = {200: schemas.Judged, **error_answers(403, 404, 409, 422)}


class NewSpecification(Body):
    """The limits of a result, in the unit of result.json: nm, and fractions from 0 to 1."""

    title: str = Field("", description="Name and number of the specification.")
    limits: list[dict[str, Any]] = Field(
        description="Of each number that has limits: quantity (such as median, d10, d90, fraction_100nm, n_kept),"
        " lower, upper, rule (guard band or simple), factor (of the guard band, times U)."
    )


def row_of_address(request: HttpRequest, pk: UUID) -> Job | Sample:
    """The job or sample that the address names; raises Http404."""
    kind: type[Job | Sample] = Sample if request.path.startswith("/api/v1/samples/") else Job
    return visible(request, row_of(kind, pk))


def _answer(row: Job | Sample) -> dict[str, Any]:
    return {"specification": row.specification or None, "decision": decision_as_dict(row)}


for router, kind in ((jobs, "job"), (samples, "sample")):  # the same addresses below both
    PATH, NAME = "/{uuid:pk}/specification", f"{kind}-specification"

    @router.operation("GET", PATH, NAME, ANSWERS, operation_id=f"{kind}_specification")
    def specification(request: HttpRequest, pk: UUID) -> Any:
        """The limits of a result, and the decision on them; null without limits, or while there are no numbers."""
        return _answer(row_of_address(request, pk))

    @router.operation(
        "PUT", PATH, NAME, CHANGED, (), request_body(NewSpecification, JSON), operation_id=f"set_{kind}_specification"
    )
    def set_specification(request: HttpRequest, pk: UUID) -> Any:
        """Compare a result with new limits in place of those before; a signed result keeps its limits."""
        row = changeable(request, row_of_address(request, pk))
        try:
            limits = Specification.read(json_body(request, NewSpecification).model_dump())
        except ValueError as problem:
            raise Refused(str(problem), 422) from None
        return _answer(_changed(request, row, limits))

    @router.operation(
        "DELETE", PATH, NAME, {204: None, **error_answers(403, 404, 409)}, operation_id=f"remove_{kind}_specification"
    )
    def remove_specification(request: HttpRequest, pk: UUID) -> Any:
        """Take the limits of a result away."""
        _changed(request, changeable(request, row_of_address(request, pk)), None)
        return Status(204, None)


def _changed(request: HttpRequest, row: Job | Sample, limits: Specification | None) -> Job | Sample:
    judging.set_specification(row=row, specification=limits, account=request.user)
    request.staff_action = None  # the service has noted it
    return row
