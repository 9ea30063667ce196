"""Samples for scripts: several images or a ZIP in, one pooled result out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from ninja import Router, Status

from .. import services
from ..core.micrograph import parse_width
from ..forms.samples import parse_pixel
from ..http.access import visible
from ..http.serving import serve_sample_file
from ..models import Sample
from ..presenters.progress import Progress
from ..presenters.sample import ASSUMED, ImageRow, PooledResult
from ..services import Intake, Note, Refused, Scale
from . import schemas
from .auth import identify, key_of, own, secret_of
from .sending import A_FILE, Images, Inclusion, Name, NewSample, refusals, takes, valid_settings

NO_FILES = "Send the images as fields named file: images, the files beside them, or ZIP archives."
ONE_SCALE = "Send either width or nm_per_pixel, not both."
IN_OR_OUT = "Send included=on or included=off."
NO_NAME = "Send the sample's new name as name."
router = Router(tags=["Samples"])
ONE = {200: schemas.Sample, **refusals(403, 404, 409)}


@router.post(
    "",
    url_name="samples",
    response={202: schemas.SampleStarted, **refusals(409, 413, 422, 507)},
    exclude_unset=True,
    openapi_extra=takes(NewSample, settings=True),
)
def start(request: HttpRequest, response: HttpResponse) -> Any:
    """Start a sample; the answer has a sentence for each file that was not taken."""
    settings, scale = valid_settings(request, NewSample), _scale(request)
    who, key = identify(request), key_of(request)
    intake = _intake(request, who)
    name, uploads, notes = request.POST.get("name", ""), intake.uploads, intake.notes
    try:
        made = services.create_sample(
            name=name, uploads=uploads, notes=notes, key=key, settings=settings, scale=scale, **who
        )
    except Exception:
        for micrograph in uploads:
            services.discard_unused(micrograph)
        raise
    response["Location"] = reverse("api:sample", args=[made.pk])
    return Status(202, {**described(request, made), **secret_of(request)})


@router.api_operation(["GET", "HEAD"], "/{uuid:pk}", url_name="sample", response={200: schemas.Sample, **refusals(404)})
def sample(request: HttpRequest, pk: UUID) -> Any:
    """State, pooled result and images."""
    return described(request, visible(request, _sample(pk)))


@router.delete("/{uuid:pk}", url_name="sample", response={204: None, **refusals(403, 404)})
def delete(request: HttpRequest, pk: UUID) -> Any:
    """Delete a sample with all its images."""
    services.delete_sample(sample=own(request, _sample(pk), "delete"))
    return Status(204, None)


@router.post(
    "/{uuid:pk}/images",
    url_name="sample-images",
    response={202: schemas.Sample, **refusals(403, 404, 413, 422, 507)},
    openapi_extra=takes(Images),
)
def images(request: HttpRequest, pk: UUID) -> Any:
    """Add images; they get the settings of the sample."""
    row = own(request, _sample(pk))
    who = {"user": request.user, "visitor": request.visitor, "address": request.address_hash}
    intake = _intake(request, who)
    try:
        notes = services.add_images(sample=row, uploads=intake.uploads, notes=intake.notes)
    except Refused:
        for upload in intake.uploads:
            services.discard_unused(upload)
        raise
    named = [{"name": note.name, "sentence": note.sentence} for note in notes]
    return Status(202, {**described(request, row), "notes": named})


@router.post(
    "/{uuid:pk}/images/{uuid:job}",
    url_name="sample-image",
    response=ONE,
    openapi_extra=takes(Inclusion),
)
def image(request: HttpRequest, pk: UUID, job: UUID) -> Any:
    """Count an image in (included=on) or leave it out (included=off)."""
    found = own(request, _sample(pk))
    member = get_object_or_404(found.members, pk=job)
    included = request.POST.get("included", "")
    if included not in ("on", "off"):
        raise Refused(IN_OR_OUT)
    return _change(request, pk, partial(services.include_image, job=member, included=included == "on"))


@router.post("/{uuid:pk}/name", url_name="sample-name", response=ONE, openapi_extra=takes(Name))
def name(request: HttpRequest, pk: UUID) -> Any:
    """Call a sample otherwise; its files are made anew."""
    found = own(request, _sample(pk))
    if "name" not in request.POST:
        raise Refused(NO_NAME)
    services.rename_sample(sample=found, name=request.POST["name"])
    return described(request, found)


@router.post("/{uuid:pk}/retry", url_name="sample-retry", response=ONE)
def retry(request: HttpRequest, pk: UUID) -> Any:
    """Try what failed once more."""
    return _change(request, pk, services.retry_failed)


@router.post("/{uuid:pk}/cancel", url_name="sample-cancel", response=ONE)
def cancel(request: HttpRequest, pk: UUID) -> Any:
    """Stop the images under way; finished images are pooled."""
    return _change(request, pk, services.cancel_sample)


@router.api_operation(
    ["GET", "HEAD"], "/{uuid:pk}/files/{str:name}", url_name="sample-file", response=refusals(404), openapi_extra=A_FILE
)
def file(request: HttpRequest, pk: UUID, name: str) -> Any:
    """A file of the pooled result."""
    stored = get_object_or_404(visible(request, _sample(pk)).artifacts, name=name)
    return serve_sample_file(request, stored, download=True)


def _change(request: HttpRequest, pk: UUID, service: Callable[..., object]) -> dict[str, Any]:
    found = own(request, _sample(pk))
    service(sample=found)
    return described(request, found)


def described(request: HttpRequest, sample: Sample) -> dict[str, Any]:
    """A sample in JSON."""
    try:
        sample.refresh_from_db()
    except Sample.DoesNotExist:
        raise Http404 from None
    address = request.build_absolute_uri
    pooled, progress = PooledResult(sample), Progress.of(sample)
    files = () if pooled.assumed else sample.artifacts.values_list("name", flat=True)
    return {
        "id": str(sample.pk),
        "url": address(reverse("api:sample", args=[sample.pk])),
        "page": address(reverse("sample-page", args=[sample.pk])),
        "name": sample.name,
        "state": sample.state,
        "error": sample.error or (ASSUMED if pooled.assumed else None),
        "done": progress.done,
        "failed": progress.failed,
        "under_way": progress.under_way,
        "expected_seconds": progress.seconds if progress.under_way else None,
        "scale": {"rule": sample.rule, "value": sample.value},
        "settings": sample.settings,
        "recipe": sample.settings,
        "result": {name: value for name, value in pooled.stored.items() if name != "of"} or None,
        "current": sample.state == Sample.State.DONE,
        "images": [_image(request, each) for each in pooled.images if each.job],
        "notes": sample.notes,
        "files": {name: address(reverse("api:sample-file", args=[sample.pk, name])) for name in files},
    }


def _image(request: HttpRequest, image: ImageRow) -> dict[str, Any]:
    job = image.job
    return {
        "id": str(job.pk),
        "url": request.build_absolute_uri(reverse("api:job", args=[job.pk])),
        "name": job.micrograph.name,
        "state": job.state,
        "error": job.error or None,
        "included": job.included,
        "left_out": image.reason or None,
        "outlier": image.outlier or None,
        "warning": image.warning or None,
        "n": int(image.n) if image.n else None,
    }


def _scale(request: HttpRequest) -> Scale:
    """width or nm_per_pixel hold for all images, otherwise_width for those without a scale of their own."""
    pixel, width, otherwise = (request.POST.get(name, "") for name in ("nm_per_pixel", "width", "otherwise_width"))
    if width and pixel:
        raise Refused(ONE_SCALE)
    try:
        if pixel:
            return Scale(Sample.Rule.PIXEL, parse_pixel(pixel), typed=pixel)
        if width:
            return Scale(Sample.Rule.WIDTH, parse_width(width), typed=width)
        return Scale(Sample.Rule.OWN, parse_width(otherwise), typed=otherwise)
    except ValueError as problem:
        raise Refused(str(problem)) from None


def _intake(request: HttpRequest, who: dict[str, Any]) -> Intake:
    """The files of a request; Refused where not one is an image."""
    files = request.FILES.getlist("file")
    if not files:
        raise Refused(NO_FILES)
    intake = services.receive_files(files=files, **who)
    if not intake.uploads:
        first = intake.problems[0] if intake.problems else Note("", NO_FILES, 400)
        raise Refused(": ".join(each for each in first[:2] if each), first.status)
    return intake


def _sample(pk: UUID) -> Sample | None:
    return Sample.objects.filter(pk=pk).first()
