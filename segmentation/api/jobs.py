"""Jobs in the API: a script sends an image and gets its result."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Query, Status

from ..core.micrograph.calibration.sources import Source
from ..core.micrograph.calibration.stated import StatedScale
from ..core.micrograph.calibration.width import parse_width
from ..core.micrograph.pages import LARGEST_PAGE
from ..core.typed import SWITCH
from ..http.access import changeable, row_of, visible
from ..models import Job
from ..services.ground.refusal import Refused
from ..services.ground.requested import refuse_tall_bar
from ..services.results import after_inspection, reruns
from ..services.results import jobs as jobs_service
from ..services.results.corrections import signing
from ..services.results.corrections import steps as steps_service
from .shared import schemas
from .shared.auth import identify, key_of
from .shared.request_bodies import Changes, OneImage, Sign, json_body, sent_fields, sent_method, sent_settings
from .shared.routes import FORM, JSON, ONLY_STATE, Listing, Routes, page_of_rows, request_body

ONE_PAGE = "page is a whole number from 1, such as 3: for several pages send the file as a sample, with pages."
NOT_READ = "The image has not been read yet: ask again when the job runs."
router = Routes(tags=["Jobs"])


@router.operation(
    "POST",
    "",
    "jobs",
    {202: schemas.JobStarted},
    (409, 413, 422, 507),
    request_body(OneImage, settings=True),
    leave_out_unset=True,
)
def start(request: HttpRequest, response: HttpResponse) -> Any:
    """Start a job: the analysis of an image.

    The answer comes before the file is read. A file that is no image makes a failed job.
    """
    file = request.FILES.get("file")
    if file is None:
        raise Refused("Send the image as multipart/form-data in a field named file.")
    method = sent_method(request)
    settings = sent_settings(request.POST.dict(), OneImage, request.user, method=method)
    width, page = request.POST.get("width"), request.POST.get("page", "").strip()
    try:
        parse_width(width or "")
    except ValueError as problem:
        raise Refused(str(problem)) from None
    if page and not (page.isascii() and page.isdigit() and 1 <= int(page[:9]) <= LARGEST_PAGE):
        raise Refused(ONE_PAGE)
    who, key = identify(request), key_of(request)
    fields = {"file": file, "side": request.FILES.getlist("side"), "pages": page, "key": key, "method": method}
    # Scripts get no default width: without one the scale of the file counts, else sizes are in pixels. asked: the
    # scale as the script states it, which is checked once the image has been read.
    job = after_inspection.analyse_file(
        settings=settings, asked=StatedScale(width, Source.TYPED).as_dict(), **fields, **who
    )
    response["Location"] = reverse("api:job", args=[job.pk])
    return Status(202, job)


@router.operation("GET", "", "jobs", schemas.Jobs, (404, 422))
def jobs(
    request: HttpRequest,
    listing: Query[Listing],
    state: Annotated[schemas.State | None, Query(description=ONLY_STATE)] = None,
    sample: Annotated[UUID | None, Query(description="Only the images of this sample.")] = None,
) -> Any:
    """Your jobs, the newest first."""
    rows = Job.objects.visible_to(request.user, request.visitor).select_related("micrograph").defer("summary")
    rows = rows.filter(sample=sample) if sample else rows
    return page_of_rows(request, rows, listing, state, "micrograph__name", "jobs")


@router.operation("GET", "/{uuid:pk}", "job", schemas.Job, (404,))
def job(request: HttpRequest, pk: UUID) -> Any:
    """Progress and result of a job at its present step."""
    job = visible(request, row_of(Job, pk))
    steps_service.ask_for_numbers(job)
    return job


@router.operation("DELETE", "/{uuid:pk}", "job", {204: None}, (403, 404))
def delete(request: HttpRequest, pk: UUID) -> Any:
    """Delete a job with its files."""
    jobs_service.delete_job(job=changeable(request, row_of(Job, pk), "delete"))
    return Status(204, None)


@router.operation(
    "POST",
    "/{uuid:pk}/revisions",
    "revisions",
    {202: schemas.Job},
    (403, 404, 409, 413, 422, 507),
    request_body(Changes, FORM, JSON, settings=True),
)
def revise(request: HttpRequest, response: HttpResponse, pk: UUID) -> Any:
    """Analyse the image of a job with other settings or another width, as a form or as a JSON object.

    What is not sent stays as it was. If the new settings only concern measuring, the same outlines are measured again.
    With edits the corrected outlines are measured, with outlines those in the file of another tool; neither needs a
    model.
    """
    parent = changeable(request, row_of(Job, pk))
    if not parent.micrograph.is_read:
        raise Refused(NOT_READ, 409)
    fields = sent_fields(request)
    switch = {True: True, False: False, **SWITCH}  # JSON sends true or false, a form a word such as on
    edited, file = switch.get(fields.pop("edits", "off")), request.FILES.get("outlines")
    if edited is None:
        raise Refused("edits is true or false.")
    if "outlines" in fields:
        raise Refused("Send outlines as a file, in a form of the kind multipart/form-data.")
    if edited and file:
        raise Refused("Send edits or outlines, not both.")
    calibration = parent.scale.stated
    try:
        if "width" in fields:
            stated_scale = StatedScale(str(fields.pop("width")), Source.TYPED)
            calibration = stated_scale.calibration(parent.micrograph.scale)
        settings = sent_settings(fields, Changes, request.user, parent.get_settings(), parent.method)
        settings = settings.replaced(calibration=calibration)
        refuse_tall_bar(settings, parent.micrograph)
    except ValueError as problem:
        raise Refused(str(problem)) from None
    make = jobs_service.rerun_with_corrections if edited else jobs_service.rerun_job
    if file is not None:
        make = partial(reruns.import_outlines, file=file)
    revision = make(job=parent, settings=settings, key=key_of(request), **identify(request))
    response["Location"] = reverse("api:job", args=[revision.pk])
    return Status(202, revision)


@router.operation(
    "POST",
    "/{uuid:pk}/signatures",
    "signatures",
    {201: schemas.Signature},
    (403, 404, 409, 422),
    request_body(Sign, JSON),
)
def sign(request: HttpRequest, pk: UUID) -> Any:
    """Sign a finished result, with the account's password once more. The signed result never changes."""
    job, body = visible(request, row_of(Job, pk)), json_body(request, Sign)
    return Status(201, signing.sign_job(job=job, request=request, **body.model_dump()))


@router.operation("POST", "/{uuid:pk}/retry", "retry", schemas.Job, (403, 404, 409, 422))
def retry(request: HttpRequest, pk: UUID) -> Any:
    """Try a failed or cancelled job again, or read its data bar again if there was too little time."""
    return jobs_service.retry_job(job=changeable(request, row_of(Job, pk)))


@router.operation("POST", "/{uuid:pk}/cancel", "cancel", schemas.Job, (403, 404, 409))
def cancel(request: HttpRequest, pk: UUID) -> Any:
    """Stop a job."""
    return jobs_service.cancel_job(job=changeable(request, row_of(Job, pk)))
