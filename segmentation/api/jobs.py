"""Jobs for scripts: an image in, its result out."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import numpy as np
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Query, Router, Status

from .. import services
from ..core.labels.operations import standing
from ..core.labels.patches import Patch
from ..core.micrograph import parse_width
from ..core.report.exports.viewer import PICTURE
from ..core.typed import SWITCH
from ..http.access import visible
from ..http.serving import serve_artifact, serve_labels, serve_packed, serve_shown
from ..models import Artifact, Job
from ..services import Refused
from ..services.calibration import ASSUMED, calibration_for, is_assumed, refuse_tall_bar, stated_calibration
from . import schemas
from .auth import identify, key_of, own, secret_of
from .sending import (
    A_FILE,
    FORM,
    JSON,
    LABELS,
    Changes,
    Edits,
    LabelsAs,
    OneImage,
    changed_settings,
    json_body,
    refusals,
    sent_fields,
    takes,
    valid_settings,
)

READING = "reading the image"
NOT_READ = "The image has not been read yet: ask again when the job runs."
SINCE = "Only the edits after this number."
WAIT = "Seconds to wait for a file that is still to be written, at most 30."
router = Router(tags=["Jobs"])


@router.post(
    "",
    url_name="jobs",
    response={202: schemas.JobStarted, **refusals(409, 413, 422, 507)},
    exclude_unset=True,
    openapi_extra=takes(OneImage, settings=True),
)
def start(request: HttpRequest, response: HttpResponse) -> Any:
    """Take an image and its settings, start a job.

    The answer comes before the file has been looked into; what is no image is a job that failed.
    """
    file = request.FILES.get("file")
    if file is None:
        raise Refused("Send the image as multipart/form-data in a field named file.")
    settings = valid_settings(request, OneImage)
    asked = _asked(request)
    who, key = identify(request), key_of(request)
    micrograph = services.receive_upload(file=file, side=request.FILES.getlist("side"), **who)
    try:
        job = services.create_job(micrograph=micrograph, settings=settings, asked=asked, key=key, **who)
    except (ValueError, Refused) as problem:
        services.delete_upload(micrograph=micrograph)
        raise problem if isinstance(problem, Refused) else Refused(str(problem)) from None
    response["Location"] = reverse("api:job", args=[job.pk])
    return Status(202, {**described(request, job), **secret_of(request)})


def _asked(request: HttpRequest) -> dict[str, Any]:
    """What was said of the scale. Scripts get no default width: without one the file's own counts, else pixels."""
    text = request.POST.get("width")
    try:
        parse_width(text or "")
    except ValueError as problem:
        raise Refused(str(problem)) from None
    return {"width": text, "origin": "typed"}


@router.api_operation(["GET", "HEAD"], "/{uuid:pk}", url_name="job", response={200: schemas.Job, **refusals(404)})
def job(request: HttpRequest, pk: UUID) -> Any:
    """How far a job is, and its result."""
    return described(request, visible(request, _job(pk)))


@router.delete("/{uuid:pk}", url_name="job", response={204: None, **refusals(403, 404)})
def delete(request: HttpRequest, pk: UUID) -> Any:
    """Delete a job with its files."""
    services.delete_job(job=own(request, _job(pk), "delete"))
    return Status(204, None)


@router.post(
    "/{uuid:pk}/revisions",
    url_name="revisions",
    response={202: schemas.Job, **refusals(403, 404, 409, 413, 422)},
    openapi_extra=takes(Changes, FORM, JSON, settings=True),
)
def revise(request: HttpRequest, response: HttpResponse, pk: UUID) -> Any:
    """Analyse the image of a job with other settings or another width, as a form or as a JSON object.

    What is not sent stays as it was. Outlines are measured again where the new settings only concern measuring. With
    edits the corrected outlines are measured, without a network or a model.
    """
    found = own(request, _job(pk))
    if not found.micrograph.is_read:
        raise Refused(NOT_READ, 409)
    sent = sent_fields(request)
    edited = SWITCH.get(sent.pop("edits", "off")) if "edits" in sent else False
    if edited is None:
        raise Refused("edits is true or false.")
    calibration = stated_calibration(found)
    try:
        if "width" in sent:
            calibration = calibration_for(sent.pop("width"), "typed", found.micrograph)
        settings = changed_settings(found.get_settings(), sent, calibration)
        refuse_tall_bar(settings, found.micrograph)
    except ValueError as problem:
        raise Refused(str(problem)) from None
    make = services.finish_corrections if edited else services.rerun_job
    new = make(job=found, settings=settings, key=key_of(request), **identify(request))
    response["Location"] = reverse("api:job", args=[new.pk])
    return Status(202, described(request, new))


@router.api_operation(
    ["GET", "HEAD"],
    "/{uuid:pk}/labels",
    url_name="labels",
    response={200: schemas.Objects, **refusals(404, 409, 422)},
    openapi_extra=LABELS,
)
def labels(request: HttpRequest, pk: UUID, said: Query[LabelsAs]) -> Any:
    """The outlines that stand now, kept or set aside, with the corrections so far.

    Without a format a TIFF of 32 bits: ids as in the table, 0 is background; the header X-Edits-Base is the number of
    the last edit in it. With format=runs little-endian whole numbers of 32 bits: width, height, top, bottom, number of
    the last edit, next free id, then an id and its number of pixels, again and again, for the rows from top to bottom
    (exclusive) from left to right. With format=objects what is known of each object.
    """
    found = visible(request, _job(pk))
    corrections = services.corrections_of(found)
    now, base = corrections.now, len(corrections.steps)
    if said.format == "objects":
        return {"base": base, "standing": len(standing(corrections.steps)), **now.as_dict()}
    if said.format == "tiff":
        answer = serve_labels(now, found.micrograph.name)
        answer["X-Edits-Base"] = str(base)
        return answer
    bottom = now.shape[0] if said.bottom is None else said.bottom
    if not said.top <= bottom <= now.shape[0]:
        raise Refused(f"Rows go from 0 to {now.shape[0]}, and top is not below bottom.", 422)
    ids, counts = now.every_run(said.top, bottom)
    head = np.array([now.width, now.shape[0], said.top, bottom, base, now.next_id], "<i4")
    return serve_packed(request, head.tobytes() + np.column_stack([ids, counts]).astype("<i4").tobytes())


@router.api_operation(
    ["GET", "HEAD"], "/{uuid:pk}/edits", url_name="edits", response={200: schemas.Edits, **refusals(404, 422)}
)
def edits(request: HttpRequest, pk: UUID, since: int = Query(0, ge=0, description=SINCE)) -> Any:
    """The corrections so far, in their order. Each holds the hash of the one before."""
    log = services.log_of(visible(request, _job(pk)), since)
    return {**log._asdict(), "next": log.next_id, "edits": [each.as_dict() for each in log.edits]}


@router.post(
    "/{uuid:pk}/edits",
    url_name="edits",
    response={200: schemas.Edited, **refusals(403, 404, 413, 422), 409: schemas.Outdated},
    exclude_unset=True,
    openapi_extra=takes(Edits, JSON),
)
def edit(request: HttpRequest, pk: UUID) -> Any:
    """Correct the outlines of a finished result. If base is old: 409 with the edits since, and nothing is changed."""
    found = own(request, _job(pk))
    body = json_body(request, Edits)
    who = {"user": request.user, "visitor": request.visitor}
    try:
        rows = services.edit_job(job=found, base=body.base, operations=body.operations, **who)
    except services.Outdated as old:
        since = [each.as_dict() for each in old.edits]
        return Status(409, {"error": old.sentence, "base": old.base, "edits": since})
    made = [Patch.from_dict(row.patch) for row in rows]
    answer = {
        "base": rows[-1].sequence,
        "made": [each.made for each in made],
        "checks": [each.check for each in made],
    }
    return {**answer, "patches": [row.patch for row in rows]} if body.patches else answer


@router.post("/{uuid:pk}/cancel", url_name="cancel", response={200: schemas.Job, **refusals(403, 404, 409)})
def cancel(request: HttpRequest, pk: UUID) -> Any:
    """Stop a job."""
    return described(request, services.cancel_job(job=own(request, _job(pk))))


@router.api_operation(
    ["GET", "HEAD"],
    "/{uuid:pk}/files/{str:name}",
    url_name="artifact",
    response={202: schemas.BeingWritten, **refusals(404, 503)},
    openapi_extra=A_FILE,
)
def artifact(
    request: HttpRequest,
    response: HttpResponse,
    pk: UUID,
    name: str,
    wait: float = Query(0.0, ge=0.0, description=WAIT),
) -> Any:
    """A file of a finished job. Most are written when they are first asked for: 202 until then."""
    job = visible(request, _job(pk))
    if name == PICTURE and job.micrograph.viewer_image:
        return serve_shown(request, job.micrograph)
    found = services.file_of(job, name, wait)
    if found is None:
        raise Http404
    if isinstance(found, Artifact):
        return serve_artifact(request, found, download=True)
    response["Retry-After"] = "1"
    if found.error:
        raise Refused(found.error, 503)
    return Status(202, {"state": found.state, "progress": found.progress})


def described(request: HttpRequest, job: Job) -> dict[str, Any]:
    """A job in JSON."""
    address = request.build_absolute_uri
    assumed = is_assumed(job.summary)
    shown = job.is_done and not assumed
    names = [*job.artifacts.values_list("name", flat=True), *services.unwritten(job)] if shown else []
    names += [PICTURE] if shown and job.micrograph.viewer_image else []
    return {
        "id": str(job.pk),
        "url": address(reverse("api:job", args=[job.pk])),
        "page": address(reverse("job", args=[job.pk])),
        "state": job.state,
        "stage": job.stage or ("" if job.ready or job.is_finished else READING),
        "progress": job.progress,
        "position": job.position(),
        "expected_seconds": job.expected_seconds(),
        "error": job.error or (ASSUMED if assumed else None),
        "image": {
            "name": job.micrograph.name,
            "width": job.micrograph.width or None,
            "height": job.micrograph.height or None,
        },
        "settings": job.settings,
        "recipe": job.settings,
        "result": job.summary if shown else None,
        "files": {name: address(reverse("api:artifact", args=[job.pk, name])) for name in names},
    }


def _job(pk: UUID) -> Job | None:
    return Job.objects.select_related("micrograph").filter(pk=pk).first()
