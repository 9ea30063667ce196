"""Stored files as responses: the right type and name, never sniffed, and asked of the view anew each time."""

from __future__ import annotations

import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np
from django.core.files.storage import Storage
from django.db.models.fields.files import FieldFile
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.middleware.gzip import GZipMiddleware
from django.urls import reverse
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header

from ..core import tasks
from ..core.archive import streamed_zip
from ..core.labels.working import STRIP, WorkingLabels
from ..core.names import portable
from ..core.report import exports
from ..core.report.exports.base import Subject
from ..core.report.exports.viewer import THUMBNAIL_FILE
from ..core.report.wording import CITATION
from ..models import Artifact, Dataset, Job, Micrograph, SampleArtifact, StoredFile
from ..services.ground import bundles, tables
from ..services.ground.refusal import trouble
from ..services.learning import dataset_exports
from ..services.results.logs import as_csv, as_json
from ..services.results.standing import opened_in_words

SHOWN_INLINE = {"image/png", "image/webp", "application/pdf", "application/json"}
SANDBOX = "sandbox; default-src 'none'; style-src 'unsafe-inline'"
LONGEST_STEM = 80
OPEN_AT_ONCE = 4  # files of tiles, edits of a log
Opened = Callable[[], IO[bytes]]


def files_of(row: Any, subject: Subject, task: str, address: str, further: Collection[str] = ()) -> dict[str, Any]:
    """For templates, of a job or a sample: "files", the addresses of its files by name, with dot and dash as
    underscore, "file_list", the files to download, and "cite", how to cite the software. address: the name of the view
    that sends them. further: names of files that are written when they are asked for, and have no size yet.
    """
    artifacts: dict[str, StoredFile] = {artifact.name: artifact for artifact in row.artifacts.all()}
    urls = {name: reverse(address, args=[row.pk, name]) for name in (*artifacts, *further)}
    sizes = {name: artifact.size for name, artifact in artifacts.items()}
    offered = [
        {"name": name, "url": urls[name], "size": sizes.get(name), "export": export, "what": export.line(subject)}
        for name, export in exports.listed(subject, tasks.find(task), judged=bool(row.specification)).items()
        if name in urls and not export.for_the_page
    ]
    named = {re.sub("[.-]", "_", name): url for name, url in urls.items()}
    return {"files": named, "file_list": offered, "cite": CITATION}


def thumbnails(jobs: Collection[Any]) -> dict[Any, str]:
    """The address of the small picture of each job that has one, by the job's id."""
    with_thumbnail = Artifact.objects.filter(job__in=jobs, name=THUMBNAIL_FILE).values_list("job_id", flat=True)
    return {pk: reverse("artifact", args=[pk, THUMBNAIL_FILE]) for pk in with_thumbnail}


def file_stem(name: str) -> str:
    """The stem of an upload's name, fit for every file system."""
    return portable(PurePosixPath(name).stem, LONGEST_STEM)


def serve_stored(request: HttpRequest, artifact: StoredFile, *, download: bool) -> HttpResponse:
    """A file of a result or a training, named after its upload or sample; what a browser might run is only ever
    downloaded."""
    stem, kind = "", artifact.content_type
    if isinstance(artifact, Artifact):
        step = f"step{artifact.job.step}_" if artifact.job.step else ""
        stem = f"{file_stem(artifact.job.micrograph.name)}_{step}"
    elif isinstance(artifact, SampleArtifact):
        stem = f"{file_stem(artifact.sample.name.replace('/', '_') + '.')}_"
    inline, tag = kind in SHOWN_INLINE and not download, f"{type(artifact).__name__}-{artifact.pk}-{artifact.attempt}"
    is_shown = isinstance(artifact, Artifact) and artifact.name == tables.OUTLINES
    opened: Callable[[], IO[bytes]] = partial(opened_in_words if is_shown else bundles.opened, artifact)
    response = serve(request, opened, kind, f"{stem}{artifact.name}", inline, tag=tag)
    packed = kind == "application/json"  # outlines are a quarter as long when packed
    return GZipMiddleware(lambda _: response)(request) if packed else response


def serve_shown(request: HttpRequest, micrograph: Micrograph) -> HttpResponse:
    """A micrograph as the viewer shows it at first."""
    name = f"{file_stem(micrograph.name)}_image.webp"
    return serve_image(request, micrograph.viewer_image, name, f"{micrograph.pk}-picture")


def serve_tile(request: HttpRequest, tiles: FieldFile, name: str) -> HttpResponse:
    """A square of a picture by its name in the file of tiles."""
    tag = f"{tiles.name}-{name}"

    def opened() -> IO[bytes]:
        try:
            return io.BytesIO(_tiles(tiles.storage, tiles.name).read(name))
        except (KeyError, zipfile.BadZipFile):
            raise Http404 from None

    return serve(request, opened, "image/png", name.replace("/", "-"), True, tag=tag)


@lru_cache(OPEN_AT_ONCE)
def _tiles(storage: Storage, name: str) -> zipfile.ZipFile:
    """The tiles in a stored file, which stays open: no other content ever has its name."""
    return zipfile.ZipFile(storage.open(name, "rb"))


def serve_labels(labels: WorkingLabels, name: str) -> HttpResponse:
    """A label image as TIFF of 32 bits, made strip by strip: tifffile would want pages, but takes packed strips."""
    import tifffile

    file = io.BytesIO()
    how = {"shape": labels.shape, "dtype": np.int32, "photometric": "minisblack", "compression": "zlib"}
    packed = (zlib.compress(part.astype("<i4").tobytes()) for part in labels.parts())
    tifffile.imwrite(file, packed, rowsperstrip=STRIP, byteorder="<", metadata=None, **how)
    file.seek(0)
    return FileResponse(file, as_attachment=True, filename=f"{file_stem(name)}_labels.tif", content_type="image/tiff")


def serve_packed(request: HttpRequest, content: bytes) -> HttpResponse:
    """Numbers for a script, compressed where it takes that: quickly, since they are made anew each time."""
    packed = "gzip" in request.headers.get("Accept-Encoding", "")
    content = gzip.compress(content, 1, mtime=0) if packed else content
    response = HttpResponse(content, content_type="application/octet-stream", headers={"Vary": "Accept-Encoding"})
    if packed:
        response["Content-Encoding"] = "gzip"
    return response


def serve_log(job: Job, kind: str) -> HttpResponse:
    """The log of the corrections of a result to download, as "csv" or "json", named after its upload."""
    write, content_type = {"csv": (as_csv, "text/csv"), "json": (as_json, "application/json")}[kind]
    pieces = write(job.edits.iterator(chunk_size=OPEN_AT_ONCE))
    return serve_pieces(pieces, content_type, f"{file_stem(job.micrograph.name)}_corrections.{kind}")


def serve_pieces(pieces: Iterable[str | bytes], kind: str, name: str) -> StreamingHttpResponse:
    """A file to download that is made while it is sent."""
    headers = {"Content-Disposition": content_disposition_header(True, name), "Cache-Control": "private, no-store"}
    return StreamingHttpResponse(pieces, content_type=kind, headers=headers)


def serve_image(request: HttpRequest, file: FieldFile, name: str, tag: str) -> HttpResponse:
    """A stored picture (PNG or WebP), to be seen."""
    if not file:
        raise Http404
    return serve(request, lambda: file.open("rb"), f"image/{PurePosixPath(name).suffix[1:]}", name, True, tag=tag)


def serve_dataset(dataset: Dataset) -> StreamingHttpResponse:
    """A dataset as one ZIP file."""
    stem = file_stem(f"{dataset.name.replace('/', '_')}.")
    return serve_pieces(streamed_zip(dataset_exports.entries(dataset)), "application/zip", f"{stem}.zip")


def serve_local(request: HttpRequest, path: Path, *, download: bool = False, name: str = "") -> HttpResponse:
    """A file of this installation: a picture (PNG or WebP), or another one to download, as `name` if that is given."""
    kind = "application/octet-stream" if download else f"image/{path.suffix[1:]}"
    try:
        facts = path.stat()
    except OSError:
        raise Http404 from None
    tag = f"{facts.st_mtime_ns:x}-{facts.st_size:x}"
    return serve(request, lambda: path.open("rb"), kind, name or path.name, not download, tag=tag)


def serve(request: HttpRequest, opened: Opened, kind: str, name: str, inline: bool, *, tag: str) -> HttpResponse:
    """What `opened` gives, which is asked only where the browser does not have it yet; 404 where it cannot be read.
    tag: of its content."""
    response = get_conditional_response(request, etag=f'"{tag}"')
    if response is None:
        try:
            file = opened()
        except (OSError, ValueError) as error:
            if trouble(error):  # of the machine, which says nothing of the file
                raise
            raise Http404 from None
        response = FileResponse(file, as_attachment=not inline, filename=name, content_type=kind)
    response["ETag"] = f'"{tag}"'
    response["Cache-Control"] = "private, no-cache"
    response["Content-Security-Policy"] = SANDBOX
    return response
