"""The scale of an image for scripts: what is known of it, and another one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Query, Status

from .. import services
from ..core.micrograph.crosscheck import Source
from ..core.micrograph.readings import calibration_of
from ..core.micrograph.types import Calibration
from ..http.access import changeable, row_of, visible
from ..models import Job, Micrograph
from ..services import Refused
from ..services.ground.calibration import (
    StatedScale,
    calibration_for,
    chosen_calibration,
    disagreements,
    file_calibration,
    used_calibration,
)
from . import schemas
from .auth import identify, key_of
from .jobs import NOT_READ
from .routes import JSON, Routes, takes
from .sending import LENGTH, Scaled, json_body

router = Routes(tags=["Jobs"])


@router.does("GET", "/{uuid:pk}/calibration", "calibration", schemas.Scales, (404, 409, 422))
def scales(
    request: HttpRequest,
    pk: UUID,
    width: str = Query("", max_length=100, description=f"A width to check against them, {LENGTH}."),
) -> Any:
    """The known scales of the image, and whether a width agrees with them."""
    job = visible(request, row_of(Job, pk))
    image = job.micrograph
    if not image.is_read:
        raise Refused(NOT_READ, 409)
    try:
        requested = calibration_for(StatedScale(width, Source.TYPED), image) if width.strip() else None
    except ValueError as problem:
        raise Refused(str(problem), 422) from None
    read = calibration_of(image.reading)
    return {
        "used": _as_dict(used_calibration(job), image),
        "file": _as_dict(file_calibration(image), image),
        "data_bar": _as_dict(read if read.nm_per_pixel else None, image),
        "asked": _as_dict(requested, image),
        "warnings": disagreements(image, requested or used_calibration(job)),
    }


@router.does(
    "POST", "/{uuid:pk}/calibration", "calibration", {202: schemas.Job}, (403, 404, 409, 422), takes(Scaled, JSON)
)
def rescale(request: HttpRequest, response: HttpResponse, pk: UUID) -> Any:
    """Measure the same outlines with another scale, as a new job: that of the file or data bar, a typed width, or the
    length of a line on the scale bar."""
    job, body = changeable(request, row_of(Job, pk)), json_body(request, Scaled)
    if not job.micrograph.is_read:
        raise Refused(NOT_READ, 409)
    try:
        calibration = chosen_calibration(StatedScale.of(body.model_dump()), job.micrograph)
    except ValueError as problem:
        raise Refused(str(problem), 422) from None
    settings = job.get_settings().with_(calibration=calibration)
    new = services.rerun_job(job=job, settings=settings, key=key_of(request), **identify(request))
    response["Location"] = reverse("api:job", args=[new.pk])
    return Status(202, new)


def _as_dict(calibration: Calibration | None, image: Micrograph) -> dict[str, Any] | None:
    if calibration is None:
        return None
    facts = {name: getattr(calibration, name) for name in ("nm_per_pixel", "source", "detail", "relative_uncertainty")}
    return {**facts, "width_nm": calibration.width_nm(image.width)}
