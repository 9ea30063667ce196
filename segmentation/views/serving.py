"""Stored files as responses: the right type and name, never sniffed, checked for access each time."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO

from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response

from ..models import Artifact, Micrograph, SampleArtifact
from ..services import bundles

SHOWN_INLINE = {"image/png", "application/pdf", "application/json"}
SANDBOX = "sandbox; default-src 'none'; style-src 'unsafe-inline'"
LONGEST_STEM = 80
Opened = Callable[[], IO[bytes]]


def file_stem(name: str) -> str:
    """The stem of an upload's name, fit for every file system."""
    stem = re.sub(r'[\x00-\x1f\x7f<>:"/\\|?*%]+', "_", PurePosixPath(name).stem)
    return stem.strip(" ._")[:LONGEST_STEM] or "image"


def serve_artifact(request: HttpRequest, artifact: Artifact, *, download: bool) -> HttpResponse:
    """An artifact named after its upload; what a browser might run is only ever downloaded."""
    kind = artifact.content_type
    name = f"{file_stem(artifact.job.micrograph.name)}_{artifact.name}"
    inline = kind in SHOWN_INLINE and not download
    return _serve(
        request, lambda: bundles.opened(artifact), kind, name, inline, tag=f"{artifact.pk}-{artifact.attempt}"
    )


def serve_sample_file(request: HttpRequest, artifact: SampleArtifact, *, download: bool) -> HttpResponse:
    """A file of a pooled result, named after its sample, in the same way."""
    kind = artifact.content_type
    stem = file_stem(artifact.sample.name.replace("/", "_") + ".")
    name = f"{stem}_{artifact.name}"
    tag = f"sample-{artifact.pk}-{artifact.attempt}"
    inline = kind in SHOWN_INLINE and not download
    return _serve(request, lambda: bundles.opened(artifact), kind, name, inline, tag=tag)


def serve_preview(request: HttpRequest, micrograph: Micrograph) -> HttpResponse:
    """The preview of a micrograph."""
    name = f"{file_stem(micrograph.name)}_preview.png"
    return _serve(
        request, lambda: micrograph.preview.open("rb"), "image/png", name, True, tag=f"{micrograph.pk}-preview"
    )


def serve_picture(request: HttpRequest, path: Path) -> HttpResponse:
    """A PNG of this installation."""
    try:
        facts = path.stat()
    except OSError:
        raise Http404 from None
    return _serve(
        request, lambda: path.open("rb"), "image/png", path.name, True, tag=f"{facts.st_mtime_ns:x}-{facts.st_size:x}"
    )


def _serve(request: HttpRequest, opened: Opened, kind: str, name: str, inline: bool, *, tag: str) -> HttpResponse:
    response = get_conditional_response(request, etag=f'"{tag}"') or _stream(opened, kind, name, inline)
    response["ETag"] = f'"{tag}"'
    response["Cache-Control"] = "private, no-cache"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = SANDBOX
    return response


def _stream(opened: Opened, kind: str, name: str, inline: bool) -> FileResponse:
    try:
        file = opened()
    except (OSError, ValueError):
        raise Http404 from None
    return FileResponse(file, as_attachment=not inline, filename=name, content_type=kind)
