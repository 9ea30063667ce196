"""The addresses under api/: the views of the API, whose answers and errors are JSON, its OpenAPI
document, and the page that shows this document."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TYPE_CHECKING, Any

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, include, path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from ninja import NinjaAPI
from ninja.errors import HttpError

from ..core import tasks
from ..http.errors import NOT_FOUND, error
from ..learning.datasets import api as datasets
from ..learning.trainings import api as trainings
from ..quality.control_charts import api as charts
from ..quality.limits import api as judging
from ..quality.methods import api as methods
from ..quality.references import api as references
from ..quality.studies import api as studies
from ..services.ground.refusal import Refused
from . import corrections, files, jobs, links, models, samples, scales, several, site
from .shared.auth import sign_in
from .shared.failures import failed, wrong_value
from .shared.request_bodies import settings_fields
from .shared.routes import FORM, WITH_SETTINGS
from .shared.schemas import with_results

if TYPE_CHECKING:
    from ..core.settings import SegmentationSettings

# All routers, each with the prefix of its addresses, in the order of the OpenAPI document.
ROUTERS = (
    ("/jobs", jobs.router),
    ("/jobs", corrections.router),
    ("/jobs", files.router),
    ("/jobs", scales.router),
    ("/jobs", several.router),
    ("/jobs", links.jobs),
    ("/samples", samples.router),
    ("/samples", links.samples),
    ("/jobs", judging.jobs),
    ("/samples", judging.samples),
    ("/references", references.router),
    ("/jobs", references.jobs),
    ("/samples", references.samples),
    ("", site.router),
    ("/compare", several.comparisons_router),
    ("/datasets", datasets.router),
    ("/trainings", trainings.router),
    ("/methods", methods.router),
    ("/methods", studies.methods),
    ("/studies", studies.router),
    ("/methods", charts.methods_router),
    ("/charts", charts.router),
    ("/models", models.router),
    ("/datasets", trainings.datasets_router),
)
DESCRIPTION = (
    "Outline and measure what is in a micrograph. For private results send a token of your account page, or sign in"
    " with HTTP Basic. Without an account, the first answer holds a secret, which lets you cancel and delete. A"
    " script may also choose a secret of 16 characters or more. With a header Idempotency-Key, a request sent twice has"
    " one effect."
)
SECURITY = {
    "token": {"type": "http", "scheme": "bearer", "description": "A token of an account; it begins with deepsegm_."},
    "account": {"type": "http", "scheme": "basic"},
    "secret": {"type": "http", "scheme": "bearer", "description": "The secret of a script without an account."},
}


class Api(NinjaAPI):
    """The API, with one sentence for a wrong value in an address or its query."""

    def validation_error_from_error_contexts(self, error_contexts: Any) -> Any:
        return wrong_value(error_contexts[0].pydantic_validation_error)


api = Api(
    title="DeepSegm",
    version="1",
    description=DESCRIPTION,
    docs_url=None,
    openapi_url=None,
    urls_namespace="api",
    auth=sign_in,
    openapi_extra={"security": [{}, *({name: []} for name in SECURITY)]},
)
for address, router in ROUTERS:
    api.add_router(address, router)
for kind in (Exception, Http404, HttpError):
    api.add_exception_handler(kind, failed)


@api.api_operation(["GET", "HEAD"], "/openapi.json", url_name="openapi", include_in_schema=False)
def openapi(request: HttpRequest) -> Any:
    """This API in OpenAPI."""
    return HttpResponse(_document(*_kinds()), content_type="application/json")


def document() -> dict[str, Any]:
    """The OpenAPI document, with the settings of every kind of analysis that there is now."""
    document_now: dict[str, Any] = json.loads(_document(*_kinds()))
    return document_now


def _kinds() -> list[tuple[str, type[SegmentationSettings]]]:
    return [(task.name, task.settings) for task in tasks.every()]


@lru_cache(maxsize=1)
def _document(*kinds: tuple[str, type[SegmentationSettings]]) -> str:
    """The OpenAPI document as JSON. It is cached, as it takes most of a second. kinds: from `_kinds`; the document is
    made anew when they change."""
    schema = json.loads(json.dumps(api.get_openapi_schema(path_prefix="/api/v1/")))
    schema["components"]["securitySchemes"] = SECURITY
    schema["components"]["schemas"] = with_results(schema["components"]["schemas"])
    meaning = "Kind of analysis, in place of a model: its default model. A model of another kind beside it is refused."
    names = [name for name, _ in kinds]
    settings = {"task": {"title": "Task", "type": "string", "enum": names, "description": meaning}}
    settings |= settings_fields(*(tasks.find(name) for name, _ in kinds))
    for operations in schema["paths"].values():
        operations.pop("head", None)
        for operation in operations.values():
            if operation.pop(WITH_SETTINGS, False):
                for content in operation["requestBody"]["content"].values():
                    content["schema"]["properties"] |= settings
    return json.dumps(schema)


@require_safe
def reference(request: HttpRequest) -> HttpResponse:
    """The page that shows the OpenAPI document."""
    document_now = document()
    operations = [
        {
            "method": method.upper(),
            "path": address,
            "short": (short := address.removeprefix("/api/v1")),
            "group": short.split("/")[1].partition(".")[0],
            "fields": [{"name": name, "needed": name in needed, **field} for name, field in fields.items()],
            **operation,
        }
        for address, operations_by_method in document_now["paths"].items()
        for method, operation in operations_by_method.items()
        for body in [operation.get("requestBody", {}).get("content", {}).get(FORM, {}).get("schema", {})]
        for needed, fields in [(body.get("required", []), body.get("properties", {}))]
    ]
    schemas = document_now["components"]["schemas"]
    bodies = [
        (name, [_entry(*field) for field in schema.get("properties", {}).items()]) for name, schema in schemas.items()
    ]
    return render(request, "api.html", {"document": document_now, "operations": operations, "bodies": bodies})


def _entry(name: str, schema: dict[str, Any]) -> tuple[str, str]:
    """The name of a field of an answer, and its meaning: its description, else its words or its type."""
    type_name = schema.get("$ref", schema.get("items", {}).get("$ref", schema.get("type", ""))).rpartition("/")[2]
    words = schema.get("description") or ", ".join(schema.get("enum", [])) or type_name or schema.get("title", "")
    return name, words


def unknown(request: HttpRequest, address: str) -> HttpResponse:
    """Any other address under api/: 404, or the refusal of a caller who may not use the API."""
    try:
        sign_in(request)
    except Refused as refusal:
        return failed(request, refusal)
    return error(NOT_FOUND, 404)


def _endpoint(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """A view of the API: it needs no CSRF token, and its answer to a wrong method (405) is JSON, too."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        if response.status_code == 405:
            methods = sorted(response["Allow"].split(", "))
            response = error(f"This address takes {' or '.join(methods)} only.", 405)
            response["Allow"] = ", ".join(methods)
        else:
            response["Cache-Control"] = "private, no-cache"
        return response

    return csrf_exempt(wrapped)


_patterns: list[URLPattern] = api.urls[0]
for _pattern in _patterns:
    _pattern.callback = login_not_required(_endpoint(_pattern.callback))
urlpatterns = [
    path("v1/docs", _endpoint(reference), name="api-docs"),
    path("v1/", include((_patterns, "ninja"), namespace="api")),
    path("<path:address>", login_not_required(_endpoint(unknown)), name="api-unknown"),
]
