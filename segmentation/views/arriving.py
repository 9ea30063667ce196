"""Files from the upload page's script, one at a time, and their state while the page is open."""

from __future__ import annotations

import json
from collections.abc import Collection
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.decorators.http import require_POST

from ..core.micrograph.pages import ALL
from ..core.micrograph.pairing import pair
from ..core.typed import SIZE
from ..forms.settings import SettingsForm, laboratory_of, with_laboratory
from ..http.access import own, row_of, visible
from ..middleware import sender
from ..models import Micrograph, shown_name
from ..services import Note, Refused, choose_pages, is_zip, preview_outlines, receive_upload
from .upload import card, status_of_refusal, to_uuid

NO_FILE = "No file came with the request; choose it again."
NO_NAMES = "The names of the files could not be read; reload the page and choose the files again."
MOST_NAMES = 5000
MOST_ASKED = 400
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
    has come out of it, and is not among them any more once that is all. It changes nothing, but asks with many ids.
    """
    requested = _ids(request.POST.getlist("upload"))
    shown_ids = {*requested, *_ids(request.POST.getlist("known"))}
    mine = Micrograph.objects.visible_to(request.user, request.visitor).in_bulk(requested)
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
    micrograph = own(request, visible(request, row_of(Micrograph, pk)))
    form = SettingsForm(with_laboratory(request.POST, laboratory_of(request.user, request.session)), user=request.user)
    if micrograph.is_archive or not form.is_valid():
        return HttpResponse(status=204)
    try:
        row = preview_outlines(micrograph=micrograph, settings=form.settings())
    except Refused as refusal:
        return render(request, "_outlines.html", {"sentence": refusal.sentence}, status=refusal.status)
    if micrograph.state == Micrograph.State.FAILED or row.state == row.State.FAILED:
        return render(request, "_outlines.html", {"sentence": row.error})
    scale = next((each for each in form.chosen if SIZE in each.setting.with_gap), None)
    context = {"active": not row.is_finished, "task": form.task, "scale": scale, **row.result}
    if scale:
        context["typed_in"] = typed_in = scale.typed_in(SIZE)
        context |= {"size": form[typed_in].value()} if scale.value == SIZE else {}
    return render(request, "_outlines.html", context)


@require_POST
def pages(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Takes pages of an upload out of it; answers with its card, or with one that says what is wrong."""
    micrograph = own(request, row_of(Micrograph, pk))
    try:
        choose_pages(micrograph=micrograph, pages=request.POST.get("pages", "") or ALL)
    except Refused as refusal:
        return HttpResponse(
            _remark(request, Note(micrograph.name, refusal.sentence, refusal.status)), status=refusal.status
        )
    return HttpResponse(_card(request, micrograph))


def _card(request: HttpRequest, micrograph: Micrograph, shown_ids: Collection[UUID] = ()) -> str:
    """The card of a micrograph, preceded by those of the images that have come out of it."""
    images = micrograph.images.exclude(pk__in=shown_ids).order_by("created") if micrograph.is_archive else ()
    parts = [_card(request, image) for image in images]
    if micrograph.state == Micrograph.State.FAILED:
        parts.append(_remark(request, Note(micrograph.name, micrograph.error, 422)))
    elif micrograph.is_archive and micrograph.is_finished:
        parts += [_remark(request, Note(**note)) for note in micrograph.notes]
    else:
        parts.append(render_to_string("_upload.html", {"card": card(micrograph)}, request))
    return "".join(parts)


def _remark(request: HttpRequest, note: Note) -> str:
    context = {"name": note.name, "sentence": note.sentence, "wrong": note.status >= 400}
    return render_to_string("_upload_error.html", context, request)


def _ids(texts: list[str]) -> list[UUID]:
    return [pk for pk in map(to_uuid, texts[:MOST_ASKED]) if pk]
