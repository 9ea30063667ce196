"""The first page, whose form starts an analysis; and the examples."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.core.files import File
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ..core.analysis import AnalysisSettings
from ..core.micrograph.calibration.stated import StatedScale
from ..core.micrograph.calibration.width import parse_width
from ..core.micrograph.pairing import pair
from ..core.names import clean_text
from ..core.settings import DEFAULT_MODEL, DEFAULT_TASK
from ..forms.settings import SettingsForm
from ..http.access import address_of, row_of, see_other, visible
from ..http.serving import file_stem, serve_image
from ..middleware import sender
from ..models import Job, MethodVersion, Micrograph, Sample, shown_name
from ..services.ground.refusal import Refused
from ..services.ground.requested import with_site_uncertainty
from ..services.results import after_inspection, samples, uploads
from ..services.results.models_offered import chosen_default, default_model
from ..services.results.samples import ScaleRule
from ..services.results.uploads import EXAMPLES, Note, example_file, example_sha256
from .forms import LONGEST_TEXT, WRONG_FIELDS, field_errors, method_form, sent_form, sent_method, sent_scale, token_of
from .job.work import work_page

PASSED_STATUSES = {413, 429, 503, 507}  # a refusal with another status is answered as 400
NO_IMAGE = "Choose at least one image, or try the sample."
NO_EXAMPLE = "This example does not exist. Choose one on the start page."
NO_NAMES = "The names of the files could not be read; reload the page and choose the files again."
MOST_NAMES = 5000  # files that are dropped on the page at once
TOO_MANY = f"More than {MOST_NAMES} files at once are too many: choose the images of one sample."


@require_http_methods(["GET", "HEAD", "POST"])
def home(request: HttpRequest) -> HttpResponse:
    """The first page. POST starts the analysis of one file with its side files, or of several images as one sample; a
    form that is refused is shown again with the reason. The page's script sends the same form."""
    method = sent_method(request)
    if request.method != "POST":
        form = method_form(request, method) if method else SettingsForm.from_query(request.GET, request.user)
        return work_page(request, form, method=method)
    form, stated_scale, files = sent_form(request, method=method), sent_scale(request), request.FILES.getlist("file")
    error_context, problem = field_errors(form, stated_scale), Note("", NO_IMAGE, 400)
    if error_context:
        problem = Note("", WRONG_FIELDS, 400)
    elif files:
        try:
            return see_other(_start_analysis(request, form.settings(), stated_scale, files, method))
        except Refused as refusal:
            name = shown_name(files[0].name or "") if len(files) == 1 else ""
            status = refusal.status if refusal.status in PASSED_STATUSES else 400
            problem = Note(name, refusal.sentence, status)
    context = {"problem": problem, "stated": stated_scale, "method": method, **error_context}
    return work_page(request, form, problem.status, **context)


def _start_analysis(
    request: HttpRequest,
    settings: AnalysisSettings,
    stated_scale: StatedScale,
    files: list[Any],
    method: MethodVersion | None,
) -> str:
    """Start the analysis of these files, and return the address of the page to show next. Raises Refused."""
    pages = uploads.checked_pages(clean_text(request.POST.get("pages", ""), LONGEST_TEXT))
    common = {"settings": settings, "method": method, "token": token_of(request), **sender(request)}
    image, *other_images = pair([file.name or "" for file in files])
    if not other_images and "one_sample" not in request.POST:
        image_file = next(file for file in files if (file.name or "") == image)
        side_files = [file for file in files if file is not image_file]
        several = bool(pages) or uploads.is_zip(image_file)
        asked = stated_scale.as_dict()
        job = after_inspection.analyse_file(
            file=image_file, side=side_files, holds_several_images=several, pages=pages, asked=asked, **common
        )
        return address_of(job) if job else reverse("results")
    # While the intake is `in_use`, a fault below removes its files again.
    intake = uploads.receive_files(files=files, pages=pages, **sender(request))
    text, name = (stated_scale.width or "").strip(), clean_text(request.POST.get("sample_name", ""), LONGEST_TEXT)
    scale = ScaleRule(Sample.Rule.WIDTH, parse_width(text), typed=text) if text else ScaleRule()
    if not intake.uploads and len(intake.notes) == 1:
        raise Refused(intake.notes[0].sentence, intake.notes[0].status)
    try:
        with intake.in_use():
            sample = samples.create_sample(name=name, uploads=intake.uploads, notes=intake.notes, scale=scale, **common)
    except ValueError as problem:
        raise Refused(str(problem)) from None
    return address_of(sample)


@require_POST
def pairs(request: HttpRequest) -> JsonResponse:
    """Which of the files that were dropped on the page belong together, by their names: [image, [side files]] for each
    image. The page's script asks this, so that the rule is written only once, here.

    Field names: a JSON list, because a form may not have so many fields. The answer has places in that list instead of
    names, so that it is not longer than the request.
    """
    try:
        names = [str(name) for name in json.loads(request.POST.get("names", ""))]
    except (ValueError, TypeError, RecursionError):
        return JsonResponse({"error": NO_NAMES}, status=400)
    if len(names) > MOST_NAMES:
        return JsonResponse({"error": TOO_MANY}, status=413)
    places = {name: place for place, name in reversed(list(enumerate(names)))}
    pairs = pair(names).items()
    return JsonResponse({"images": [[places[image], [places[side] for side in sides]] for image, sides in pairs]})


@require_safe
def preview(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The small picture of an upload that the server made."""
    micrograph = visible(request, row_of(Micrograph, pk))
    return serve_image(request, micrograph.preview, f"{file_stem(micrograph.name)}_preview.png", f"{pk}-preview")


@require_POST
def sample(request: HttpRequest) -> HttpResponse:
    """Show the stored result of the example of a kind of analysis. Without one, analyse the example with the default
    settings. A result of it that the caller has already is shown again."""
    kind = request.POST.get("example", DEFAULT_TASK)
    own_jobs = Job.objects.visible_to(request.user, request.visitor).filter(state=Job.State.DONE, sample=None)
    if kind in EXAMPLES and (stored := uploads.stored_example(kind)):
        unchanged = own_jobs.filter(micrograph__sha256=stored["sha256"], parent=None, edit_count=0)
        return redirect(address_of(unchanged.first() or uploads.show_stored(kind, **sender(request))))
    model = default_model(kind, request.user) if kind in EXAMPLES else ""
    if kind == DEFAULT_TASK:
        model = chosen_default(kind, request.user) or DEFAULT_MODEL
    if not model:
        raise Refused(NO_EXAMPLE)
    settings = with_site_uncertainty(AnalysisSettings.of(kind, model=model))
    default_result = {"settings": settings.as_dict(), "edit_count": 0, "micrograph__sha256": example_sha256(kind)}
    if done_job := own_jobs.filter(**default_result).order_by("-created").first():
        return redirect(address_of(done_job))
    with example_file(kind).open("rb") as opened:
        file = File(opened, name=EXAMPLES[kind])
        job = after_inspection.analyse_file(file=file, settings=settings, token=token_of(request), **sender(request))
    return redirect(address_of(job))


@require_safe
def sample_download(request: HttpRequest) -> FileResponse:
    """The example image as a file."""
    path = example_file(DEFAULT_TASK)
    if not path.is_file():
        raise Http404
    return FileResponse(path.open("rb"), as_attachment=True, filename=path.name, content_type="image/tiff")
