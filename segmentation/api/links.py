"""The private links of jobs and samples in the API."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from pydantic import Field

from ..http.access import changeable, link_context, row_of
from ..models import Job, Sample
from ..services.access import links
from ..services.results.corrections import steps
from .shared import schemas
from .shared.request_bodies import Body, json_body
from .shared.routes import JSON, Routes, error_answers, request_body

jobs, samples = Routes(tags=["Jobs"]), Routes(tags=["Samples"])
ANSWERS = {200: schemas.Link, **error_answers(403, 404, 422)}


class Change(Body):
    """Changes of a link. What is not sent stays."""

    ends: str = Field("", description=links.END_HINT)
    renew: bool = Field(False, description="A new secret: the old link stops at once.")
    off: bool | None = Field(None, description="Switch it off, or on again.")


def _row(request: HttpRequest, pk: UUID) -> Any:
    """The job or sample that the address names; raises PermissionDenied unless the caller may change it."""
    is_sample = request.path.startswith("/api/v1/samples/")
    return changeable(request, Sample.objects.filter(pk=pk).first() if is_sample else row_of(Job, pk))


for router, kind in ((jobs, "job"), (samples, "sample")):  # the same addresses below both

    @router.operation("GET", "/{uuid:pk}/link", f"{kind}-link", ANSWERS, operation_id=f"{kind}_link")
    def link(request: HttpRequest, pk: UUID) -> Any:
        """The link, for the maker of the result."""
        return link_context(request, _row(request, pk))

    @router.operation(
        "POST",
        "/{uuid:pk}/link",
        f"{kind}-link",
        ANSWERS,
        (),
        request_body(Change, JSON),
        operation_id=f"change_{kind}_link",
    )
    def change(request: HttpRequest, pk: UUID) -> Any:
        """Set when the link ends, renew it, switch it off or on."""
        row = _row(request, pk)
        steps.change_private_link(row=row, **json_body(request, Change).model_dump())
        return link_context(request, row)
