"""Samples for scripts: several images or a ZIP in, one pooled result out."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse

from . import services
from .api import OWNER_ONLY, endpoint, identify, key_of, secret_of, valid_settings
from .core.micrograph import parse_width
from .forms.samples import parse_pixel
from .models import Sample, SampleArtifact
from .services import Intake, Note, Refused, Scale
from .views.pooled import Image, Pooled, Progress
from .views.serving import serve_sample_file

NO_FILES = "Send the images as fields named file: images, the files beside them, or ZIP archives."
ONE_SCALE = "Send either width or nm_per_pixel, not both."
IN_OR_OUT = "Send included=on or included=off."


@endpoint("POST")
def samples(request: HttpRequest) -> HttpResponse:
    """Start a sample: 202 with its address and a sentence for each file that was not taken."""
    form = valid_settings(request)
    scale = _scale(request)
    who = identify(request)
    intake = _intake(request, who)
    made = _start(request, intake, who, recipe=form.settings(), scale=scale)
    response = JsonResponse({**described(request, made), **secret_of(request)}, status=202)
    response["Location"] = reverse("api-sample", args=[made.pk])
    return response


def _start(request: HttpRequest, intake: Intake, who: dict[str, Any], **settings: Any) -> Sample:
    """The sample of fresh uploads, which go again where it may not be."""
    name, key = request.POST.get("name", ""), key_of(request)
    try:
        return services.create_sample(name=name, uploads=intake.uploads, notes=intake.notes, key=key, **who, **settings)
    except Exception:
        for micrograph in intake.uploads:
            services.discard_unused(micrograph)
        raise


@endpoint("GET", "HEAD", "DELETE")
def sample(request: HttpRequest, pk: UUID) -> HttpResponse:
    """State, pooled result and images; DELETE removes all of it."""
    if request.method == "DELETE":
        services.delete_sample(sample=_own(request, pk, "delete"))
        return HttpResponse(status=204)
    return JsonResponse(described(request, _visible(request, pk)))


@endpoint("POST")
def images(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Add images."""
    found = _own(request, pk)
    who = {"user": request.user, "visitor": request.visitor, "address": request.address_hash}
    intake = _intake(request, who)
    said = services.add_images(sample=found, uploads=intake.uploads, notes=intake.notes)
    return JsonResponse({**described(request, found), "notes": _notes(said)}, status=202)


@endpoint("POST")
def image(request: HttpRequest, pk: UUID, job: UUID) -> HttpResponse:
    """Count an image in (included=on) or leave it out (included=off)."""
    found = _own(request, pk)
    member = found.members.filter(pk=job).first()
    if member is None:
        raise Http404
    included = request.POST.get("included", "")
    if included not in ("on", "off"):
        raise Refused(IN_OR_OUT)
    services.include_image(sample=found, job=member, included=included == "on")
    return JsonResponse(described(request, found))


@endpoint("POST")
def retry(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Try what failed once more."""
    found = _own(request, pk)
    services.retry_failed(sample=found)
    return JsonResponse(described(request, found))


@endpoint("POST")
def cancel(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Stop the images under way; those that are done are pooled."""
    found = _own(request, pk)
    services.cancel_sample(sample=found)
    return JsonResponse(described(request, found))


@endpoint("GET", "HEAD")
def file(request: HttpRequest, pk: UUID, name: str) -> HttpResponse:
    """A file of the pooled result."""
    stored = SampleArtifact.objects.select_related("sample").filter(sample=_visible(request, pk), name=name).first()
    if stored is None:
        raise Http404
    return serve_sample_file(request, stored, download=True)


def described(request: HttpRequest, sample: Sample) -> dict[str, Any]:
    """A sample in JSON."""
    sample.refresh_from_db()
    address = request.build_absolute_uri
    pooled, progress = Pooled(sample), Progress.of(sample)
    files = sample.artifacts.values_list("name", flat=True)
    return {
        "id": str(sample.pk),
        "url": address(reverse("api-sample", args=[sample.pk])),
        "page": address(reverse("sample-page", args=[sample.pk])),
        "name": sample.name,
        "state": sample.state,
        "error": sample.error or None,
        "done": progress.done,
        "failed": progress.failed,
        "under_way": progress.under_way,
        "expected_seconds": progress.seconds if progress.under_way else None,
        "scale": {"rule": sample.rule, "value": sample.value},
        "recipe": sample.settings,
        "result": {name: value for name, value in sample.pooled.items() if name != "of"} or None,
        "current": not pooled.active,
        "images": [_image(request, each) for each in pooled.images],
        "notes": sample.notes,
        "files": {name: address(reverse("api-sample-file", args=[sample.pk, name])) for name in files},
    }


def _image(request: HttpRequest, image: Image) -> dict[str, Any]:
    job = image.job
    return {
        "id": str(job.pk),
        "url": request.build_absolute_uri(reverse("api-job", args=[job.pk])),
        "name": job.micrograph.name,
        "state": job.state,
        "error": job.error or None,
        "included": job.included,
        "left_out": image.reason or None,
        "outlier": image.outlier or None,
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
    intake = Intake.of(services.receive_files(files=files, **who))
    if not intake.uploads:
        first = intake.problems[0] if intake.problems else Note("", NO_FILES, 400)
        raise Refused(": ".join(each for each in first[:2] if each), first.status)
    return intake


def _notes(notes: list[Note]) -> list[dict[str, str]]:
    return [{"name": note.name, "sentence": note.sentence} for note in notes]


def _visible(request: HttpRequest, pk: UUID) -> Sample:
    found = Sample.objects.filter(pk=pk).first()
    if found is None or not found.is_visible_to(request.user, request.visitor):
        raise Http404
    return found


def _own(request: HttpRequest, pk: UUID, action: str = "change") -> Sample:
    found = _visible(request, pk)
    if not found.is_changeable_by(request.user, request.visitor, action):
        raise Refused(OWNER_ONLY, 403)
    return found
