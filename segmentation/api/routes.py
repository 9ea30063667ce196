"""The addresses of scripts and their entries in the OpenAPI document: what they take, answer, list and refuse."""

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

from ..http.errors import error
from ..http.uploads import FOR_FILES
from ..services.ground.refusal import Refused
from . import schemas

WITH_SETTINGS = "x-settings"  # marks an operation of the document that takes settings, until they are put in
FORM, JSON = "multipart/form-data", "application/json"
PLAIN_FORM = "application/x-www-form-urlencoded"
FILE = {"schema": {"type": "string", "format": "binary"}}
BINARY = {
    "description": "As asked for by format",
    "content": dict.fromkeys(("image/tiff", "application/octet-stream"), FILE),
}
LABELS = {"responses": {200: BINARY}}  # beside the JSON of format=objects
MOST_PAGES = 10**6
OF_STATE = "Only those in this state."
NO_TIME = "since is a time such as 2026-05-04T12:00:00Z."


class Routes(Router):
    """The addresses of one kind of rows."""

    def does(
        self,
        method: str,
        path: str,
        name: str,
        answer: Any,
        refused: Sequence[int] = (),
        extra: dict[str, Any] | None = None,
        *,
        sparse: bool = False,
        operation_id: str | None = None,
    ) -> Callable[[Any], Any]:
        """The view of an address; GET answers HEAD, too. name: of the address. answer: the schema of 200, or schemas by
        status. refused: statuses besides those that every address may answer with. extra: more for the OpenAPI
        document. sparse: the answer lacks fields that were not set. operation_id: for the document, where the name of
        the view would stand there twice."""
        kinds = (extra or {}).get("requestBody", {}).get("content", {})
        if "binary" in json.dumps(kinds):
            FOR_FILES.add(f"api:{name}")
        operation = self.api_operation(
            ["GET", "HEAD"] if method == "GET" else [method],
            path,
            url_name=name,
            response={
                **refusals(*refused, *([415] if kinds else [])),
                **(answer if isinstance(answer, dict) else {200: answer}),
            },
            exclude_unset=sparse or None,
            openapi_extra=extra,
            operation_id=operation_id,
        )
        return lambda view: operation(decorate_view(of_kinds(*kinds))(view)) if kinds else operation(view)


def of_kinds(*kinds: str) -> Callable[[Any], Any]:
    """A view that refuses a body of another type than these, which would be taken for an empty form. FORM includes
    that of forms without files, and a request without a body has no type."""
    accepted = {*kinds, *([PLAIN_FORM, ""] if FORM in kinds else [""])}

    def decorated(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.content_type not in accepted:
                return error(f"Send the body as {' or '.join(kinds)}.", 415)
            return view(request, *args, **kwargs)

        return answer

    return decorated


def a_file(kind: str = "*/*") -> dict[str, Any]:
    """In the document: an answer that is a file of this type, or of the type that its name says."""
    other = {"application/json": {"type": "object"}, "*/*": {"format": "binary"}}
    content = {"schema": other[kind]} if kind in other else FILE
    return {"responses": {200: {"description": "The file", "content": {kind: content}}}}


def takes(
    body: type[BaseModel], *kinds: str, settings: bool = False, form: type[BaseModel] | None = None
) -> dict[str, Any]:
    """The body of a request in the OpenAPI document. kinds: content types, a form without any. settings: whether they
    may be sent, too. form: what a form has in place of it."""
    bodies = {**dict.fromkeys(kinds or (FORM,), body), **({FORM: form} if form else {})}
    content = {kind: {"schema": of_kind.model_json_schema()} for kind, of_kind in bodies.items()}
    required = any(field.is_required() for field in body.model_fields.values())
    return {"requestBody": {"required": required, "content": content}, **({WITH_SETTINGS: True} if settings else {})}


def refusals(*statuses: int) -> dict[int, Any]:
    """Those that every address may answer with, and these."""
    return dict.fromkeys(sorted({400, 401, 403, 429, 500, 503, *statuses}), schemas.Error)


class Listing(Schema):
    """The parameters of a list."""

    page: int = Field(1, ge=1)
    per_page: int = Field(50, ge=1, le=200, description="Entries on a page.")
    name: str = Field("", max_length=100, description="Only those with this text in their name.")
    since: datetime | None = Field(None, description="Only those made since then; UTC if without a time zone.")


def page_of_rows(
    request: HttpRequest, rows: QuerySet, wishes: Listing, state: str | None, name: str, key: str
) -> dict[str, Any]:
    """How many rows `wishes` ask for, the address of the next page (None on the last), and under `key` the rows of this
    page.
    state: only those in it. name: the field that is searched for `wishes.name`."""
    if wishes.since:
        try:
            since = wishes.since.astimezone(UTC) if wishes.since.tzinfo else wishes.since.replace(tzinfo=UTC)
        except OverflowError:
            raise Refused(NO_TIME, 422) from None
        rows = rows.filter(created__gte=since)
    rows = rows.filter(state=state) if state else rows
    rows = rows.filter(**{f"{name}__icontains": wishes.name}) if wishes.name else rows
    listed = list(page_of(rows.order_by("-created", "pk"), wishes.page, wishes.per_page))
    count = rows.count()
    query = request.GET.copy()
    query["page"] = str(wishes.page + 1)
    following = request.build_absolute_uri(f"{request.path}?{query.urlencode()}")
    return {"count": count, "next": following if wishes.page * wishes.per_page < count else None, key: listed}


def page_of(rows: QuerySet, page: int, size: int) -> QuerySet:
    """A page of rows, from 1 on; none after the last. Raises Http404 for a number that no database takes."""
    if page > MOST_PAGES:
        raise Http404
    return rows[(page - 1) * size : page * size]
