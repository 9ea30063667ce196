"""A job's address: waiting, result, failure; and the actions on it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any
from uuid import UUID, uuid4

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from ..core.analysis import AnalysisSettings
from ..core.labels.segmentation import MASKS
from ..core.micrograph.crosscheck import Source
from ..core.micrograph.types import Calibration
from ..core.network import cards
from ..core.report.exports.viewer import PICTURE
from ..core.report.signatures import digests
from ..core.report.wording import calibration_words
from ..forms.settings import SettingsForm, settings_sent
from ..http.access import ask_to_delete, own_job, refused, reload_if_gone, see_other, visible_job
from ..http.links import link_page
from ..http.serving import files_of, serve_artifact, serve_shown, serve_text, serve_tile
from ..middleware import sender
from ..models import Artifact, Job
from ..presenters.comparison import comparison
from ..presenters.result import Result
from ..presenters.status import status_of
from ..services import (
    Refused,
    ask_for_files,
    cancel_job,
    delete_job,
    file_of,
    finish_corrections,
    import_outlines,
    named,
    proposals_of,
    rerun_job,
    retry_job,
    sign_job,
    unwritten,
)
from ..services.access.links import LOOK_ONLY, is_open
from ..services.ground.calibration import (
    FIELDS,
    StatedScale,
    calibration_for,
    file_calibration,
    led_to,
    refuse_tall_bar,
    settings_calibration,
    stated_calibration,
    used_calibration,
    width_text,
)
from ..services.ground.limits import one_edit
from ..services.results.edits import MOST, make_cuts
from ..services.results.logs import as_csv, as_json
from ..services.results.signing import meanings_for
from ..services.results.uploads import sample_sha256
from .calibration import acquired
from .revisions import revisions, sample_of

SOON = timedelta(seconds=5)
JUST_DONE = timedelta(minutes=2)  # in which a tab that nobody looks at has asked again
PLACES = frozenset(map(str, range(MOST)))
NO_WIDTH = "Type how wide the image is, such as 7520 nm or 7.52 µm."
NO_FILE = "Choose the file with the outlines first."
NOT_READ = "The image is still being read: wait a moment, then try again."


@require_safe
@never_cache
def job(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Waiting, the result, or why there is none: one address for a job's whole life."""
    return _page(request, visible_job(request, pk))


@require_safe
@never_cache
@reload_if_gone
def status(request: HttpRequest, pk: UUID) -> HttpResponse:
    """What the waiting page asks for again and again, until the job has ended: then it loads anew; and what the page of
    a result asks for until a bar in its image is read."""
    found = visible_job(request, pk)
    if found.is_done and "late" in request.GET:
        if found.summary.get("unread") and found.micrograph.is_finished:
            ask_for_files(found)  # once more where that failed
        return render(request, "_late.html", {"job": found, "late": True})
    if found.is_finished and request.htmx:
        return HttpResponseClientRefresh()
    context = _state(found)
    if "unseen" in request.GET and found.micrograph.preview:
        line = calibration_words(used_calibration(found), detail=False)
        context |= {"first_seen": True, "calibration_line": line}
    return render(request, "_status.html", context)


@require_safe
@never_cache
@reload_if_gone
def proposals(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Other ways to analyse the image of a doubtful result; the page asks again until all are there."""
    found = visible_job(request, pk)
    asked = is_open(found, request.user, request.visitor) and found.is_done and Result(found).wants_proposals
    row = proposals_of(found) if asked else None
    shown = row.result.get("shown", []) if row else []
    if row is None or (row.is_finished and not shown):
        return HttpResponse()
    context = {"job": found, "active": not row.is_finished, "shown": shown, "token": uuid4().hex}
    return render(request, "_proposals.html", context)


@require_POST
def cancel(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Stop a job."""
    return _change(request, pk, cancel_job)


@require_POST
def retry(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Try a failed or cancelled job once more."""
    return _change(request, pk, retry_job)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def delete(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Ask, then delete."""
    found = own_job(request, pk, "delete")
    if request.method != "POST":
        others = len(revisions(found, request.user, request.visitor)) - 1
        stay = f" Its other versions ({others}) and the image stay." if others else ""
        pooled = f" The sample “{found.sample.name}” will be pooled again." if found.sample else ""
        taught = found.dataset_images.count()
        learnt = " Training data made of it stay: remove them on the page of their dataset." if taught else ""
        sentence = f"The result of “{found.micrograph.name}” and its files will be deleted.{stay}{pooled}{learnt}"
        return ask_to_delete(request, "Delete this result?", sentence, back=reverse("job", args=[pk]))
    try:
        delete_job(job=found)
    except Refused as refusal:
        return refused(request, refusal, reverse("job", args=[pk]))
    return redirect("results")


def of_read_image(view: Callable[[HttpRequest, Job], HttpResponse]) -> Callable[[HttpRequest, UUID], HttpResponse]:
    """A form of a visible job that analyses or measures its image again, once that was read."""

    @require_http_methods(["GET", "HEAD", "POST"])
    @wraps(view)
    def answer(request: HttpRequest, pk: UUID) -> HttpResponse:
        found, back = visible_job(request, pk), reverse("job", args=[pk])
        if request.method != "POST":
            return redirect(back)
        if not is_open(found, request.user, request.visitor):
            return refused(request, Refused(LOOK_ONLY, 403), back)
        if not found.micrograph.is_read:
            return refused(request, Refused(found.micrograph.error or NOT_READ, 409), back)
        return view(request, found)

    return answer


@of_read_image
def rerun(request: HttpRequest, found: Job) -> HttpResponse:
    """The same image with other settings, as a new job."""
    form = SettingsForm(request.POST, kept=found.get_settings(), user=request.user)
    try:
        calibration = _calibration(request, found)
    except ValueError as error:
        return _page(request, found, form=form, rerun_open=True, width_error=str(error), status=400)
    if not form.is_valid():
        return _page(request, found, form=form, rerun_open=True, status=400)
    settings = form.settings(calibration)
    try:
        refuse_tall_bar(settings, found.micrograph)
    except ValueError as error:
        form.add_error("data_bar_rows", str(error))
        return _page(request, found, form=form, rerun_open=True, status=400)
    return _again(request, found, settings)


@of_read_image
def change(request: HttpRequest, found: Job) -> HttpResponse:
    """The same image with the settings that a button names, all others as they are, as a new job."""
    try:
        settings = settings_sent(request.POST, request.user, found.get_settings())
    except ValueError as error:
        return refused(request, Refused(str(error)), reverse("job", args=[found.pk]))
    return _again(request, found, settings.with_(calibration=stated_calibration(found)))


@of_read_image
def width(request: HttpRequest, found: Job) -> HttpResponse:
    """The same outlines measured with another width, an accepted suggestion or a drawn line, as a new job."""
    try:
        calibration = _chosen(_stated(request, found), found)
    except ValueError as error:
        return _page(request, found, width_error=str(error), status=400)
    settings = found.get_settings().with_(calibration=calibration)
    if led_to(settings, found.micrograph) == settings_calibration(found):
        return redirect("job", found.pk)
    return _again(request, found, settings)


@require_safe
def artifact(request: HttpRequest, pk: UUID, name: str) -> HttpResponse:
    """A file of a finished job; while it is being written a page that asks again, and 202."""
    found = visible_job(request, pk)
    if name == PICTURE and found.micrograph.viewer_image:
        return serve_shown(request, found.micrograph)
    try:
        name = named(name, {**request.GET.dict(), "panels": "".join(request.GET.getlist("panels"))})
    except Refused as refusal:
        return refused(request, refusal, reverse("job", args=[pk]))
    stored = file_of(found, name)
    if stored is None:
        raise Http404
    if isinstance(stored, Artifact):
        return serve_artifact(request, stored, download="download" in request.GET)
    context = {"export": stored, "name": name, "back": reverse("job", args=[pk])}
    response = render(request, "preparing.html", context, status=503 if stored.error else 202)
    response["Retry-After"] = "1"
    return response


@require_safe
def tile(request: HttpRequest, pk: UUID, level: int, column: int, row: int) -> HttpResponse:
    """A square of the picture in the viewer."""
    found = visible_job(request, pk)
    if not found.micrograph.viewer_tiles:
        raise Http404
    return serve_tile(request, found.micrograph.viewer_tiles, f"{level}/{column}-{row}.png")


@require_http_methods(["GET", "HEAD", "POST"])
def measure_corrections(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The corrected outlines measured as a new job; asked twice, it is the same one."""
    if request.method != "POST":
        return redirect("job", pk)
    found = own_job(request, pk)
    try:
        token = f"corrections {found.pk} {found.edit_count}"
        new = finish_corrections(job=found, settings=found.get_settings(), token=token, **sender(request))
    except Refused as refusal:
        return refused(request, refusal, reverse("job", args=[pk]))
    return see_other(reverse("job", args=[new.pk]))


@require_http_methods(["GET", "HEAD", "POST"])
def cut(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Possible cuts made, by their places in the list, and the corrected outlines measured as a new job."""
    if request.method != "POST":
        return redirect("job", pk)
    found, who = own_job(request, pk), {"user": request.user, "visitor": request.visitor}
    texts = request.POST.get("cuts", "").split()
    try:
        with one_edit(address=request.address_hash, **who):
            make_cuts(job=found, places={int(each) for each in texts if each in PLACES}, **who)
    except Refused as refusal:
        return refused(request, refusal, reverse("job", args=[pk]))
    return measure_corrections(request, pk)


@require_http_methods(["GET", "HEAD", "POST"])
def import_from_tool(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The outlines in a file of another tool measured as a new job."""
    if request.method != "POST":
        return redirect("job", pk)
    found, file = own_job(request, pk), request.FILES.get("outlines")
    try:
        if file is None:
            raise Refused(NO_FILE)
        token = request.POST.get("token", "")[:64]
        new = import_outlines(job=found, file=file, settings=found.get_settings(), token=token, **sender(request))
    except Refused as refusal:
        return refused(request, refusal, f"{reverse('job', args=[pk])}#other-outlines")
    return see_other(reverse("job", args=[new.pk]))


@require_safe
def log(request: HttpRequest, pk: UUID, kind: str) -> HttpResponse:
    """The log of the corrections of a result, to download."""
    found = visible_job(request, pk)
    write, content_type = {"csv": (as_csv, "text/csv"), "json": (as_json, "application/json")}[kind]
    return serve_text(write(found.edits.all()), content_type, found.micrograph.name, f"corrections.{kind}")


@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def sign(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Sign a result, with the password once more."""
    found = visible_job(request, pk)
    if request.method != "POST":
        return redirect("job", pk)
    said = {name: request.POST.get(name, "") for name in ("password", "name", "meaning")}
    try:
        sign_job(job=found, request=request, **said)
    except Refused as refusal:
        return _page(request, found, sign_error=refusal.sentence, sign=said, status=refusal.status)
    return see_other(f"{reverse('job', args=[pk])}#signatures")


def _change(request: HttpRequest, pk: UUID, service: Any) -> HttpResponse:
    found = own_job(request, pk)
    try:
        service(job=found)
    except Refused as refusal:
        return refused(request, refusal, reverse("job", args=[pk]))
    return redirect("job", pk)


def _again(request: HttpRequest, found: Job, settings: AnalysisSettings) -> HttpResponse:
    token = request.POST.get("token", "")[:64]
    try:
        again = request.POST.get("again") == "on"
        new = rerun_job(job=found, settings=settings, again=again, token=token, **sender(request))
    except Refused as refusal:
        return refused(request, refusal, reverse("job", args=[found.pk]))
    return see_other(reverse("job", args=[new.pk]))


def _calibration(request: HttpRequest, found: Job) -> Calibration | None:
    """An unchanged field keeps the calibration with its source; any other text was typed."""
    text = request.POST.get("width", "").strip()
    if text == _text(settings_calibration(found), found):
        return stated_calibration(found)
    return _chosen(StatedScale(text, Source.TYPED), found)


def _stated(request: HttpRequest, found: Job) -> StatedScale:
    """The scale that was sent; raises ValueError if there is none and the sizes are already in pixels."""
    fields = {name: request.POST.get(name, "") for name in FIELDS}
    stated = StatedScale.of(fields | {"source": fields["source"] or Source.TYPED})
    if not fields["width"].strip() and used_calibration(found).nm_per_pixel is None:
        raise ValueError(NO_WIDTH)
    return stated


def _chosen(stated: StatedScale, found: Job) -> Calibration | None:
    """The typed, accepted or drawn calibration; typing the same width as in the file means the file."""
    own = file_calibration(found.micrograph)
    if own and stated.source == Source.TYPED and (stated.width or "").strip() == _text(own, found):
        return None if found.micrograph.own_calibration == own else own
    return calibration_for(stated, found.micrograph)


def _text(calibration: Calibration, found: Job) -> str:
    nm = calibration.width_nm(found.micrograph.width)
    return "" if nm is None else width_text(nm)


def _state(found: Job) -> dict[str, Any]:
    """The state of a running job, with its numbers as soon as they are known."""
    measured = found.state == Job.State.RUNNING and bool(found.summary)
    numbers = Result(found) if measured else None
    # Most answers come within seconds; the pages of jobs that wait for longer ask less often.
    soon = timezone.now() - found.queued < SOON
    return {"job": found, "active": not found.is_finished, "status": status_of(found), "numbers": numbers, "soon": soon}


def _page(request: HttpRequest, found: Job, *, status: int = 200, **extra: Any) -> HttpResponse:
    listed = revisions(found, request.user, request.visitor)
    may_change = found.is_changeable_by(request.user, request.visitor)
    context = {
        **_state(found),
        "revisions": listed,
        "revision": next(each for each in listed if each.here),
        "newest": listed[-1],
        "measured": next(
            (each for each in listed if (each.job.parent_id, each.job.corrects) == (found.pk, found.edit_count)), None
        ),
        "sample": sample_of(found, request.user, request.visitor),
        "acquired": acquired(found.micrograph),
        "address": request.build_absolute_uri(reverse("job", args=[found.pk])),
        "may_change": may_change,
        "link": link_page(request, found) if may_change else None,
        "only_looks": not is_open(found, request.user, request.visitor),
        "corrections": found.edit_count and found.edit_count - 2 * found.edits.filter(undoes__isnull=False).count(),
        "may_correct": may_change and found.is_done and found.segmentation_id is not None,
        "may_delete": not found.signature_hash and found.is_changeable_by(request.user, request.visitor, "delete"),
        "calibration_line": calibration_words(used_calibration(found), detail=False),
        "form": SettingsForm(stands_for=found.get_settings(), user=request.user),
        **_typed_widths(request, found, for_rerun=bool(extra.get("rerun_open"))),
        "token": uuid4().hex,
        **_signatures(request, found),
        "model_changed": _model_changed(found),
        **extra,
    }
    if not found.is_done:
        return render(request, "job.html", context, status=status)
    parent = found.parent if any(each.job == found.parent for each in listed) else None
    just_done = found.finished is not None and timezone.now() - found.finished < JUST_DONE
    is_example = found.micrograph.sha256 == sample_sha256()
    context |= {**_files(found), "parent": parent, "is_example": is_example, "just_done": just_done}
    return render(request, "result.html", context, status=status)


def _signatures(request: HttpRequest, found: Job) -> dict[str, Any]:
    """The signatures under a result, and what the caller may sign."""
    signed = [each.printed for each in found.signatures.all()]
    user: Any = request.user
    own = {} if not user.is_authenticated else {"printed_name": user.get_full_name() or user.get_username()}
    may = meanings_for(found, user) if is_open(found, user, request.visitor) else []
    return {"signatures": signed, "digests": digests(signed), "meanings": may, **own}


def _typed_widths(request: HttpRequest, found: Job, *, for_rerun: bool) -> dict[str, str]:
    """The texts of the page's two fields for a width: what was typed in one stays in that one."""
    own = _text(settings_calibration(found), found)
    typed = request.POST.get("width", own)
    return {"width": own if for_rerun else typed, "rerun_width": typed if for_rerun else own}


def _model_changed(found: Job) -> bool:
    """Whether the model has other weights now than when this result was made."""
    known = found.segmentation
    if known is None or known.model_name == MASKS:
        return False
    return known.weights not in {card.sha256 for card in cards.available()}


def _files(found: Job) -> dict[str, Any]:
    """The result and its files."""
    further = [*unwritten(found), *([PICTURE] if found.micrograph.viewer_image else [])]
    files = files_of(found, "image", found.get_settings().task, "artifact", further)
    return {**files, "further": further, "result": Result(found), "comparison": comparison(found)}
