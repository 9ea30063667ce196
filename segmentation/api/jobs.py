"""Jobs for scripts: an image in, its result out."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

import numpy as np
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Query, Status

from ..core.labels.operations import redoable, since_first_undone, standing
from ..core.micrograph.crosscheck import Source
from ..core.micrograph.pages import LARGEST
from ..core.micrograph.stated import StatedScale
from ..core.micrograph.width import parse_width
from ..core.report.exports.viewer import PICTURE
from ..core.typed import SWITCH
from ..http.access import changeable, row_of, visible
from ..http.serving import serve_labels, serve_log, serve_packed, serve_shown, serve_stored
from ..models import Job, Sample, StoredFile
from ..services.ground.limits import one_edit
from ..services.ground.refusal import Refused
from ..services.ground.requested import refuse_tall_bar
from ..services.results import after_inspection, exports, reruns, signing
from ..services.results import edits as edits_service
from ..services.results import jobs as jobs_service
from ..services.results import standing as standing_service
from ..services.results import steps as steps_service
from ..services.results.edits import Outdated
from . import schemas
from .auth import identify, key_of
from .routes import FORM, JSON, LABELS, OF_STATE, Listing, Routes, a_file, page_of_rows, takes
from .sending import Changes, Corrections, OneImage, Sign, json_body, sent_fields, sent_settings

ONE_PAGE = "page is a whole number from 1, such as 3: for several pages send the file as a sample, with pages."
NOT_READ = "The image has not been read yet: ask again when the job runs."
SINCE = "Only the edits after this number."
ROWS_SINCE = "Only the objects that edits after this number changed."
WAIT = "Seconds to wait for a file that is not written yet, at most 30."
ANNEX = "For report.pdf: with all annexes, as report-annex.pdf."
PANELS = "For figure.png, .svg and .pdf: letters of the panels, such as C or AD. Default: all."
LETTERS = "For the figure: height of its letters in points at a width of 85 mm, 4 to 10. Default: 6."
IN_COLOURS = "For the figure: colour or grey."
router = Routes(tags=["Jobs"])


@router.does(
    "POST", "", "jobs", {202: schemas.JobStarted}, (409, 413, 422, 507), takes(OneImage, settings=True), sparse=True
)
def start(request: HttpRequest, response: HttpResponse) -> Any:
    """Start a job: the analysis of an image.

    The answer comes before the file is read. A file that is no image makes a failed job.
    """
    file = request.FILES.get("file")
    if file is None:
        raise Refused("Send the image as multipart/form-data in a field named file.")
    settings = sent_settings(request.POST.dict(), OneImage, request.user)
    width, page = request.POST.get("width"), request.POST.get("page", "").strip()
    try:
        parse_width(width or "")
    except ValueError as problem:
        raise Refused(str(problem)) from None
    if page and not (page.isascii() and page.isdigit() and 1 <= int(page[:9]) <= LARGEST):
        raise Refused(ONE_PAGE)
    who, key = identify(request), key_of(request)
    sent = {"file": file, "side": request.FILES.getlist("side"), "pages": page, "key": key}
    # Scripts get no default width: without one the file's own counts, else pixels.
    job = after_inspection.analyse_file(
        settings=settings, asked=StatedScale(width, Source.TYPED).as_dict(), **sent, **who
    )
    response["Location"] = reverse("api:job", args=[job.pk])
    return Status(202, job)


@router.does("GET", "", "jobs", schemas.Jobs, (404, 422))
def jobs(
    request: HttpRequest,
    listing: Query[Listing],
    state: Annotated[schemas.State | None, Query(description=OF_STATE)] = None,
    sample: Annotated[UUID | None, Query(description="Only the images of this sample.")] = None,
) -> Any:
    """Your jobs, the newest first."""
    rows = Job.objects.visible_to(request.user, request.visitor).select_related("micrograph").defer("summary")
    rows = rows.filter(sample=sample) if sample else rows
    return page_of_rows(request, rows, listing, state, "micrograph__name", "jobs")


@router.does("GET", "/{uuid:pk}", "job", schemas.Job, (404,))
def job(request: HttpRequest, pk: UUID) -> Any:
    """Progress and result of a job at its present step."""
    job = visible(request, row_of(Job, pk))
    steps_service.ask_for_numbers(job)
    return job


@router.does("DELETE", "/{uuid:pk}", "job", {204: None}, (403, 404))
def delete(request: HttpRequest, pk: UUID) -> Any:
    """Delete a job with its files."""
    jobs_service.delete_job(job=changeable(request, row_of(Job, pk), "delete"))
    return Status(204, None)


@router.does(
    "POST",
    "/{uuid:pk}/revisions",
    "revisions",
    {202: schemas.Job},
    (403, 404, 409, 413, 422, 507),
    takes(Changes, FORM, JSON, settings=True),
)
def revise(request: HttpRequest, response: HttpResponse, pk: UUID) -> Any:
    """Analyse the image of a job with other settings or another width, as a form or as a JSON object.

    What is not sent stays as it was. Where the new settings only concern measuring, the same outlines are measured
    again. edits measures the corrected outlines, outlines those in the file of another tool; neither needs a model.
    """
    parent = changeable(request, row_of(Job, pk))
    if not parent.micrograph.is_read:
        raise Refused(NOT_READ, 409)
    fields = sent_fields(request)
    edited, file = {True: True, False: False, **SWITCH}.get(fields.pop("edits", "off")), request.FILES.get("outlines")
    if edited is None:
        raise Refused("edits is true or false.")
    if "outlines" in fields:
        raise Refused("Send outlines as a file, in a form of the kind multipart/form-data.")
    if edited and file:
        raise Refused("Send edits or outlines, not both.")
    calibration = parent.scale.stated
    try:
        if "width" in fields:
            stated = StatedScale(str(fields.pop("width")), Source.TYPED)
            calibration = stated.calibration(parent.micrograph.scale)
        settings = sent_settings(fields, Changes, request.user, parent.get_settings())
        settings = settings.with_(calibration=calibration)
        refuse_tall_bar(settings, parent.micrograph)
    except ValueError as problem:
        raise Refused(str(problem)) from None
    make = jobs_service.finish_corrections if edited else jobs_service.rerun_job
    if file is not None:
        make = partial(reruns.import_outlines, file=file)
    new = make(job=parent, settings=settings, key=key_of(request), **identify(request))
    response["Location"] = reverse("api:job", args=[new.pk])
    return Status(202, new)


@router.does("GET", "/{uuid:pk}/labels", "labels", schemas.Objects, (404, 409, 422), LABELS)
def labels(
    request: HttpRequest,
    pk: UUID,
    format: Literal["tiff", "runs", "objects"] = Query("tiff", description="A TIFF, runs of pixels, or the objects."),
    top: int = Query(0, ge=0, description="For runs: the first row."),
    bottom: int | None = Query(None, ge=0, description="For runs: the row after the last one. Default: all rows."),
) -> Any:
    """The outlines with the corrections so far, counted or left out.

    format=tiff (the default): a TIFF of 32 bits with the ids of the table, 0 for background. The header X-Edits-Base
    is the number of the last edit. format=runs: int32, little-endian: width, height, top, bottom, number of the last
    edit, next free id; then pairs of an id and its number of pixels, for the rows from top to bottom (exclusive), from
    left to right. format=objects: the facts about each object.
    """
    analysed = visible(request, row_of(Job, pk))
    corrections = edits_service.corrections_of(analysed)
    now, base = corrections.now, len(corrections.steps)
    if format == "objects":
        operations = [corrections.steps[number - 1].operation for number in standing(corrections.steps)]
        undone = since_first_undone(corrections.steps)
        return {"base": base, "operations": operations, "undone": undone, **now.as_dict()}
    if format == "tiff":
        answer = serve_labels(now, analysed.micrograph.name)
        answer["X-Edits-Base"] = str(base)
        return answer
    height = now.shape[0]
    bottom = height if bottom is None else bottom
    if not top <= bottom <= height:
        raise Refused(f"top and bottom are rows from 0 to {height}, and top is not larger than bottom.", 422)
    ids, counts = now.every_run(top, bottom)
    head = np.array([now.width, height, top, bottom, base, now.next_id], "<i4")
    return serve_packed(request, head.tobytes() + np.column_stack([ids, counts]).astype("<i4").tobytes())


@router.does("GET", "/{uuid:pk}/similar", "similar", schemas.Similar, (404, 409, 422))
def similar(
    request: HttpRequest,
    pk: UUID,
    ids: Annotated[
        list[int], Query(..., min_length=1, max_length=100, description="Ids of the objects to compare with.")
    ],
    alike: float = Query(0.6, ge=0, le=1, description="The least similarity, from 0 to 1."),
) -> Any:
    """The objects that resemble these in size, shape and contrast.

    They are compared as they were measured: corrected objects by their automatic outlines, drawn ones in the
    result that measures the corrections.
    """
    near = standing_service.alike_in(visible(request, row_of(Job, pk)), ids)
    chosen = {number: round(value, 4) for number, value in near.items() if value >= alike}
    return {"ids": list(chosen), "alike": list(chosen.values())}


@router.does("GET", "/{uuid:pk}/edits", "edits", schemas.Edits, (404, 422))
def edits(request: HttpRequest, pk: UUID, since: int = Query(0, ge=0, description=SINCE)) -> Any:
    """The corrections so far, in their order, at most 100 in an answer. Each holds the hash of the one before."""
    return edits_service.log_of(visible(request, row_of(Job, pk)), since)


@router.does(
    "POST",
    "/{uuid:pk}/edits",
    "edits",
    {200: schemas.Edited, 409: schemas.Outdated},
    (403, 404, 413, 422),
    takes(Corrections, JSON),
    sparse=True,
)
def edit(request: HttpRequest, pk: UUID) -> Any:
    """Correct the outlines of a finished result. If base is old: 409 with the edits since, and nothing is changed.

    With a header Idempotency-Key the same request sent twice is made once, and gets the same answer. Send one request
    at a time: 429 while another one of yours, or two of other people, are being made.
    """
    analysed = changeable(request, row_of(Job, pk))
    who = {"user": request.user, "visitor": request.visitor}
    try:
        with one_edit(address=request.address_hash, **who):
            body = json_body(request, Corrections)
            fields = {"base": body.base, "operations": body.operations, "key": key_of(request)}
            rows = edits_service.edit_job(job=analysed, **fields, **who)
    except Outdated as old:
        return Status(409, old)
    steps = edits_service.steps_made(analysed, rows)
    answer = {
        "base": rows[-1].sequence,
        "made": [s.patch.made for s in steps],
        "checks": [s.patch.check for s in steps],
    }
    if body.patches:
        answer["patches"] = [step.patch.as_lists() for step in steps]
        answer["before"] = [step.before.as_lists() for step in steps]
    return {**answer, "standing": standing_service.standing(analysed, body.since)} if body.since is not None else answer


@router.does("GET", "/{uuid:pk}/standing", "standing", schemas.Standings, (404, 409, 422))
def standing_objects(request: HttpRequest, pk: UUID, since: int = Query(0, ge=0, description=ROWS_SINCE)) -> Any:
    """What the corrections so far leave: the objects that those after `since` changed, numbers, and what to check."""
    analysed = visible(request, row_of(Job, pk))
    corrections = edits_service.corrections_of(analysed)
    operations = [corrections.steps[number - 1].operation for number in standing(corrections.steps)]
    undone, now = [corrections.steps[number - 1].operation for number in redoable(corrections.steps)], corrections.now
    history = {"base": len(corrections.steps), "operations": operations, "undone": undone}
    facts = {"classes": now.class_names, "maps": [*now.maps]}
    return {**history, **facts, "standing": standing_service.standing(analysed, since)}


@router.does("GET", "/{uuid:pk}/edits.csv", "edits-csv", {}, (404,), a_file("text/csv"))
def edits_csv(request: HttpRequest, pk: UUID) -> Any:
    """The corrections so far as CSV."""
    return serve_log(visible(request, row_of(Job, pk)), "csv")


@router.does(
    "POST", "/{uuid:pk}/signatures", "signatures", {201: schemas.Signature}, (403, 404, 409, 422), takes(Sign, JSON)
)
def sign(request: HttpRequest, pk: UUID) -> Any:
    """Sign a finished result, with the account's password once more. The signed result never changes."""
    job, body = visible(request, row_of(Job, pk)), json_body(request, Sign)
    return Status(201, signing.sign_job(job=job, request=request, **body.model_dump()))


@router.does("POST", "/{uuid:pk}/retry", "retry", schemas.Job, (403, 404, 409, 422))
def retry(request: HttpRequest, pk: UUID) -> Any:
    """Try a failed or cancelled job again, or read its bar again where the time was too short."""
    return jobs_service.retry_job(job=changeable(request, row_of(Job, pk)))


@router.does("POST", "/{uuid:pk}/cancel", "cancel", schemas.Job, (403, 404, 409))
def cancel(request: HttpRequest, pk: UUID) -> Any:
    """Stop a job."""
    return jobs_service.cancel_job(job=changeable(request, row_of(Job, pk)))


@router.does("GET", "/{uuid:pk}/files/{str:name}", "artifact", {202: schemas.BeingWritten}, (404, 422, 503), a_file())
def artifact(
    request: HttpRequest,
    response: HttpResponse,
    pk: UUID,
    name: str,
    wait: float = Query(0.0, ge=0.0, description=WAIT),
    annex: bool = Query(False, description=ANNEX),
    panels: str = Query("", description=PANELS),
    font: str = Query("", description=LETTERS),
    colours: str = Query("", description=IN_COLOURS),
) -> Any:
    """A file of a finished job. Most files are written at the first request: 202 until then."""
    job = visible(request, row_of(Job, pk))
    options = {"annex": str(annex), "panels": panels, "font": font, "colours": colours}
    name = exports.named(name, options)
    if name == PICTURE and job.micrograph.viewer_image:
        return serve_shown(request, job.micrograph)
    return file_or_wait(request, response, exports.file_of(job, name, wait))


def file_or_wait(request: HttpRequest, response: HttpResponse, file: Any) -> Any:
    """What `exports.file_of` gives: the file, or 202 while it is made, 503 where that failed."""
    if file is None:
        raise Http404
    if isinstance(file, StoredFile):
        return serve_stored(request, file, download=True)
    response["Retry-After"] = "1"
    if file.error:
        raise Refused(file.error, 503)
    state = "queued" if file.state == Sample.State.WAITING else file.state  # its images are under way
    return Status(202, {"state": state, "progress": file.progress})
