"""Results that a browser made before its user signed in; the user can move them into the account."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from ...models import Job, Micrograph, Owned
from ..ground.refusal import Refused


def claimable(*, user: Any, visitor: UUID | None) -> int:
    """How many results this browser made without an account; 0 for those who are not signed in."""
    signed_in = user is not None and user.is_authenticated
    return _rows_of_visitor(Job, visitor).count() if signed_in and visitor else 0


@transaction.atomic
def claim_results(*, user: Any, visitor: UUID | None) -> int:
    """Give what this browser made without an account to the account; returns how many results.

    Only rows without an account and with this browser's number are changed. A micrograph that another browser also
    analysed stays without an account, because that result needs it. Raises Refused if the user is not signed in.
    """
    if user is None or not user.is_authenticated:
        raise Refused("Sign in first: results can only be kept in an account.", 403)
    if visitor is None:
        return 0
    count = _rows_of_visitor(Job, visitor).update(owner=user)
    for kind in Owned.__subclasses__():
        rows = _rows_of_visitor(kind, visitor)
        if kind is Micrograph:
            rows = rows.exclude(pk__in=Job.objects.exclude(owner=user).values("micrograph"))
        rows.update(owner=user)
    return count


def _rows_of_visitor(kind: type[Owned], visitor: UUID | None) -> QuerySet:
    return kind._default_manager.filter(owner=None, visitor=visitor)
