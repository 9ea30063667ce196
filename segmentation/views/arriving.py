"""Files from the upload page's script: one at a time with what belongs beside it, or an archive of many."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.decorators.http import require_POST

from ..core.micrograph.pairing import pair
from ..middleware import ensure_visitor
from ..models import Upload, shown_name
from ..services import Note, Refused, is_archive, receive_files, receive_upload
from ..services.archives import ALONE
from .upload import card, status_of_refusal

NO_FILE = "No file came with the request; choose it again."
NO_NAMES = "The names of the files could not be read; reload the page and drop the files again."
MOST_NAMES = 5000
TOO_MANY = f"More than {MOST_NAMES} files at once are too many: drop the images of one sample."


@require_POST
def uploads(request: HttpRequest) -> HttpResponse:
    """A file and its side files; answers with its card, or with a card that says what is wrong.

    quick: sent with files of a large drop, whose data bars are not read. An archive is answered with the cards of
    everything in it, each sent as soon as it is made.
    """
    file = request.FILES.get("file")
    if file is not None and is_archive(file):
        ensure_visitor(request)
        return StreamingHttpResponse(_cards(request, file), status=201)
    try:
        if file is None:
            raise Refused(NO_FILE)
        visitor = ensure_visitor(request)
        side = request.FILES.getlist("side")
        who = {"user": request.user, "visitor": visitor, "address": request.address_hash}
        upload = receive_upload(file=file, side=side, read_bar="quick" not in request.POST, **who)
        return render(request, "_upload.html", {"card": card(upload)}, status=201)
    except Refused as refusal:
        name = shown_name(file.name or "") if file else "The upload"
        context = {"name": name, "sentence": refusal.sentence, "wrong": True}
        return render(request, "_upload_error.html", context, status=status_of_refusal(refusal.status))


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
    pairing = pair(names)
    alone = [{"name": shown_name(name), "sentence": ALONE} for name in pairing.alone]
    return JsonResponse({"images": list(pairing.images.items()), "alone": alone})


def _cards(request: HttpRequest, file: Any) -> Iterator[str]:
    who = {"user": request.user, "visitor": request.visitor, "address": request.address_hash}
    for each in receive_files(files=[file], **who):
        yield _fragment(request, each) + "\n"


def _fragment(request: HttpRequest, each: Upload | Note) -> str:
    if isinstance(each, Upload):
        return render_to_string("_upload.html", {"card": card(each)}, request)
    context = {"name": each.name, "sentence": each.sentence, "wrong": each.status >= 400}
    return render_to_string("_upload_error.html", context, request)
