"""The upload page: a plain form takes one file and does everything at once; its script sends many (`arriving`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib import messages
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
from ..http.access import row_of, see_other, visible
from ..http.serving import serve_preview
from ..middleware import sender
from ..models import Job, Laboratory, Micrograph, Sample, shown_name
from ..services.ground.calibration import (
    FIELDS,
    StatedScale,
    badge,
    calibration_for,
    doubted,
    own_badge,
    refuse_tall_bar,
    width_text,
    with_site_uncertainty,
)
from ..services.results.models_offered import chosen_default, default_model
from ..services.results.uploads import EXAMPLES, example_file

PASSED_ON = {413, 429, 503, 507}
NOTHING = "Choose at least one image, or try the sample."
MARKED = "Please correct the marked fields."
ASKED = "Please say which scale is right."
NO_EXAMPLE = "This example does not exist. Choose one on the start page."
GONE = "An image that was uploaded earlier is no longer here; choose it again."
ACCEPTED = ",".join((*SUFFIXES, *SIDE_SUFFIXES, ".zip"))
MOST_LEFT, LONGEST_LEFT = 2000, 500


@dataclass(frozen=True)
class Problem:
    """What is wrong with one file, or with the form ("")."""

    name: str
    sentence: str
    status: int = 400


@dataclass
class Submission:
    """One sending of the form, with whatever came of it."""

    request: HttpRequest
    form: SettingsForm
    sample: SampleForm
    uploads: list[Micrograph] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    width_errors: dict[str, str] = field(default_factory=dict)
    questions: dict[UUID, str] = field(default_factory=dict)

    @property
    def typed(self) -> Any:
        return self.request.POST

    @property
    def one_sample(self) -> bool:
        return bool(self.typed.get("one_sample"))

    @property
    def own_scales(self) -> bool:
        """Whether the width of each image counts, and not a rule for the whole sample."""
        return not self.one_sample or self.typed.get("rule", "") in ("", Sample.Rule.OWN)

    def scale_of(self, micrograph: Micrograph) -> tuple[StatedScale, str]:
        """What the fields of an image state of its scale, and the name of the field with its width."""
        name, for_all = f"width_{micrograph.pk}", self.stated()
        if name not in self.typed:
            return for_all, "width"
        own_scale = self.stated(f"_{micrograph.pk}")
        # The form's field is the width of all images whose own field nobody touched.
        return (for_all, "width") if for_all.source == Source.TYPED and own_scale.is_own else (own_scale, name)

    def stated(self, suffix: str = "") -> StatedScale:
        """What the fields with this suffix state: an empty width nothing. Without scripts its source stays as sent."""
        fields = {name: printable(self.typed.get(f"{name}{suffix}", "")) for name in FIELDS}
        if not fields["width"].strip():
            return StatedScale("")
        stated = StatedScale.of(fields)
        return stated if stated.source else StatedScale(stated.width, Source.TYPED)


@require_http_methods(["GET", "HEAD", "POST"])
def home(request: HttpRequest) -> HttpResponse:
    """The upload page; POST starts one job for each image, or shows the page again with what is wrong."""
    if request.method != "POST":
        return _page(request, SettingsForm.asked(request.GET, request.user))
    form = SettingsForm(with_laboratory(request.POST, laboratory_of(request.user, request.session)), user=request.user)
    submission = Submission(request, form, SampleForm(request.POST), _uploads_before(request))
    if request.POST.get("remove"):
        submission.uploads = [
            micrograph for micrograph in submission.uploads if str(micrograph.pk) != request.POST["remove"]
        ]
        return _again(submission, status=200)
    removed = [pk for pk in map(to_uuid, request.POST.getlist("removed")[:MOST_LEFT]) if pk]
    for removed_upload in Micrograph.objects.visible_to(request.user, request.visitor).filter(pk__in=removed):
        services.discard_unused(removed_upload)
    if len(submission.uploads) < len(set(request.POST.getlist("upload"))):
        submission.problems.append(Problem("", GONE))
    _receive(submission)
    _choose_pages(submission)
    if submission.one_sample:
        return _one_sample(submission)
    stated_scales = _stated_scales(submission)
    _refuse_unfit(submission)
    if submission.problems or submission.width_errors or submission.questions or not submission.form.is_valid():
        return _again(submission)
    jobs = _start(submission, stated_scales)
    if submission.problems:
        return _again(submission)
    one = len({job.pk for job in jobs}) == 1  # none where only an archive came
    return see_other(reverse("job", args=[jobs[0].pk]) if one else reverse("results"))


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def laboratory(request: HttpRequest) -> HttpResponse:
    """What a laboratory sets once: kept with the account, or without one in the browser's session; new jobs take it."""
    fields = request.POST if request.method == "POST" else laboratory_of(request.user, request.session)
    names = [setting.name for setting in SettingsForm(user=request.user).folds[LABORATORY]]
    form = SettingsForm({name: printable(fields[name]) for name in names if name in fields}, user=request.user)
    if request.method == "POST" and form.is_valid():
        texts = {setting.name: setting.value for setting in _set_once(form)}
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
    return serve_preview(request, visible(request, row_of(Micrograph, pk)))


@require_POST
def sample(request: HttpRequest) -> HttpResponse:
    """Analyse the sample image, or the example of another kind, with the default settings."""
    who, kind = sender(request), request.POST.get("example", DEFAULT_TASK)
    model = default_model(kind, request.user) if kind in EXAMPLES else ""
    if kind == DEFAULT_TASK:
        model = chosen_default(kind, request.user) or DEFAULT_MODEL
    if not model:
        raise services.Refused(NO_EXAMPLE)
    micrograph = services.example_upload(kind, **who)
    settings = with_site_uncertainty(AnalysisSettings.of(kind, model=model))
    return redirect(
        "job", services.create_job(micrograph=micrograph, settings=settings, token=_token(request), **who).pk
    )


@require_safe
def sample_download(request: HttpRequest) -> FileResponse:
    """The sample image as a file."""
    path = example_file(DEFAULT_TASK)
    if not path.is_file():
        raise Http404
    return FileResponse(path.open("rb"), as_attachment=True, filename=path.name, content_type="image/tiff")


def card(micrograph: Micrograph, stated: StatedScale | None = None, error: str = "") -> dict[str, Any]:
    """What the page shows of an upload; without `stated` its width is its own, or none, which states nothing.

    One that has not been looked into has neither size nor badge yet.
    """
    if not micrograph.is_read:
        return {"micrograph": micrograph, "stated": stated, "error": error}
    own_scale = micrograph.own_calibration
    own_width = width_text(own_scale.width_nm(micrograph.width) or 0.0) if own_scale.nm_per_pixel else ""
    stated = stated or StatedScale(own_width, own_scale.source if own_width else None)
    return {
        "micrograph": micrograph,
        "stated": stated,
        "error": error,
        "reading": not micrograph.is_finished,
        "own_width": own_width,
        "own_badge": own_badge(micrograph),
        "badge": badge(stated, micrograph),
        "bar_rows": micrograph.height - micrograph.data_bar if micrograph.data_bar is not None else 0,
    }


def _uploads_before(request: HttpRequest) -> list[Micrograph]:
    """The images that came with an earlier request, in their order."""
    ids = [pk for pk in map(to_uuid, request.POST.getlist("upload")) if pk]
    mine = Micrograph.objects.visible_to(request.user, request.visitor).in_bulk(ids)
    return [mine[pk] for pk in dict.fromkeys(ids) if pk in mine]


def printable(text: str) -> str:
    """What was sent in a field, without what cannot be seen and at a length that a field may have."""
    return "".join(c for c in text if c.isprintable())[:LONGEST_LEFT]


def to_uuid(text: str) -> UUID | None:
    """The number that a page sent back, None where it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None


def _receive(submission: Submission) -> None:
    """Take the file of the form, which may be an archive; a bad one becomes a problem."""
    if file := submission.request.FILES.get("file"):
        try:
            pages = services.checked_pages(printable(submission.typed.get("pages", "")))
            several, who = bool(pages) or services.is_zip(file), sender(submission.request)
            submission.uploads.append(services.receive_upload(file=file, is_archive=several, pages=pages, **who))
        except services.Refused as refusal:
            problem = Problem(shown_name(file.name or ""), refusal.sentence, status_of_refusal(refusal.status))
            submission.problems.append(problem)
    if not submission.uploads and not submission.problems:
        submission.problems.append(Problem("", NOTHING))


def _choose_pages(submission: Submission) -> None:
    """Take the pages that the fields of the images ask for; what is no page becomes a problem."""
    for micrograph in submission.uploads:
        pages = printable(submission.typed.get(f"pages_{micrograph.pk}", "")).strip()
        try:
            if pages and micrograph.page_count > 1:
                services.choose_pages(micrograph=micrograph, pages=pages)
        except services.Refused as refusal:
            submission.problems.append(Problem(micrograph.name, refusal.sentence, refusal.status))


def status_of_refusal(status: int) -> int:
    """What a page with a refusal answers: some say more than "bad request"."""
    return status if status in PASSED_ON else 400


def _one_sample(submission: Submission) -> HttpResponse:
    """All images as one sample: what is no image is noted there and holds up nothing."""
    request = submission.request
    stated_scales = _stated_scales(submission) if submission.own_scales else {}
    if (
        submission.problems
        or submission.width_errors
        or submission.questions
        or not submission.form.is_valid()
        or not submission.sample.is_valid()
    ):
        return _again(submission)
    try:
        sample = services.create_sample(
            name=submission.sample.cleaned_data["sample_name"],
            uploads=submission.uploads,
            settings=submission.form.settings(),
            scale=submission.sample.scale(),
            token=_token(request),
            notes=_left(request),
            asked=stated_scales,
            **sender(request),
        )
    except services.Refused as refusal:
        submission.problems.append(Problem("", refusal.sentence, status_of_refusal(refusal.status)))
        return _again(submission)
    return see_other(reverse("sample-page", args=[sample.pk]))


def _stated_scales(submission: Submission) -> dict[UUID, dict[str, Any]]:
    """What the field of each image says of its scale. An impossible width is noted as an error. A width that the image
    contradicts is noted as a question, until its sender says that it is right."""
    stated_scales = {}
    for micrograph in submission.uploads:
        stated, name = submission.scale_of(micrograph)
        stated_scales[micrograph.pk] = stated.as_dict()
        try:
            if micrograph.is_read:
                question = doubted(calibration_for(stated, micrograph), micrograph)
                if question and printable(submission.typed.get(f"sure_{micrograph.pk}", "")) != stated.width:
                    submission.questions[micrograph.pk] = question
            else:
                parse_width(stated.width or "")
        except ValueError as error:
            submission.width_errors[name] = str(error)
    return stated_scales


def _left(request: HttpRequest) -> list[services.Note]:
    """Files that the page's script reported as not taken, for the sample's list."""
    texts = request.POST.getlist("left")[:MOST_LEFT]
    return [services.Note("", " ".join(printable(text).split())[:LONGEST_LEFT]) for text in texts if text.strip()]


def _refuse_unfit(submission: Submission) -> None:
    """Note images that have turned out to be none, and data bars that cannot be."""
    for micrograph in list(submission.uploads):
        if micrograph.state == Micrograph.State.FAILED:
            submission.problems.append(Problem(micrograph.name, micrograph.error))
            submission.uploads.remove(micrograph)
        elif micrograph.is_read and submission.form.is_valid():
            try:
                refuse_tall_bar(submission.form.settings(), micrograph)
            except ValueError as error:
                submission.problems.append(Problem(micrograph.name, str(error)))


def _start(submission: Submission, stated_scales: dict[UUID, dict[str, Any]]) -> list[Job]:
    """One job an image; where a limit is reached, the images that are left stay on the page."""
    request, settings, token = submission.request, submission.form.settings(), _token(submission.request)
    who = sender(request)
    jobs: list[Job] = []
    for micrograph in list(submission.uploads):
        if micrograph.is_archive:
            services.start_archive(
                archive=micrograph, settings=settings, asked=stated_scales[micrograph.pk], token=token
            )
            submission.uploads.remove(micrograph)
            continue
        try:
            jobs.append(
                services.create_job(
                    micrograph=micrograph, settings=settings, asked=stated_scales[micrograph.pk], token=token, **who
                )
            )
        except (services.Refused, ValueError) as problem:
            status = status_of_refusal(getattr(problem, "status", 400))
            submission.problems.append(Problem(micrograph.name, str(problem), status))
            break
        submission.uploads.remove(micrograph)
    return jobs


def _token(request: HttpRequest) -> str:
    token = to_uuid(request.POST.get("token", ""))
    return (token or uuid4()).hex


def _again(submission: Submission, status: int | None = None) -> HttpResponse:
    """The page once more, with everything that was typed and every good image."""
    for_all = submission.stated()
    wrong = (
        submission.width_errors
        or not submission.form.is_valid()
        or (submission.one_sample and not submission.sample.is_valid())
    )
    if not status and wrong:
        submission.problems.append(Problem("", MARKED))
    elif not status and submission.questions:
        submission.problems.append(Problem("", ASKED))
    bad = [problem.status for problem in submission.problems]
    extra = {
        "problems": submission.problems,
        "sample": submission.sample,
        "one_sample": submission.one_sample,
        "cards": [_card_again(submission, micrograph) for micrograph in submission.uploads],
        "stated": for_all,
        "width_error": submission.width_errors.get("width", ""),
    }
    return _page(submission.request, submission.form, status or max([400, *bad]), **extra)


def _card_again(submission: Submission, micrograph: Micrograph) -> dict[str, Any]:
    stated, name = submission.scale_of(micrograph)
    question = {
        "question": submission.questions.get(micrograph.pk, ""),
        "pages": printable(submission.typed.get(f"pages_{micrograph.pk}", "")),
    }
    if name == "width":
        return question | card(micrograph, stated if stated.source == Source.TYPED else None)
    return question | card(micrograph, stated, submission.width_errors.get(name, ""))


def _set_once(form: SettingsForm) -> list[FormSetting]:
    """The settings of a laboratory that differ from their defaults."""
    return [
        setting
        for setting in form.folds[LABORATORY]
        if setting.value not in ("", setting.setting.write(setting.setting.default))
    ]


def _page(request: HttpRequest, form: SettingsForm, status: int = 200, **extra: Any) -> HttpResponse:
    context = {
        "form": form,
        "token": _token(request),
        "marked": MARKED,
        "sample": SampleForm(initial={"rule": Sample.Rule.OWN}),
        "accept": ACCEPTED,
        "laboratory": _set_once(SettingsForm(laboratory_of(request.user, request.session), models=form.offered)),
        "examples": [task for task, _ in form.offered if task.name in EXAMPLES],
        "on_this_server": not settings.DEEPSEGM_BUCKET,
        "max_images": settings.DEEPSEGM_SAMPLE_IMAGES,
        "max_upload_mb": settings.DEEPSEGM_MAX_UPLOAD_MB,
        "more_open": form.is_bound and not form.is_valid(),
        **extra,
    }
    return render(request, "home.html", context, status=status)
