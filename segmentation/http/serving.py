"""Sends stored files as responses, with the right type and name. A browser may cache a file, but must ask each time
whether the copy is still valid and allowed."""

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
from ..core.labels.corrections.working import STRIP_ROWS, WorkingLabels
from ..core.names import portable_name
from ..core.report import exports
from ..core.report.exports.base import Subject
from ..core.report.exports.viewer import THUMBNAIL_FILE
from ..core.report.wording import CITATION
from ..learning.datasets import exports as dataset_exports
from ..models import Artifact, Dataset, Job, Micrograph, SampleArtifact, StoredFile
from ..services.ground import bundles, tables
from ..services.ground.refusal import machine_fault
from ..services.results.corrections.logs import edits_as_csv, edits_as_json
from ..services.results.corrections.standing import open_with_words

SHOWN_INLINE = {"image/png", "image/webp", "application/pdf", "application/json"}  # other types are downloaded
SANDBOX = "sandbox; default-src 'none'; style-src 'unsafe-inline'"  # Content-Security-Policy: no scripts in any file
LONGEST_STEM = 80  # characters
MOST_OPEN_TILE_FILES = 4  # so many stay open
EDITS_PER_QUERY = 4  # rows of a log that are read together; few, because an edit may be large
Opener = Callable[[], IO[bytes]]  # opens a file


def files_of(row: Any, subject: Subject, task: str, address: str, further: Collection[str] = ()) -> dict[str, Any]:
    """The files of a job or a sample, for templates.

    "files": their addresses by name, with underscores for dots and dashes. "file_list": the files to download. "cite":
    how to cite the software. address: the name of the view that sends the files. further: names of files without a
    stored row, mostly because they are written only when somebody opens them; they have no size yet.
    """
    artifacts: dict[str, StoredFile] = {artifact.name: artifact for artifact in row.artifacts.all()}
    urls = {name: reverse(address, args=[row.pk, name]) for name in (*artifacts, *further)}
    sizes = {name: artifact.size for name, artifact in artifacts.items()}
    offered = [
        {"name": name, "url": urls[name], "size": sizes.get(name), "export": export, "what": export.line(subject)}
        for name, export in exports.by_file_name(subject, tasks.find(task), judged=bool(row.specification)).items()
        if name in urls and not export.for_the_page
    ]
    addresses = {re.sub("[.-]", "_", name): url for name, url in urls.items()}
    return {"files": addresses, "file_list": offered, "cite": CITATION}


def thumbnails(jobs: Collection[Any]) -> dict[Any, str]:
    """The address of the small picture of each job that has one, by the job's id."""
    with_thumbnail = Artifact.objects.filter(job__in=jobs, name=THUMBNAIL_FILE).values_list("job_id", flat=True)
    return {pk: reverse("artifact", args=[pk, THUMBNAIL_FILE]) for pk in with_thumbnail}


def file_stem(name: str) -> str:
    """The stem of an upload's name, changed so that every file system takes it."""
    return portable_name(PurePosixPath(name).stem, LONGEST_STEM)


def serve_stored(request: HttpRequest, artifact: StoredFile, *, download: bool) -> HttpResponse:
    """A file of a result or a training, named after its image or sample. Browsers show only types of SHOWN_INLINE; all
    others are downloaded, so that a browser never runs them."""
    stem, kind = "", artifact.content_type
    if isinstance(artifact, Artifact):
        step = f"step{artifact.job.step}_" if artifact.job.step else ""
        stem = f"{file_stem(artifact.job.micrograph.name)}_{step}"
    elif isinstance(artifact, SampleArtifact):
        stem = f"{file_stem(artifact.sample.name.replace('/', '_') + '.')}_"
    inline, tag = kind in SHOWN_INLINE and not download, f"{type(artifact).__name__}-{artifact.pk}-{artifact.attempt}"
    has_outlines = isinstance(artifact, Artifact) and artifact.name == tables.OUTLINES_FILE
    open_file: Opener = partial(open_with_words if has_outlines else bundles.open_file, artifact)
    response = serve(request, open_file, kind, f"{stem}{artifact.name}", inline, tag=tag)
    is_compressed = kind == "application/json"  # a quarter as long
    return GZipMiddleware(lambda _: response)(request) if is_compressed else response


def serve_picture(request: HttpRequest, micrograph: Micrograph) -> HttpResponse:
    """The picture of a micrograph that the viewer shows before it loads tiles of the full size."""
    name = f"{file_stem(micrograph.name)}_image.webp"
    return serve_image(request, micrograph.viewer_image, name, f"{micrograph.pk}-picture")


def serve_tile(request: HttpRequest, tiles: FieldFile, name: str) -> HttpResponse:
    """A tile of a picture as PNG; 404 if the file of tiles has none of this name."""
    tag = f"{tiles.name}-{name}"

    def open_tile() -> IO[bytes]:
        try:
            return io.BytesIO(_tiles(tiles.storage, tiles.name).read(name))
        except (KeyError, zipfile.BadZipFile):
            raise Http404 from None

    return serve(request, open_tile, "image/png", name.replace("/", "-"), True, tag=tag)


@lru_cache(MOST_OPEN_TILE_FILES)
def _tiles(storage: Storage, name: str) -> zipfile.ZipFile:
    """The tiles in a stored file. The file stays open, which is safe: its name is never given to other content."""
    return zipfile.ZipFile(storage.open(name, "rb"))


def serve_labels(labels: WorkingLabels, name: str) -> HttpResponse:
    """A label image as TIFF (int32), compressed strip by strip, so that the whole image is never in memory."""
    import tifffile

    file = io.BytesIO()
    options = {"shape": labels.shape, "dtype": np.int32, "photometric": "minisblack", "compression": "zlib"}
    strips = (zlib.compress(part.astype("<i4").tobytes()) for part in labels.label_strips())
    tifffile.imwrite(file, strips, rowsperstrip=STRIP_ROWS, byteorder="<", metadata=None, **options)
    file.seek(0)
    return FileResponse(file, as_attachment=True, filename=f"{file_stem(name)}_labels.tif", content_type="image/tiff")


def serve_compressed(request: HttpRequest, content: bytes) -> HttpResponse:
    """Bytes for a script of a page, compressed if the browser accepts that; with the fast level 1, for each request."""
    is_compressed = "gzip" in request.headers.get("Accept-Encoding", "")
    content = gzip.compress(content, 1, mtime=0) if is_compressed else content
    response = HttpResponse(content, content_type="application/octet-stream", headers={"Vary": "Accept-Encoding"})
    if is_compressed:
        response["Content-Encoding"] = "gzip"
    return response


def serve_log(job: Job, file_format: str) -> HttpResponse:
    """The log of a result's corrections, to download. file_format: "csv" or "json"."""
    write, content_type = {"csv": (edits_as_csv, "text/csv"), "json": (edits_as_json, "application/json")}[file_format]
    chunks = write(job.edits.iterator(chunk_size=EDITS_PER_QUERY))
    return serve_chunks(chunks, content_type, f"{file_stem(job.micrograph.name)}_corrections.{file_format}")


def serve_chunks(chunks: Iterable[str | bytes], content_type: str, name: str) -> StreamingHttpResponse:
    """A file to download that is made while it is sent."""
    headers = {"Content-Disposition": content_disposition_header(True, name), "Cache-Control": "private, no-store"}
    return StreamingHttpResponse(chunks, content_type=content_type, headers=headers)


def serve_image(request: HttpRequest, file: FieldFile, name: str, tag: str) -> HttpResponse:
    """A stored picture (PNG or WebP), which the browser shows; 404 if there is none."""
    if not file:
        raise Http404
    return serve(request, lambda: file.open("rb"), f"image/{PurePosixPath(name).suffix[1:]}", name, True, tag=tag)


def serve_dataset(dataset: Dataset) -> StreamingHttpResponse:
    """A dataset as one ZIP file."""
    stem = file_stem(f"{dataset.name.replace('/', '_')}.")
    return serve_chunks(streamed_zip(dataset_exports.entries(dataset)), "application/zip", f"{stem}.zip")


def serve_local(request: HttpRequest, path: Path, *, download: bool = False, name: str = "") -> HttpResponse:
    """A file of this installation: a picture (PNG or WebP) that is shown, or with `download` any file.

    name: the file's name after the download; by default its own name.
    """
    kind = "application/octet-stream" if download else f"image/{path.suffix[1:]}"
    try:
        status = path.stat()
    except OSError:
        raise Http404 from None
    tag = f"{status.st_mtime_ns:x}-{status.st_size:x}"
    return serve(request, lambda: path.open("rb"), kind, name or path.name, not download, tag=tag)


def serve(request: HttpRequest, open_file: Opener, kind: str, name: str, inline: bool, *, tag: str) -> HttpResponse:
    """The file that `open_file` opens, or 304 without opening it if the browser has the content with this tag already.

    404 if the file cannot be read. kind: the content type. inline: whether the browser shows the file or downloads it.
    tag: the ETag, a text that is different whenever the content is different.
    """
    response = get_conditional_response(request, etag=f'"{tag}"')
    if response is None:
        try:
            file = open_file()
        except (OSError, ValueError) as error:
            if machine_fault(error):  # disk or storage failed: the file may be there
                raise
            raise Http404 from None
        response = FileResponse(file, as_attachment=not inline, filename=name, content_type=kind)
    response["ETag"] = f'"{tag}"'
    response["Cache-Control"] = "private, no-cache"
    response["Content-Security-Policy"] = SANDBOX
    return response
