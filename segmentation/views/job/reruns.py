"""The forms of a job that analyse or measure its image again, as a new job: with other settings, another width, or
outlines of another tool."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from ...core.analysis import AnalysisSettings
from ...core.micrograph.calibration.crosscheck import is_far_apart
from ...core.micrograph.calibration.sources import Source
from ...core.micrograph.calibration.stated import FIELDS, StatedScale, question_about
from ...forms.settings import SettingsForm, read_sent_settings
from ...http.access import changeable, row_of, see_other, visible
from ...middleware import sender
from ...models import Job
from ...services.access.links import check_open
from ...services.ground.refusal import Refused
from ...services.ground.requested import refuse_tall_bar
from ...services.results import after_inspection, jobs, samples
from ...services.results import reruns as rerun_service
from ...services.results.uploads import Note
from ..forms import WRONG_FIELDS, field_errors, sent_form, sent_scale
from .job_page import job_page

NO_WIDTH = "Type how wide the image is, such as 7520 nm or 7.52 µm."
NO_FILE = "Choose the file with the outlines first."
NOT_READ = "The image is still being read: wait a moment, then try again."


def rerun_form(view: Callable[[HttpRequest, Job], HttpResponse]) -> Callable[[HttpRequest, UUID], HttpResponse]:
    """A decorator for the views of forms that make a new job from an earlier one. The view is called only for POST,
    with a job that the caller may see and whose image has been read."""

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


@rerun_form
def rerun(request: HttpRequest, job: Job) -> HttpResponse:
    """Analyse the image with other settings and the same scale."""
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


@rerun_form
def change(request: HttpRequest, job: Job) -> HttpResponse:
    """Analyse the image with the settings that a button sends; the others stay as they are."""
    try:
        by_method = job.method_id is not None
        settings = read_sent_settings(request.POST, request.user, job.get_settings(), by_method=by_method)
    except ValueError as error:
        raise Refused(str(error)) from None
    return _analyse_again(request, job, settings.replaced(calibration=job.scale.stated))


@rerun_form
def page(request: HttpRequest, job: Job) -> HttpResponse:
    """Analyse a page of the image's file, or a panel of its figure, as an image of its own."""
    page_job = after_inspection.analyse_page(job=job, page=request.POST.get("page", ""), **sender(request))
    return see_other(reverse("job", args=[page_job.pk]))


@rerun_form
def width(request: HttpRequest, job: Job) -> HttpResponse:
    """Measure the same outlines with another scale: a typed width, an accepted suggestion or a drawn line. Field keep:
    the scale in use is right, although the bar in the image contradicts it."""
    fields, scale = {name: request.POST.get(name, "") for name in FIELDS}, job.scale
    if request.POST.get("keep") and (in_use := scale.stated or scale.file).is_known:
        return _analyse_again(request, job, job.get_settings().replaced(calibration=in_use.kept))
    stated_scale = StatedScale.of(fields | {"source": fields["source"] or Source.TYPED})
    try:
        if not (stated_scale.text or stated_scale.line or scale.in_use.is_known):  # sizes are in pixels already
            raise ValueError(NO_WIDTH)
        # If the typed width equals that of the file, the file is the source.
        calibration = stated_scale.with_file_as_source(scale).calibration(scale)
    except ValueError as error:
        return job_page(request, job, width_error=str(error), status=400)
    # The page asks once about a doubtful width, and sends the confirmed width as "sure".
    is_sure = bool(request.POST.get("sure")) and request.POST["sure"] == request.POST.get("width")
    if not is_sure and (question := question_about(calibration, scale)):
        return job_page(request, job, width_question=question, status=400)
    if is_sure and calibration is not None and is_far_apart(scale.bar, calibration):
        calibration = calibration.kept
    settings = job.get_settings().replaced(calibration=calibration)
    # The calibration is in use already: there is nothing to measure.
    if scale.with_stated(calibration).in_use == scale.before_measurement.in_use:
        return redirect("job", job.pk)
    if job.sample is not None and not scale.in_use.is_known:  # in its sample the image did not count without a scale
        return see_other(reverse("job", args=[samples.scale_image(job=job, settings=settings).pk]))
    return _analyse_again(request, job, settings)


@require_http_methods(["GET", "HEAD", "POST"])
def settings(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The form beside a picture that has no numbers yet. A running analysis goes on with the new settings; one that has
    ended is followed by a new job."""
    if request.method != "POST":
        return redirect("job", pk)
    job, stated_scale = changeable(request, row_of(Job, pk)), sent_scale(request)
    form = sent_form(request, job.get_settings(), job.method)
    if context := field_errors(form, stated_scale):
        problem = Note("", WRONG_FIELDS)
        return job_page(request, job, form=form, problem=problem, stated=stated_scale, status=400, **context)
    try:
        # A drawn or confirmed scale stays, because the form's field, which is empty then, cannot hold it.
        earlier_scale = job.scale.stated
        scale_stays = (
            stated_scale.uses_image_scale and earlier_scale is not None and earlier_scale.source != Source.TYPED
        )
        new_settings = form.settings(earlier_scale if scale_stays else None)
        if jobs.change_job(job=job, settings=new_settings, asked=None if scale_stays else stated_scale.as_dict()):
            return see_other(reverse("job", args=[pk]))
        if not scale_stays:
            new_settings = new_settings.replaced(calibration=stated_scale.calibration(job.micrograph.scale))
        return _analyse_again(request, job, new_settings)
    except ValueError as error:
        return job_page(request, job, form=form, problem=Note("", str(error)), stated=stated_scale, status=400)


@require_http_methods(["GET", "HEAD", "POST"])
def import_from_tool(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Measure the outlines in a file of another tool."""
    if request.method != "POST":
        return redirect("job", pk)
    job, file = changeable(request, row_of(Job, pk)), request.FILES.get("outlines")
    request.back += "#other-outlines"
    if file is None:
        raise Refused(NO_FILE)
    token = request.POST.get("token", "")[:64]
    revision = rerun_service.import_outlines(
        job=job, file=file, settings=job.get_settings(), token=token, **sender(request)
    )
    return see_other(reverse("job", args=[revision.pk]))


def _analyse_again(request: HttpRequest, job: Job, settings: AnalysisSettings) -> HttpResponse:
    """Make the new job and redirect to it. Field token: a form that is sent twice makes one job. Field again: with
    "on" the outlines are found again, even if the new settings only change how they are measured."""
    token, again = request.POST.get("token", "")[:64], request.POST.get("again") == "on"
    revision = jobs.rerun_job(job=job, settings=settings, again=again, token=token, **sender(request))
    return see_other(reverse("job", args=[revision.pk]))
