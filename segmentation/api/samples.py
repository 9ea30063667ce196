"""Samples in the API: a script sends several images or a ZIP archive, and gets one pooled result."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import reverse
from ninja import Query, Status

from ..forms.samples import scale_rule
from ..http.access import changeable, count_image, row_of, visible
from ..models import Job, Sample
from ..presenters.growing import close_by_method
from ..presenters.progress import Progress
from ..services.ground.refusal import Refused
from ..services.results import exports, growing, uploads
from ..services.results import samples as samples_service
from ..services.results.pooled_outlines import pooled_coco
from ..services.results.samples import ScaleRule
from ..services.results.uploads import Intake, Note
from .files import ANNEX, WAIT, file_or_wait
from .shared import schemas
from .shared.auth import identify, key_of
from .shared.request_bodies import (
    Closing,
    FromResults,
    Images,
    Inclusion,
    Name,
    NewSample,
    Reopening,
    SampleScale,
    json_body,
    sent_method,
    sent_settings,
)
from .shared.routes import JSON, ONLY_STATE, Listing, Routes, error_answers, file_answer, page_of_rows, request_body

NO_FILES = "Send the images as fields named file: images, the files beside them, or ZIP archives."
ONE_SCALE = "Send either width or nm_per_pixel, not both."
IN_OR_OUT = "Send included=on, included=off or included=instead."
NO_NAME = "Send the sample's new name as name."
router = Routes(tags=["Samples"])
SAMPLE_ANSWERS = {200: schemas.Sample, **error_answers(403, 404, 409)}


@router.operation(
    "POST",
    "",
    "samples",
    {202: schemas.SampleStarted},
    (409, 413, 422, 507),
    request_body(NewSample, settings=True),
    leave_out_unset=True,
)
def start(request: HttpRequest, response: HttpResponse) -> Any:
    """Start a sample; the answer has a sentence for each file that was not taken."""
    method, scale = sent_method(request), _scale(request)
    settings = sent_settings(request.POST.dict(), NewSample, request.user, method=method)
    who, key = identify(request), key_of(request)
    intake = _intake(request, who)  # an exception in its block `in_use` removes its stored files
    fields = {"name": request.POST.get("name", ""), "settings": settings, "scale": scale, "method": method}
    with intake.in_use():
        sample = samples_service.create_sample(uploads=intake.uploads, notes=intake.notes, key=key, **fields, **who)
    response["Location"] = reverse("api:sample", args=[sample.pk])
    return Status(202, _fresh(sample))


@router.operation("GET", "", "samples", schemas.Samples, (404, 422))
def samples(
    request: HttpRequest,
    listing: Query[Listing],
    state: Annotated[schemas.SampleState | None, Query(description=ONLY_STATE)] = None,
) -> Any:
    """Your samples, the newest first."""
    rows = Sample.objects.visible_to(request.user, request.visitor)
    return page_of_rows(request, rows, listing, state, "name", "samples")


@router.operation(
    "POST",
    "/of-results",
    "sample-of-results",
    {202: schemas.SampleStarted},
    (404, 409, 422),
    request_body(FromResults, JSON),
    leave_out_unset=True,
)
def of_results(request: HttpRequest, response: HttpResponse) -> Any:
    """Make a sample of finished results; these stay as they are."""
    body = json_body(request, FromResults)
    job_by_id = Job.objects.visible_to(request.user, request.visitor).select_related("micrograph").in_bulk(body.jobs)
    if len(job_by_id) < len(set(body.jobs)):
        raise Http404
    jobs = [job_by_id[pk] for pk in dict.fromkeys(body.jobs)]
    sample = samples_service.sample_of_results(name=body.name, jobs=jobs, token=key_of(request), **identify(request))
    response["Location"] = reverse("api:sample", args=[sample.pk])
    return Status(202, _fresh(sample))


@router.operation("GET", "/{uuid:pk}", "sample", schemas.Sample, (404,))
def sample(request: HttpRequest, pk: UUID) -> Any:
    """State, pooled result and images."""
    sample = visible(request, row_of(Sample, pk))
    samples_service.measure_last_corrections(sample)  # queues what is corrected and not measured yet
    return _with_progress(sample)


@router.operation("DELETE", "/{uuid:pk}", "sample", {204: None}, (403, 404))
def delete(request: HttpRequest, pk: UUID) -> Any:
    """Delete a sample with all its images."""
    samples_service.delete_sample(sample=changeable(request, row_of(Sample, pk), "delete"))
    return Status(204, None)


@router.operation(
    "POST", "/{uuid:pk}/images", "sample-images", {202: schemas.Sample}, (403, 404, 413, 422, 507), request_body(Images)
)
def images(request: HttpRequest, pk: UUID) -> Any:
    """Add images; they get the settings of the sample."""
    row = changeable(request, row_of(Sample, pk))
    growing.check_takes_images(row)  # before the files are read
    intake = _intake(request, identify(request))
    with intake.in_use():
        notes = samples_service.add_images(sample=row, uploads=intake.uploads, notes=intake.notes)
    row = _fresh(row)
    row.notes = [note.as_dict() for note in notes]  # of these files only, for this answer; the stored row has all
    return Status(202, row)


@router.operation("POST", "/{uuid:pk}/images/{uuid:job}", "sample-image", SAMPLE_ANSWERS, (), request_body(Inclusion))
def image(request: HttpRequest, pk: UUID, job: UUID) -> Any:
    """Count an image (included=on), leave it out (off), or count this result in place of the present one (instead)."""
    sample = changeable(request, row_of(Sample, pk))
    included = request.POST.get("included", "")
    if included not in ("on", "off", "instead"):
        raise Refused(IN_OR_OUT)
    count_image(request, sample, job, included)
    return _fresh(sample)


@router.operation("POST", "/{uuid:pk}/name", "sample-name", SAMPLE_ANSWERS, (), request_body(Name))
def name(request: HttpRequest, pk: UUID) -> Any:
    """Rename a sample; its files are made again."""
    sample = changeable(request, row_of(Sample, pk))
    if "name" not in request.POST:
        raise Refused(NO_NAME)
    samples_service.rename_sample(sample=sample, name=request.POST["name"])
    return _fresh(sample)


@router.operation(
    "POST", "/{uuid:pk}/scale", "sample-scale", SAMPLE_ANSWERS, (403, 404, 409, 422), request_body(SampleScale, JSON)
)
def scale(request: HttpRequest, pk: UUID) -> Any:
    """Measure all images with another scale, from their outlines."""
    changeable(request, row_of(Sample, pk))  # first, so that a caller who may not is told so, whatever the body is
    body = json_body(request, SampleScale)
    try:
        scale = scale_rule(body.rule, body.value)
    except ValueError as problem:
        raise Refused(str(problem), 422) from None
    return _change(request, pk, partial(samples_service.recalibrate_sample, scale=scale))


@router.operation(
    "POST", "/{uuid:pk}/close", "sample-close", SAMPLE_ANSWERS, (403, 404, 409, 422), request_body(Closing, JSON)
)
def close(request: HttpRequest, pk: UUID) -> Any:
    """Close a sample that grows by a method: it takes no more images. Before enough is measured, a
    reason must be given."""
    sample = changeable(request, row_of(Sample, pk))
    close_by_method(sample, request.user, json_body(request, Closing).reason)
    request.staff_action = None  # close_sample has written the staff log, so the middleware does not
    return _fresh(sample)


@router.operation(
    "POST", "/{uuid:pk}/reopen", "sample-reopen", SAMPLE_ANSWERS, (403, 404, 409, 422), request_body(Reopening, JSON)
)
def reopen(request: HttpRequest, pk: UUID) -> Any:
    """Open a closed sample again, with a reason; this needs a right of its own."""
    sample = changeable(request, row_of(Sample, pk))
    growing.reopen_sample(sample=sample, account=request.user, reason=json_body(request, Reopening).reason)
    request.staff_action = None  # reopen_sample has written the staff log
    return _fresh(sample)


@router.operation("GET", "/{uuid:pk}/outlines.json", "sample-outlines", {}, (404,), file_answer("application/json"))
def outlines(request: HttpRequest, pk: UUID) -> Any:
    """The outlines of all pooled images as COCO annotations."""
    sample = visible(request, row_of(Sample, pk))
    if not sample.stored.pooled_ids:
        raise Http404
    return StreamingHttpResponse(pooled_coco(sample), content_type="application/json")


@router.operation("POST", "/{uuid:pk}/retry", "sample-retry", SAMPLE_ANSWERS)
def retry(request: HttpRequest, pk: UUID) -> Any:
    """Try failed images again, and read again the data bars that could not be read in time."""
    return _change(request, pk, samples_service.retry_failed)


@router.operation("POST", "/{uuid:pk}/cancel", "sample-cancel", SAMPLE_ANSWERS)
def cancel(request: HttpRequest, pk: UUID) -> Any:
    """Stop the unfinished images; finished images are pooled."""
    return _change(request, pk, samples_service.cancel_sample)


@router.operation(
    "GET", "/{uuid:pk}/files/{str:name}", "sample-file", {202: schemas.BeingWritten}, (404, 422, 503), file_answer()
)
def file(
    request: HttpRequest,
    response: HttpResponse,
    pk: UUID,
    name: str,
    wait: float = Query(0.0, ge=0.0, description=WAIT),
    annex: bool = Query(False, description=ANNEX),
) -> Any:
    """A file of the pooled result. Most files are written at the first request: 202 until then."""
    sample, name = visible(request, row_of(Sample, pk)), exports.name_with_options(name, {"annex": str(annex)})
    return file_or_wait(request, response, exports.file_of(sample, name, wait))


def _change(request: HttpRequest, pk: UUID, service: Callable[..., object]) -> Sample:
    """The sample after a call of `service`, which changes it."""
    sample = changeable(request, row_of(Sample, pk))
    service(sample=sample)
    return _fresh(sample)


def _fresh(sample: Sample) -> Sample:
    """The sample as the database has it now, ready for the answer; raises Http404 if it is gone."""
    try:
        sample.refresh_from_db()
    except Sample.DoesNotExist:
        raise Http404 from None
    return _with_progress(sample)


def _with_progress(sample: Sample) -> Sample:
    """The sample with the progress of its images as `counted`, which `schemas.Sample` reads."""
    sample.counted = Progress.of(sample)
    return sample


def _scale(request: HttpRequest) -> ScaleRule:
    """The scale of a new sample: width or nm_per_pixel of all images, or otherwise_width of those without a scale."""
    pixel, width = request.POST.get("nm_per_pixel", ""), request.POST.get("width", "")
    if width and pixel:
        raise Refused(ONE_SCALE)
    rule = Sample.Rule.PIXEL if pixel else Sample.Rule.WIDTH if width else Sample.Rule.OWN
    try:
        return scale_rule(rule, pixel or width or request.POST.get("otherwise_width", ""))
    except ValueError as problem:
        raise Refused(str(problem)) from None


def _intake(request: HttpRequest, who: dict[str, Any]) -> Intake:
    """The files of a request; raises Refused if none of them is an image."""
    files = request.FILES.getlist("file")
    if not files:
        raise Refused(NO_FILES)
    intake = uploads.receive_files(files=files, pages=request.POST.get("pages", ""), **who)
    if not intake.uploads:
        note = intake.notes[0] if intake.notes else Note("", NO_FILES, 400)
        raise Refused(": ".join(part for part in note[:2] if part), note.status)
    return intake
