"""Watches which rows requests insert: each kind with a bound must have been asked for in the same request."""

from __future__ import annotations

import re
from typing import Any

from django.apps import apps
from django.db import connection

from segmentation.services.ground import bounds

TABLES = {model._meta.db_table: model for model in apps.get_app_config("segmentation").get_models()}
asked: set[type] = set()
unasked: list[str] = []  # "METHOD address: kind" for each row that a request made without asking
_ask = bounds.ask


def ask(kind: Any, **more: Any) -> None:
    """In place of `bounds.ask`: takes a note, then asks."""
    asked.add(kind)
    _ask(kind, **more)


class Watch:
    """A middleware that looks at the INSERTs of each request."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        asked.clear()

        def watch(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            match = re.match(r'INSERT (?:OR \w+ )?INTO "(\w+)"', sql)
            kind = TABLES.get(match[1]) if match else None
            bound = bounds.BOUNDS[kind] if kind else None
            if bound is not None and not request.path.startswith(("/admin/", "/readyz", "/metrics", "/status/")):
                by_staff = kind.__name__ == "StaffAction" and request.user.is_staff
                is_asked = asked & {kind, *bound.covered_by}
                if (bound.how == "asked" and not is_asked and not by_staff) or bound.how == "site":
                    unasked.append(f"{request.method} {request.path}: {kind.__name__}")
            return execute(sql, params, many, context)

        with connection.execute_wrapper(watch):
            return self.get_response(request)
