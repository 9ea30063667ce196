"""Views of the API for several results at once: a ZIP archive of their files, a table of their objects,
a comparison of two."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Query, Status

from ..http.access import visible
from ..http.zipped import ResultsArchive, serve_table
from ..models import Job
from ..presenters.comparison import ComparedResults
from ..services.ground.refusal import Refused
from ..services.results import comparisons
from .shared import schemas
from .shared.routes import Routes, file_answer

MOST_JOBS = 200
IDS = Query(
    ..., alias="id", min_length=1, max_length=MOST_JOBS, description=f"Ids of jobs, up to {MOST_JOBS}: id=A&id=B."
)
RESULT_ID = "Id of a job or of a sample."
router, comparisons_router = Routes(tags=["Jobs"]), Routes(tags=["Comparisons"])


@router.operation(
    "GET", "/results.zip", "results-zip", {202: schemas.Written}, (404, 409, 422), file_answer("application/zip")
)
def results(request: HttpRequest, response: HttpResponse, ids: list[UUID] = IDS) -> Any:
    """All files of several results as a ZIP archive, a folder for each: 202 until all files are written."""
    zipped = ResultsArchive(_visible(request, ids))
    if zipped.is_ready:
        return zipped.response()
    response["Retry-After"] = "1"
    return Status(202, {"written": zipped.written, "of": zipped.finished})


@router.operation("GET", "/objects.csv", "objects-csv", {}, (404, 409, 422), file_answer("text/csv"))
def objects(request: HttpRequest, ids: list[UUID] = IDS) -> Any:
    """All objects of several results as one CSV table."""
    return serve_table(_visible(request, ids))


def _visible(request: HttpRequest, ids: list[UUID]) -> list[Job]:
    """The jobs in the order of `ids`; raises Http404 if the caller may not see one of them."""
    job_by_id = Job.objects.select_related("micrograph", "sample").in_bulk(ids)
    if len(job_by_id) < len(set(ids)):
        raise Http404
    return [visible(request, job_by_id[pk]) for pk in dict.fromkeys(ids)]


@comparisons_router.operation(
    "GET", "", "compare", {200: schemas.ResultsCompared, 202: schemas.Comparing}, (404, 409, 422, 503)
)
def compare(
    request: HttpRequest,
    response: HttpResponse,
    a: Annotated[UUID, Query(..., description=RESULT_ID)],
    b: Annotated[UUID, Query(..., description=RESULT_ID)],
) -> Any:
    """Two results side by side: jobs or samples. The first request starts the comparison: 202 until it is done."""
    first_result, second_result = (visible(request, comparisons.result_for(pk)) for pk in (a, b))
    row = comparisons.comparison_of(first_result, second_result)
    results = ComparedResults(row)
    if row.state == row.State.FAILED:
        raise Refused(row.error, 503)
    if not row.is_finished:
        response["Retry-After"] = "1"
        return Status(202, {"state": row.state, "progress": row.progress})
    address = request.build_absolute_uri
    return {
        "state": row.state,
        "page": address(f"{reverse('compare')}?{urlencode({'a': a, 'b': b})}"),
        "results": [first_result, second_result],
        "numbers": results.main_numbers,
        "every": results.all_numbers,
        "comparison": results.result,
    }
