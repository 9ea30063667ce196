"""The scale of an image in the API: all that is known of it, and measuring with another scale."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Query, Status

from ..core.micrograph.calibration.sources import Source
from ..core.micrograph.calibration.stated import StatedScale
from ..core.micrograph.types import Calibration, Scale
from ..http.access import changeable, row_of, visible
from ..models import Job
from ..services.ground.refusal import Refused
from ..services.results import jobs
from .jobs import NOT_READ
from .shared import schemas
from .shared.auth import identify, key_of
from .shared.request_bodies import LENGTH_EXAMPLES, NewScale, json_body
from .shared.routes import JSON, Routes, request_body

router = Routes(tags=["Jobs"])


@router.operation("GET", "/{uuid:pk}/calibration", "calibration", schemas.Scales, (404, 409, 422))
def scales(
    request: HttpRequest,
    pk: UUID,
    width: str = Query("", max_length=100, description=f"A width to check against them, {LENGTH_EXAMPLES}."),
) -> Any:
    """The known scales of the image, and whether a width agrees with them."""
    job = visible(request, row_of(Job, pk))
    if not job.micrograph.is_read:
        raise Refused(NOT_READ, 409)
    scale, typed_scale = job.scale, StatedScale(width, Source.TYPED)
    try:
        requested = typed_scale.calibration(scale) if typed_scale.text else None
    except ValueError as problem:
        raise Refused(str(problem), 422) from None
    scale_with_width = scale if requested is None else scale.with_stated(requested)
    return {
        "used": _as_dict(scale.in_use, scale),
        "file": _as_dict(scale.file if scale.file.nm_per_pixel else None, scale),
        "data_bar": _as_dict(scale.bar if scale.bar.nm_per_pixel else None, scale),
        "asked": _as_dict(requested, scale),
        "warnings": scale_with_width.disagreements(),
    }


@router.operation(
    "POST",
    "/{uuid:pk}/calibration",
    "calibration",
    {202: schemas.Job},
    (403, 404, 409, 422),
    request_body(NewScale, JSON),
)
def rescale(request: HttpRequest, response: HttpResponse, pk: UUID) -> Any:
    """Measure the same outlines with another scale, as a new job. The scale is that of the file or the data bar, a
    typed width, or the length of a line on the scale bar."""
    job, body = changeable(request, row_of(Job, pk)), json_body(request, NewScale)
    if not job.micrograph.is_read:
        raise Refused(NOT_READ, 409)
    try:
        calibration = StatedScale.of(body.model_dump()).calibration_of_source(job.micrograph.scale)
    except ValueError as problem:
        raise Refused(str(problem), 422) from None
    if calibration is not None and body.keep:
        calibration = calibration.kept
    settings = job.get_settings().replaced(calibration=calibration)
    revision = jobs.rerun_job(job=job, settings=settings, key=key_of(request), **identify(request))
    response["Location"] = reverse("api:job", args=[revision.pk])
    return Status(202, revision)


def _as_dict(calibration: Calibration | None, scale: Scale) -> dict[str, Any] | None:
    """The fields of `schemas.KnownScale`; None without a calibration."""
    if calibration is None:
        return None
    names = "nm_per_pixel", "source", "detail", "relative_uncertainty"
    fields = {name: getattr(calibration, name) for name in names}
    return {**fields, "width_nm": calibration.width_nm(scale.shape[1])}
