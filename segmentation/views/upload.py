"""The upload page: a plain form takes one file and does everything at once; its script sends many (`arriving`)."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib import messages
from django.core.files import File
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from .. import services
from ..core.analysis import AnalysisSettings
from ..core.micrograph.crosscheck import Source
from ..core.micrograph.kinds import SUFFIXES
from ..core.micrograph.pairing import SIDE_SUFFIXES
from ..core.micrograph.width import parse_width
from ..core.settings import DEFAULT_MODEL, DEFAULT_TASK, LABORATORY
from ..forms.samples import SampleForm
from ..forms.settings import FormSetting, SettingsForm, laboratory_of, with_laboratory
from ..http.access import address_of, row_of, see_other, visible
from ..http.serving import file_stem, serve_image
from ..middleware import sender
from ..models import Laboratory, Micrograph, Sample, shown_name
from ..services.ground.calibration import FIELDS, StatedScale, with_site_uncertainty
from ..services.results.models_offered import chosen_default, default_model
from ..services.results.uploads import EXAMPLES, example_file

PASSED_ON = {413, 429, 503, 507}  # status of refusals that a page answers as it is
NOTHING = "Choose at least one image, or try the sample."
MARKED = "Please correct the marked fields."
NO_EXAMPLE = "This example does not exist. Choose one on the start page."
ACCEPTED = ",".join((*SUFFIXES, *SIDE_SUFFIXES, ".zip"))
LONGEST = 500  # characters of a field


@require_http_methods(["GET", "HEAD", "POST"])
def home(request: HttpRequest) -> HttpResponse:
    """The upload page; POST of its form without the script analyses one file, or shows the page with what is wrong."""
    if request.method != "POST":
        return _page(request, SettingsForm.from_query(request.GET, request.user))
    form, stated, file = sent_form(request), stated_in(request), request.FILES.get("file")
    problem, width_error = services.Note("", NOTHING, 400), ""
    try:
        parse_width(stated.width or "")
    except ValueError as error:
        width_error = str(error)
    if width_error or not form.is_valid():
        problem = services.Note("", MARKED, 400)
    elif file:
        try:
            pages = services.checked_pages(printable(request.POST.get("pages", "")))
            job = services.analyse_file(
                file=file,
                is_archive=bool(pages) or services.is_zip(file),
                pages=pages,
                settings=form.settings(),
                asked=stated.as_dict(),
                token=token_of(request),
                **sender(request),
            )
            return see_other(address_of(job) if job else reverse("results"))
        except services.Refused as refusal:
            problem = services.Note(shown_name(file.name or ""), refusal.sentence, status_of_refusal(refusal.status))
    return _page(request, form, problem.status, problem=problem, stated=stated, width_error=width_error)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def laboratory(request: HttpRequest) -> HttpResponse:
    """What a laboratory sets once: kept with the account, or without one in the browser's session; new jobs take it."""
    fields = request.POST if request.method == "POST" else laboratory_of(request.user, request.session)
    names = [entry.name for entry in SettingsForm(user=request.user).folds[LABORATORY]]
    form = SettingsForm({name: printable(fields[name]) for name in names if name in fields}, user=request.user)
    if request.method == "POST" and form.is_valid():
        texts = {entry.name: entry.value for entry in _set_once(form)}
        if request.user.is_authenticated:
            Laboratory.objects.update_or_create(owner=request.user, defaults={"texts": texts})
        else:
            request.session[LABORATORY] = texts
        messages.success(request, "Saved. New analyses take these values.")
        return see_other(reverse("laboratory"))
    status = 400 if request.method == "POST" else 200
    return render(request, "laboratory.html", {"form": form, "settings": form.folds[LABORATORY]}, status=status)


@require_safe
def preview(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The server's own picture of an upload."""
    micrograph = visible(request, row_of(Micrograph, pk))
    return serve_image(request, micrograph.preview, f"{file_stem(micrograph.name)}_preview.png", f"{pk}-preview")


@require_POST
def sample(request: HttpRequest) -> HttpResponse:
    """Analyse the sample image, or the example of another kind, with the default settings."""
    kind = request.POST.get("example", DEFAULT_TASK)
    model = default_model(kind, request.user) if kind in EXAMPLES else ""
    if kind == DEFAULT_TASK:
        model = chosen_default(kind, request.user) or DEFAULT_MODEL
    if not model:
        raise services.Refused(NO_EXAMPLE)
    settings = with_site_uncertainty(AnalysisSettings.of(kind, model=model))
    with example_file(kind).open("rb") as opened:
        file = File(opened, name=EXAMPLES[kind])
        job = services.analyse_file(file=file, settings=settings, token=token_of(request), **sender(request))
    return redirect(address_of(job))


@require_safe
def sample_download(request: HttpRequest) -> FileResponse:
    """The sample image as a file."""
    path = example_file(DEFAULT_TASK)
    if not path.is_file():
        raise Http404
    return FileResponse(path.open("rb"), as_attachment=True, filename=path.name, content_type="image/tiff")


def printable(text: str) -> str:
    """What was sent in a field, without what cannot be seen and at a length that a field may have."""
    return "".join(c for c in text if c.isprintable())[:LONGEST]


def to_uuid(text: str) -> UUID | None:
    """The id that a page sent back, None where it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None


def status_of_refusal(status: int) -> int:
    """What a page with a refusal answers: some say more than "bad request"."""
    return status if status in PASSED_ON else 400


def token_of(request: HttpRequest) -> str:
    """By which a form sent twice is known; a new one where the form has none."""
    return (to_uuid(request.POST.get("token", "")) or uuid4()).hex


def sent_form(request: HttpRequest) -> SettingsForm:
    """The form with the sent settings, before those of the laboratory."""
    return SettingsForm(with_laboratory(request.POST, laboratory_of(request.user, request.session)), user=request.user)


def stated_in(request: HttpRequest, suffix: str = "") -> StatedScale:
    """What the fields with this suffix state of a scale: an empty width nothing, a width without a source is typed."""
    fields = {name: printable(request.POST.get(f"{name}{suffix}", "")) for name in FIELDS}
    if not fields["width"].strip():
        return StatedScale("")
    stated = StatedScale.of(fields)
    return stated if stated.source else StatedScale(stated.width, Source.TYPED)


def _set_once(form: SettingsForm) -> list[FormSetting]:
    """The settings of a laboratory that differ from their defaults."""
    return [
        entry for entry in form.folds[LABORATORY] if entry.value not in ("", entry.setting.write(entry.setting.default))
    ]


def _page(request: HttpRequest, form: SettingsForm, status: int = 200, **extra: Any) -> HttpResponse:
    context = {
        "form": form,
        "token": token_of(request),
        "marked": MARKED,
        "sample": SampleForm(initial={"rule": Sample.Rule.OWN}),
        "accept": ACCEPTED,
        "laboratory": _set_once(SettingsForm(laboratory_of(request.user, request.session), models=form.models)),
        "examples": [task for task, _ in form.models if task.name in EXAMPLES],
        "on_this_server": not settings.DEEPSEGM_BUCKET,
        "max_images": settings.DEEPSEGM_SAMPLE_IMAGES,
        "max_upload_mb": settings.DEEPSEGM_MAX_UPLOAD_MB,
        "more_open": form.is_bound and not form.is_valid(),
        **extra,
    }
    return render(request, "home.html", context, status=status)
