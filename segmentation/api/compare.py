"""Two results side by side, for scripts."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Query, Status

from .. import services
from ..http.access import visible
from ..presenters.comparison import ComparedResults
from ..services import Refused
from . import schemas
from .routes import Routes

ONE = "Id of a job or of a sample."
router = Routes(tags=["Comparisons"])


@router.does("GET", "", "compare", {200: schemas.ResultsCompared, 202: schemas.Comparing}, (404, 409, 422, 503))
def compare(
    request: HttpRequest,
    response: HttpResponse,
    a: Annotated[UUID, Query(..., description=ONE)],
    b: Annotated[UUID, Query(..., description=ONE)],
) -> Any:
    """Two results side by side: jobs or samples. The first request starts the comparison: 202 until it is done."""
    first, second = (visible(request, services.result_for(pk)) for pk in (a, b))
    row = services.comparison_of(first, second)
    results = ComparedResults(row)
    if row.state == row.State.FAILED:
        raise Refused(row.error, 503)
    if results.active:
        response["Retry-After"] = "1"
        return Status(202, {"state": row.state, "progress": row.progress})
    address = request.build_absolute_uri
    return {
        "state": row.state,
        "page": address(f"{reverse('compare')}?{urlencode({'a': a, 'b': b})}"),
        "results": [first, second],
        "numbers": results.main,
        "every": results.every,
        "comparison": results.result,
    }
