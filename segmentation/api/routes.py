"""The addresses of scripts and their entries in the OpenAPI document: what they take, answer and refuse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ninja import Router
from pydantic import BaseModel

from . import schemas

WITH_SETTINGS = "x-settings"  # marks an operation of the document that takes settings, until they are put in
FORM, JSON = "multipart/form-data", "application/json"
FILE = {"schema": {"type": "string", "format": "binary"}}
BINARY = {
    "description": "As asked for by format",
    "content": dict.fromkeys(("image/tiff", "application/octet-stream"), FILE),
}
LABELS = {"responses": {200: BINARY}}  # beside the JSON of format=objects


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
        status. refused: statuses besides those that every address may answer with. extra: for the document. sparse:
        without what is not set."""
        return self.api_operation(
            ["GET", "HEAD"] if method == "GET" else [method],
            path,
            url_name=name,
            response={**refusals(*refused), **(answer if isinstance(answer, dict) else {200: answer})},
            exclude_unset=sparse or None,
            openapi_extra=extra,
            operation_id=operation_id,
        )


def a_file(kind: str = "*/*") -> dict[str, Any]:
    """In the document: an answer that is a file of this type, or of the type that its name says."""
    other = {"application/json": {"type": "object"}, "*/*": {"format": "binary"}}
    content = {"schema": other[kind]} if kind in other else FILE
    return {"responses": {200: {"description": "The file", "content": {kind: content}}}}


def takes(body: type[BaseModel], *kinds: str, settings: bool = False) -> dict[str, Any]:
    """The body of a request in the OpenAPI document. kinds: content types, a form without any. settings: whether they
    may be sent, too."""
    kinds = kinds or (FORM,)
    content = {kind: {"schema": body.model_json_schema()} for kind in kinds}
    required = any(field.is_required() for field in body.model_fields.values())
    return {"requestBody": {"required": required, "content": content}, **({WITH_SETTINGS: True} if settings else {})}


def refusals(*statuses: int) -> dict[int, Any]:
    """Those that every address may answer with, and these."""
    return dict.fromkeys(sorted({400, 401, 403, 429, 500, 503, *statuses}), schemas.Error)
