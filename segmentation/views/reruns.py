"""Forms of a job that analyse or measure its image again: other settings, another width, outlines of another tool."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from ..core.analysis import AnalysisSettings
from ..core.micrograph.sources import Source
from ..core.micrograph.stated import FIELDS, StatedScale, question_about
from ..forms.settings import SettingsForm, settings_sent
from ..http.access import changeable, row_of, see_other, visible
from ..middleware import sender
from ..models import Job
from ..services.access.links import check_open
from ..services.ground.refusal import Refused
from ..services.ground.requested import refuse_tall_bar
from ..services.results import after_inspection, jobs, samples
from ..services.results import reruns as rerun_service
from ..services.results.uploads import Note
from .forms import MARKED, sent_form, stated_in, wrong_fields
from .job_page import job_page

NO_WIDTH = "Type how wide the image is, such as 7520 nm or 7.52 µm."
NO_FILE = "Choose the file with the outlines first."
NOT_READ = "The image is still being read: wait a moment, then try again."


def of_read_image(view: Callable[[HttpRequest, Job], HttpResponse]) -> Callable[[HttpRequest, UUID], HttpResponse]:
    """A form of a visible job that analyses or measures its image again, once that was read."""

    @require_http_methods(["GET", "HEAD", "POST"])
    @wraps(view)
    def answer(request: HttpRequest, pk: UUID) -> HttpResponse:
        job = visible(request, row_of(Job, pk))
        if request.method != "POST":
            return redirect("job", pk)
        check_open(job, request.user, request.visitor)
        if not job.micrograph.is_read:
            raise Refused(job.micrograph.error or NOT_READ, 409)
        return view(request, job)

    return answer


@of_read_image
def rerun(request: HttpRequest, job: Job) -> HttpResponse:
    """The same image with other settings and the same scale, as a new job."""
    by_method = job.method_id is not None
    form = SettingsForm(request.POST, earlier=job.get_settings(), user=request.user, by_method=by_method)
    if not form.is_valid():
        return job_page(request, job, form=form, rerun_open=True, status=400)
    settings = form.settings(job.scale.stated)
    try:
        refuse_tall_bar(settings, job.micrograph)
    except ValueError as error:
        form.add_error("data_bar_rows", str(error))
        return job_page(request, job, form=form, rerun_open=True, status=400)
    return _analyse_again(request, job, settings)


@of_read_image
def change(request: HttpRequest, job: Job) -> HttpResponse:
    """The same image with the settings that a button names, all others as they are, as a new job."""
    try:
        by_method = job.method_id is not None
        settings = settings_sent(request.POST, request.user, job.get_settings(), by_method=by_method)
    except ValueError as error:
        raise Refused(str(error)) from None
    return _analyse_again(request, job, settings.with_(calibration=job.scale.stated))


@of_read_image
def page(request: HttpRequest, job: Job) -> HttpResponse:
    """A page of the image's file, or a panel of its figure, as an image of its own."""
    new = after_inspection.analyse_page(job=job, page=request.POST.get("page", ""), **sender(request))
    return see_other(reverse("job", args=[new.pk]))


@of_read_image
def width(request: HttpRequest, job: Job) -> HttpResponse:
    """The same outlines measured with another width, an accepted suggestion or a drawn line, as a new job."""
    fields, scale = {name: request.POST.get(name, "") for name in FIELDS}, job.scale
    stated = StatedScale.of(fields | {"source": fields["source"] or Source.TYPED})
    try:
        if not stated.text and not scale.in_use.is_known:  # they are in pixels already
            raise ValueError(NO_WIDTH)
        # The file is the source where the typed width equals its own.
        calibration = stated.with_file_as_source(scale).calibration(scale)
    except ValueError as error:
        return job_page(request, job, width_error=str(error), status=400)
    is_sure = request.POST.get("sure", "") == request.POST.get("width", "")
    if not is_sure and (question := question_about(calibration, scale)):
        return job_page(request, job, width_question=question, status=400)
    settings = job.get_settings().with_(calibration=calibration)
    # This calibration is the one in use already: nothing is to be measured.
    if scale.with_stated(calibration).in_use == scale.before_measurement.in_use:
        return redirect("job", job.pk)
    if job.sample is not None and not scale.in_use.is_known:  # it does not count for want of a scale
        return see_other(reverse("job", args=[samples.scale_image(job=job, settings=settings).pk]))
    return _analyse_again(request, job, settings)


@require_http_methods(["GET", "HEAD", "POST"])
def settings(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The form beside a picture that has no numbers yet. A running analysis goes on with the new settings; one that has
    ended is followed by a new job."""
    if request.method != "POST":
        return redirect("job", pk)
    job, stated = changeable(request, row_of(Job, pk)), stated_in(request)
    form = sent_form(request, job.get_settings(), job.method)
    if wrong := wrong_fields(form, stated):
        return job_page(request, job, form=form, problem=Note("", MARKED), stated=stated, status=400, **wrong)
    try:
        earlier_scale = job.scale.stated  # one that was drawn or confirmed, which the field does not hold
        is_kept = stated.is_of_image and earlier_scale is not None and earlier_scale.source != Source.TYPED
        chosen = form.settings(earlier_scale if is_kept else None)
        if jobs.change_job(job=job, settings=chosen, asked=None if is_kept else stated.as_dict()):
            return see_other(reverse("job", args=[pk]))
        chosen = chosen if is_kept else chosen.with_(calibration=stated.calibration(job.micrograph.scale))
        return _analyse_again(request, job, chosen)
    except ValueError as error:
        return job_page(request, job, form=form, problem=Note("", str(error)), stated=stated, status=400)


@require_http_methods(["GET", "HEAD", "POST"])
def import_from_tool(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The outlines in a file of another tool measured as a new job."""
    if request.method != "POST":
        return redirect("job", pk)
    job, file = changeable(request, row_of(Job, pk)), request.FILES.get("outlines")
    request.back += "#other-outlines"
    if file is None:
        raise Refused(NO_FILE)
    token = request.POST.get("token", "")[:64]
    new = rerun_service.import_outlines(job=job, file=file, settings=job.get_settings(), token=token, **sender(request))
    return see_other(reverse("job", args=[new.pk]))


def _analyse_again(request: HttpRequest, job: Job, settings: AnalysisSettings) -> HttpResponse:
    token, again = request.POST.get("token", "")[:64], request.POST.get("again") == "on"
    new = jobs.rerun_job(job=job, settings=settings, again=again, token=token, **sender(request))
    return see_other(reverse("job", args=[new.pk]))
