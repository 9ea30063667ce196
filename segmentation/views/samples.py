"""The page of a sample with its images, and the forms that change it."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.db.models import prefetch_related_objects
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect, HttpResponseClientRefresh

from ..core.micrograph.calibration.width import width_text
from ..forms.samples import ScaleForm
from ..http.access import (
    address_of,
    button_view,
    change,
    changeable,
    count_image,
    deletion_view,
    link_context,
    reload_if_gone,
    row_of,
    see_other,
    visible,
)
from ..http.serving import files_of, serve_chunks
from ..middleware import sender
from ..models import Job, Sample
from ..presenters.growing import close_by_method, growth_of
from ..presenters.progress import PageProgress, Progress
from ..presenters.sample import PooledResult
from ..quality.limits.panel import quality_context
from ..services.ground.refusal import Refused
from ..services.results import exports, growing, samples, uploads
from ..services.results.pooled_outlines import pooled_coco
from .forms import accept_attribute, show_notes, to_uuid
from .job.job_files import file_or_wait
from .job.job_page import JUST_DONE, readable

NO_FILES = "Choose the images to add first."


@require_safe
@never_cache
def sample(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The page of a sample: progress, pooled numbers, images."""
    sample = visible(request, row_of(Sample, pk))
    samples.measure_last_corrections(sample)
    return readable(sample_page, request, sample)


@reload_if_gone
def status(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The progress, for which the page asks every few seconds; at the end the page reloads.

    ?late=ATTEMPT: the page shows the numbers of this attempt, but a data bar may still be read. The answer is 204 while
    jobs or data bars are not finished; then an empty 200, which ends the asking, or a reload after another attempt.
    """
    sample = visible(request, row_of(Sample, pk))
    pooled = PooledResult(sample)
    if "late" in request.GET and (pooled.active or request.GET["late"] == str(sample.attempt)):
        return HttpResponse(status=204 if pooled.active or sample.scale_check == "pending" else 200)
    if request.htmx and not pooled.active:
        # A reload keeps the position on the page; but reloading the answer to a form would send the form again.
        is_sample_page = urlsplit(request.htmx.current_url or "").path == address_of(sample)
        return HttpResponseClientRefresh() if is_sample_page else HttpResponseClientRedirect(address_of(sample))
    context = {"sample": sample, "pooled": pooled, "progress": Progress.of(sample, PageProgress.of(request.GET))}
    return render(request, "samples/_status.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def images(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The table of images. POST: of the results in the fields `shown`, count those that are also in `counted`."""
    if request.method == "POST":
        sample = changeable(request, row_of(Sample, pk))
        _count_ticked(request, sample)
        return see_other(f"{address_of(sample)}#images")
    sample = visible(request, row_of(Sample, pk))
    return render(request, "samples/_images.html", _images_context(request, sample, PooledResult(sample)))


def _count_ticked(request: HttpRequest, sample: Sample) -> None:
    """Of the results in the fields `shown`, count those that are also in `counted`."""
    ids = {name: {pk for pk in map(to_uuid, request.POST.getlist(name)) if pk} for name in ("shown", "counted")}
    samples.include_images(
        sample=sample, included={pk: pk in ids["counted"] for pk in ids["shown"]}, account=request.user
    )
    request.staff_action = None  # the service has noted it


@require_http_methods(["GET", "HEAD", "POST"])
def add(request: HttpRequest, pk: UUID, kind: type[Job | Sample] = Sample) -> HttpResponse:
    """Add images to a sample; or to a single result, which then becomes the first image of a new sample."""
    row = changeable(request, row_of(kind, pk))
    files = request.FILES.getlist("file")
    if request.method != "POST" or (not files and isinstance(row, Job)):  # a browser may also open the address again
        return redirect(address_of(row))
    if not files:
        return sample_page(request, row, add_error=NO_FILES, status=400)
    if isinstance(row, Sample):
        growing.check_takes_images(row)  # before the files are read
    intake = uploads.receive_files(files=files, **sender(request))
    request.back = reverse("results")  # because a refusal below means that the sample was deleted meanwhile
    with intake.in_use():
        sample = row
        if isinstance(row, Job):
            fields = {"name": "", "jobs": [row], "moves": True, "token": request.POST.get("token", "")[:64]}
            sample = row.sample or samples.sample_of_results(**fields, **sender(request))
        else:
            _count_ticked(request, row)  # ticks that were not sent yet
        notes = samples.add_images(sample=sample, uploads=intake.uploads, notes=intake.notes)
    sentences = [f"{note.name}: {note.sentence}" if note.name else note.sentence for note in notes]
    show_notes(request, sentences, "files were not taken: see the remarks below.")
    return see_other(address_of(sample))


@require_POST
def image(request: HttpRequest, pk: UUID, job: UUID) -> HttpResponse:
    """Count an image, or leave it out; "instead" counts this result in place of another one of the same image."""
    sample = changeable(request, row_of(Sample, pk))
    count_image(request, sample, job, request.POST.get("included", ""))
    return see_other(f"{address_of(sample)}#image-{job}")


@require_POST
def ignore(request: HttpRequest, pk: UUID, job: UUID) -> HttpResponse:
    """Let all images of the same size in the sample ignore the regions that this result ignores."""
    sample, result = changeable(request, row_of(Sample, pk)), changeable(request, row_of(Job, job))
    samples.ignore_in_sample(sample=sample, job=result, account=request.user)
    return see_other(f"{address_of(sample)}#images")


@require_POST
def name(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Rename the sample."""
    return change(request, Sample, pk, partial(samples.rename_sample, name=request.POST.get("name", "")))


@require_POST
def close(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Close a sample that grows by a method: it takes no more images."""
    row, reason = changeable(request, row_of(Sample, pk)), request.POST.get("reason", "")
    try:
        close_by_method(row, request.user, reason)
    except Refused as refusal:
        if refusal.status != 422:
            raise
        return sample_page(request, row, close_error=refusal.sentence, reason=reason, status=422)
    request.staff_action = None  # the service has noted it
    return see_other(address_of(row))


@require_POST
def reopen(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Open a closed sample again, with a reason."""
    row, reason = changeable(request, row_of(Sample, pk)), request.POST.get("reason", "")
    growing.reopen_sample(sample=row, account=request.user, reason=reason)
    request.staff_action = None  # the service has noted it
    return see_other(address_of(row))


@require_POST
def corrections(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Measure and count the last corrections of versions."""
    return change(request, Sample, pk, partial(samples.replace_outdated_versions, account=request.user))


retry = button_view(Sample, samples.retry_failed)
cancel = button_view(Sample, samples.cancel_sample)


@require_http_methods(["GET", "HEAD", "POST"])
def scale(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Measure all images with another scale, from their outlines."""
    sample = changeable(request, row_of(Sample, pk))
    if request.method != "POST":
        return redirect(address_of(sample))
    form = ScaleForm(request.POST)
    if not form.is_valid():
        return sample_page(request, sample, scale_form=form, status=400)
    return change(request, Sample, pk, partial(samples.recalibrate_sample, scale=form.cleaned_data["scale"]))


@deletion_view(Sample, "Delete this sample?", samples.delete_sample, "results")
def delete(request: HttpRequest, sample: Sample) -> str:
    """The sentence that asks before a sample is deleted."""
    count = sample.members.count()
    images = f"{count} image{'' if count == 1 else 's'}"
    return f"The sample “{sample.name}” with its {images}, their results and all files will be deleted."


@require_safe
def file(request: HttpRequest, pk: UUID, name: str) -> HttpResponse:
    """A file of the pooled result. While it is being written: 202, with a page that asks again; 503 if writing
    failed."""
    return file_or_wait(
        request, visible(request, row_of(Sample, pk)), exports.name_with_options(name, request.GET.dict())
    )


@require_safe
def outlines(request: HttpRequest, pk: UUID) -> StreamingHttpResponse:
    """The outlines of all pooled images as one file of COCO annotations."""
    sample = visible(request, row_of(Sample, pk))
    if not sample.stored.pooled_ids:
        raise Http404
    return serve_chunks(pooled_coco(sample), "application/json", f"{sample.pk}_coco.json")


def _images_context(request: HttpRequest, sample: Sample, pooled: PooledResult) -> dict[str, Any]:
    """Context of the table of images."""
    may_change = sample.is_changeable_by(request.user, request.visitor)
    return {
        "sample": sample,
        "pooled": pooled,
        "may_change": may_change,
        "growth": growth_of(sample),
        "may_reopen": may_change and growing.may_reopen(request.user),
        "accept": accept_attribute(),
    }


def sample_page(request: HttpRequest, sample: Sample, *, status: int = 200, **extra: Any) -> HttpResponse:
    """The page of a sample. extra: further entries of the context, from a form that was refused."""
    pooled, task = PooledResult(sample), sample.settings["task"]
    scale = sample.typed or ("" if sample.value is None else f"{sample.value:g}")
    if not sample.typed and sample.rule != Sample.Rule.PIXEL and sample.value is not None:
        scale = width_text(sample.value)
    prefetch_related_objects([sample], "artifacts")
    if further := list(exports.unwritten_files(sample)):
        exports.write_in_advance(sample)
    context = {
        **_images_context(request, sample, pooled),
        **files_of(sample, "sample", task, "sample-file", further),
        "further": further,
        "progress": Progress.of(sample),
        "check": sample.scale_check,
        "just_done": sample.finished is not None and timezone.now() - sample.finished < JUST_DONE,
        "address": request.build_absolute_uri(address_of(sample)),
        "link": link_context(request, sample) if sample.is_changeable_by(request.user, request.visitor) else None,
        "may_delete": sample.is_changeable_by(request.user, request.visitor, "delete"),
        **quality_context(request, sample),
        "scale_form": ScaleForm(initial={"rule": sample.rule, f"rule_{sample.rule}": scale}),
        **extra,
    }
    return render(request, "samples/sample.html", context, status=status)
