"""A job's address: waiting, result, failure; and the actions on it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any
from uuid import UUID, uuid4

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe
from django_htmx.http import HttpResponseClientRefresh

from ..core.analysis import AnalysisSettings
from ..core.flags import DO_NOT_USE
from ..core.labels.segmentation import MASKS
from ..core.micrograph.crosscheck import Source
from ..core.micrograph.stated import FIELDS, StatedScale, question_about
from ..core.network import cards
from ..core.report.exports.viewer import PICTURE
from ..core.report.signatures import digests
from ..core.report.wording import calibration_words, standing_words
from ..forms.settings import SettingsForm, settings_sent
from ..http.access import (
    address_of,
    button,
    changeable,
    deletion,
    link_page,
    reload_if_gone,
    row_of,
    see_other,
    visible,
)
from ..http.serving import files_of, serve_log, serve_shown, serve_stored, serve_tile
from ..middleware import sender
from ..models import Job, Sample, StoredFile
from ..presenters.progress import status_of
from ..presenters.result import Result
from ..presenters.sample import neighbours
from ..services.access.links import check_open, is_open
from ..services.ground import queue
from ..services.ground.refusal import Refused
from ..services.ground.requested import refuse_tall_bar
from ..services.results import after_inspection, exports, jobs, reruns, samples, signing, steps
from ..services.results.signing import meanings_for
from ..services.results.uploads import Note, example_sha256
from .calibration import acquired
from .revisions import revisions, sample_of
from .upload import MARKED, accepted, sent_form, stated_in, work_page, wrong_fields

SOON = timedelta(seconds=5)
JUST_DONE = timedelta(minutes=2)  # in which a tab that nobody looks at has asked again
NO_WIDTH = "Type how wide the image is, such as 7520 nm or 7.52 µm."
NO_FILE = "Choose the file with the outlines first."
NOT_READ = "The image is still being read: wait a moment, then try again."


@require_safe
@never_cache
def job(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Waiting, the result, or why there is none: one address for a job's whole life."""
    return _page(request, visible(request, row_of(Job, pk)))


@reload_if_gone
def status(request: HttpRequest, pk: UUID) -> HttpResponse:
    """What the waiting page asks for again and again, until the job has ended: then it loads anew. A result asks
    with "late", the check it shows: 204 until that changes. Files that wait for a bar are asked for once it is read.
    part: of the outlines that the page draws already; unseen: it has no picture yet."""
    job = visible(request, row_of(Job, pk))
    if job.is_done and (late := request.GET.get("late", "")):
        if is_pending := job.scale_check == "pending" and job.micrograph.is_finished:
            queue.ask_for_files(job)  # once more where that failed
        if late == ("measuring" if is_pending else job.scale_check):
            return HttpResponse(status=204)
        grave = next((flag.text for flag in Result(job).warnings if flag.level == DO_NOT_USE), "")
        may_change = job.is_changeable_by(request.user, request.visitor)
        return render(request, "_late.html", {"job": job, "late": late, "grave": grave, "may_change": may_change})
    if job.is_finished and request.htmx:
        return HttpResponseClientRefresh()
    context = _state(job) | _scaled(request, job)
    if job.early.get("part") != request.GET.get("part"):
        context["early"] = job.early
    if "unseen" in request.GET and job.micrograph.preview:
        context["preview"] = reverse("upload-preview", args=[job.micrograph_id])
    return render(request, "_status.html", context)


def _scaled(request: HttpRequest, job: Job) -> dict[str, Any]:
    """The scale in words, of an image whose bar is still being read that it is; the address of the result; and whether
    the caller may only look at it."""
    scale, micrograph = job.scale.in_use, job.micrograph
    is_awaited = not (scale.is_known or job.ready or micrograph.is_finished)
    line = "scale still being read from the image" if is_awaited else calibration_words(scale, detail=False)
    address, only_looks = reverse("job", args=[job.pk]), not is_open(job, request.user, request.visitor)
    return {"calibration_line": line, "address": request.build_absolute_uri(address), "only_looks": only_looks}


@reload_if_gone
def proposals(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Other ways to analyse the image of a doubtful result; the page asks again until all are there."""
    job = visible(request, row_of(Job, pk))
    result = Result(job) if is_open(job, request.user, request.visitor) and job.is_done else None
    if result is None or not result.may_propose:
        return HttpResponse()
    row = reruns.proposals_of(job)
    context = {"job": job, "active": not row.is_finished, "shown": row.result.get("shown", []), "token": uuid4().hex}
    return render(request, "_proposals.html", context | {"result": result})


cancel = button(Job, jobs.cancel_job)
retry = button(Job, jobs.retry_job)


@deletion(Job, "Delete this result?", jobs.delete_job, "results")
def delete(request: HttpRequest, job: Job) -> str:
    """Ask, then delete."""
    others = len(revisions(job, request.user, request.visitor)) - 1
    stay = f" Its other versions ({others}) and the image stay." if others else ""
    pooled = f" The sample “{job.sample.name}” will be counted again." if job.sample else ""
    taught = job.dataset_images.count()
    learnt = " Training data made of it stay: remove them on the page of their dataset." if taught else ""
    return f"The result of “{job.micrograph.name}” and its files will be deleted.{stay}{pooled}{learnt}"


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
    form = SettingsForm(request.POST, earlier=job.get_settings(), user=request.user)
    if not form.is_valid():
        return _page(request, job, form=form, rerun_open=True, status=400)
    settings = form.settings(job.scale.stated)
    try:
        refuse_tall_bar(settings, job.micrograph)
    except ValueError as error:
        form.add_error("data_bar_rows", str(error))
        return _page(request, job, form=form, rerun_open=True, status=400)
    return _analyse_again(request, job, settings)


@of_read_image
def change(request: HttpRequest, job: Job) -> HttpResponse:
    """The same image with the settings that a button names, all others as they are, as a new job."""
    try:
        settings = settings_sent(request.POST, request.user, job.get_settings())
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
        calibration = stated.meaning_file(scale).calibration(scale)
    except ValueError as error:
        return _page(request, job, width_error=str(error), status=400)
    is_sure = request.POST.get("sure", "") == request.POST.get("width", "")
    if not is_sure and (question := question_about(calibration, scale)):
        return _page(request, job, width_question=question, status=400)
    settings = job.get_settings().with_(calibration=calibration)
    if scale.stating(calibration).in_use == scale.anew.in_use:
        return redirect("job", job.pk)
    if job.sample is not None and not scale.in_use.is_known:  # it does not count for want of a scale
        return see_other(reverse("job", args=[samples.scale_image(job=job, settings=settings).pk]))
    return _analyse_again(request, job, settings)


@require_http_methods(["GET", "HEAD", "POST"])
def settings(request: HttpRequest, pk: UUID) -> HttpResponse:
    """What stands beside a picture without numbers, changed: its analysis goes on with it; one that has ended is
    followed by another."""
    if request.method != "POST":
        return redirect("job", pk)
    job, stated = changeable(request, row_of(Job, pk)), stated_in(request)
    form = sent_form(request, job.get_settings())
    if wrong := wrong_fields(form, stated):
        return _page(request, job, form=form, problem=Note("", MARKED), stated=stated, status=400, **wrong)
    try:
        kept = job.scale.stated  # drawn or confirmed, which the field does not show
        is_kept = stated.is_of_image and kept is not None and kept.source != Source.TYPED
        chosen = form.settings(kept if is_kept else None)
        if jobs.change_job(job=job, settings=chosen, asked=None if is_kept else stated.as_dict()):
            return see_other(reverse("job", args=[pk]))
        chosen = chosen if is_kept else chosen.with_(calibration=stated.calibration(job.micrograph.scale))
        return _analyse_again(request, job, chosen)
    except ValueError as error:
        return _page(request, job, form=form, problem=Note("", str(error)), stated=stated, status=400)


@require_safe
def artifact(request: HttpRequest, pk: UUID, name: str) -> HttpResponse:
    """A file of a finished job; while it is being written a page that asks again, and 202; 503 if that failed."""
    job = visible(request, row_of(Job, pk))
    if name == PICTURE and job.micrograph.viewer_image:
        return serve_shown(request, job.micrograph)
    name = exports.named(name, {**request.GET.dict(), "panels": "".join(request.GET.getlist("panels"))})
    return file_or_wait(request, job, name)


def file_or_wait(request: HttpRequest, result: Job | Sample, name: str) -> HttpResponse:
    """A file of a result; while it is being written a page that asks again, and 202; 503 if that failed."""
    row = exports.file_of(result, name)
    if row is None:
        raise Http404
    if isinstance(row, StoredFile):
        return serve_stored(request, row, download="download" in request.GET)
    context = {"export": row, "name": name, "back": address_of(result)}
    response = render(request, "preparing.html", context, status=503 if row.error else 202)
    response["Retry-After"] = "1"
    return response


@require_safe
def tile(request: HttpRequest, pk: UUID, level: int, column: int, row: int) -> HttpResponse:
    """A square of the picture in the viewer."""
    job = visible(request, row_of(Job, pk))
    if not job.micrograph.viewer_tiles:
        raise Http404
    return serve_tile(request, job.micrograph.viewer_tiles, f"{level}/{column}-{row}.png")


@require_safe
@never_cache
def state(request: HttpRequest, pk: UUID) -> JsonResponse:
    """For the page: after how many corrections the numbers of a result were made, and whether these are all of them;
    if not, they are being made, or why that failed."""
    job = visible(request, row_of(Job, pk))
    measuring = steps.ask_for_numbers(job)
    error = measuring.error if measuring and measuring.state == measuring.State.FAILED else ""
    return JsonResponse({"step": job.step, "measured": job.fixed or job.is_measured, "error": error})


@require_http_methods(["GET", "HEAD", "POST"])
def go_on(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The result in which a version is corrected further, with its tools open."""
    if request.method != "POST":
        return redirect("job", pk)
    job = changeable(request, row_of(Job, pk))
    if not job.fixed:
        return see_other(f"{reverse('job', args=[pk])}#correct")
    return see_other(f"{reverse('job', args=[jobs.go_on(job=job, **sender(request)).pk])}#correct")


@require_http_methods(["GET", "HEAD", "POST"])
def automatic(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A version of the outlines before all corrections of a result."""
    if request.method != "POST":
        return redirect("job", pk)
    job = changeable(request, row_of(Job, pk))
    return see_other(reverse("job", args=[jobs.before_corrections(job=job, **sender(request)).pk]))


@require_http_methods(["GET", "HEAD", "POST"])
def version(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Keep the present step of a result as a version with a name."""
    if request.method == "POST":
        job = changeable(request, row_of(Job, pk))
        steps.name_version(job=job, title=request.POST.get("title", ""))
    return see_other(f"{reverse('job', args=[pk])}#revisions")


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
    new = reruns.import_outlines(job=job, file=file, settings=job.get_settings(), token=token, **sender(request))
    return see_other(reverse("job", args=[new.pk]))


@require_safe
def log(request: HttpRequest, pk: UUID, kind: str) -> HttpResponse:
    """The log of the corrections of a result, to download."""
    return serve_log(visible(request, row_of(Job, pk)), kind)


@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def sign(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Sign a result, with the password once more."""
    job = visible(request, row_of(Job, pk))
    if request.method != "POST":
        return redirect("job", pk)
    fields = {name: request.POST.get(name, "") for name in ("password", "name", "meaning")}
    try:
        signing.sign_job(job=job, request=request, **fields)
    except Refused as refusal:
        return _page(request, job, sign_error=refusal.sentence, sign=fields, status=refusal.status)
    return see_other(f"{reverse('job', args=[pk])}#signatures")


def _analyse_again(request: HttpRequest, job: Job, settings: AnalysisSettings) -> HttpResponse:
    token, again = request.POST.get("token", "")[:64], request.POST.get("again") == "on"
    new = jobs.rerun_job(job=job, settings=settings, again=again, token=token, **sender(request))
    return see_other(reverse("job", args=[new.pk]))


def _state(job: Job) -> dict[str, Any]:
    """The state of a job, and of a running one its numbers as soon as they are known: none of a picture that has no
    sizes or is refused."""
    result = Result(job) if job.state == Job.State.RUNNING and job.summary else None
    numbers = None if result is None or result.refused or not result.statistics else result
    # Most answers come within seconds; the pages of jobs that wait for longer ask less often.
    soon = timezone.now() - job.queued < SOON
    return {"job": job, "active": not job.is_finished, "status": status_of(job), "numbers": numbers, "soon": soon}


def _of_any_state(request: HttpRequest, job: Job) -> dict[str, Any]:
    """What the page of a job holds whether it has numbers or not: its versions, and what the caller may do."""
    shown_revisions = revisions(job, request.user, request.visitor)
    return {
        **_state(job),
        **_scaled(request, job),
        "form": SettingsForm(earlier=job.get_settings(), user=request.user),
        "revisions": shown_revisions,
        "revision": next(revision for revision in shown_revisions if revision.here),
        "newest": shown_revisions[-1],
        "may_change": job.is_changeable_by(request.user, request.visitor),
        "may_delete": not job.signature_hash and job.is_changeable_by(request.user, request.visitor, "delete"),
    }


def _page(request: HttpRequest, job: Job, *, status: int = 200, **extra: Any) -> HttpResponse:
    """The page of a job: its picture and what it waits for or why it failed, else its result. extra: what a form adds
    that was sent and not taken, with a sentence."""
    state = _of_any_state(request, job)
    if not job.is_done:
        scale = job.scale
        is_typed = scale.stated is not None and scale.stated.source == Source.TYPED
        typed = scale.width_text(scale.stated) if scale.stated and is_typed else ""
        stated = StatedScale(typed if is_typed else job.asked.get("width") or "")
        return work_page(request, code=status, **{**state, "stated": stated, **extra})
    shown_revisions, may_change, scale = state["revisions"], state["may_change"], job.scale
    outlines = job.segmentation
    has_weights = outlines is not None and outlines.model_name != MASKS
    steps.ask_for_numbers(job)
    may_correct = may_change and job.segmentation_id is not None
    context = {
        **state,
        "measured": job.fixed or job.is_measured,
        # Whoever merely has the link is not led there.
        "newer": not may_change and job.reruns.filter(owner=job.owner_id, visitor=job.visitor, state="done").exists(),
        "sample": sample_of(job, request.user, request.visitor),
        "acquired": acquired(job.micrograph),
        "link": link_page(request, job) if may_change else None,
        "steps": standing_words(job.standing_counts),
        "may_correct": may_correct and not job.fixed,
        "may_go_on": may_correct and job.fixed,
        "width": request.POST.get("width", scale.width_text(scale.anew.in_use)),
        "token": uuid4().hex,
        "accept": accepted(),
        **_signatures(request, job),
        "model_changed": has_weights and outlines.weights not in {card.sha256 for card in cards.available()},
        **extra,
    }
    parent = job.parent if any(revision.job == job.parent for revision in shown_revisions) else None
    just_done = job.finished is not None and timezone.now() - job.finished < JUST_DONE
    is_example = job.micrograph.sha256 == example_sha256()
    if unwritten := exports.unwritten(job):
        exports.write_ahead(job)
    further = [*unwritten, *([PICTURE] if job.micrograph.viewer_image else [])]
    context |= files_of(job, "image", job.get_settings().task, "artifact", further)
    context |= {"further": further, "result": Result(job)}
    context |= {"parent": parent, "is_example": is_example, "just_done": just_done}
    sample = job.sample or context["sample"]
    context["neighbours"] = neighbours(job, sample) if sample else None
    if sample and may_change and job.get_settings().measurement.ignore:
        context |= {"ignoring": sample, "same_size": len(samples.others_of_this_size(sample, job))}
    return render(request, "result.html", context, status=status)


def _signatures(request: HttpRequest, job: Job) -> dict[str, Any]:
    """The signatures under a result, and what the caller may sign."""
    signed = [signature.printed for signature in job.signatures.all()]
    user: Any = request.user
    printed = {} if not user.is_authenticated else {"printed_name": user.get_full_name() or user.get_username()}
    may = meanings_for(job, user) if is_open(job, user, request.visitor) else []
    return {"signatures": signed, "digests": digests(signed), "meanings": may, **printed}
