"""Files from the upload page's script, one at a time, their state while the page is open, and their analysis."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.http import require_POST

from ..core.micrograph.crosscheck import Source
from ..core.micrograph.pages import ALL
from ..core.micrograph.pairing import pair
from ..core.micrograph.width import parse_width
from ..core.typed import SIZE
from ..forms.samples import SampleForm
from ..http.access import address_of, changeable, row_of, visible
from ..middleware import sender
from ..models import Job, Micrograph, Sample, shown_name
from ..services import (
    Note,
    Refused,
    choose_pages,
    create_sample,
    discard_unused,
    hasten_reading,
    is_zip,
    preview_outlines,
    receive_upload,
    start_analysis,
)
from ..services.ground.calibration import (
    BEING_READ,
    UNSCALED,
    StatedScale,
    calibration_for,
    doubted,
    own_badge,
    width_text,
)
from .upload import LONGEST, MARKED, NOTHING, printable, sent_form, stated_in, status_of_refusal, to_uuid, token_of

NO_FILE = "No file came with the request; choose it again."
NO_NAMES = "The names of the files could not be read; reload the page and choose the files again."
ASKED = "Please say which scale is right."
GONE = "An image that was uploaded earlier is no longer here; choose it again."
MOST_NAMES = 5000  # of one drop
MOST_ASKED = 400  # cards of one request
MOST_LEFT = 2000  # files that the script did not take, or took back
TOO_MANY = f"More than {MOST_NAMES} files at once are too many: choose the images of one sample."


@require_POST
def uploads(request: HttpRequest) -> HttpResponse:
    """A file and its side files, or an archive; answers at once with its card, or with one that says what is wrong.

    quick: one of many dropped files, so its data bar is not read.
    """
    file = request.FILES.get("file")
    try:
        if file is None:
            raise Refused(NO_FILE)
        micrograph = receive_upload(
            file=file,
            side=request.FILES.getlist("side"),
            read_bar="quick" not in request.POST,
            is_archive=is_zip(file),
            **sender(request),
        )
        return HttpResponse(_card(request, micrograph), status=201)
    except Refused as refusal:
        note = Note(shown_name(file.name or "") if file else "The upload", refusal.sentence, refusal.status)
        return HttpResponse(_remark(request, note), status=status_of_refusal(refusal.status))


@require_POST
def cards(request: HttpRequest) -> JsonResponse:
    """What has become of uploads that were still to be looked into, as their cards by id.

    upload: ids; known: those of images that the page shows already. The card of an archive comes after those of what
    has come out of it, and is not among them any more once that is all. With the widths that are being typed, which let
    the bars that they are to be compared with be read at once.
    """
    requested = _ids(request, "upload", MOST_ASKED)
    shown_ids = {*requested, *_ids(request, "known", MOST_ASKED)}
    mine = {micrograph.pk: micrograph for micrograph in _uploads(request, "upload", MOST_ASKED)}
    for micrograph in mine.values():
        hasten_reading(micrograph, _stated_scale(request, micrograph)[0])
    html_by_id = {str(pk): _card(request, mine[pk], shown_ids) if pk in mine else "" for pk in requested}
    return JsonResponse({"cards": html_by_id})


@require_POST
def pairs(request: HttpRequest) -> JsonResponse:
    """Which files of a drop belong together, by their names alone: the one rule for script, form and archive.

    names: a JSON list, as a form may not have so many fields.
    """
    try:
        names = [str(name) for name in json.loads(request.POST.get("names", ""))]
    except (ValueError, TypeError, RecursionError):
        return JsonResponse({"error": NO_NAMES}, status=400)
    if len(names) > MOST_NAMES:
        return JsonResponse({"error": TOO_MANY}, status=413)
    return JsonResponse({"images": list(pair(names).items())})


@require_POST
def outlines(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The outlines in the middle of an upload with the settings of the sent form; the page asks until they are there,
    and again after each change."""
    micrograph = changeable(request, visible(request, row_of(Micrograph, pk)))
    form = sent_form(request)
    if micrograph.is_archive or not form.is_valid():
        return HttpResponse(status=204)
    try:
        row = preview_outlines(micrograph=micrograph, settings=form.settings())
    except Refused as refusal:
        return render(request, "_outlines.html", {"sentence": refusal.sentence}, status=refusal.status)
    if micrograph.state == Micrograph.State.FAILED or row.state == row.State.FAILED:
        return render(request, "_outlines.html", {"sentence": row.error or micrograph.error})
    scale = next((entry for entry in form.of_task if SIZE in entry.setting.with_gap), None)
    context = {"active": not row.is_finished, "task": form.task, "scale": scale, **row.result}
    if scale:
        context["gap_field"] = scale.gap_field(SIZE)
        context |= {"size": form[context["gap_field"]].value()} if scale.value == SIZE else {}
    return render(request, "_outlines.html", context)


@require_POST
def pages(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Takes pages of an upload out of it; answers with its card, or with one that says what is wrong."""
    micrograph = changeable(request, row_of(Micrograph, pk))
    try:
        choose_pages(micrograph=micrograph, pages=request.POST.get("pages", "") or ALL)
    except Refused as refusal:
        note = Note(micrograph.name, refusal.sentence, refusal.status)
        return HttpResponse(_remark(request, note), status=refusal.status)
    return HttpResponse(_card(request, micrograph))


@require_POST
def start(request: HttpRequest) -> JsonResponse:
    """Analyse the uploads of the page, each by itself or all as one sample: where that is shown, or what is wrong.

    location: where. fields: a sentence by the name of the field. questions: HTML by upload. started: ids of uploads.
    202: bars that typed widths are to be compared with are being read, so ask again; at_once: without that comparison.
    """
    for removed in _uploads(request, "removed", MOST_LEFT):
        discard_unused(removed)
    uploads, form, sample = _uploads(request, "upload"), sent_form(request), SampleForm(request.POST)
    is_sample = bool(request.POST.get("one_sample"))
    is_ruled = is_sample and request.POST.get("rule", "") not in ("", Sample.Rule.OWN)  # one scale for all images
    errors = {**form.errors, **(sample.errors if is_sample else {})}
    answer: dict[str, Any] = {"fields": {name: texts[0] for name, texts in errors.items()}, "questions": {}}
    problems = _choose_pages(request, uploads)
    if len(uploads) < len(set(request.POST.getlist("upload"))):
        problems.append(Note("", GONE, 400))
    elif not uploads:
        problems.append(Note("", NOTHING, 400))
    scales = {} if is_ruled else _stated_scales(request, uploads, **answer)
    may_wait = not (is_ruled or problems or answer["fields"] or "at_once" in request.POST)
    if may_wait and [row for row in uploads if hasten_reading(row, _stated_scale(request, row)[0])]:
        return JsonResponse({}, status=202)
    if answer["fields"] or answer["questions"]:
        problems.append(Note("", MARKED if answer["fields"] else ASKED, 400))
    started: dict[UUID, Job | None] = {}
    if not problems:
        common = {"settings": form.settings(), "token": token_of(request), **sender(request)}
        name = ""  # of the image that is refused
        try:
            if is_sample:
                fields = {"name": sample.cleaned_data["sample_name"], "scale": sample.scale()}
                row = create_sample(uploads=uploads, asked=scales, notes=_not_taken(request), **fields, **common)
                return JsonResponse({"location": address_of(row)})
            for micrograph in uploads:
                name = micrograph.name
                started[micrograph.pk] = start_analysis(micrograph=micrograph, asked=scales[micrograph.pk], **common)
        except (Refused, ValueError) as problem:
            problems.append(Note(name, str(problem), status_of_refusal(getattr(problem, "status", 400))))
    if not problems:
        jobs = {job.pk: job for job in started.values() if job}
        return JsonResponse({"location": address_of(*jobs.values()) if len(jobs) == 1 else reverse("results")})
    answer |= {"problems": [note._asdict() for note in problems], "started": list(started)}
    return JsonResponse(answer, status=max(note.status for note in problems))


def _not_taken(request: HttpRequest) -> list[Note]:
    """What the script says of files of a sample that it did not take."""
    texts = (" ".join(printable(text).split()) for text in request.POST.getlist("left")[:MOST_LEFT])
    return [Note("", text[:LONGEST]) for text in texts if text]


def _choose_pages(request: HttpRequest, uploads: list[Micrograph]) -> list[Note]:
    """Take the pages that the fields of the images ask for; a note on what is no page."""
    problems = []
    for micrograph in uploads:
        requested = printable(request.POST.get(f"pages_{micrograph.pk}", "")).strip()
        try:
            if micrograph.page_count > 1 and requested not in ("", micrograph.pages):
                choose_pages(micrograph=micrograph, pages=requested)
        except Refused as refusal:
            problems.append(Note(micrograph.name, refusal.sentence, refusal.status))
    return problems


def _stated_scales(
    request: HttpRequest, uploads: list[Micrograph], fields: dict[str, str], questions: dict[str, str]
) -> dict[UUID, dict[str, Any]]:
    """What the fields of each image state of its scale. An impossible width joins `fields`; one that the image
    contradicts joins `questions`, until its sender says that it is right."""
    scales = {}
    for micrograph in uploads:
        stated, name = _stated_scale(request, micrograph)
        scales[micrograph.pk] = stated.as_dict()
        try:
            if not micrograph.is_read:
                parse_width(stated.width or "")
            elif question := doubted(calibration_for(stated, micrograph), micrograph):
                sure = f"sure_{micrograph.pk}"
                if printable(request.POST.get(sure, "")) != stated.width:
                    context = {"question": question, "name": sure, "width": stated.width}
                    questions[str(micrograph.pk)] = render_to_string("_sure.html", context)
        except ValueError as error:
            fields[name] = str(error)
    return scales


def _stated_scale(request: HttpRequest, micrograph: Micrograph) -> tuple[StatedScale, str]:
    """What is stated of the scale of an image, and the name of the field that states it: the form's field is the width
    of all images whose own field nobody touched."""
    stated, name, for_all = stated_in(request, f"_{micrograph.pk}"), f"width_{micrograph.pk}", stated_in(request)
    if name not in request.POST or (for_all.source == Source.TYPED and stated.is_own):
        return for_all, "width"
    return stated, name


def _card(request: HttpRequest, micrograph: Micrograph, shown_ids: Collection[UUID] = ()) -> str:
    """The card of a micrograph, preceded by those of the images that have come out of it."""
    images = micrograph.images.exclude(pk__in=shown_ids).order_by("created") if micrograph.is_archive else ()
    parts = [_card(request, image) for image in images]
    if micrograph.state == Micrograph.State.FAILED:
        parts.append(_remark(request, Note(micrograph.name, micrograph.error, 422)))
    elif micrograph.is_archive and micrograph.is_finished:
        parts += [_remark(request, Note(**note)) for note in micrograph.notes]
    else:
        parts.append(render_to_string("_upload.html", {"card": _facts(micrograph)}, request))
    return "".join(parts)


def _facts(micrograph: Micrograph) -> dict[str, Any]:
    """What the card of an upload shows; one that has not been looked into has neither size nor badge yet."""
    if not micrograph.is_read:
        return {"micrograph": micrograph}
    scale, badge = micrograph.own_calibration, own_badge(micrograph)
    unknown = UNSCALED if micrograph.is_finished else BEING_READ
    width = width_text(scale.width_nm(micrograph.width) or 0.0) if scale.nm_per_pixel else ""
    return {
        "micrograph": micrograph,
        "stated": {"width": width, "source": scale.source if width else ""},
        "reading": not micrograph.is_finished,
        "own_badge": badge,
        "badge": {"text": badge or unknown, "status": "good" if badge else "check"},
        "bar_rows": micrograph.height - micrograph.data_bar if micrograph.data_bar is not None else 0,
    }


def _remark(request: HttpRequest, note: Note) -> str:
    context = {"name": note.name, "sentence": note.sentence, "wrong": note.status >= 400}
    return render_to_string("_upload_error.html", context, request)


def _ids(request: HttpRequest, name: str, most: int | None) -> list[UUID]:
    return [pk for pk in map(to_uuid, request.POST.getlist(name)[:most]) if pk]


def _uploads(request: HttpRequest, name: str, most: int | None = None) -> list[Micrograph]:
    """The sender's uploads whose ids are sent in these fields, in their order."""
    ids = _ids(request, name, most)
    mine = Micrograph.objects.visible_to(request.user, request.visitor).in_bulk(ids)
    return [mine[pk] for pk in dict.fromkeys(ids) if pk in mine]
