"""`Routes`, with which every view of the API is declared (address, body, answer, errors, as the OpenAPI document lists
them), and the pages of lists."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import wraps
from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from ninja import Router, Schema
from ninja.decorators import decorate_view
from pydantic import BaseModel, Field

from ...http.errors import error
from ...http.uploads import FOR_FILES
from ...services.ground.refusal import Refused
from . import schemas

# A mark in the OpenAPI document for operations that take settings of an analysis; `urls` replaces it by their schema.
WITH_SETTINGS = "x-settings"
FORM, JSON = "multipart/form-data", "application/json"
PLAIN_FORM = "application/x-www-form-urlencoded"
FILE = {"schema": {"type": "string", "format": "binary"}}
BINARY = {
    "description": "As asked for by format",
    "content": dict.fromkeys(("image/tiff", "application/octet-stream"), FILE),
}
LABELS = {"responses": {200: BINARY}}  # the answers of the view labels, besides the JSON of format=objects
MOST_PAGES = 10**6  # a larger number may be no valid offset for the database
ONLY_STATE = "Only those in this state."
NO_TIME = "since is a time such as 2026-05-04T12:00:00Z."


class Routes(Router):
    """The views for one type of rows, such as jobs."""

    def operation(
        self,
        method: str,
        path: str,
        name: str,
        answer: Any,
        refused: Sequence[int] = (),
        extra: dict[str, Any] | None = None,
        *,
        leave_out_unset: bool = False,
        operation_id: str | None = None,
    ) -> Callable[[Any], Any]:
        """A decorator that makes a function the view of method and path; GET answers HEAD, too.

        name: of the URL. answer: the schema of status 200, or a dict from status to schema. refused: statuses of errors
        besides those that every address may answer with. extra: further entries of the operation in the OpenAPI
        document, from `request_body`, `file_answer` or LABELS. leave_out_unset: leave out fields of the answer that
        were not set. operation_id: for the document, if the name of the function is used twice.
        """
        content_types = (extra or {}).get("requestBody", {}).get("content", {})
        if "binary" in json.dumps(content_types):
            FOR_FILES.add(f"api:{name}")
        operation = self.api_operation(
            ["GET", "HEAD"] if method == "GET" else [method],
            path,
            url_name=name,
            response={
                **error_answers(*refused, *([415] if content_types else [])),
                **(answer if isinstance(answer, dict) else {200: answer}),
            },
            exclude_unset=leave_out_unset or None,
            openapi_extra=extra,
            operation_id=operation_id,
        )
        if not content_types:
            return operation
        return lambda view: operation(decorate_view(accept_only(*content_types))(view))


def accept_only(*content_types: str) -> Callable[[Any], Any]:
    """A decorator of views: a body of another content type is refused (415), because Django would read it as an empty
    form. FORM includes PLAIN_FORM. A request without a body is accepted."""
    accepted = {*content_types, *([PLAIN_FORM, ""] if FORM in content_types else [""])}

    def decorated(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.content_type not in accepted:
                return error(f"Send the body as {' or '.join(content_types)}.", 415)
            return view(request, *args, **kwargs)

        return answer

    return decorated


def file_answer(content_type: str = "*/*") -> dict[str, Any]:
    """The entry of the OpenAPI document for an answer that is a file. */*: the type depends on the file's name."""
    schemas_by_type = {"application/json": {"type": "object"}, "*/*": {"format": "binary"}}
    content = {"schema": schemas_by_type[content_type]} if content_type in schemas_by_type else FILE
    return {"responses": {200: {"description": "The file", "content": {content_type: content}}}}


def request_body(
    body: type[BaseModel], *content_types: str, settings: bool = False, form: type[BaseModel] | None = None
) -> dict[str, Any]:
    """The entry of the OpenAPI document for the body of a request.

    content_types: how `body` may be sent; FORM if none is named. settings: whether the body may have settings of an
    analysis beside its fields. form: a body that is sent as FORM in place of `body`.
    """
    bodies = {**dict.fromkeys(content_types or (FORM,), body), **({FORM: form} if form else {})}
    content = {content_type: {"schema": model.model_json_schema()} for content_type, model in bodies.items()}
    required = any(field.is_required() for field in body.model_fields.values())
    return {"requestBody": {"required": required, "content": content}, **({WITH_SETTINGS: True} if settings else {})}


def error_answers(*statuses: int) -> dict[int, Any]:
    """The schema of errors by status: for the statuses that any address may answer with, and for the named ones."""
    return dict.fromkeys(sorted({400, 401, 403, 429, 500, 503, *statuses}), schemas.Error)


class Listing(Schema):
    """The parameters of a list."""

    page: int = Field(1, ge=1)
    per_page: int = Field(50, ge=1, le=200, description="Entries on a page.")
    name: str = Field("", max_length=100, description="Only those with this text in their name.")
    since: datetime | None = Field(None, description="Only those made since then; UTC if without a time zone.")


def page_of_rows(
    request: HttpRequest, rows: QuerySet, listing: Listing, state: str | None, name: str, key: str
) -> dict[str, Any]:
    """One page of a list: "count" of all rows that match `listing`, "next", the address of the next page (None on the
    last), and under `key` the rows of this page, the newest first.

    state: only rows in this state, None for all. name: the field that is searched for `listing.name`.
    """
    if listing.since:
        try:
            since = listing.since.astimezone(UTC) if listing.since.tzinfo else listing.since.replace(tzinfo=UTC)
        except OverflowError:
            raise Refused(NO_TIME, 422) from None
        rows = rows.filter(created__gte=since)
    rows = rows.filter(state=state) if state else rows
    rows = rows.filter(**{f"{name}__icontains": listing.name}) if listing.name else rows
    rows_of_page = list(page_of(rows.order_by("-created", "pk"), listing.page, listing.per_page))
    count = rows.count()
    query = request.GET.copy()
    query["page"] = str(listing.page + 1)
    next_address = request.build_absolute_uri(f"{request.path}?{query.urlencode()}")
    return {
        "count": count,
        "next": next_address if listing.page * listing.per_page < count else None,
        key: rows_of_page,
    }


def page_of(rows: QuerySet, page: int, size: int) -> QuerySet:
    """The rows of a page, from page 1 on; no rows after the last page. Raises Http404 beyond MOST_PAGES."""
    if page > MOST_PAGES:
        raise Http404
    return rows[(page - 1) * size : page * size]
