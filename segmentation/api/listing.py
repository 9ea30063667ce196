"""Pages of lists: the caller's own rows, the newest first."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.core.paginator import EmptyPage, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Schema
from pydantic import Field, PrivateAttr

from ..services import Refused

OF_STATE = "Only those in this state."
NO_TIME = "since is a time such as 2026-05-04T12:00:00Z."


class Listing(Schema):
    """The parameters of a list."""

    page: int = Field(1, ge=1, le=10**6)
    per_page: int = Field(50, ge=1, le=200, description="Entries on a page.")
    name: str = Field("", max_length=100, description="Only those with this text in their name.")
    since: datetime | None = Field(None, description="Only those made since then; UTC if without a time zone.")
    _rows: list[Any] = PrivateAttr(default_factory=list)

    @property
    def rows(self) -> list[Any]:
        """Of the page, once it was `listed`."""
        return self._rows


def listed(request: HttpRequest, rows: QuerySet, wishes: Listing, state: str | None, name: str) -> dict[str, Any]:
    """Count and next page of what was asked for; its rows are then in `asked`. name: the field that holds it."""
    if wishes.since:
        try:
            since = wishes.since.astimezone(UTC) if wishes.since.tzinfo else wishes.since.replace(tzinfo=UTC)
        except OverflowError:
            raise Refused(NO_TIME, 422) from None
        rows = rows.filter(created__gte=since)
    rows = rows.filter(state=state) if state else rows
    rows = rows.filter(**{f"{name}__icontains": wishes.name}) if wishes.name else rows
    pages = Paginator(rows.order_by("-created", "pk"), wishes.per_page)
    try:
        page = pages.page(wishes.page)
    except EmptyPage:
        return {"count": pages.count, "next": None}
    wishes._rows = list(page)
    query = request.GET.copy()
    query["page"] = str(wishes.page + 1)
    following = request.build_absolute_uri(f"{request.path}?{query.urlencode()}") if page.has_next() else None
    return {"count": pages.count, "next": following}
