"""The files of a job: those of its result, tiles of its picture, the log of its corrections."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ...core.report.exports.viewer import PICTURE
from ...http.access import address_of, row_of, visible
from ...http.serving import serve_log, serve_picture, serve_stored, serve_tile
from ...models import Job, Sample, StoredFile
from ...services.results import exports


@require_safe
def artifact(request: HttpRequest, pk: UUID, name: str) -> HttpResponse:
    """A file of a finished job. While it is being written: 202, with a page that asks again; 503 if writing failed."""
    job = visible(request, row_of(Job, pk))
    if name == PICTURE and job.micrograph.viewer_image:  # stored with the image, not with the job
        return serve_picture(request, job.micrograph)
    name = exports.name_with_options(name, {**request.GET.dict(), "panels": "".join(request.GET.getlist("panels"))})
    return file_or_wait(request, job, name)


def file_or_wait(request: HttpRequest, result: Job | Sample, name: str) -> HttpResponse:
    """A file of a result. While it is being written: 202, with a page that asks again; 503 if writing failed."""
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
    """A tile of the picture in the viewer."""
    job = visible(request, row_of(Job, pk))
    if not job.micrograph.viewer_tiles:
        raise Http404
    return serve_tile(request, job.micrograph.viewer_tiles, f"{level}/{column}-{row}.png")


@require_safe
def log(request: HttpRequest, pk: UUID, kind: str) -> HttpResponse:
    """The log of the corrections of a result, to download."""
    return serve_log(visible(request, row_of(Job, pk)), kind)
