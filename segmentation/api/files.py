"""The files of a job in the API, and the answer for a file that is not written yet."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from ninja import Query, Status

from ..core.report.exports.viewer import PICTURE
from ..http.access import row_of, visible
from ..http.serving import serve_picture, serve_stored
from ..models import Job, Sample, StoredFile
from ..services.ground.refusal import Refused
from ..services.results import exports
from .shared import schemas
from .shared.routes import Routes, file_answer

WAIT = "Seconds to wait for a file that is not written yet, at most 30."
ANNEX = "For report.pdf: with all annexes, as report-annex.pdf."
PANELS = "For figure.png, .svg and .pdf: letters of the panels, such as C or AD. Default: all."
LETTERS = "For the figure: height of its letters in points at a width of 85 mm, 4 to 10. Default: 6."
IN_COLOURS = "For the figure: colour or grey."
router = Routes(tags=["Jobs"])


@router.operation(
    "GET", "/{uuid:pk}/files/{str:name}", "artifact", {202: schemas.BeingWritten}, (404, 422, 503), file_answer()
)
def artifact(
    request: HttpRequest,
    response: HttpResponse,
    pk: UUID,
    name: str,
    wait: float = Query(0.0, ge=0.0, description=WAIT),
    annex: bool = Query(False, description=ANNEX),
    panels: str = Query("", description=PANELS),
    font: str = Query("", description=LETTERS),
    colours: str = Query("", description=IN_COLOURS),
) -> Any:
    """A file of a finished job. Most files are written at the first request: 202 until then."""
    job = visible(request, row_of(Job, pk))
    options = {"annex": str(annex), "panels": panels, "font": font, "colours": colours}
    name = exports.name_with_options(name, options)
    if name == PICTURE and job.micrograph.viewer_image:  # stored with the image, not with the job
        return serve_picture(request, job.micrograph)
    return file_or_wait(request, response, exports.file_of(job, name, wait))


def file_or_wait(request: HttpRequest, response: HttpResponse, file: Any) -> Any:
    """The answer with a file, or 202 while it is written. file: as `exports.file_of` returns it. Raises
    Refused (503) if writing failed, and Http404 if there is no such file."""
    if file is None:
        raise Http404
    if isinstance(file, StoredFile):
        return serve_stored(request, file, download=True)
    response["Retry-After"] = "1"
    if file.error:
        raise Refused(file.error, 503)
    # A sample that waits for its images is queued for the caller.
    state = "queued" if file.state == Sample.State.WAITING else file.state
    return Status(202, {"state": state, "progress": file.progress})
